/** What the workers have to be told of slots; null empties one. */
export type SlotImages = (readonly [slot: number, image: SharedArrayBuffer | null])[]

/**
 * Gives names small numbers and takes them back. A name keeps its slot as long as it holds it, so that one image can
 * point to another by number. What was freed longest ago is used first. Bounded by the names that hold a slot at once.
 */
export class Slots {
  readonly #byName = new Map<string, number>()
  readonly #free: number[] = []
  #next: number
  readonly #limit: number

  /** Slots run from `first` to below `limit`. */
  constructor(first = 0, limit = Number.POSITIVE_INFINITY) {
    this.#next = first
    this.#limit = limit
  }

  /** The slot of a name, a new one if it has none; null when all are taken. */
  take(name: string): number | null {
    const held = this.#byName.get(name)
    if (held !== undefined) return held
    const slot = this.#free.shift() ?? (this.#next < this.#limit ? this.#next++ : null)
    if (slot !== null) this.#byName.set(name, slot)
    return slot
  }

  /** Frees a name's slot. @returns the slot, or undefined when it had none. */
  release(name: string): number | undefined {
    const slot = this.#byName.get(name)
    if (slot === undefined) return undefined
    this.#byName.delete(name)
    this.#free.push(slot)
    return slot
  }

  [Symbol.iterator](): IterableIterator<[name: string, slot: number]> {
    return this.#byName.entries()
  }
}
