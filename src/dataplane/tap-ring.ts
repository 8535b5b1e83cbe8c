/**
 * The memory in which a worker leaves frames of dnstap for whoever looks on: a ring with one writer and one reader. What finds no room is
 * dropped and counted: no answer waits for whoever looks on.
 *
 * A worker has two: one for the thread that sends frames to a collector (`listener/tap-sender.ts`), and a small one for the query log
 * (`process/answering.ts`). One ring with two readers was rejected: they choose other queries, and a collector that does not read would
 * take the log's room.
 *
 * ## Layout
 * Three words of 32 bits, then the frames, in as many octets as a power of two. Positions count octets from the beginning of the ring's
 * life, modulo 2^32.
 *
 *     head     where the next frame begins; stored when the one before is whole, or several are
 *     tail     up to where frames were taken: by the reader, and by the writer, which begins a lap where none is left
 *     lap      where the last frame of a lap ends: a frame that does not fit before the end of the memory begins at its start
 *
 * A ring that was emptied begins at its start again: what is written and read is then in the processor's cache, where it costs a
 * fraction. Until the first frame of such a lap is whole, the tail is ahead of the head. A successor of a worker goes on with its ring. Pages that are not written cost nothing.
 */

/** At a quarter of a million small responses a second, the frames of a tenth of a second. */
export const ringOctets = 4 * 1024 * 1024
/** Some four thousand small responses, or eight of the largest. */
export const logRingOctets = 1024 * 1024
const at = { head: 0, tail: 1, lap: 2 } as const
const headOctets = 16

/** @param octets a power of two */
export function allocateTapRing(octets = ringOctets): SharedArrayBuffer {
  return new SharedArrayBuffer(headOctets + octets)
}

/** Octets from one position to a later one. */
const distance = (from: number, to: number) => (to - from) >>> 0

/** The writing side. */
export class TapWriter {
  /** What frames are written to. */
  readonly octets: Uint8Array
  /** The same. */
  readonly view: DataView
  readonly #words: Int32Array
  #head: number

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, headOctets / 4)
    this.octets = new Uint8Array(buffer, headOctets)
    this.view = new DataView(buffer, headOctets)
    const [head, tail] = [Atomics.load(this.#words, at.head), Atomics.load(this.#words, at.tail)]
    // The one before may have ended amid the first frame of a lap.
    this.#head = distance(tail, head) > this.octets.length ? tail : head
  }

  /** Where a frame of `most` octets at the most can be written; -1 when there is no room for one. */
  reserve(most: number): number {
    const size = this.octets.length
    // Not by Atomics, which cost a call: whoever sees an earlier one sees less room.
    const free = size - distance(this.#words[at.tail]!, this.#head)
    const offset = this.#head & (size - 1)
    const left = size - offset
    if (free === size && offset > 0) {
      this.#endLap(offset)
      Atomics.store(this.#words, at.tail, this.#head)
      return most <= size ? 0 : -1
    }
    if (most <= left) return most <= free ? offset : -1
    if (left + most > free) return -1
    this.#endLap(offset)
    return 0
  }

  #endLap(offset: number): void {
    this.#words[at.lap] = offset
    this.#head = (this.#head + this.octets.length - offset) | 0
  }

  /** The frame that was reserved last is whole, and has so many octets. The reader sees it with `publish`. */
  commit(octets: number): void {
    this.#head = (this.#head + octets) | 0
    const size = this.octets.length
    if ((this.#head & (size - 1)) === 0) this.#words[at.lap] = size
  }

  /** Has the reader see what is whole: once for many frames, since the processor waits until all that was written is there. */
  publish(): void {
    Atomics.store(this.#words, at.head, this.#head)
  }
}

/** The reading side. */
export class TapReader {
  readonly #words: Int32Array
  readonly #octets: Uint8Array

  constructor(buffer: SharedArrayBuffer) {
    this.#words = new Int32Array(buffer, 0, headOctets / 4)
    this.#octets = new Uint8Array(buffer, headOctets)
  }

  /** Whole frames that lie behind one another, the oldest; empty when there are none. Theirs as long as they are not taken. */
  read(): Uint8Array {
    // In this order: what is written in between is behind the tail, wherever that was.
    const tail = Atomics.load(this.#words, at.tail)
    const head = Atomics.load(this.#words, at.head)
    const size = this.#octets.length
    const from = tail & (size - 1)
    const waiting = distance(tail, head)
    if (waiting > size) return this.#octets.subarray(0, 0)
    if (waiting <= size - from) return this.#octets.subarray(from, from + waiting)
    const end = this.#words[at.lap]!
    if (end > from) return this.#octets.subarray(from, end)
    // All of that lap was taken.
    this.#setTail(tail + size - from)
    return this.read()
  }

  /** Gives back the room of so many octets that were read. */
  take(octets: number): void {
    // The writer may just begin a lap.
    if (octets === 0) return
    this.#setTail(Atomics.load(this.#words, at.tail) + octets)
  }

  #setTail(position: number): void {
    Atomics.store(this.#words, at.tail, position | 0)
  }
}

/**
 * So many of the frames as have `most` octets together, and one at the least. Never a part of one: what a connection that ends has not
 * taken goes to the next, which has to begin with a frame.
 */
export function wholeFrames(frames: Uint8Array, most: number): Uint8Array {
  if (frames.length <= most) return frames
  const view = new DataView(frames.buffer, frames.byteOffset, frames.byteLength)
  let end = 0
  while (end < frames.length) {
    const next = end + 4 + view.getUint32(end)
    if (end > 0 && next > most) break
    end = next
  }
  return frames.subarray(0, end)
}
