/**
 * Sends what workers leave in their rings to a collector of dnstap, by Frame Streams (https://farsightsec.github.io/fstrm) over a socket of
 * this host or over TCP:
 *
 *     connecting ──connected: READY──> greeting ──ACCEPT: START──> sending ──stop: STOP──> finishing ──FINISH──> ended
 *         ▲                               │                          │
 *         └───────── a second later ──────┴── the connection ends ───┘
 *
 * What the socket has not taken stays in the ring. While there is nobody, or one who does not read, the rings become full, and what comes
 * then is dropped and counted by the workers: they wait for nobody.
 *
 * ## What it costs
 * The thread wakes a few dozen times a second, each time with code that is in no cache any more, so what counts is how much code that is. By
 * a timer of the event loop (80 µs by itself) and a stream of Node's, a look that wrote 128 KiB took 200 to 240 µs; by a wait in the kernel (30
 * µs) and a system call, 105 to 160. So frames are written by the system call itself, straight from the ring, and between two looks the
 * thread sleeps, if it has nothing else to do; the event loop, in which it hears the collector, gets a turn a few times a second. Greeting
 * and goodbye go by the stream.
 */
import { writeSync } from 'node:fs'
import { createConnection, type Socket } from 'node:net'
import type { TapTarget } from '../image/answer-settings.ts'
import { TapReader, wholeFrames } from '../tap-ring.ts'

const contentType = Buffer.from('protobuf:dnstap.Dnstap')
/** Types of control frames. */
const controls = { accept: 1, start: 2, stop: 3, ready: 4, finish: 5 } as const
/** The one field that they have. */
const contentTypeField = 1
/** Octets of a control frame of a collector; they name one content type, ours. */
const longestControl = 512

/**
 * Octets that a look should find: nearly what the kernel takes of a socket at once. What has waited for longer is out of the processor's
 * caches.
 */
const wantedOctets = 192 * 1024
const shortestLookMs = 1
/** Between two turns of the event loop. */
const turnMs = 200

export interface TapTimes {
  /** Between two looks at the rings, at the most: a look that finds much is followed by the next the sooner. */
  readonly lookMs: number
  /** How long a collector may take to be connected to, and to say that it accepts. */
  readonly greetMs: number
  /** Until the next attempt to connect. */
  readonly retryMs: number
  /** How long a stop waits for a collector that does not read, or does not say FINISH. */
  readonly stopMs: number
}

/** Waits. @returns false when it is woken, and events are to be looked at */
export type Sleep = (ms: number) => boolean

export const defaultTapTimes: TapTimes = { lookMs: 25, greetMs: 10_000, retryMs: 1000, stopMs: 500 }

export class TapSender {
  readonly #readers: readonly TapReader[]
  readonly #target: TapTarget
  readonly #times: TapTimes
  readonly #sleep: Sleep | undefined
  #socket: Socket | null = null
  #state: 'greeting' | 'sending' | 'finishing' = 'greeting'
  /** What the collector has said that is no whole frame yet. */
  #heard = Buffer.alloc(0)
  /** Of the next look or attempt, and of the end of a stop. */
  #timer: NodeJS.Timeout | undefined
  #stopTimer: NodeJS.Timeout | undefined
  /** The ring that is looked at next. */
  #at = 0
  /** Octets of it that the socket has, and that are not taken: the beginning of a frame. */
  #sent = 0
  /** Octets that the look under way has written so far. */
  #found = 0
  /** Until the next look. */
  #waitMs: number
  #stopping = false
  readonly #ended = Promise.withResolvers<void>()

  /** @param sleep for a thread that has nothing else to do */
  constructor(
    rings: readonly SharedArrayBuffer[],
    target: TapTarget,
    times: TapTimes = defaultTapTimes,
    sleep?: Sleep,
  ) {
    this.#sleep = sleep
    this.#readers = rings.map((ring) => new TapReader(ring))
    this.#target = target
    this.#times = times
    this.#waitMs = times.lookMs
  }

  start(): void {
    const socket = createConnection(this.#target)
    this.#socket = socket
    this.#state = 'greeting'
    this.#heard = Buffer.alloc(0)
    this.#sent = 0
    socket.on('connect', () => socket.write(controlFrame(controls.ready)))
    socket.on('data', (chunk: Buffer) => this.#hear(socket, chunk))
    // 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#lost())
    // A host that is gone by now says nothing, and no connection ends by that alone.
    this.#after(this.#times.greetMs, () => socket.destroy())
  }

  /**
   * Sends what there is, and says goodbye; to a collector that is not there by one more attempt. Resolves when that is done, or it takes
   * too long.
   */
  async stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true
      clearTimeout(this.#timer)
      this.#stopTimer = setTimeout(() => this.#end(), this.#times.stopMs)
      if (this.#socket === null) this.start()
      else if (this.#state === 'sending') this.#look(this.#socket)
    }
    await this.#ended.promise
  }

  #hear(socket: Socket, chunk: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, chunk])
    for (let type = this.#nextControl(); type >= 0; type = this.#nextControl()) {
      if (type === controls.accept && this.#state === 'greeting') {
        this.#state = 'sending'
        clearTimeout(this.#timer)
        // Behind it, which is written by the stream.
        socket.write(controlFrame(controls.start), () => this.#look(socket))
      } else if (type === controls.finish && this.#state === 'finishing') this.#end()
      // Whoever says anything else is no collector.
      else socket.destroy()
    }
  }

  /** @returns the type of the next whole control frame, 0 for what is none; -1 when there is no more */
  #nextControl(): number {
    const heard = this.#heard
    if (heard.length < 12) return -1
    const octets = heard.readUInt32BE(4)
    const isControl = heard.readUInt32BE(0) === 0 && octets >= 4 && octets <= longestControl
    if (isControl && heard.length < 8 + octets) return -1
    this.#heard = isControl ? heard.subarray(8 + octets) : Buffer.alloc(0)
    return isControl ? heard.readUInt32BE(8) : 0
  }

  /** Looks at the rings again and again, until it is time for events. */
  #look(socket: Socket): void {
    const untilMs = performance.now() + turnMs
    do {
      // Its descriptor may be somebody else's by now. What follows an end is for 'close'.
      if (socket.destroyed) return
      this.#found = 0
      const allTaken = this.#writeAll(socket)
      if (this.#stopping && allTaken && this.#found === 0) {
        this.#finish()
        return
      }
      this.#waitMs = this.#nextWaitMs(allTaken)
    } while (!this.#stopping && this.#sleep?.(this.#waitMs) === true && performance.now() < untilMs)
    this.#after(this.#stopping || this.#sleep ? shortestLookMs : this.#waitMs, () => this.#look(socket))
  }

  /** The sooner the more was found, or when there is more than the socket took; later and later while it takes nothing. */
  #nextWaitMs(allTaken: boolean): number {
    const found = this.#found
    const aimedMs = (this.#waitMs * wantedOctets) / Math.max(found, wantedOctets / 2)
    const wantedMs = allTaken || found === 0 ? aimedMs : Math.min(aimedMs, this.#waitMs / 2)
    return Math.max(shortestLookMs, Math.min(this.#times.lookMs, wantedMs))
  }

  /** Writes what is in the rings, from where it got to last time. @returns whether the socket took all of it */
  #writeAll(socket: Socket): boolean {
    for (let left = this.#readers.length; left > 0; left--) {
      const reader = this.#readers[this.#at]!
      // What lies before the end of its memory, and then what lies at the start.
      if (!this.#write(socket, reader) || !this.#write(socket, reader)) return false
      this.#at = (this.#at + 1) % this.#readers.length
    }
    return true
  }

  /** The ring itself: nothing is written there before it is taken, and that is whole frames, so that the next connection begins with one. */
  #write(socket: Socket, reader: TapReader): boolean {
    const frames = reader.read()
    if (frames.length === 0) return true
    const written = put(socket, frames, this.#sent)
    this.#found += written
    this.#sent += written
    const taken = this.#sent === frames.length ? this.#sent : wholeFrames(frames, this.#sent).length
    if (taken > this.#sent) return false
    reader.take(taken)
    this.#sent -= taken
    return taken === frames.length
  }

  #finish(): void {
    this.#state = 'finishing'
    this.#socket!.write(controlFrame(controls.stop))
  }

  #lost(): void {
    this.#socket = null
    if (this.#stopping) this.#end()
    else this.#after(this.#times.retryMs, () => this.start())
  }

  #end(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#stopTimer)
    this.#socket?.destroy()
    this.#ended.resolve()
  }

  #after(ms: number, run: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(run, ms)
  }
}

/** @returns how many octets the socket took; none when it has no room, or when the connection has ended, which ends the socket */
function put(socket: Socket, octets: Uint8Array, from: number): number {
  const { _handle: handle } = socket as unknown as { readonly _handle: { readonly fd: number } }
  try {
    return writeSync(handle.fd, octets, from)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') socket.destroy()
    return 0
  }
}

/** Escape, length, type, and of most types the content type; all numbers with the highest octet first. */
function controlFrame(type: number): Buffer {
  const field = type === controls.stop ? 0 : 8 + contentType.length
  const frame = Buffer.alloc(12 + field)
  frame.writeUInt32BE(4 + field, 4)
  frame.writeUInt32BE(type, 8)
  if (field > 0) {
    frame.writeUInt32BE(contentTypeField, 12)
    frame.writeUInt32BE(contentType.length, 16)
    contentType.copy(frame, 20)
  }
  return frame
}
