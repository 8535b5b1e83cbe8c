/**
 * What feeds make of members and pools now: joins the readings that this node has with what the configuration says of them, and
 * remembers what was answered by, which hysteresis and noise go by (`steering/fed.ts`).
 *
 * A value that is too old counts for nothing, and so does what is remembered: a feed that comes back begins anew.
 *
 * Bounded by the members and pools of the configuration (`retain`).
 */
import { isDeepStrictEqual } from 'node:util'
import { type FeedUse, type Readings, readingKey } from '../model/feed-use.ts'
import { formatMemberKey } from '../model/member-key.ts'
import type { Member, Pool } from '../model/pool.ts'
import {
  type Fed,
  type FedMember,
  type FedShare,
  type FedWeightNow,
  settledWeight,
  shedShare,
  spillShare,
  weightFrom,
} from '../steering/fed.ts'

/** What is said of members and pools at one moment. */
export interface FedNow {
  fed(pool: Pool, member: Member): FedMember
  full(pool: Pool): FedShare
}

export interface FedStatesOptions {
  readonly readings: Readings
  /** When what a pool or its members go by is too old, as UNIX time. Called again and again. */
  readonly onAge: (pool: string, atMs: number) => void
}

/** What holds, by what is said of whom. */
interface Held {
  readonly use: FeedUse
  readonly value: number
}

export class FedStates {
  readonly #readings: Readings
  readonly #onAge: FedStatesOptions['onAge']
  /** By what is said of whom. Bound: the members and pools that go by feeds (`retain`). */
  readonly #held = new Map<string, Held>()

  constructor({ readings, onAge }: FedStatesOptions) {
    this.#readings = readings
    this.#onAge = onAge
  }

  /**
   * @param foreseen for what is not served: nothing of it is remembered
   * @param readings in the place of those that this node has
   */
  at(nowMs: number, foreseen = false, readings = this.#readings): FedNow {
    const look = (use: FeedUse, pool: string, member?: string) => {
      const fed = read(readings, use, pool, member, nowMs)
      if (fed.state === 'good' && !foreseen) this.#onAge(pool, expiryMs(fed, use) + 1)
      return fed
    }
    const hold = (key: string, use: FeedUse, next: (before: number | null) => number): number => {
      const known = this.#held.get(key)
      const isSame = known !== undefined && (known.use === use || isDeepStrictEqual(known.use, use))
      const value = next(isSame ? known.value : null)
      if (!foreseen) this.#held.set(key, { use, value })
      return value
    }
    const drop = (key: string) => {
      if (!foreseen) this.#held.delete(key)
    }
    const share = (
      key: string,
      fed: Fed,
      use: FeedUse,
      next: (value: number, before: number) => number,
    ): FedShare => {
      if (fed.state === 'good') {
        return { ...fed, share: hold(key, use, (before) => next(fed.reading!.value, before ?? 0)) }
      }
      drop(key)
      return { ...fed, share: 0 }
    }
    return {
      fed: (pool, member) => {
        const of = formatMemberKey({ pool: pool.name, member: member.name })
        const { weightFeed, shed } = member
        let weight: FedWeightNow | null = null
        if (weightFeed !== null) {
          const fed = look(weightFeed, pool.name, member.name)
          const key = `weight ${of}`
          if (fed.state === 'good') {
            const now = weightFrom(weightFeed.scale, fed.reading!.value)
            weight = { ...fed, weight: hold(key, weightFeed, (before) => settledWeight(now, before)) }
          } else {
            drop(key)
            weight = { ...fed, weight: null }
          }
        }
        if (shed === null) return { weight, shed: null }
        const fed = look(shed, pool.name, member.name)
        return {
          weight,
          shed: share(`shed ${of}`, fed, shed, (value, before) => shedShare(shed, value, before)),
        }
      },
      full: (pool) => {
        const capacity = pool.capacity!
        const fed = look(capacity, pool.name)
        return share(`full ${pool.name}`, fed, capacity, (value, before) =>
          spillShare(capacity, value, before),
        )
      },
    }
  }

  /** Forgets members and pools that are no more. */
  retain(pools: ReadonlyMap<string, Pool>): void {
    const kept = new Set<string>()
    for (const pool of pools.values()) {
      if (pool.capacity !== null) kept.add(`full ${pool.name}`)
      for (const { name, weightFeed, shed } of pool.members) {
        const of = formatMemberKey({ pool: pool.name, member: name })
        if (weightFeed !== null) kept.add(`weight ${of}`)
        if (shed !== null) kept.add(`shed ${of}`)
      }
    }
    for (const key of this.#held.keys()) if (!kept.has(key)) this.#held.delete(key)
  }
}

function read(
  readings: Readings,
  use: FeedUse,
  pool: string,
  member: string | undefined,
  nowMs: number,
): Fed {
  const key = readingKey(use, pool, member)
  const reading = readings.latest(key)
  if (reading === null) return { key, reading, state: readings.isKnown(key) ? 'missing' : 'waiting' }
  return { key, reading, state: nowMs > reading.from.getTime() + use.maxAgeMs ? 'stale' : 'good' }
}

const expiryMs = ({ reading }: Fed, { maxAgeMs }: FeedUse) => reading!.from.getTime() + maxAgeMs
