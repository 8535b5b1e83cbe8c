/**
 * DNS messages on a stream (RFC 7766; RFC 7858 says the same of TLS): two octets of length before each message, any number of
 * messages on a connection, answered in the order in which they came.
 *
 * Whole messages are answered when they arrive, as long as the client reads the answers. What waits here is at most one chunk from
 * the stream and one message that is not whole yet, since reading stops while answers pile up. It stops also while an
 * answer of many messages is sent, of which one waits at a time.
 */
import type { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { Client } from '../answer/client.ts'
import type { ConnectionEvent } from '../counters.ts'
import { streamPayload } from '../wire/constants.ts'
import type { ListenerParts } from './listener.ts'
import type { StreamLimits } from './stream-limits.ts'

/** What the platform's streams of a network have in common. */
export interface NetworkStream extends Duplex {
  /** Calls back when nothing has been read or written for so long. */
  setTimeout(ms: number, onIdle: () => void): unknown
}

const lengthOctets = 2

/**
 * The open connections of a transport. A client costs what the limits say and no more; when there is no room for a new
 * connection, the one that has been quiet longest makes room, so that idle connections can't shut others out.
 */
export class ConnectionTable {
  readonly #parts: ListenerParts
  /** The quietest first; bounded by `limits.connections`. */
  readonly #open = new Set<StreamConnection>()
  /** The same connections by client address; the sets share the connections of `#open` and go when they are empty. */
  readonly #byAddress = new Map<string, Set<StreamConnection>>()
  readonly #out = new Uint8Array(streamPayload)

  constructor(parts: ListenerParts) {
    this.#parts = parts
  }

  get limits(): StreamLimits {
    return this.#parts.limits
  }

  accept(stream: NetworkStream, address: string): void {
    const { limits, counters } = this.#parts
    const connection = new StreamConnection(stream, address, this)
    const siblings = this.#byAddress.get(address) ?? new Set()
    if (siblings.size >= limits.connectionsPerAddress) first(siblings).destroy('evicted')
    else if (this.#open.size >= limits.connections) first(this.#open).destroy('evicted')
    counters.connection('accepted')
    this.#byAddress.set(address, siblings)
    siblings.add(connection)
    this.#open.add(connection)
    connection.start()
  }

  /** Moves a connection behind the quieter ones. */
  touch(connection: StreamConnection): void {
    for (const set of [this.#open, this.#byAddress.get(connection.address)!]) {
      set.delete(connection)
      set.add(connection)
    }
  }

  /** @param event what its end is counted as, the first time */
  remove(connection: StreamConnection, event: ConnectionEvent): void {
    if (!this.#open.delete(connection)) return
    this.#parts.counters.connection(event)
    const siblings = this.#byAddress.get(connection.address)
    siblings?.delete(connection)
    if (siblings?.size === 0) this.#byAddress.delete(connection.address)
  }

  /** @returns the response, or null for silence; its octets are good until the next one */
  respond(request: Uint8Array, client: Client): Uint8Array | null {
    const { responder, counters } = this.#parts
    const startMs = performance.now()
    responder.clock.tick()
    const length = responder.respond(request, request.length, client, this.#out)
    counters.duration((performance.now() - startMs) / 1000)
    return length === 0 ? null : this.#out.subarray(0, length)
  }

  /** @returns null when `respond` answers */
  answers(request: Uint8Array, client: Client): AsyncIterable<Uint8Array> | null {
    return this.#parts.responder.answers?.(request, client) ?? null
  }

  /** Ends the connections when what has been answered is sent. */
  stop(): void {
    for (const connection of this.#open) connection.finish()
  }
}

/** One client. */
class StreamConnection {
  readonly address: string
  readonly #stream: NetworkStream
  readonly #owner: ConnectionTable
  readonly #client = new Client()
  #pending: Buffer = Buffer.alloc(0)
  #messageTimer: NodeJS.Timeout | undefined
  /** The client has sent its last octet. */
  #ended = false
  /** An answer of many messages is being sent. */
  #sending = false
  /** Lets it go on. */
  #wake: () => void = () => undefined

  constructor(stream: NetworkStream, address: string, owner: ConnectionTable) {
    this.#stream = stream
    this.#owner = owner
    this.address = address
    this.#client.set(address, address.includes(':'))
  }

  start(): void {
    const stream = this.#stream
    stream.setTimeout(this.#owner.limits.idleTimeoutMs, () => this.destroy('idle'))
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.on('drain', () => this.#drained())
    stream.on('end', () => this.#end())
    // A reset by the client is its right; 'close' follows.
    stream.on('error', () => undefined)
    stream.on('close', () => this.destroy('closed'))
  }

  /** Sends what has been answered and closes. */
  finish(): void {
    this.#stream.end(() => this.destroy('closed'))
  }

  /** @param event what the end is counted as, the first time */
  destroy(event: ConnectionEvent): void {
    this.#endMessageTime()
    this.#owner.remove(this, event)
    this.#stream.destroy()
    this.#wake()
  }

  #receive(chunk: Buffer): void {
    this.#owner.touch(this)
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#answer()
  }

  #drained(): void {
    this.#wake()
    this.#answer()
  }

  /** It comes also while reading has stopped, with messages left to answer. */
  #end(): void {
    this.#ended = true
    this.#answer()
  }

  /** Answers the whole messages among what is pending, until the client has enough to read. */
  #answer(): void {
    const stream = this.#stream
    if (!stream.writable) return
    const data = this.#pending
    let at = 0
    while (!this.#busy) {
      const end = messageEnd(data, at)
      if (end < 0) break
      if (!this.#answerOne(data.subarray(at + lengthOctets, end))) return
      at = end
    }
    this.#pending = data.subarray(at)
    // A message's time runs from its first octet, however slowly the others trickle in, and not while we make it wait.
    if (at > 0) this.#endMessageTime()
    if (this.#busy) {
      stream.pause()
    } else if (this.#ended) {
      this.finish()
    } else {
      stream.resume()
      if (this.#pending.length > 0) this.#beginMessageTime()
    }
  }

  /** @returns false when that was the end of the connection */
  #answerOne(request: Buffer): boolean {
    const messages = this.#owner.answers(request, this.#client)
    if (messages !== null) {
      this.#sending = true
      void this.#sendAll(messages)
      return true
    }
    const response = this.#owner.respond(request, this.#client)
    // What gets silence over UDP has no business on a connection either.
    if (response === null) this.destroy('refused')
    else this.#write(response)
    return response !== null
  }

  /**
   * Sends an answer of many messages, one in a turn of the event loop at the most, so that the other connections of the thread
   * have theirs.
   */
  async #sendAll(messages: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const message of messages) {
      // Whoever has gone, or is to go, needs no more of it.
      if (!this.#stream.writable) return
      this.#write(message)
      await (this.#clogged ? new Promise<void>((resolve) => (this.#wake = resolve)) : turn())
    }
    this.#sending = false
    this.#answer()
  }

  #write(message: Uint8Array): void {
    const framed = Buffer.allocUnsafe(lengthOctets + message.length)
    framed.writeUInt16BE(message.length)
    framed.set(message, lengthOctets)
    this.#stream.write(framed)
  }

  /** Whether what comes now has to wait. */
  get #busy(): boolean {
    return this.#sending || this.#clogged
  }

  /** Whether the client leaves too much unread; 'drain' comes when it has caught up. */
  get #clogged(): boolean {
    const stream = this.#stream
    return stream.writableNeedDrain && stream.writableLength > this.#owner.limits.unreadOctets
  }

  #beginMessageTime(): void {
    this.#messageTimer ??= setTimeout(() => this.destroy('slow'), this.#owner.limits.messageTimeoutMs)
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

function first(connections: ReadonlySet<StreamConnection>): StreamConnection {
  return connections.values().next().value!
}
