/**
 * Sets of numbers by number, equal ones being one. A table of slots of our own (open addressing, at most half full): a Map would want a text
 * of each set, which costs several times as much as looking for it, and there are thousands at each change of health.
 */
import { mix32 } from './stable-key.ts'

export class Sets {
  readonly list: number[][] = []
  /** Number of a set + 1; 0 for none. */
  readonly #slots: Uint32Array

  /** @param most sets that come */
  constructor(most: number) {
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(2 * most)))
  }

  /** @param size how many of the numbers, below 65,536, are the set, in the order that counts */
  add(numbers: ArrayLike<number>, size: number): number {
    const slots = this.#slots
    const mask = slots.length - 1
    let slot = hashOf(numbers, size) & mask
    for (; slots[slot] !== 0; slot = (slot + 1) & mask) {
      const number = slots[slot]! - 1
      if (isEqual(this.list[number]!, numbers, size)) return number
    }
    const set: number[] = []
    for (let i = 0; i < size; i++) set.push(numbers[i]!)
    slots[slot] = this.list.push(set)
    return this.list.length - 1
  }
}

function hashOf(numbers: ArrayLike<number>, size: number): number {
  let hash = size
  for (let i = 0; i < size; i++) hash = Math.imul(hash ^ numbers[i]!, 0x0100_0193)
  return mix32(hash)
}

function isEqual(set: readonly number[], numbers: ArrayLike<number>, size: number): boolean {
  if (set.length !== size) return false
  for (let i = 0; i < size; i++) if (set[i] !== numbers[i]) return false
  return true
}

/** For so few numbers a plain loop is faster than `sort`. */
const few = 16

/** Brings the first `size` numbers into ascending order. */
export function sortFirst(numbers: Uint16Array, size: number): void {
  if (size > few) {
    numbers.subarray(0, size).sort()
    return
  }
  for (let i = 1; i < size; i++) {
    const number = numbers[i]!
    let at = i
    for (; at > 0 && numbers[at - 1]! > number; at--) numbers[at] = numbers[at - 1]!
    numbers[at] = number
  }
}
