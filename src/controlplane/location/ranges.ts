/**
 * Something for every address, as ranges: a range begins at an address and goes on to where the next one begins. The first
 * start is 0, starts ascend, and no two neighbours have the same value.
 */

export type Starts = Uint32Array | BigUint64Array
type StartOf<S extends Starts> = S extends Uint32Array ? number : bigint

export interface Ranges<S extends Starts> {
  readonly starts: S
  readonly values: Uint32Array
}

/** Ranges of IPv4 by the address, of IPv6 by its first 64 bits: no allocation is finer than that. */
export interface RangesOfBoth {
  readonly ipv4: Ranges<Uint32Array>
  readonly ipv6: Ranges<BigUint64Array>
}

export const newIpv4Starts = (length: number) => new Uint32Array(length)
export const newIpv6Starts = (length: number) => new BigUint64Array(length)

/** Collects ranges in ascending order of their starts. */
export class RangeWriter<S extends Starts> {
  readonly #newStarts: (length: number) => S
  #starts: S
  #values = new Uint32Array(1024)
  #length = 0

  constructor(newStarts: (length: number) => S) {
    this.#newStarts = newStarts
    this.#starts = newStarts(this.#values.length)
  }

  /** @param start not below the one before; when it is the same, this value replaces that one's */
  add(start: StartOf<S>, value: number): void {
    if (this.#length > 0 && this.#starts[this.#length - 1] === start) this.#length--
    if (this.#length > 0 && this.#values[this.#length - 1] === value) return
    if (this.#length === this.#values.length) this.#grow()
    const starts: { [index: number]: number | bigint } = this.#starts
    starts[this.#length] = start
    this.#values[this.#length++] = value
  }

  finish(): Ranges<S> {
    return {
      starts: this.#starts.slice(0, this.#length) as S,
      values: this.#values.slice(0, this.#length),
    }
  }

  #grow(): void {
    const starts = this.#newStarts(this.#length * 2)
    const values = new Uint32Array(this.#length * 2)
    ;(starts as Uint32Array).set(this.#starts as Uint32Array)
    values.set(this.#values)
    this.#starts = starts
    this.#values = values
  }
}

/** The value 0 for every address. */
export const emptyRanges: RangesOfBoth = {
  ipv4: { starts: new Uint32Array(1), values: new Uint32Array(1) },
  ipv6: { starts: new BigUint64Array(1), values: new Uint32Array(1) },
}

/** The ranges of two at once; `join` gives the value for a value of each. */
export function overlay(
  a: RangesOfBoth,
  b: RangesOfBoth,
  join: (a: number, b: number) => number,
): RangesOfBoth {
  return {
    ipv4: overlayFamily(a.ipv4, b.ipv4, newIpv4Starts, join),
    ipv6: overlayFamily(a.ipv6, b.ipv6, newIpv6Starts, join),
  }
}

function overlayFamily<S extends Starts>(
  a: Ranges<S>,
  b: Ranges<S>,
  newStarts: (length: number) => S,
  join: (a: number, b: number) => number,
): Ranges<S> {
  const writer = new RangeWriter(newStarts)
  let inA = 0
  let inB = 0
  writer.add(a.starts[0] as StartOf<S>, join(a.values[0]!, b.values[0]!))
  while (inA + 1 < a.starts.length || inB + 1 < b.starts.length) {
    const nextA = a.starts[inA + 1]
    const nextB = b.starts[inB + 1]
    const start = nextB === undefined || (nextA !== undefined && nextA < nextB) ? nextA : nextB
    if (nextA === start) inA++
    if (nextB === start) inB++
    writer.add(start as StartOf<S>, join(a.values[inA]!, b.values[inB]!))
  }
  return writer.finish()
}

/** The value at an address. */
export function valueAt<S extends Starts>({ starts, values }: Ranges<S>, address: StartOf<S>): number {
  let low = 0
  let high = starts.length
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (starts[middle]! <= address) low = middle
    else high = middle
  }
  return values[low]!
}

/** The first 64 bits of an IPv6 address of 16 octets. */
export function ipv6Start(octets: Uint8Array): bigint {
  return new DataView(octets.buffer, octets.byteOffset).getBigUint64(0)
}

/** An IPv4 address of 4 octets. */
export function ipv4Start(octets: Uint8Array): number {
  return new DataView(octets.buffer, octets.byteOffset).getUint32(0)
}
