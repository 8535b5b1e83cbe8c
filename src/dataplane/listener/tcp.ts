/**
 * DNS over TCP (RFC 7766): two octets of length before each message, any number of messages on a connection, answered in
 * the order in which they came. A client costs what the limits below say and no more; when there is no room for a new
 * connection, the one that has been quiet longest makes room, so that idle connections can't shut others out.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { Client, type Responder } from '../answer/responder.ts'
import type { Counters } from '../counters.ts'
import { streamPayload } from '../wire/constants.ts'
import { formatListenAddress, isMissingFamily, type ListenAddress, type Listener } from './protocol.ts'

export interface TcpLimits {
  /** Open connections over all addresses. */
  readonly connections: number
  /** Open connections of one client address. */
  readonly connectionsPerAddress: number
  /** Without a message for this long, a connection is closed (RFC 7766 section 6.2.3). */
  readonly idleTimeoutMs: number
  /** A message that has begun must be whole after this. */
  readonly messageTimeoutMs: number
  /** Octets of responses that the client has not read; above it we stop reading from the connection. */
  readonly unreadOctets: number
}

export const defaultTcpLimits: TcpLimits = {
  connections: 8192,
  connectionsPerAddress: 512,
  idleTimeoutMs: 10_000,
  messageTimeoutMs: 500,
  unreadOctets: 256 << 10,
}

const lengthOctets = 2

export async function startTcp(
  listen: readonly ListenAddress[],
  responder: Responder,
  counters: Counters,
  onError: (error: Error) => void,
  limits: TcpLimits = defaultTcpLimits,
): Promise<Listener> {
  const table = new ConnectionTable(responder, counters, limits)
  const servers: Server[] = []
  const bound: ListenAddress[] = []
  const skipped: string[] = []
  const stop = async () => {
    const closed = servers
      .splice(0)
      .map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    table.stop()
    await Promise.all(closed)
  }
  for (const address of listen) {
    try {
      const server = await bind(address, table)
      servers.push(server)
      server.on('error', onError)
      bound.push({ host: address.host, port: (server.address() as { port: number }).port })
    } catch (error) {
      if (!isMissingFamily(address, error as NodeJS.ErrnoException)) {
        await stop()
        throw error
      }
      skipped.push(`${formatListenAddress(address)}: ${(error as Error).message}`)
    }
  }
  return { bound, skipped, stop }
}

function bind({ host, port }: ListenAddress, table: ConnectionTable): Promise<Server> {
  return new Promise((resolve, reject) => {
    // Half-open, since a client may send its queries, close its side and wait for the answers.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => table.accept(socket))
    server.once('error', reject)
    server.listen({ host, port, ipv6Only: host.includes(':'), backlog: 1024 }, () => {
      server.off('error', reject)
      resolve(server)
    })
  })
}

/** The open connections, the quietest first; bounded by `limits.connections`. */
class ConnectionTable {
  readonly limits: TcpLimits
  readonly #responder: Responder
  readonly #counters: Counters
  readonly #open = new Set<Connection>()
  /** By client address; the sets share the connections of `#open` and go when they are empty. */
  readonly #byAddress = new Map<string, Set<Connection>>()
  readonly #out = new Uint8Array(streamPayload)
  readonly #client = new Client()

  constructor(responder: Responder, counters: Counters, limits: TcpLimits) {
    this.#responder = responder
    this.#counters = counters
    this.limits = limits
  }

  accept(socket: Socket): void {
    const connection = new Connection(socket, this)
    const { address } = connection
    const siblings = this.#byAddress.get(address) ?? new Set()
    if (siblings.size >= this.limits.connectionsPerAddress) first(siblings).destroy()
    else if (this.#open.size >= this.limits.connections) first(this.#open).destroy()
    this.#byAddress.set(address, siblings)
    siblings.add(connection)
    this.#open.add(connection)
    connection.start()
  }

  /** Moves a connection behind the quieter ones. */
  touch(connection: Connection): void {
    for (const set of [this.#open, this.#byAddress.get(connection.address)!]) {
      set.delete(connection)
      set.add(connection)
    }
  }

  remove(connection: Connection): void {
    this.#open.delete(connection)
    const siblings = this.#byAddress.get(connection.address)
    siblings?.delete(connection)
    if (siblings?.size === 0) this.#byAddress.delete(connection.address)
  }

  /** @returns the framed response, or null for silence. */
  respond(message: Buffer, ipv6: boolean): Buffer | null {
    this.#client.ipv6 = ipv6
    const startMs = performance.now()
    const length = this.#responder.respond(message, message.length, this.#client, this.#out)
    this.#counters.duration((performance.now() - startMs) / 1000)
    if (length === 0) return null
    const framed = Buffer.allocUnsafe(lengthOctets + length)
    framed.writeUInt16BE(length)
    framed.set(this.#out.subarray(0, length), lengthOctets)
    return framed
  }

  stop(): void {
    for (const connection of this.#open) connection.finish()
  }
}

function first(connections: ReadonlySet<Connection>): Connection {
  return connections.values().next().value!
}

/**
 * One client. What it has sent and we have not answered is at most one message that is not whole yet, since every whole
 * one is answered when it arrives and reading stops while answers pile up.
 */
class Connection {
  readonly address: string
  readonly #socket: Socket
  readonly #table: ConnectionTable
  readonly #ipv6: boolean
  #pending: Buffer = Buffer.alloc(0)
  #messageTimer: NodeJS.Timeout | undefined

  constructor(socket: Socket, table: ConnectionTable) {
    this.#socket = socket
    this.#table = table
    this.address = socket.remoteAddress ?? ''
    this.#ipv6 = socket.remoteFamily === 'IPv6'
  }

  start(): void {
    const socket = this.#socket
    socket.setTimeout(this.#table.limits.idleTimeoutMs, () => this.destroy())
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('drain', () => socket.resume())
    socket.on('end', () => this.finish())
    // A reset by the client is its right; 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => this.destroy())
  }

  /** Sends what has been answered and closes. */
  finish(): void {
    this.#socket.end(() => this.destroy())
  }

  destroy(): void {
    clearTimeout(this.#messageTimer)
    this.#table.remove(this)
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    clearTimeout(this.#messageTimer)
    this.#table.touch(this)
    const data = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    let at = 0
    while (data.length - at >= lengthOctets) {
      const length = data.readUInt16BE(at)
      const end = at + lengthOctets + length
      if (end > data.length) break
      const response = this.#table.respond(data.subarray(at + lengthOctets, end), this.#ipv6)
      // What gets silence over UDP has no business on a connection either.
      if (response === null) {
        this.destroy()
        return
      }
      this.#socket.write(response)
      at = end
    }
    this.#pending = data.subarray(at)
    if (this.#pending.length > 0) {
      this.#messageTimer = setTimeout(() => this.destroy(), this.#table.limits.messageTimeoutMs)
    }
    if (this.#socket.writableLength > this.#table.limits.unreadOctets) this.#socket.pause()
  }
}
