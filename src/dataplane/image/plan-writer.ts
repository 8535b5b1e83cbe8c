import { ByteWriter } from '../wire/bytes.ts'

/** An image that grows: words, and behind them octets. */
export class PlanWriter {
  readonly #words: number[] = []
  /** Offsets within it count from where the words end. */
  readonly octets = new ByteWriter()

  /** Words so far. */
  get length(): number {
    return this.#words.length
  }

  /** @returns the offset at which the first of `words` is */
  push(words: ArrayLike<number>): number {
    const at = this.#words.length
    for (let i = 0; i < words.length; i++) this.#words.push(words[i]!)
    return at
  }

  set(at: number, word: number): void {
    this.#words[at] = word
  }

  finish(): SharedArrayBuffer {
    const octets = this.octets.finish()
    const octetsAt = 4 * this.#words.length
    const buffer = new SharedArrayBuffer(octetsAt + Math.ceil(octets.length / 4) * 4)
    new Uint32Array(buffer).set(this.#words)
    new Uint8Array(buffer).set(octets, octetsAt)
    return buffer
  }
}
