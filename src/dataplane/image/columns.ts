/**
 * Growing columns of plain numbers and octets: what a zone is collected in while it is compiled. A million RRsets as
 * objects are hundreds of megabytes for the garbage collector to walk; as columns they are a few arrays. Bounded by the
 * zone, for as long as it is being compiled.
 */

/** A column of 32-bit words. */
export class Words {
  words: Int32Array
  length = 0

  /** @param capacity words that are expected */
  constructor(capacity = 0) {
    this.words = new Int32Array(Math.max(capacity, 64))
  }

  push(word: number): void {
    const at = this.reserve(1)
    this.words[at] = word
  }

  /** Makes the column longer by a few words. @returns where they begin */
  reserve(count: number): number {
    const at = this.length
    this.length += count
    if (this.length > this.words.length) {
      const grown = new Int32Array(2 * this.length)
      grown.set(this.words)
      this.words = grown
    }
    return at
  }
}

/** Octets, one run behind the other. */
export class Octets {
  bytes: Uint8Array
  length = 0

  /** @param capacity octets that are expected */
  constructor(capacity = 0) {
    this.bytes = new Uint8Array(Math.max(capacity, 256))
  }

  u8(value: number): void {
    if (this.length === this.bytes.length) this.#grow(1)
    this.bytes[this.length++] = value
  }

  u16(value: number): void {
    this.u8(value >>> 8)
    this.u8(value & 0xff)
  }

  u32(value: number): void {
    this.u16(value >>> 16)
    this.u16(value & 0xffff)
  }

  /** Appends the octets of `source` from `from` to before `to`. */
  append(source: Uint8Array, from: number, to: number): void {
    const count = to - from
    if (this.length + count > this.bytes.length) this.#grow(count)
    const { bytes, length } = this
    // Most runs are shorter than what a view of the source would cost.
    if (count <= 64) for (let i = 0; i < count; i++) bytes[length + i] = source[from + i]!
    else bytes.set(source.subarray(from, to), length)
    this.length = length + count
  }

  #grow(count: number): void {
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + count))
    grown.set(this.bytes)
    this.bytes = grown
  }
}
