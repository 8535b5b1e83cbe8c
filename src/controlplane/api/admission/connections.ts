/**
 * The connections of the HTTP server: what one of them may have in work, and what becomes of those that do not read.
 *
 * ## Open
 * At one more than there may be, the one that has been quiet longest goes: first of those that nothing is in work for, so that who only
 * holds a connection open, or sends half a request, keeps nobody out.
 *
 * ## In work
 * Node hands over each request as it is parsed, and a read of 64 KB holds more than a thousand. Worked at all at once, their
 * replies would wait in memory for a client that may never read. So a connection has one request in work, and the next has
 * its turn when the kernel has taken the whole reply to the one before, behind the requests of other connections. A few
 * wait meanwhile; at the one that is too many the connection is cut: it is answered all that was taken, and closed. A client
 * that pipelines must expect that (RFC 9112 section 9.3.2), and knows from the replies what was taken.
 *
 * ## Replies that wait
 * A look each second finds the replies that have gained next to nothing for half a minute, on every route, streams included,
 * and ends their connections. When all replies together hold more octets than they may, those that have waited longest go
 * at once. Octets that several replies share (documents, metrics) are there once and count once: else whoever leaves some
 * dozen of them unread, which takes no token, would have all others put out.
 *
 * ## Bodies that nobody reads
 * A refusal (404, 401, 413) does not read the body. What still comes of it is thrown away as it comes, for some seconds and up
 * to a bound, because a client that is cut off while it sends may never see the reply.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { HttpError, problemMessage, sendProblem } from '../errors.ts'
import type { HttpLimits } from './limits.ts'
import { refusalOf } from './requests.ts'

/** Why a connection or a request came to its end before its time; label of a metric. */
export type HttpLoss = 'pipelining' | 'stalled' | 'memory' | 'unwanted' | 'quiet'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

/** How long a connection that we have closed may take to say that it has seen it. */
const farewellMs = 2_000

/** Requests that a connection sends behind the one that was too many, before it is closed without a word. */
const mostDropped = 10_000

/** Of its own that a connection may have waiting when there are too many over all. */
const fewWaiting = 4

/** A body without a length counts as much as is read of it before somebody wants it. */
const unknownBodyOctets = 64 * 1024

/** What a reply that is a stream has in its buffers. */
const streamOctets = 128 * 1024

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly bodyOctets: number
}

interface Connection {
  readonly socket: Socket
  /** What is in work; null between two requests. */
  current: Exchange | null
  /** Bound: `waitingByConnection`. */
  waiting: Exchange[]
  /** No more requests are taken. */
  cut: boolean
  dropped: number
  /** What to say last. */
  farewell: string | null
  /** Octets that the kernel had taken, and when it was last seen to have taken more; null while nothing waits. */
  progress: { octets: number; at: number } | null
  /** A body that nobody wants is still coming. */
  unwanted: { readonly request: IncomingMessage; readonly from: number; readonly until: number } | null
}

export interface ConnectionsOptions {
  readonly limits: HttpLimits
  readonly onLoss: (loss: HttpLoss, client: string) => void
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: () => number
}

export class Connections {
  readonly #limits: HttpLimits
  readonly #onLoss: ConnectionsOptions['onLoss']
  readonly #now: () => number
  /** The one that was quiet longest stands first. Bound: `connections`. */
  readonly #open = new Map<Socket, Connection>()
  /** Replies that have been handed over and have not left; the oldest stands first. Bound: one a connection. */
  readonly #replies = new Map<ServerResponse, unknown>()
  /** How many replies have each payload that is no text. Bound: one a connection. */
  readonly #holders = new Map<unknown, number>()
  #replyOctets = 0
  #waiting = 0

  constructor({ limits, onLoss, now = () => performance.now() }: ConnectionsOptions) {
    this.#limits = limits
    this.#onLoss = onLoss
    this.#now = now
  }

  /** How many are open. */
  get size(): number {
    return this.#open.size
  }

  /** A server whose requests reach the handler one by one for each connection. */
  createServer(handler: Handler, keepAliveMs: number): Server {
    const { headersMs, requestMs, lookMs } = this.#limits
    const server = createServer({
      headersTimeout: headersMs,
      requestTimeout: requestMs,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: lookMs,
      // Node's own refusal is no problem document: `refusalOf` sees to it.
      requireHostHeader: false,
    })
    const take = (request: IncomingMessage, response: ServerResponse) =>
      this.#take(request, response, handler)
    server.on('connection', (socket) => this.#opened(socket))
    server.on('request', take)
    // `100 Continue` is for whoever wants the body.
    server.on('checkContinue', take)
    server.on('checkExpectation', take)
    server.on('connect', (_request, socket: Socket) => {
      this.#opened(socket)
      socket.on('error', () => undefined)
      const refusal = new HttpError(405, 'method-not-allowed', 'this server is no proxy')
      this.#leave(this.#open.get(socket)!, problemMessage(refusal))
    })
    const look = setInterval(() => this.look(), lookMs).unref()
    server.once('close', () => clearInterval(look))
    return server
  }

  /**
   * Answers octets that are no request. What was taken before is answered first, unless the broken octets belong to it: then
   * nobody will ever have all of it.
   */
  broken(socket: Socket, error: HttpError): void {
    const connection = this.#open.get(socket)
    if (connection === undefined || !socket.writable) {
      socket.destroy()
      return
    }
    if (connection.farewell !== null) return
    connection.cut = true
    connection.farewell = problemMessage(error)
    const { current } = connection
    if (current?.request.complete) return
    if (current?.response.headersSent) socket.destroy()
    else this.#leave(connection, connection.farewell)
  }

  /** Counts a reply until it has left. Replies that hold too many octets together make room, the oldest first. */
  holds(response: ServerResponse, payload: unknown): void {
    if (response.destroyed || this.#replies.has(response)) return
    this.#replies.set(response, payload)
    this.#replyOctets += this.#hold(payload, 1)
    response.once('close', () => this.#left(response))
    for (const [oldest] of this.#replies) {
      if (this.#replyOctets <= this.#limits.replyOctets || oldest === response) return
      const connection = oldest.socket === null ? undefined : this.#open.get(oldest.socket)
      // One that has left the process only waits to be told so.
      if (connection !== undefined && connection.socket.writableLength > 0) this.#lose(connection, 'memory')
      this.#left(oldest)
    }
  }

  #left(response: ServerResponse): void {
    if (!this.#replies.has(response)) return
    this.#replyOctets -= this.#hold(this.#replies.get(response), -1)
    this.#replies.delete(response)
  }

  /** Counts one holder of a payload more or less; returns the octets that came or went with it. */
  #hold(payload: unknown, change: 1 | -1): number {
    const octets = heldOctets(payload)
    // Equal texts are not known to be one.
    if (!(payload instanceof Uint8Array)) return octets
    const before = this.#holders.get(payload) ?? 0
    const after = before + change
    if (after === 0) this.#holders.delete(payload)
    else this.#holders.set(payload, after)
    return before === 0 || after === 0 ? octets : 0
  }

  /** Ends the connection that has been quiet longest, one with nothing in work if there is any. False when there is none. */
  endQuietest(): boolean {
    let quietest: Connection | undefined
    for (const connection of this.#open.values()) {
      quietest ??= connection
      if (connection.current !== null) continue
      quietest = connection
      break
    }
    if (quietest === undefined) return false
    this.#lose(quietest, 'quiet')
    return true
  }

  /** Ends what has to end by now. Called by a timer. */
  look(): void {
    const now = this.#now()
    for (const connection of this.#open.values()) {
      if (this.#isStalled(connection, now)) this.#lose(connection, 'stalled')
      else if (this.#isUnwanted(connection, now)) this.#lose(connection, 'unwanted')
    }
  }

  #opened(socket: Socket): void {
    if (this.#open.has(socket)) return
    if (this.#open.size >= this.#limits.connections) this.endQuietest()
    this.#open.set(socket, {
      socket,
      current: null,
      waiting: [],
      cut: false,
      dropped: 0,
      farewell: null,
      progress: null,
      unwanted: null,
    })
    socket.once('close', () => this.#forget(socket))
  }

  #forget(socket: Socket): void {
    const connection = this.#open.get(socket)
    if (connection === undefined) return
    this.#open.delete(socket)
    this.#waiting -= connection.waiting.splice(0).length
  }

  #take(request: IncomingMessage, response: ServerResponse, handler: Handler): void {
    const connection = this.#open.get(request.socket)
    if (connection === undefined || connection.socket.destroyed) return
    this.#heard(connection)
    const exchange = { request, response, bodyOctets: announcedOctets(request) }
    if (connection.cut) this.#drop(connection)
    else if (connection.current === null) this.#serve(connection, exchange, handler)
    else if (this.#mayWait(connection, exchange)) {
      connection.waiting.push(exchange)
      this.#waiting++
    } else {
      connection.cut = true
      this.#onLoss('pipelining', clientOf(connection))
    }
  }

  /** The latest request or reply makes it the last to be called quiet. */
  #heard(connection: Connection): void {
    if (!this.#open.delete(connection.socket)) return
    this.#open.set(connection.socket, connection)
  }

  #mayWait({ waiting }: Connection, { bodyOctets }: Exchange): boolean {
    const { waitingByConnection, waiting: overAll, waitingBodyOctets } = this.#limits
    if (waiting.length >= (this.#waiting < overAll ? waitingByConnection : fewWaiting)) return false
    return waiting.reduce((sum, exchange) => sum + exchange.bodyOctets, bodyOctets) <= waitingBodyOctets
  }

  #drop(connection: Connection): void {
    connection.dropped++
    if (connection.dropped === mostDropped) this.#lose(connection, 'pipelining')
  }

  #serve(connection: Connection, exchange: Exchange, handler: Handler): void {
    const { request, response } = exchange
    connection.current = exchange
    response.once('close', () => this.#served(connection, exchange, handler))
    const refusal = refusalOf(request)
    if (refusal === null) handler(request, response)
    else sendProblem(response, refusal)
  }

  #served(connection: Connection, { request }: Exchange, handler: Handler): void {
    connection.current = null
    if (connection.socket.destroyed) return
    this.#heard(connection)
    if (!request.complete) {
      const until = this.#now() + this.#limits.unwantedMs
      connection.unwanted = { request, from: connection.socket.bytesRead, until }
    }
    const next = connection.waiting.shift()
    if (next !== undefined) {
      this.#waiting--
      // Behind what others have to do by now.
      connection.current = next
      setImmediate(() => this.#next(connection, next, handler))
    } else if (connection.cut) this.#leave(connection, connection.farewell ?? '')
  }

  #next(connection: Connection, next: Exchange, handler: Handler): void {
    if (connection.socket.destroyed) return
    // The octets that broke the connection are its own: it will never be whole.
    if (connection.farewell !== null && !next.request.complete) this.#leave(connection, connection.farewell)
    else this.#serve(connection, next, handler)
  }

  /** Ends a connection with what is to be said last, and time for its client to read that. */
  #leave({ socket }: Connection, message: string): void {
    if (socket.writable) socket.end(message)
    const timer = setTimeout(() => socket.destroy(), farewellMs).unref()
    socket.once('close', () => clearTimeout(timer))
  }

  #lose(connection: Connection, loss: HttpLoss): void {
    this.#onLoss(loss, clientOf(connection))
    connection.socket.destroy()
    // Not when it says so: it must not be chosen again.
    this.#forget(connection.socket)
  }

  #isStalled(connection: Connection, now: number): boolean {
    const { socket, progress } = connection
    if (socket.writableLength === 0) {
      connection.progress = null
      return false
    }
    const octets = leftOctets(socket)
    if (progress === null || octets - progress.octets >= this.#limits.progressOctets) {
      connection.progress = { octets, at: now }
      return false
    }
    return now - progress.at >= this.#limits.stalledMs
  }

  #isUnwanted(connection: Connection, now: number): boolean {
    const { socket, unwanted } = connection
    if (unwanted === null) return false
    if (unwanted.request.complete) {
      connection.unwanted = null
      return false
    }
    return now >= unwanted.until || socket.bytesRead - unwanted.from > this.#limits.unwantedOctets
  }
}

/**
 * Octets that the kernel has taken. `socket.bytesWritten` counts those that wait, too, and `writableLength` falls when a whole write
 * is through, which may be megabytes; the handle knows better, as Node's own idle timer does.
 */
function leftOctets(socket: Socket): number {
  const { _handle: handle } = socket as unknown as {
    readonly _handle?: { readonly bytesWritten: number; readonly writeQueueSize: number } | null
  }
  return handle ? handle.bytesWritten - handle.writeQueueSize : socket.bytesWritten - socket.writableLength
}

/** Of a stream its buffers; characters of a text count as octets, which is near enough. */
function heldOctets(payload: unknown): number {
  if (payload === null || payload === undefined) return 0
  return typeof payload === 'string' || payload instanceof Uint8Array ? payload.length : streamOctets
}

function announcedOctets({ headers }: IncomingMessage): number {
  if (headers['transfer-encoding'] !== undefined) return unknownBodyOctets
  return Math.min(Number(headers['content-length'] ?? 0), unknownBodyOctets)
}

function clientOf({ socket }: Connection): string {
  return socket.remoteAddress ?? 'gone'
}
