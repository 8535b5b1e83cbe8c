/**
 * Asks a server all the time, in a thread of its own so that nothing that the faults cost keeps it from asking. Over UDP every query
 * goes out once: a reply that has not come within half a minute is lost, and one after five seconds is late, for nobody may wait for it. Over TCP a query whose connection ends is sent again on the
 * next one, as clients are told to (RFC 7766 section 6.2.4), and is late or lost after the same times.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import { parentPort, workerData } from 'node:worker_threads'
import { query, readResponse, TcpClient, type TypeName } from '../support/dns-client.ts'

export interface Question {
  readonly name: string
  readonly type: TypeName
  readonly rcode: number
  /** What each RR of the answer must match; none when there must be no answer. */
  readonly answer: string | null
}

export interface LoadData {
  readonly host: string
  readonly port: number
  readonly questions: readonly Question[]
  readonly perSecond: { readonly udp: number; readonly tcp: number }
}

export interface LoadCounts {
  readonly sent: number
  readonly lost: number
  /** Answered, but so late that a client may have given up. */
  readonly late: number
  readonly wrong: number
  readonly slowestMs: number
  /** The first of those that were wrong or lost, to look for the cause. */
  readonly examples: readonly string[]
}

const patienceMs = 30_000
const lateMs = 5000
/** Queries of one socket before another takes its place, so that each worker that shares the port gets some. */
const perSocket = 20
const tickMs = 5
const mostExamples = 5

const { host, port, questions, perSecond } = workerData as LoadData

interface Pending {
  readonly question: Question
  readonly sentMs: number
  readonly transport: 'udp' | 'tcp'
}

class Tally {
  sent = 0
  #lost = 0
  #late = 0
  #wrong = 0
  #slowestMs = 0
  readonly #examples: string[] = []

  answered({ question, sentMs, transport }: Pending, octets: Uint8Array): void {
    const tookMs = performance.now() - sentMs
    this.#slowestMs = Math.max(this.#slowestMs, tookMs)
    if (tookMs > lateMs) this.#late++
    const { rcode, answer } = readResponse(octets)
    const { answer: wanted } = question
    const fits =
      wanted === null ? answer.length === 0 : answer.length > 0 && answer.every((rr) => rr.match(wanted))
    if (rcode === question.rcode && fits) return
    this.#wrong++
    this.#note(`${transport} ${question.name} ${question.type}: rcode ${rcode}, ${answer.join(', ')}`)
  }

  lost({ question, sentMs, transport }: Pending): void {
    this.#lost++
    const at = new Date(performance.timeOrigin + sentMs).toISOString()
    this.#note(`${transport} ${question.name} ${question.type}, asked at ${at}: no reply`)
  }

  get counts(): LoadCounts {
    const [lost, late, wrong, slowestMs] = [this.#lost, this.#late, this.#wrong, this.#slowestMs]
    return { sent: this.sent, lost, late, wrong, slowestMs, examples: this.#examples }
  }

  #note(example: string): void {
    if (this.#examples.length < mostExamples) this.#examples.push(example)
  }
}

const tally = new Tally()
let nth = 0

/** Queries that wait for a reply, by id; the ids of one socket are its own. */
class Waiting {
  readonly pending = new Map<number, Pending>()
  #id = 0

  add(transport: 'udp' | 'tcp'): Buffer {
    const question = questions[nth++ % questions.length]!
    tally.sent++
    return this.again({ question, transport, sentMs: performance.now() })
  }

  again(pending: Pending): Buffer {
    this.#id = (this.#id + 1) & 0xffff
    this.pending.set(this.#id, pending)
    return query(pending.question.name, pending.question.type, { id: this.#id })
  }

  take(octets: Buffer): void {
    const id = octets.readUInt16BE(0)
    const pending = this.pending.get(id)
    if (pending === undefined) return
    this.pending.delete(id)
    tally.answered(pending, octets)
  }

  expire(): void {
    const limitMs = performance.now() - patienceMs
    for (const [id, pending] of this.pending) {
      if (pending.sentMs > limitMs) continue
      this.pending.delete(id)
      tally.lost(pending)
    }
  }
}

class UdpSide {
  readonly waiting = new Waiting()
  #socket: UdpSocket | null = null
  #left = 0

  send(): void {
    if (this.#left-- === 0 || this.#socket === null) this.#renew()
    this.#socket!.send(this.waiting.add('udp'), port, host)
  }

  get idle(): boolean {
    return this.waiting.pending.size === 0
  }

  close(): void {
    this.#socket?.close()
  }

  #renew(): void {
    const before = this.#socket
    const socket = createSocket('udp4')
    socket.on('message', (octets) => this.waiting.take(octets))
    // Not connected, so that no ICMP message is an error here: what matters is whether a reply comes.
    socket.on('error', () => undefined)
    this.#socket = socket
    this.#left = perSocket
    if (before === null) return
    // Replies may still be on their way to it.
    setTimeout(() => {
      before.close()
    }, 2 * patienceMs)
  }
}

class TcpSide {
  readonly waiting = new Waiting()
  #socket: Socket | null = null
  #buffer = Buffer.alloc(0)
  #ended = false

  send(): void {
    if (this.#socket === null) this.#connect()
    this.#socket!.write(TcpClient.frame(this.waiting.add('tcp')))
  }

  get idle(): boolean {
    return this.waiting.pending.size === 0
  }

  close(): void {
    this.#ended = true
    this.#socket?.destroy()
  }

  #connect(): void {
    const socket = connect({ host, port, noDelay: true })
    this.#socket = socket
    this.#buffer = Buffer.alloc(0)
    socket.on('data', (chunk) => this.#read(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      if (this.#socket !== socket || this.#ended) return
      this.#socket = null
      if (this.waiting.pending.size > 0) setTimeout(() => this.#sendAgain(), tickMs)
    })
  }

  #sendAgain(): void {
    if (this.#ended) return
    if (this.#socket === null) this.#connect()
    const unanswered = [...this.waiting.pending.values()]
    this.waiting.pending.clear()
    for (const pending of unanswered) this.#socket!.write(TcpClient.frame(this.waiting.again(pending)))
  }

  #read(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    for (;;) {
      if (this.#buffer.length < 2) return
      const end = 2 + this.#buffer.readUInt16BE(0)
      if (this.#buffer.length < end) return
      this.waiting.take(this.#buffer.subarray(2, end))
      this.#buffer = this.#buffer.subarray(end)
    }
  }
}

const udp = new UdpSide()
const tcp = new TcpSide()
const sides = [
  { side: udp, rate: perSecond.udp, due: 0 },
  { side: tcp, rate: perSecond.tcp, due: 0 },
]
let lastMs = performance.now()
let asking = true

const timer = setInterval(() => {
  const nowMs = performance.now()
  // Of a pause of this thread no more is made up for than a quarter of a second.
  const elapsedMs = Math.min(nowMs - lastMs, 250)
  lastMs = nowMs
  for (const each of sides) {
    each.side.waiting.expire()
    if (!asking) continue
    each.due += (each.rate * elapsedMs) / 1000
    for (; each.due >= 1; each.due--) each.side.send()
  }
  if (!asking && sides.every(({ side }) => side.idle)) {
    clearInterval(timer)
    udp.close()
    tcp.close()
    parentPort!.postMessage(tally.counts)
    parentPort!.close()
  }
}, tickMs)

parentPort!.once('message', () => {
  asking = false
})
