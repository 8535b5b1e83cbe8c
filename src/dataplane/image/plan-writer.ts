/**
 * An image that grows: words, and behind them octets. A plan of thousands of sets has half a megabyte, and a verdict waits for it, so what one
 * was written in serves for the next: to have so much new memory takes as long as to write it.
 */
import { ByteWriter } from '../wire/bytes.ts'

/** Octets of words, or of octets, that are kept for the next image: more than most have. */
const mostSpare = 1 << 21
const spare = { words: new Uint32Array(1024), octets: new ByteWriter() }

export class PlanWriter {
  #words = spare.words
  #length = 0
  /** Offsets within it count from where the words end. */
  readonly octets = spare.octets

  /** One is finished, or given up, before the next is begun. */
  constructor() {
    this.octets.length = 0
  }

  /** Words so far. */
  get length(): number {
    return this.#length
  }

  /** @returns the offset at which the first of `words` is */
  push(words: ArrayLike<number>): number {
    const at = this.#length
    const end = at + words.length
    if (end > this.#words.length) this.#grow(end)
    const all = this.#words
    for (let i = 0; i < words.length; i++) all[at + i] = words[i]!
    this.#length = end
    return at
  }

  set(at: number, word: number): void {
    this.#words[at] = word
  }

  finish(): SharedArrayBuffer {
    const { bytes, length } = this.octets
    const octetsAt = 4 * this.#length
    const buffer = new SharedArrayBuffer(octetsAt + Math.ceil(length / 4) * 4)
    new Uint32Array(buffer).set(this.#words.subarray(0, this.#length))
    new Uint8Array(buffer).set(bytes.subarray(0, length), octetsAt)
    if (this.#words.byteLength <= mostSpare) spare.words = this.#words
    if (bytes.length > mostSpare) spare.octets = new ByteWriter()
    return buffer
  }

  #grow(least: number): void {
    const grown = new Uint32Array(Math.max(2 * this.#words.length, least))
    grown.set(this.#words)
    this.#words = grown
  }
}
