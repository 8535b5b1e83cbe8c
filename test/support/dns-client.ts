/**
 * DNS from the client's side, for tests: builds queries with every bit under control, reads responses into text that is
 * easy to compare, and speaks UDP and TCP. What the server sends is read by dns-packet, never by the server's own code.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type Answer, decode, type Packet } from 'dns-packet'

export const typeNumbers = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  DNAME: 39,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
} as const
export type TypeName = keyof typeof typeNumbers

export const flagBits = {
  qr: 0x8000,
  aa: 0x0400,
  tc: 0x0200,
  rd: 0x0100,
  ra: 0x0080,
  z: 0x0040,
  ad: 0x0020,
  cd: 0x0010,
} as const

export interface EdnsFields {
  readonly payload?: number
  readonly version?: number
  readonly flags?: number
  readonly extendedRcode?: number
  /** Options in wire form. */
  readonly options?: Uint8Array
}

export interface QueryFields {
  readonly id?: number
  /** 0..15 */
  readonly opcode?: number
  /** Any of `flagBits`; RD alone by default, as dig asks. */
  readonly flags?: number
  readonly class?: number
  /** An OPT goes along; {} is one with payload 1232. */
  readonly edns?: EdnsFields
}

/** Wire form of a name of plain labels; case is kept. */
export function wireName(name: string): Buffer {
  const labels = name === '.' ? [] : name.replace(/\.$/, '').split('.')
  const parts = labels.map((label) => Buffer.from(`${String.fromCharCode(label.length)}${label}`, 'latin1'))
  return Buffer.concat([...parts, Buffer.of(0)])
}

export function u16Octets(...values: readonly number[]): Buffer {
  return Buffer.from(values.flatMap((value) => [(value >>> 8) & 0xff, value & 0xff]))
}

export function optRecord(fields: EdnsFields): Buffer {
  const { payload = 1232, version = 0, flags = 0, extendedRcode = 0, options = Buffer.alloc(0) } = fields
  return Buffer.concat([
    Buffer.of(0),
    u16Octets(typeNumbers.OPT, payload),
    Buffer.of(extendedRcode, version),
    u16Octets(flags, options.length),
    options,
  ])
}

/** A query of one question. `name` is text, or wire form for names that text can't say. */
export function query(name: string | Uint8Array, type: TypeName | number, fields: QueryFields = {}): Buffer {
  const { id = 0x1234, opcode = 0, flags = flagBits.rd, edns } = fields
  const number = typeof type === 'number' ? type : typeNumbers[type]
  return Buffer.concat([
    u16Octets(id, flags | (opcode << 11), 1, 0, 0, edns === undefined ? 0 : 1),
    typeof name === 'string' ? wireName(name) : name,
    u16Octets(number, fields.class ?? 1),
    edns === undefined ? Buffer.alloc(0) : optRecord(edns),
  ])
}

/** A response as text: RRs are `owner ttl type data`, owners and names without the final dot. Of RRSIG there is what is signed, how many labels it has, the Original TTL and the signer. */
export interface Response {
  readonly id: number
  readonly opcode: number
  /** Names of the bits that are set, in the order of `flagBits`. */
  readonly flags: string
  /** With the upper bits from the OPT. */
  readonly rcode: number
  readonly question: string | null
  readonly answer: readonly string[]
  readonly authority: readonly string[]
  /** Without the OPT. */
  readonly additional: readonly string[]
  readonly edns: { readonly payload: number; readonly version: number; readonly flags: number } | null
  readonly length: number
}

/** Throws, as dns-packet does, on octets that are not a message; also when octets are left over. */
export function readResponse(octets: Uint8Array): Response {
  const buffer = Buffer.from(octets)
  const packet: Packet = decode(buffer)
  if (decode.bytes !== buffer.length) throw new Error(`${buffer.length - decode.bytes} octets are left over`)
  const bits = buffer.readUInt16BE(2)
  const question = packet.questions?.[0]
  const additionals = packet.additionals ?? []
  const opts = additionals.flatMap((record) => (record.type === 'OPT' ? [record] : []))
  if (opts.length > 1) throw new Error('more than one OPT')
  const opt = opts[0]
  return {
    id: buffer.readUInt16BE(0),
    opcode: (bits >>> 11) & 0xf,
    flags: Object.entries(flagBits)
      .flatMap(([name, bit]) => ((bits & bit) === 0 ? [] : [name]))
      .join(' '),
    rcode: (bits & 0xf) | ((opt?.extendedRcode ?? 0) << 4),
    question: question === undefined ? null : `${question.name} ${question.class} ${question.type}`,
    answer: (packet.answers ?? []).map(recordText),
    authority: (packet.authorities ?? []).map(recordText),
    additional: additionals.filter((record) => record.type !== 'OPT').map(recordText),
    edns:
      opt === undefined ? null : { payload: opt.udpPayloadSize, version: opt.ednsVersion, flags: opt.flags },
    length: buffer.length,
  }
}

function recordText(record: Answer): string {
  if (record.type === 'OPT') throw new Error('an OPT stands outside of the additional section')
  return `${record.name} ${record.ttl} ${record.type} ${dataText(record)}`
}

function dataText(record: Exclude<Answer, { type: 'OPT' }>): string {
  const { type, data } = record
  switch (type) {
    case 'MX':
      return `${data.preference} ${data.exchange}`
    case 'SRV':
      return `${data.priority} ${data.weight} ${data.port} ${data.target}`
    case 'SOA':
      return `${data.mname} ${data.rname} ${data.serial} ${data.refresh} ${data.retry} ${data.expire} ${data.minimum}`
    case 'CAA':
      return `${data.flags} ${data.tag} "${data.value}"`
    case 'DS':
      return `${data.keyTag} ${data.algorithm} ${data.digestType} ${data.digest.toString('hex')}`
    case 'RRSIG':
      return `${data.typeCovered} ${data.labels} ${data.originalTTL} ${data.signersName}`
    case 'NSEC':
      return [data.nextDomain, ...data.rrtypes].join(' ')
    case 'DNSKEY':
      return `${data.flags} ${data.algorithm}`
    case 'TXT':
      return (data as Buffer[]).map((part) => `"${part.toString('latin1')}"`).join(' ')
    default:
      return String(data)
  }
}

export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** A response may leave the question out. */
function isResponseTo(response: Buffer, request: Buffer): boolean {
  const [question, asked] = [questionOf(response), questionOf(request)]
  const isTheirs = question === null || asked === null || question.equals(asked)
  return response.readUInt16BE(0) === request.readUInt16BE(0) && isTheirs
}

/** The first, as it stands in the message. */
function questionOf(message: Buffer): Buffer | null {
  const start = 12
  if (message.readUInt16BE(4) === 0) return null
  let end = start
  while (message[end] !== 0) end += message[end]! + 1
  return message.subarray(start, end + 5)
}

/** A UDP client with a socket, and so a source port, of its own. */
export class UdpClient implements AsyncDisposable {
  readonly #socket: UdpSocket
  readonly #received: Buffer[] = []
  #waiting: ((response: Buffer) => void) | undefined

  private constructor(socket: UdpSocket) {
    this.#socket = socket
    socket.on('message', (message) => {
      const waiting = this.#waiting
      this.#waiting = undefined
      if (waiting === undefined) this.#received.push(message)
      else waiting(message)
    })
  }

  static async open({ host, port }: Endpoint, localAddress?: string): Promise<UdpClient> {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    if (localAddress !== undefined) {
      socket.bind({ address: localAddress })
      await once(socket, 'listening')
    }
    socket.connect(port, host)
    await once(socket, 'connect')
    // While a worker is being replaced its port may answer with ICMP for a moment; the query is sent again then.
    socket.on('error', () => undefined)
    return new UdpClient(socket)
  }

  send(octets: Uint8Array): void {
    this.#socket.send(octets)
  }

  /** The next response in order of arrival. */
  next(): Promise<Buffer> {
    const response = this.#received.shift()
    if (response !== undefined) return Promise.resolve(response)
    return new Promise((resolve) => {
      this.#waiting = resolve
    })
  }

  async exchange(octets: Uint8Array): Promise<Buffer> {
    this.send(octets)
    return this.next()
  }

  /**
   * As `exchange`, but sends again every `retryMs` until there is a response, for when a worker may be gone. What comes late, or twice, to
   * an earlier query of another id or question is passed over.
   */
  async insist(octets: Uint8Array, retryMs = 100): Promise<Buffer> {
    this.send(octets)
    const timer = setInterval(() => this.send(octets), retryMs)
    try {
      let response = await this.next()
      while (!isResponseTo(response, Buffer.from(octets))) response = await this.next()
      return response
    } finally {
      clearInterval(timer)
      this.#received.length = 0
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    await closed
  }
}

/** DNS over one TCP connection; messages can be pipelined and cut anywhere. */
export class TcpClient implements Disposable {
  readonly socket: Socket
  /** Resolves when the server has ended the connection, whether by FIN or by RST. */
  readonly ended: Promise<void>
  #pending: Buffer = Buffer.alloc(0)
  #ended = false
  readonly #wake = new Set<() => void>()

  private constructor(socket: Socket) {
    this.socket = socket
    const wake = () => {
      for (const resolve of this.#wake) resolve()
      this.#wake.clear()
    }
    this.ended = new Promise((resolve) => {
      socket.once('end', resolve)
      socket.once('close', () => resolve())
    })
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      this.#pending = Buffer.concat([this.#pending, chunk])
      wake()
    })
    const end = () => {
      this.#ended = true
      wake()
    }
    socket.on('end', end)
    socket.on('close', end)
  }

  static async open({ host, port }: Endpoint, localAddress?: string): Promise<TcpClient> {
    const local = localAddress === undefined ? {} : { localAddress }
    const socket = connect({ host, port, allowHalfOpen: true, noDelay: true, ...local })
    await once(socket, 'connect')
    return new TcpClient(socket)
  }

  /** Takes over a connection that has been made, over TLS maybe. */
  static over(socket: Socket): TcpClient {
    return new TcpClient(socket)
  }

  /** The message with its two octets of length. */
  static frame(message: Uint8Array): Buffer {
    return Buffer.concat([u16Octets(message.length), message])
  }

  send(...messages: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(messages.map((message) => TcpClient.frame(message))))
  }

  /** Octets as they are, resolved when the kernel has them. */
  write(octets: Uint8Array): Promise<void> {
    return new Promise((resolve) => this.socket.write(octets, () => resolve()))
  }

  /** The next message, or null when the server has ended the connection. */
  async next(): Promise<Buffer | null> {
    for (;;) {
      const whole = this.#pending.length >= 2 ? 2 + this.#pending.readUInt16BE(0) : Number.POSITIVE_INFINITY
      if (this.#pending.length >= whole) {
        const message = this.#pending.subarray(2, whole)
        this.#pending = this.#pending.subarray(whole)
        return message
      }
      if (this.#ended) return null
      await new Promise<void>((resolve) => this.#wake.add(resolve))
    }
  }

  async exchange(message: Uint8Array): Promise<Buffer | null> {
    this.send(message)
    return this.next()
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}
