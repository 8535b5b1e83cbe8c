/**
 * The memory in which a worker keeps a sample of the questions that it was asked lately (`answer/sampler.ts` writes, `sample-reader.ts`
 * reads). Memory alone: it is written to no disk, and it ends with the process.
 *
 * ## Layout
 * Time is cut into windows of a minute, counted from the beginning of UNIX time; there is room for the last `sampleWindows` of them,
 * each in the place that its number gives. Of the questions of a window a part is kept, every question with the same chance, in as
 * many slots as there are; how many there were in all is counted. So each of those kept stands for so many, and a minute of a flood
 * takes no room from the minutes before it.
 *
 *     heads    by window: doubles of `windowAt`, and in the place of the last one the window's number, 32 bits
 *     slots    by window: words of `slotAt`, and then the octets of the name
 *
 * One writes and anybody may read. The sequence of a slot is odd while it is being written, and another one afterwards, so that
 * nobody takes half a question for a whole one; the number of a window is none while the next one takes its place.
 */

/** The window that is being filled, and ten that are whole. */
export const sampleWindows = 11
export const windowMs = 60_000
/** In all windows of all workers together; with a name of 255 octets in each they would be 4.5 MB. */
const mostQuestions = 16_384
/** Of one window, however many workers there are: `POOLDNS_WORKERS` bounds those. */
const fewestSlots = 8

/** Doubles of a window's head: when its first question came, in UNIX milliseconds; how many came; see `answer/sampler.ts`. */
export const windowAt = { beganMs: 0, seen: 1, threshold: 2 } as const
const headDoubles = 4
const headOctets = 8 * headDoubles

/** Words of a slot. `kind`: the type, then bits of `sampleFlags`. `sizes`: octets of the name, then bits of the network. */
export const slotAt = { sequence: 0, kind: 1, high: 2, low: 3, sizes: 4, name: 5 } as const
export const sampleFlags = { ipv6: 1 << 16, stream: 1 << 17 } as const
const nameOctets = 256
export const slotWords = slotAt.name + nameOctets / 4

/** What is kept of a client's address, in bits; the lengths of prefixes that the rate limiter goes by, too. */
export const networkBits = { ipv4: 24, ipv6: 56 } as const

/** @param workers that there are, each with a sample of its own */
export function allocateSample(workers: number): SharedArrayBuffer {
  const slots = Math.max(fewestSlots, Math.floor(mostQuestions / (sampleWindows * workers)))
  return new SharedArrayBuffer(sampleWindows * (headOctets + 4 * slotWords * slots))
}

/** A buffer as both sides see it. */
export class SampleMemory {
  readonly heads: Float64Array
  readonly words: Int32Array
  readonly octets: Uint8Array
  /** Of each window. */
  readonly slots: number

  constructor(buffer: SharedArrayBuffer) {
    this.heads = new Float64Array(buffer, 0, sampleWindows * headDoubles)
    this.words = new Int32Array(buffer)
    this.octets = new Uint8Array(buffer)
    this.slots = (buffer.byteLength / sampleWindows - headOctets) / (4 * slotWords)
  }

  /** Index in `heads` at which the head of the window in a place begins. */
  head(place: number): number {
    return place * headDoubles
  }

  /** Which window is in a place; 0 for none. */
  numberIn(place: number): number {
    return Atomics.load(this.words, numberAt(place))
  }

  setNumber(place: number, number: number): void {
    Atomics.store(this.words, numberAt(place), number)
  }

  /** Index in `words` at which a slot begins. */
  slot(place: number, slot: number): number {
    return (sampleWindows * headOctets) / 4 + (place * this.slots + slot) * slotWords
  }
}

function numberAt(place: number): number {
  return 2 * (place * headDoubles + headDoubles - 1)
}
