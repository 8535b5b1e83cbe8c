/**
 * Tells when a service changes between up, degraded and down, and when other pools answer for it than before. What it is when it
 * is looked at first is no change: after a start, and when it is new. Bounded by the services of the configuration.
 */
import type { ServiceCondition } from '../model/event.ts'
import type { ServiceReport } from './service-status.ts'

export interface ServiceChange {
  readonly service: string
  readonly from: ServiceCondition
  readonly to: ServiceCondition
  /** Such as `2 of 2 members answer`. */
  readonly reason: string
  /** The pools that answer from now on, in order of their names; the first `mostPools` of them. */
  readonly pools: readonly string[]
  /** Those that answered before; as many. */
  readonly before: readonly string[]
}

/** A service that is answered from more is told with these alone: an event is read by people, and stored. */
const mostPools = 32

export class ServiceWatch {
  readonly #known = new Map<string, ServiceReport>()
  readonly #since = new Map<string, Date>()

  /** What a service was when it was looked at last; null for one that never was. */
  conditionOf(service: string): ServiceReport | null {
    return this.#known.get(service) ?? null
  }

  /** What every service was when it was looked at last. */
  conditions(): ReadonlyMap<string, ServiceReport> {
    return this.#known
  }

  /** When a service became what it is; null for one that was so when it was looked at first. */
  since(service: string): Date | null {
    return this.#since.get(service) ?? null
  }

  /** Forgets services that are no more, though others may have their names. */
  forget(ended: Iterable<string>): void {
    for (const service of ended) this.#forget(service)
  }

  /** Looks at services that may have changed; one that there is no report of is forgotten. */
  look(
    names: Iterable<string>,
    report: (service: string) => ServiceReport | null,
    at = new Date(),
  ): ServiceChange[] {
    return [...new Set(names)].flatMap((service) => {
      const now = report(service)
      if (now === null) {
        this.#forget(service)
        return []
      }
      const before = this.#known.get(service)
      this.#known.set(service, now)
      if (before === undefined || isSame(before, now)) return []
      if (before.condition !== now.condition) this.#since.set(service, at)
      const { condition: to, reason } = now
      const [pools, answered] = [now.pools, before.pools].map((names) => names.slice(0, mostPools))
      return [{ service, from: before.condition, to, reason, pools: pools!, before: answered! }]
    })
  }

  #forget(service: string): void {
    this.#known.delete(service)
    this.#since.delete(service)
  }
}

function isSame(before: ServiceReport, now: ServiceReport): boolean {
  return before.condition === now.condition && String(before.pools) === String(now.pools)
}
