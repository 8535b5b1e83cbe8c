/**
 * Counts by name for a metric whose names come from the network: the busiest have a series each, the rest share
 * `other`. It is the space-saving algorithm (Metwally and others, 2005): a newcomer takes the place of the least busy
 * name and inherits its rank, so that a name that is busy from now on gets in whatever came before. Only ranks are
 * estimates. A series counts what it saw since it has been listed and goes into `other` when its name is evicted, so
 * that the sum over all series is exact and `other` never falls.
 */
export class BusiestNames {
  readonly #capacity: number
  /** Bound: `capacity` entries. */
  readonly #entries = new Map<string, { rank: number; count: number }>()
  #other = 0

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  count(name: string): void {
    const known = this.#entries.get(name)
    if (known !== undefined) {
      known.rank++
      known.count++
      return
    }
    const rank = this.#entries.size < this.#capacity ? 0 : this.#evict()
    this.#entries.set(name, { rank: rank + 1, count: 1 })
  }

  /** Drops the least busy name, and gives its rank. */
  #evict(): number {
    let least = ''
    let lowest = Number.POSITIVE_INFINITY
    for (const [name, { rank }] of this.#entries) {
      if (rank < lowest) {
        least = name
        lowest = rank
      }
    }
    this.#other += this.#entries.get(least)?.count ?? 0
    this.#entries.delete(least)
    return lowest
  }

  get other(): number {
    return this.#other
  }

  /** The listed names and what they count. */
  *entries(): IterableIterator<[name: string, count: number]> {
    for (const [name, { count }] of this.#entries) yield [name, count]
  }
}
