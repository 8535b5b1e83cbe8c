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
 */
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

/** Octets that are written at once: what the socket has taken of a ring makes room in it. */
const mostWritten = 256 * 1024
/**
 * Octets that a look should find. A look costs as much as telling of some hundred responses, and what has waited for long is out of the
 * processor's caches.
 */
const wantedOctets = 128 * 1024
const shortestLookMs = 1

export interface TapTimes {
  /** Between two looks at the rings, at the most: a look that finds much is followed by the next the sooner. */
  readonly lookMs: number
  /** Until the next attempt to connect. */
  readonly retryMs: number
  /** How long a stop waits for a collector that does not read, or does not say FINISH. */
  readonly stopMs: number
}

export const defaultTapTimes: TapTimes = { lookMs: 25, retryMs: 1000, stopMs: 500 }

export class TapSender {
  readonly #readers: readonly TapReader[]
  readonly #target: TapTarget
  readonly #times: TapTimes
  #socket: Socket | null = null
  #state: 'greeting' | 'sending' | 'finishing' = 'greeting'
  /** What the collector has said that is no whole frame yet. */
  #heard = Buffer.alloc(0)
  #timer: NodeJS.Timeout | undefined
  /** A part of a ring is being written. */
  #writing = false
  /** Octets that the look under way has found so far. */
  #found = 0
  /** Until the next look. */
  #waitMs: number
  #stopping = false
  readonly #ended = Promise.withResolvers<void>()

  constructor(rings: readonly SharedArrayBuffer[], target: TapTarget, times: TapTimes = defaultTapTimes) {
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
    this.#writing = false
    this.#found = 0
    socket.on('connect', () => socket.write(controlFrame(controls.ready)))
    socket.on('data', (chunk: Buffer) => this.#hear(socket, chunk))
    // 'close' follows.
    socket.on('error', () => undefined)
    socket.on('close', () => this.#lost())
  }

  /**
   * Sends what there is, and says goodbye; to a collector that is not there by one more attempt. Resolves when that is done, or it takes
   * too long.
   */
  async stop(): Promise<void> {
    if (!this.#stopping) {
      this.#stopping = true
      this.#after(this.#times.stopMs, () => this.#end())
      if (this.#socket === null) this.start()
      else if (this.#state === 'sending' && !this.#writing) this.#send()
    }
    await this.#ended.promise
  }

  #hear(socket: Socket, chunk: Buffer): void {
    this.#heard = Buffer.concat([this.#heard, chunk])
    for (let type = this.#nextControl(); type >= 0; type = this.#nextControl()) {
      if (type === controls.accept && this.#state === 'greeting') {
        this.#state = 'sending'
        socket.write(controlFrame(controls.start))
        this.#send()
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

  /** Writes what is in the rings, from that one on, one part after the other; looks again in a while. */
  #send(first = 0): void {
    for (let index = first; index < this.#readers.length; index++) {
      const reader = this.#readers[index]!
      const waiting = reader.read()
      const frames = wholeFrames(waiting, mostWritten)
      if (frames.length === 0) continue
      this.#found += frames.length
      this.#writing = true
      // The ring itself: nothing is written there before it is taken.
      this.#socket!.write(frames, (error) => {
        // What an ended connection did not take goes to the next.
        if (error != null) return
        this.#writing = false
        reader.take(frames.length)
        this.#send(frames.length < waiting.length ? index : index + 1)
      })
      return
    }
    this.#seen()
  }

  /** All rings were looked at. */
  #seen(): void {
    const found = this.#found
    this.#found = 0
    if (!this.#stopping) {
      const aimedMs = (this.#waitMs * wantedOctets) / found
      this.#waitMs = Math.max(shortestLookMs, Math.min(this.#times.lookMs, aimedMs))
      this.#after(this.#waitMs, () => this.#send())
    } else if (found > 0) this.#send()
    else this.#finish()
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
    this.#socket?.destroy()
    this.#ended.resolve()
  }

  #after(ms: number, run: () => void): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(run, ms)
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
