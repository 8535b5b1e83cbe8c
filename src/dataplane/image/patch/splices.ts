/**
 * What becomes of a long run of things of which a few are taken out and a few come in: where each of the others stands afterwards, and how
 * they get there in a few large copies. Bounded by the edit.
 */

export interface Splice {
  /** Before which of the old ones it is. */
  readonly at: number
  readonly removed: number
  readonly inserted: number
  /** Where the first of those that come in stands afterwards. */
  to: number
}

export class Splices {
  /** In the order of their places once they are sealed. */
  #list: Splice[] = []
  /** How far what is behind each splice has moved. */
  #shifts: number[] = []
  /** The splice before what was looked for last; most that is looked for one after another lies close together. */
  #last = -1

  /** Of those at one place the first comes first. */
  add(at: number, removed: number, inserted: number): Splice {
    const splice = { at, removed, inserted, to: at }
    if (removed + inserted > 0) this.#list.push(splice)
    return splice
  }

  /** From now on none is added, and the places are known. */
  seal(): this {
    this.#list = this.#list.sort((a, b) => a.at - b.at)
    let from = 0
    let to = 0
    this.#shifts = this.#list.map((splice) => {
      to += Math.max(0, splice.at - from)
      splice.to = to
      to += splice.inserted
      from = Math.max(from, splice.at + splice.removed)
      return to - from
    })
    return this
  }

  /** How much longer all of it is. */
  get growth(): number {
    return this.#shifts.at(-1) ?? 0
  }

  /** Where one that stays stands afterwards. */
  map(index: number): number {
    const list = this.#list
    let last = this.#last
    if (last >= 0 && list[last]!.at > index) last = -1
    if (last + 1 < list.length && list[last + 1]!.at <= index) last = this.#before(index)
    this.#last = last
    return last < 0 ? index : index + this.#shifts[last]!
  }

  /** The last splice that is not behind a place, or -1. */
  #before(index: number): number {
    let low = -1
    let high = this.#list.length
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (this.#list[middle]!.at <= index) low = middle
      else high = middle
    }
    return low
  }

  /**
   * Copies those that stay; where some come in there is a gap.
   *
   * @param from where the first of `count` begins
   * @param width elements of each
   */
  copy<T extends Int32Array | Uint8Array>(
    source: T,
    from: number,
    count: number,
    target: T,
    to: number,
    width = 1,
  ): void {
    let next = 0
    const run = (end: number) => {
      if (end <= next) return
      const start = from + width * next
      target.set(source.subarray(start, from + width * end) as T, to + width * (next + this.#shiftAt(next)))
    }
    for (const { at, removed } of this.#list) {
      run(at)
      next = Math.max(next, at + removed)
    }
    run(count)
  }

  #shiftAt(index: number): number {
    return this.map(index) - index
  }
}
