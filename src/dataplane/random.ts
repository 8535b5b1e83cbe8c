import { getRandomValues } from 'node:crypto'

/**
 * Source of choices between members: fast, seeded apart in every thread, not for secrets. xorshift32 (Marsaglia,
 * "Xorshift RNGs", 2003).
 */
export class Random {
  #state: number

  /** @param seed any 32-bit number other than 0; by default from the system. */
  constructor(seed: number = getRandomValues(new Uint32Array(1))[0]!) {
    this.#state = seed | 0 || 1
  }

  /** Uniform over 1..2^32-1. */
  next(): number {
    let x = this.#state
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return x >>> 0
  }

  /** Uniform over 0..bound-1, for a bound below 2^32. The multiplication keeps the better, high bits. */
  below(bound: number): number {
    return Math.floor((this.next() / 0x1_0000_0000) * bound)
  }
}
