/**
 * What feeds no longer keep, and feeds that are there no more. Whole parts go, which takes no longer for a million rows than for one:
 *
 * - parts that ended longer ago than the feed's age;
 * - the oldest ones, as long as the rest has the rows that the feed keeps;
 * - all of a feed that was dropped, or declared anew.
 *
 * To drop one locks its feed for a moment, for which those who read it must have ended. Whoever comes meanwhile, to read or to write, waits
 * behind, so it asks for a tenth of a second alone, some times, and then waits for the next time. One process does it at a time; each
 * part is a transaction.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { eq, sql } from '../../../schema/drizzle.ts'
import { feedLatest, feedParts } from '../../../schema/feed-rows.ts'
import type { Database } from './database.ts'
import type { LaidPart } from './feed-layout.ts'
import {
  abandonedStores,
  badParts,
  dropPart,
  dropStore,
  type FeedStore,
  findStore,
  instantSql,
  type KnownFeed,
  listParts,
  rowsOf,
} from './feed-stores.ts'
import { feedRetentionLock, tryLock } from './lock-rows.ts'
import { isLockTimeout } from './postgres-errors.ts'
import type { Tx } from './transaction.ts'

interface Part extends LaidPart {
  readonly id: number
}

export interface Dropped {
  readonly stores: number
  readonly parts: number
}

export class FeedRetention {
  readonly #database: Database
  /** Stores that nobody asks for any more, unless somebody does just now: they go next time. Bound: the stores. */
  #abandoned: ReadonlySet<number> = new Set()
  /** Bad parts that were told of. Bound: those of one look. */
  #told: ReadonlySet<string> = new Set()
  readonly #onBad: (reason: string) => void

  /** @param onBad told once of each part that can't be used */
  constructor(database: Database, onBad: (reason: string) => void = () => {}) {
    this.#database = database
    this.#onBad = onBad
  }

  /**
   * Drops what nobody is to have any more. Throws when a feed's readers would not let go, after the others have been looked at.
   *
   * @param feeds all that there are, those too that are built in
   * @param signal aborts what has not begun: the rest goes another time
   */
  async run(feeds: readonly KnownFeed[], now: Date, signal: AbortSignal): Promise<Dropped> {
    const failures: unknown[] = []
    const dropped = { stores: 0, parts: 0 }
    const tried = async (what: keyof Dropped, work: () => Promise<number>) => {
      if (signal.aborted) return
      try {
        dropped[what] += await work()
      } catch (error) {
        failures.push(error)
      }
    }
    const bad = await this.#database.read((tx) => badParts(tx))
    for (const reason of bad) if (!this.#told.has(reason)) this.#onBad(reason)
    this.#told = new Set(bad)
    const abandoned = await this.#database.read((tx) => abandonedStores(tx))
    for (const store of abandoned) {
      if (!this.#abandoned.has(store.id)) continue
      await tried('stores', () => alone(this.#database, signal, (tx) => dropStore(tx, store)))
    }
    this.#abandoned = new Set(abandoned.map(({ id }) => id))
    for (const feed of feeds) await tried('parts', () => dropParts(this.#database, feed, now, signal))
    if (failures.length > 0) throw failures[0]
    return dropped
  }
}

async function dropParts(
  database: Database,
  feed: KnownFeed,
  now: Date,
  signal: AbortSignal,
): Promise<number> {
  const store = await database.read((tx) => findStore(tx, feed))
  if (store === null) return 0
  const { ageMs, rows } = feed.value.retention
  let parts = await database.read((tx) => listParts(tx, store))
  if (sum(parts) > rows) parts = await countRows(database, store, parts)
  const oldest = ageMs === null ? Number.NEGATIVE_INFINITY : (now.getTime() - ageMs) * 1000
  let kept = sum(parts)
  let dropped = 0
  for (const [nth, part] of parts.entries()) {
    if (signal.aborted || (part.until > oldest && kept - part.rows < rows)) break
    kept -= part.rows
    const next = parts[nth + 1]?.since ?? null
    dropped += await alone(database, signal, async (tx) => {
      await dropPart(tx, part.id)
      await tx
        .delete(feedLatest)
        .where(
          next === null
            ? eq(feedLatest.store, store.id)
            : sql`store = ${store.id}::integer and time_instant < ${instantSql(next)}`,
        )
    })
  }
  return dropped
}

const sum = (parts: readonly Part[]): number => parts.reduce((rows, part) => rows + part.rows, 0)

/** How many rows there are, where only how many there are at the most was known. */
async function countRows(database: Database, store: FeedStore, parts: readonly Part[]): Promise<Part[]> {
  const counted: Part[] = []
  for (const part of parts) {
    const rows = await database.readMuch(async (tx) => {
      const { rows } = await tx.execute<{ rows: string }>(
        sql`select count(*) as rows from ${rowsOf(store)}
          where time_instant >= ${instantSql(part.since)} and time_instant < ${instantSql(part.until)}`,
      )
      return Number(rows[0]!.rows)
    })
    // What came meanwhile counts as well.
    const change = part.rows - rows
    await database.record((tx) =>
      tx
        .update(feedParts)
        .set({ rows: sql`rows - ${change}::bigint` })
        .where(eq(feedParts.id, part.id)),
    )
    counted.push({ ...part, rows })
  }
  return counted
}

const lockTimeoutMs = 100
const tries = 10
const betweenTriesMs = 500

/** 1 when it was done, 0 while another process is at it, or when it is to end. Throws when readers would not let go. */
async function alone(
  database: Database,
  signal: AbortSignal,
  work: (tx: Tx) => Promise<unknown>,
): Promise<number> {
  for (let nth = 1; ; nth++) {
    try {
      return await tryAlone(database, work)
    } catch (error) {
      if (nth === tries || !isLockTimeout(error)) throw error
    }
    await delay(betweenTriesMs, undefined, { ref: false, signal }).catch(() => undefined)
    if (signal.aborted) return 0
  }
}

function tryAlone(database: Database, work: (tx: Tx) => Promise<unknown>): Promise<number> {
  return database.record(async (tx) => {
    if (database.kind === 'postgres') await tx.execute(sql.raw(`set local lock_timeout = ${lockTimeoutMs}`))
    const { rows } = await tx.execute<{ mine: boolean }>(sql`select ${tryLock(feedRetentionLock)} as mine`)
    if (!rows[0]!.mine) return 0
    await work(tx)
    return 1
  })
}
