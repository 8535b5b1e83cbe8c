/**
 * DNS messages on a stream (RFC 7766; RFC 7858 says the same of TLS): two octets of length before each message, any number of
 * messages on a connection, answered in the order in which they came.
 *
 * Whole messages are answered turn by turn (`connection-table.ts`), as long as the client reads the answers. What waits here is at
 * most two chunks from the stream and one message that is not whole yet, since reading stops while messages or answers pile up. It
 * stops also while an answer of many messages is sent, of which one waits at a time.
 *
 * ## The end
 * When the listener stops, what has come is answered first. Then the connection goes on in another process (`handover.ts`), or we
 * close our side behind the last answer, once its client has been quiet for a moment. What comes after that is read and thrown
 * away: a socket that is closed with something unread in it is reset, and the client would lose answers that were on their way. It sees an
 * end without an answer, and asks again on another connection (RFC 7766 section 6.2.4).
 */
import type { Duplex } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { Client, localEnd } from '../answer/client.ts'
import type { ConnectionEvent } from '../counters.ts'
import type { StreamLimits } from './stream-limits.ts'

/** What the platform's streams of a network have in common. */
export interface NetworkStream extends Duplex {
  /** Calls back when nothing has been read or written for so long. */
  setTimeout(ms: number, onIdle: () => void): unknown
  /** Left out by streams of no network, and by those that have ended. */
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
}

export const lengthOctets = 2
const noOctets = Buffer.alloc(0)
/** With more octets than this to be answered no more is read. */
const largeChunk = 4096
/** An answer costs a turn, and another one for so many octets of it: long ones take that much longer to make and to hand over. */
const octetsPerCost = 4096

/** What a connection tells the table that it stands in, and asks of it. */
export interface ConnectionOwner {
  readonly limits: StreamLimits
  /** Moves a connection behind the quieter ones. */
  touch(connection: StreamConnection): void
  /** Has `answer` called in a while. */
  queue(connection: StreamConnection): void
  /** Takes that back. */
  dequeue(connection: StreamConnection): void
  /** It holds so many octets more, or fewer, than before. May end a connection. */
  held(octets: number): void
  /** Answers wait for its client to read them. @param anew the client has read all that waited when this was last said */
  waits(connection: StreamConnection, anew: boolean): void
  waitsNoMore(connection: StreamConnection): void
  /** Whether there is another process that takes connections. */
  readonly passes: boolean
  /** Gives it away to that. @param begun what its client has sent of a message @returns whether that was done */
  pass(stream: NetworkStream, begun: Buffer): boolean
  /** Code of ours threw, which ends the connection. */
  failed(error: unknown): void
  /** @param event what its end is counted as, the first time */
  remove(connection: StreamConnection, event: ConnectionEvent): void
  /** @returns the response, or null for silence; its octets are good until the next one */
  respond(request: Uint8Array, client: Client): Uint8Array | null
  /** @returns null when `respond` answers */
  answers(request: Uint8Array, client: Client): AsyncIterable<Uint8Array> | null
}

/** One client. */
export class StreamConnection {
  readonly address: string
  readonly #stream: NetworkStream
  readonly #owner: ConnectionOwner
  readonly #client = new Client()
  #pending: Buffer = noOctets
  /** What `#pending` keeps in memory, which is all of a chunk until it is used up. */
  #pendingOctets = 0
  #heldOctets = 0
  /** Ends it: in the midst of a message, or some time behind our last octet. */
  #timer: NodeJS.Timeout | undefined
  /** Octets that were written in this turn. */
  #written = 0
  /** Octets that were written at all. */
  #queued = 0
  /** Of these, those that waited when the time of what waits began. */
  #waitsTo = 0
  /** The client has sent its last octet. */
  #ended = false
  /** The listener stops. */
  #leaving = false
  /** Our side is closed, or will be when all is sent. */
  #finished = false
  /** Something has come since `leave` was last called. */
  #heard = false
  /** An answer of many messages is being sent. */
  #sending = false
  /** Lets it go on. */
  #wake: () => void = () => undefined

  /** @param begun what its client has sent so far of its first message */
  constructor(stream: NetworkStream, address: string, owner: ConnectionOwner, begun: Buffer = noOctets) {
    this.#stream = stream
    this.#pending = begun
    this.#pendingOctets = begun.length
    this.#owner = owner
    this.address = address
    this.#client.set(address, address.includes(':'))
    const { remotePort = 0, localAddress = '', localPort = 0 } = stream
    this.#client.port = remotePort
    this.#client.local = localEnd(localAddress, localPort)
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
    if (this.#pending.length > 0) this.#beginMessageTime()
  }

  /** Octets in memory for this client: messages that are not answered and answers that are not sent. */
  get heldOctets(): number {
    return this.#heldOctets
  }

  /** The listener stops. To be called again and again: the connection ends when nothing has come since the last time. */
  leave(): void {
    const quiet = this.#leaving && !this.#heard
    this.#leaving = true
    this.#heard = false
    this.#goOn()
    if (quiet && !this.#owner.passes && !this.#busy && messageEnd(this.#pending, 0) < 0) this.finish()
  }

  /** Sends what has been answered and closes. Idempotent. */
  finish(): void {
    if (this.#finished || this.#stream.destroyed) return
    this.#finished = true
    // A turn after that would write behind the end, which destroys the stream and what it has not sent yet.
    this.#owner.dequeue(this)
    this.#endTime()
    this.#stream.end(() => {
      if (this.#ended) this.destroy('closed')
      else this.#timer = setTimeout(() => this.destroy('closed'), this.#owner.limits.lingerTimeoutMs)
    })
    // What comes is thrown away, and the client's end is seen.
    this.#stream.resume()
  }

  /** @param event what the end is counted as, the first time */
  destroy(event: ConnectionEvent): void {
    this.#endTime()
    this.#owner.remove(this, event)
    this.#stream.destroy()
    this.#pending = noOctets
    this.#pendingOctets = 0
    this.#hold(0)
    this.#wake()
  }

  /**
   * Answers messages, until there is no whole one left or the client has enough to read.
   * @param most what they may cost together: one each, and more for long ones
   * @returns what they cost
   */
  answer(most: number): number {
    const stream = this.#stream
    const data = this.#pending
    let at = 0
    let cost = 0
    let last: ConnectionEvent | null = null
    // What is answered in one go leaves in one go.
    stream.cork()
    while (cost < most && !this.#busy && last === null) {
      const end = messageEnd(data, at)
      if (end < 0) break
      this.#written = 0
      last = this.#answerOne(data.subarray(at + lengthOctets, end))
      at = end
      cost += 1 + Math.floor(this.#written / octetsPerCost)
    }
    stream.uncork()
    // A message's time runs from its first octet, however slowly the others trickle in, and not while we make it wait.
    if (at > 0) this.#endTime()
    this.#pending = at === data.length ? noOctets : data.subarray(at)
    if (this.#pending.length === 0) this.#pendingOctets = 0
    if (last !== null) this.destroy(last)
    else {
      this.#account()
      this.#goOn()
    }
    return cost
  }

  #receive(chunk: Buffer): void {
    if (this.#finished) return
    this.#heard = true
    this.#owner.touch(this)
    this.#pending = this.#pending.length === 0 ? chunk : Buffer.concat([this.#pending, chunk])
    this.#pendingOctets = this.#pending.length
    this.#account()
    this.#goOn()
  }

  #drained(): void {
    this.#wake()
    this.#goOn()
  }

  /** It comes also while reading has stopped, with messages left to answer. */
  #end(): void {
    this.#ended = true
    if (this.#finished && this.#stream.writableFinished) this.destroy('closed')
    else this.#goOn()
  }

  /** Waits for a turn, for the client to read, or for what it sends next. */
  #goOn(): void {
    const stream = this.#stream
    if (!stream.writable) return
    const whole = messageEnd(this.#pending, 0) >= 0
    if (this.#busy) {
      stream.pause()
    } else if (whole) {
      if (this.#pending.length > largeChunk) stream.pause()
      this.#owner.queue(this)
    } else if (this.#ended) {
      this.finish()
    } else if (this.#leaving && this.#bare && this.#owner.pass(stream, this.#pending)) {
      this.destroy('passed')
    } else {
      stream.resume()
      if (this.#pending.length > 0) this.#beginMessageTime()
    }
  }

  /** @returns how the connection is to end, if so */
  #answerOne(request: Buffer): ConnectionEvent | null {
    try {
      const messages = this.#owner.answers(request, this.#client)
      if (messages !== null) {
        this.#sending = true
        void this.#sendAll(messages)
        return null
      }
      const response = this.#owner.respond(request, this.#client)
      // What gets silence over UDP has no business on a connection either.
      if (response === null) return 'refused'
      this.#write(response)
      return null
    } catch (error) {
      this.#owner.failed(error)
      return 'failed'
    }
  }

  /**
   * Sends an answer of many messages, one in a turn of the event loop at the most, so that the other connections of the thread
   * have theirs. What makes them may throw, which ends the connection: half a transfer is none.
   */
  async #sendAll(messages: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const message of messages) {
        // Whoever has gone, or is to go, needs no more of it.
        if (!this.#stream.writable) return
        this.#write(message)
        this.#account()
        await (this.#clogged ? new Promise<void>((resolve) => (this.#wake = resolve)) : turn())
      }
    } catch (error) {
      this.#owner.failed(error)
      this.destroy('failed')
      return
    }
    this.#sending = false
    this.#goOn()
  }

  #write(message: Uint8Array): void {
    this.#written += message.length
    const framed = Buffer.allocUnsafe(lengthOctets + message.length)
    framed.writeUInt16BE(message.length)
    framed.set(message, lengthOctets)
    this.#queued += framed.length
    this.#stream.write(framed, this.#onWritten)
  }

  readonly #onWritten = (): void => {
    if (this.#stream.destroyed) return
    this.#account()
    if (this.#leaving) this.#goOn()
  }

  /** What waits has its time from when it began to wait, however much of it is taken meanwhile; what comes behind it, from then on. */
  #account(): void {
    const stream = this.#stream
    const unread = stream.writableLength
    const anew = this.#queued - unread >= this.#waitsTo
    if (anew) this.#waitsTo = this.#queued
    if (unread === 0) this.#owner.waitsNoMore(this)
    else this.#owner.waits(this, anew)
    this.#hold(this.#pendingOctets + stream.readableLength + unread)
  }

  #hold(octets: number): void {
    const more = octets - this.#heldOctets
    this.#heldOctets = octets
    this.#owner.held(more)
  }

  /** Whether what comes now has to wait. */
  get #busy(): boolean {
    return this.#sending || this.#clogged
  }

  /** Whether the kernel has all that we wrote, and we have read nothing that waits here. */
  get #bare(): boolean {
    const stream = this.#stream
    return stream.writableLength === 0 && stream.readableLength === 0
  }

  /** Whether the client leaves too much unread; 'drain' comes when it has caught up. */
  get #clogged(): boolean {
    const stream = this.#stream
    return stream.writableNeedDrain && stream.writableLength > this.#owner.limits.unreadOctets
  }

  #beginMessageTime(): void {
    this.#timer ??= setTimeout(() => this.destroy('slow'), this.#owner.limits.messageTimeoutMs)
  }

  #endTime(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** Offset behind the message that begins at `at` with its length, or -1 when it is not whole. */
function messageEnd(data: Buffer, at: number): number {
  if (data.length - at < lengthOctets) return -1
  const end = at + lengthOctets + data.readUInt16BE(at)
  return end > data.length ? -1 : end
}
