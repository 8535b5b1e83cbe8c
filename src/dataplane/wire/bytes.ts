/** Octets that grow, one run behind the other. The hot path never uses it. */
export class ByteWriter {
  /** The first `length` are written. */
  bytes: Uint8Array
  /** Set back to 0, it begins anew in the same memory. */
  length = 0

  /** @param capacity octets that are expected */
  constructor(capacity = 0) {
    this.bytes = new Uint8Array(Math.max(capacity, 64))
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
  append(source: Uint8Array, from = 0, to = source.length): void {
    const count = to - from
    if (this.length + count > this.bytes.length) this.#grow(count)
    const { bytes, length } = this
    // Most runs are shorter than what a view of the source would cost.
    if (count <= 64) for (let i = 0; i < count; i++) bytes[length + i] = source[from + i]!
    else bytes.set(source.subarray(from, to), length)
    this.length = length + count
  }

  /** A copy of what was written. */
  finish(): Uint8Array {
    return this.bytes.slice(0, this.length)
  }

  #grow(count: number): void {
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + count))
    grown.set(this.bytes)
    this.bytes = grown
  }
}

/** The two octets at `at`, most significant first. */
export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

/** Copies octets to before `end`. Most runs of a zone that comes in any order are shorter than what a view would cost. */
export function copyRun(from: Uint8Array, start: number, stop: number, to: Uint8Array, end: number): void {
  const at = end - (stop - start)
  if (stop - start > 64) to.set(from.subarray(start, stop), at)
  else for (let i = 0; i < stop - start; i++) to[at + i] = from[start + i]!
}
