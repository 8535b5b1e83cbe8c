import type { MemberHealth } from '../model/observation.ts'

/**
 * The measured state of every probed member, by pool and by member name. Pools without a monitor, and members that
 * are not probed, are not in it. A value of this type never changes: what is read from it in one go is one moment.
 */
export type Availability = ReadonlyMap<string, ReadonlyMap<string, MemberHealth>>

/**
 * Keeps the current `Availability`. Changes are staged and become visible together by `publish`, which swaps in a new
 * table: pools without a change are the same maps as before, so whoever compiles plans can compare by identity. Staging
 * exists because a change copies its pool: 10,000 members that get their first verdict one by one would be 10,000 copies of
 * 10,000 entries; those of one turn of the event loop share one.
 *
 * Bounds: one entry per member, and another one for those of pools with a change.
 */
export class AvailabilityTable {
  #current: Availability = new Map()
  /** Pools with a change since the last `publish`, as they will be. */
  readonly #staged = new Map<string, Map<string, MemberHealth>>()

  /** What was published last. */
  get current(): Availability {
    return this.#current
  }

  /** Stages a member's health; the last one staged wins. */
  set(health: MemberHealth): void {
    this.#stage(health.pool).set(health.member, health)
  }

  /** Stages the end of a member; a pool ends with its last one. */
  remove(pool: string, member: string): void {
    this.#stage(pool).delete(member)
  }

  /** Makes what was staged the current table. Without anything staged the table stays the same object. */
  publish(): Availability {
    if (this.#staged.size === 0) return this.#current
    const next = new Map(this.#current)
    for (const [pool, members] of this.#staged) {
      if (members.size === 0) next.delete(pool)
      else next.set(pool, members)
    }
    this.#staged.clear()
    this.#current = next
    return next
  }

  #stage(pool: string): Map<string, MemberHealth> {
    const members = this.#staged.get(pool) ?? new Map(this.#current.get(pool))
    this.#staged.set(pool, members)
    return members
  }
}
