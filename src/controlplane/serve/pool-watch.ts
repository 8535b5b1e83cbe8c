/**
 * Tells when a pool changes between healthy, degraded and down. What a pool is when it is looked at first is no change: after
 * a start, and when it is new. Bounded by the pools of the configuration.
 */
import type { PoolCondition } from '../model/event.ts'
import type { Pool } from '../model/pool.ts'
import type { ConditionReport } from '../steering/judge.ts'

export interface PoolChange {
  readonly pool: string
  readonly from: PoolCondition
  readonly to: PoolCondition
  /** Such as `2 of 5 members up, minUp 0.5`. */
  readonly reason: string
}

export class PoolWatch {
  readonly #known = new Map<string, ConditionReport>()
  readonly #since = new Map<string, Date>()

  /** What a pool was when it was looked at last; null for one that never was. */
  conditionOf(pool: string): ConditionReport | null {
    return this.#known.get(pool) ?? null
  }

  /** What every pool was when it was looked at last. */
  conditions(): ReadonlyMap<string, ConditionReport> {
    return this.#known
  }

  /** When a pool became what it is; null for one that was so when it was looked at first. */
  since(pool: string): Date | null {
    return this.#since.get(pool) ?? null
  }

  /** Forgets pools that are no more, though others may have their names. */
  forget(ended: Iterable<string>): void {
    for (const pool of ended) this.#forget(pool)
  }

  /** Looks at pools that may have changed; those that are not there any more are forgotten. */
  look(
    names: Iterable<string>,
    pools: ReadonlyMap<string, Pool>,
    condition: (pool: string) => ConditionReport,
    at = new Date(),
  ): PoolChange[] {
    return [...new Set(names)].flatMap((name) => {
      if (!pools.has(name)) {
        this.#forget(name)
        return []
      }
      const report = condition(name)
      const before = this.#known.get(name)
      this.#known.set(name, report)
      if (before === undefined || before.condition === report.condition) return []
      this.#since.set(name, at)
      return [{ pool: name, from: before.condition, to: report.condition, reason: report.reason }]
    })
  }

  #forget(pool: string): void {
    this.#known.delete(pool)
    this.#since.delete(pool)
  }
}
