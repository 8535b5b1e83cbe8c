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
import type { StreamLimits } from './stream-limits.ts'

/** What the platform's streams of a network have in common. */
export interface NetworkStream extends Duplex {
  /** Calls back when nothing has been read or written for so long. */
  setTimeout(ms: number, onIdle: () => void): unknown
}

/** What a connection is one of. */
export interface ConnectionOwner {
  readonly limits: StreamLimits
  /** @returns the response, or null for silence; its octets are good until the next one */
  respond(request: Uint8Array, client: Client): Uint8Array | null
  /** @returns null when `respond` answers */
  answers(request: Uint8Array, client: Client): AsyncIterable<Uint8Array> | null
  /** It has been heard of. */
  touch(connection: StreamConnection): void
  /** @param event what its end is counted as, the first time */
  remove(connection: StreamConnection, event: ConnectionEvent): void
}

const lengthOctets = 2

/** One client. */
export class StreamConnection {
  readonly address: string
  readonly #stream: NetworkStream
  readonly #owner: ConnectionOwner
  readonly #client = new Client()
  #pending: Buffer = Buffer.alloc(0)
  #messageTimer: NodeJS.Timeout | undefined
  /** The client has sent its last octet. */
  #ended = false
  /** An answer of many messages is being sent. */
  #sending = false
  /** Lets it go on. */
  #wake: () => void = () => undefined

  constructor(stream: NetworkStream, address: string, owner: ConnectionOwner) {
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
