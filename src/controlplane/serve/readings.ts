/**
 * The newest values of feeds that the configuration names, in memory: the database may be away, and what was read stays good for its
 * time (`maxAge`). Whoever follows the feeds hands in rows; whoever plans reads.
 *
 * Bounded by what the configuration names: rows of anything else are not taken.
 */

import type { FollowedReadings } from '../health/fed-check.ts'
import { entityKey, type FeedEntity, type Reading, type ReadingKey } from '../model/feed-use.ts'

/** The newest values of an entity. */
export interface LatestValues extends FeedEntity {
  /** Null: there is no row of it. */
  readonly at: Date | null
  /** By column; those that are not known are left out. */
  readonly values: ReadonlyMap<string, number>
}

/** A reading as it is kept over a restart. */
export interface StoredReading extends ReadingKey {
  readonly value: number
  readonly at: string
}

interface Known {
  readonly at: Date | null
  /** When the row was seen first. */
  readonly seenMs: number
  readonly values: ReadonlyMap<string, number>
}

export class FeedReadings implements FollowedReadings {
  readonly #now: () => Date
  #wanted: ReadonlyMap<string, FeedEntity> = new Map()
  readonly #known = new Map<string, Known>()
  /** What was known before the start, until anything has been read. */
  #remembered: ReadonlyMap<string, Known> = new Map()
  #currentUntilMs = 0

  constructor(now: () => Date) {
    this.#now = now
  }

  /** Time of day up to which no newer value can have been missed. */
  get currentUntilMs(): number {
    return this.#currentUntilMs
  }

  /** What is to be read, each once. */
  get wanted(): Iterable<FeedEntity> {
    return this.#wanted.values()
  }

  get size(): number {
    return this.#wanted.size
  }

  /** Says what the configuration names, in the place of what it named. @returns whether any of it has not been looked for yet */
  want(entities: Iterable<FeedEntity>): boolean {
    this.#wanted = new Map(Array.from(entities, (one) => [entityKey(one), one]))
    for (const key of this.#known.keys()) if (!this.#wanted.has(key)) this.#known.delete(key)
    const missing = [...this.#wanted.keys()].filter((key) => !this.#known.has(key))
    for (const key of missing) {
      const remembered = this.#remembered.get(key)
      if (remembered !== undefined) this.#known.set(key, remembered)
    }
    return missing.length > 0
  }

  latest({ feed, entity, column }: ReadingKey): Reading | null {
    const known = this.#known.get(entityKey({ feed, entity }))
    const value = known?.values.get(column)
    if (known === undefined || known.at === null || value === undefined) return null
    return { value, at: known.at, from: new Date(Math.min(known.at.getTime(), known.seenMs)) }
  }

  isKnown(key: ReadingKey): boolean {
    return this.#known.has(entityKey(key))
  }

  /**
   * Takes what was read. @param untilMs time of day at which reading began
   * @returns entities of which anything is another value than before, or is younger
   */
  take(rows: Iterable<LatestValues>, untilMs: number): FeedEntity[] {
    const nowMs = this.#now().getTime()
    const changed: FeedEntity[] = []
    for (const row of rows) {
      const key = entityKey(row)
      if (!this.#wanted.has(key)) continue
      const before = this.#known.get(key)
      if (before !== undefined && isSame(before, row)) continue
      const seenMs = before?.at?.getTime() === row.at?.getTime() ? (before?.seenMs ?? nowMs) : nowMs
      this.#known.set(key, { at: row.at, values: row.values, seenMs })
      changed.push({ feed: row.feed, entity: row.entity })
    }
    this.#currentUntilMs = Math.max(this.#currentUntilMs, untilMs)
    this.#remembered = new Map()
    return changed
  }

  /** What is to be remembered beyond a restart. */
  entries(): StoredReading[] {
    return Array.from(this.#known).flatMap(([key, { at, values }]) => {
      if (at === null) return []
      const { feed, entity } = this.#wanted.get(key)!
      return Array.from(values, ([column, value]) => ({ feed, entity, column, value, at: at.toISOString() }))
    })
  }

  /** Takes what was known before the start. Counts for what is named from then on, until anything has been read. */
  restore(stored: readonly StoredReading[]): void {
    const seenMs = this.#now().getTime()
    const byEntity = Map.groupBy(stored, entityKey)
    this.#remembered = new Map(
      Array.from(byEntity, ([key, readings]) => {
        const values = new Map(readings.map(({ column, value }) => [column, value]))
        return [key, { at: new Date(readings[0]!.at), seenMs, values }]
      }),
    )
  }
}

function isSame(before: Known, { at, values }: LatestValues): boolean {
  if (before.at?.getTime() !== at?.getTime() || before.values.size !== values.size) return false
  return Array.from(values).every(([column, value]) => before.values.get(column) === value)
}
