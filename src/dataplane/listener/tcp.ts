/**
 * DNS over TCP (RFC 7766): two octets of length before each message, any number of messages on a connection, answered in
 * the order in which they came. A client costs what the limits below say and no more; when there is no room for a new
 * connection, the one that has been quiet longest makes room, so that idle connections can't shut others out.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { Client } from '../answer/client.ts'
import type { Responder } from '../answer/responder.ts'
import type { Counters, TcpEvent } from '../counters.ts'
import { streamPayload } from '../wire/constants.ts'
import { type Bound, bindAll } from './bind-all.ts'
import type { ListenAddress, Listener } from './protocol.ts'

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

/** What else the process opens: the embedded database has some 150, and there are probes and HTTP. */
const reservedFiles = 400
const shareOfFiles = 0.75
/** However few files there are. */
const fewestConnections = 16

/**
 * The default limits, with no more connections than the process may have files open: beyond that the kernel would turn
 * new clients away, however idle the old ones are, and the database with them.
 *
 * @param limitsPath where Linux tells the limits of a process; elsewhere there is no such file, and no bound is known
 */
export function tcpLimitsOfProcess(limitsPath = '/proc/self/limits'): TcpLimits {
  let files = Number.POSITIVE_INFINITY
  try {
    const limit = /^Max open files +(\d+)/m.exec(readFileSync(limitsPath, 'latin1'))?.[1]
    if (limit !== undefined) files = Number(limit)
  } catch {
    // Not Linux.
  }
  const room = Math.max(fewestConnections, Math.min(files - reservedFiles, Math.floor(files * shareOfFiles)))
  return { ...defaultTcpLimits, connections: Math.min(defaultTcpLimits.connections, room) }
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
  const { sockets: servers, bound, skipped } = await bindAll(listen, (address) => bind(address, table), close)
  for (const server of servers) server.on('error', onError)
  const stop = async () => {
    const closed = servers.map(close)
    table.stop()
    await Promise.all(closed)
  }
  return { bound, skipped, stop }
}

function bind({ host, port }: ListenAddress, table: ConnectionTable): Promise<Bound<Server>> {
  return new Promise((resolve, reject) => {
    // Half-open, since a client may send its queries, close its side and wait for the answers.
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => table.accept(socket))
    server.once('error', reject)
    server.listen({ host, port, ipv6Only: host.includes(':'), backlog: 1024 }, () => {
      server.off('error', reject)
      resolve({ socket: server, port: (server.address() as { port: number }).port })
    })
  })
}

/** Resolves when no connection is left either; at once when it was closed before. */
function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
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
    if (siblings.size >= this.limits.connectionsPerAddress) first(siblings).destroy('evicted')
    else if (this.#open.size >= this.limits.connections) first(this.#open).destroy('evicted')
    this.#counters.tcp('accepted')
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

  remove(connection: Connection, event: TcpEvent): void {
    if (!this.#open.delete(connection)) return
    this.#counters.tcp(event)
    const siblings = this.#byAddress.get(connection.address)
    siblings?.delete(connection)
    if (siblings?.size === 0) this.#byAddress.delete(connection.address)
  }

  /** @returns the framed response, or null for silence. */
  respond(message: Buffer, address: string, ipv6: boolean): Buffer | null {
    this.#client.set(address, ipv6)
    const startMs = performance.now()
    this.#responder.clock.tick()
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
 * One client. Whole messages are answered when they arrive, as long as it reads the answers; what waits here is at most
 * one chunk from the socket and one message that is not whole yet, since reading stops while answers pile up.
 */
class Connection {
  readonly address: string
  readonly #socket: Socket
  readonly #table: ConnectionTable
  readonly #ipv6: boolean
  #pending: Buffer = Buffer.alloc(0)
  #messageTimer: NodeJS.Timeout | undefined
  /** The client has sent its last octet. */
  #ended = false

  constructor(socket: Socket, table: ConnectionTable) {
    this.#socket = socket
    this.#table = table
    this.address = socket.remoteAddress ?? ''
    this.#ipv6 = socket.remoteFamily === 'IPv6'
  }

  start(): void {
    const socket = this.#socket
    socket.setTimeout(this.#table.limits.idleTimeoutMs, () => this.destroy('idle'))
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('drain', () => this.#answer())
    socket.on('end', () => this.#end())
    // A reset by the client is its right; 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => this.destroy('closed'))
  }

  /** Sends what has been answered and closes. */
  finish(): void {
    this.#socket.end(() => this.destroy('closed'))
  }

  /** @param event what the end is counted as, the first time */
  destroy(event: TcpEvent): void {
    this.#endMessageTime()
    this.#table.remove(this, event)
    this.#socket.destroy()
  }

  #receive(chunk: Buffer): void {
    this.#table.touch(this)
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#answer()
  }

  /** It comes also while reading has stopped, with messages left to answer. */
  #end(): void {
    this.#ended = true
    this.#answer()
  }

  /** Answers the whole messages among what is pending, until the client has too much to read. */
  #answer(): void {
    const socket = this.#socket
    if (socket.writableEnded) return
    const data = this.#pending
    let at = 0
    while (!this.#clogged) {
      const end = messageEnd(data, at)
      if (end < 0) break
      const response = this.#table.respond(data.subarray(at + lengthOctets, end), this.address, this.#ipv6)
      // What gets silence over UDP has no business on a connection either.
      if (response === null) {
        this.destroy('refused')
        return
      }
      socket.write(response)
      at = end
    }
    this.#pending = data.subarray(at)
    // A message's time runs from its first octet, however slowly the others trickle in, and not while we make it wait.
    if (at > 0) this.#endMessageTime()
    if (this.#clogged) {
      socket.pause()
    } else if (this.#ended) {
      this.finish()
    } else {
      socket.resume()
      if (this.#pending.length > 0) this.#beginMessageTime()
    }
  }

  /** Whether the client leaves too much unread; 'drain' comes when it has caught up. */
  get #clogged(): boolean {
    const socket = this.#socket
    return socket.writableNeedDrain && socket.writableLength > this.#table.limits.unreadOctets
  }

  #beginMessageTime(): void {
    this.#messageTimer ??= setTimeout(() => this.destroy('slow'), this.#table.limits.messageTimeoutMs)
  }

  #endMessageTime(): void {
    clearTimeout(this.#messageTimer)
    this.#messageTimer = undefined
  }
}

/** Offset behind the message that begins at `at` with its length, or -1 when it is not whole. */
function messageEnd(data: Buffer, at: number): number {
  if (data.length - at < lengthOctets) return -1
  const end = at + lengthOctets + data.readUInt16BE(at)
  return end > data.length ? -1 : end
}
