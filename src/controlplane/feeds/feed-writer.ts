/**
 * Rows on their way into the database, whoever they come from.
 *
 * Rows of one feed that come while others of it are being written wait, and go together in the next transaction: a thousand clients
 * with a row each cost as many transactions as fit into that time, not a thousand. A feed has one transaction at a time, all feeds
 * together have `atOnce`, so that nobody who pushes rows takes the connections of those who read or change the configuration.
 * Who brought rows hears when they are there, or why they are not.
 *
 * What is older than the feed keeps is left out, and counted.
 */
import { ControlError } from '../model/errors.ts'
import type { FeedRow } from '../model/feed-row.ts'
import type { Database } from '../store/database.ts'
import { type LaidPart, missingParts } from '../store/feed-layout.ts'
import { putRows, withoutRepeats } from '../store/feed-rows.ts'
import {
  type FeedStore,
  holdStore,
  isWide,
  type KnownFeed,
  listParts,
  prepareStore,
} from '../store/feed-stores.ts'
import { meansNoPart } from '../store/postgres-errors.ts'

/** Rows of one transaction, unless one who brings rows brings more. */
const batchRows = 5_000
/** Transactions of this process, of a pool of ten connections. */
const atOnce = 2
/** Rows of a feed that wait in this process: some ten megabytes. More are refused. */
const mostWaiting = 50_000
/** How often rows are tried once more, as a part that was there has gone meanwhile. */
const tries = 3

export interface Written {
  /** Rows that were new, or took another one's place. A row that was there already is none. */
  readonly changed: number
  /** Rows that are older than the feed keeps. */
  readonly expired: number
}

interface Waiting {
  readonly rows: readonly FeedRow[]
  readonly settle: PromiseWithResolvers<void>
  changed: number
}

interface Queue {
  readonly feed: KnownFeed
  waiting: Waiting[]
  rows: number
  running: boolean
}

/** What is known of a store: it may be so no more. */
interface KnownStore {
  readonly id: number
  readonly parts: readonly LaidPart[]
}

export class FeedWriter {
  readonly #database: Database
  readonly #now: () => Date
  /** By the feed's identity. Bound: feeds with rows on their way. */
  readonly #queues = new Map<string, Queue>()
  /** Bound: the feeds that there may be, each with its parts; emptied beyond that. */
  readonly #known = new Map<string, KnownStore>()
  #running = 0
  /** Bound: the feeds. */
  readonly #turns: (() => void)[] = []

  constructor(database: Database, now: () => Date = () => new Date()) {
    this.#database = database
    this.#now = now
  }

  /**
   * Writes rows, whose values stand in the order of the feed's columns. Resolves once they are committed. Throws `conflict` when
   * they can't be kept, `unavailable` when too many wait already, and when the database is away.
   */
  async write(feed: KnownFeed, rows: readonly FeedRow[]): Promise<Written> {
    const oldest = oldestKept(feed, this.#now())
    const kept = rows.filter(({ micros }) => micros >= oldest)
    const expired = rows.length - kept.length
    if (kept.length === 0) return { changed: 0, expired }
    const queue = this.#queueOf(feed)
    if (queue.rows > 0 && queue.rows + kept.length > mostWaiting) {
      throw new ControlError('unavailable', `too many rows of feed ${feed.value.name} are waiting`)
    }
    const waiting: Waiting = { rows: kept, settle: Promise.withResolvers<void>(), changed: 0 }
    queue.waiting.push(waiting)
    queue.rows += kept.length
    if (!queue.running) void this.#run(queue)
    await waiting.settle.promise
    return { changed: waiting.changed, expired }
  }

  #queueOf(feed: KnownFeed): Queue {
    const key = keyOf(feed)
    const queue = this.#queues.get(key) ?? { feed, waiting: [], rows: 0, running: false }
    this.#queues.set(key, queue)
    return queue
  }

  async #run(queue: Queue): Promise<void> {
    queue.running = true
    while (queue.waiting.length > 0) {
      const batch = takeBatch(queue)
      using _turn = await this.#turn()
      try {
        await this.#writeTogether(queue.feed, batch)
      } catch (error) {
        for (const { settle } of batch) settle.reject(error)
      }
    }
    queue.running = false
    this.#queues.delete(keyOf(queue.feed))
  }

  async #turn(): Promise<Disposable> {
    if (this.#running >= atOnce) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#turns.push(resolve)
      await promise
    }
    this.#running++
    return {
      [Symbol.dispose]: () => {
        this.#running--
        this.#turns.shift()?.()
      },
    }
  }

  /** Of several that go together, whose rows have changed anything can't be told: the first are told of as many as they brought. */
  async #writeTogether(feed: KnownFeed, batch: readonly Waiting[]): Promise<void> {
    let left = await this.#put(feed, withoutRepeats(batch.flatMap(({ rows }) => rows)))
    for (const waiting of batch) {
      waiting.changed = Math.min(left, waiting.rows.length)
      left -= waiting.changed
      waiting.settle.resolve()
    }
  }

  async #put(feed: KnownFeed, rows: readonly FeedRow[]): Promise<number> {
    for (let nth = 1; ; nth++) {
      try {
        const changed = await this.#tryPut(feed, rows)
        if (changed !== null) return changed
      } catch (error) {
        if (!meansNoPart(error) || nth === tries) throw error
      }
      this.#known.delete(keyOf(feed))
      await prepareFor(this.#database, feed, rows, this.#now())
    }
  }

  /** Null when something of the store is missing. */
  async #tryPut(feed: KnownFeed, rows: readonly FeedRow[]): Promise<number | null> {
    const { rowHints } = this.#database
    const { changed, isMissing } = await rowHints.record(this.#database, feed.value.name, async (tx) => {
      const store = await holdStore(tx, feed)
      if (store === null || !isWide(store, feed)) return { changed: 0, isMissing: true }
      const parts = this.#knownParts(feed, store) ?? (await listParts(tx, store))
      this.#remember(feed, { id: store.id, parts })
      if (lacksParts(parts, feed, rows, this.#now())) return { changed: 0, isMissing: true }
      return { ...(await putRows(tx, store, feed, rows, this.#now())), isMissing: false }
    })
    return isMissing ? null : changed
  }

  #knownParts(feed: KnownFeed, { id }: FeedStore): readonly LaidPart[] | null {
    const known = this.#known.get(keyOf(feed))
    return known?.id === id ? known.parts : null
  }

  #remember(feed: KnownFeed, known: KnownStore): void {
    if (this.#known.size > 1_000) this.#known.clear()
    this.#known.set(keyOf(feed), known)
  }
}

/** Makes what a feed's rows need. */
export async function prepareFor(
  database: Database,
  feed: KnownFeed,
  rows: readonly FeedRow[],
  now: Date,
): Promise<void> {
  const instants = instantsOf(rows)
  await database.record((tx) =>
    prepareStore(tx, feed, { instants, rate: rateOf(rows, instants), now: now.getTime() * 1000 }),
  )
}

export function lacksParts(
  parts: readonly LaidPart[],
  feed: KnownFeed,
  rows: readonly FeedRow[],
  now: Date,
): boolean {
  const wanted = {
    instants: instantsOf(rows),
    rate: 0,
    now: now.getTime() * 1000,
    retention: feed.value.retention,
  }
  return missingParts(parts, wanted).length > 0
}

/** Microseconds before which a feed keeps nothing. */
export function oldestKept({ value }: KnownFeed, now: Date): number {
  const { ageMs } = value.retention
  return ageMs === null ? Number.NEGATIVE_INFINITY : (now.getTime() - ageMs) * 1000
}

function instantsOf(rows: readonly FeedRow[]): number[] {
  return Array.from(new Set(rows.map(({ micros }) => micros))).sort((a, b) => a - b)
}

/** Rows a second, where there are enough of them to tell. */
function rateOf(rows: readonly FeedRow[], instants: readonly number[]): number {
  const spanMicros = instants.at(-1)! - instants[0]!
  return rows.length < 1_000 || spanMicros === 0 ? 0 : rows.length / (spanMicros / 1_000_000)
}

function takeBatch(queue: Queue): Waiting[] {
  let rows = 0
  const tooFar = queue.waiting.findIndex((waiting, nth) => {
    rows += waiting.rows.length
    return rows > batchRows && nth > 0
  })
  const batch = tooFar === -1 ? queue.waiting : queue.waiting.slice(0, tooFar)
  queue.waiting = tooFar === -1 ? [] : queue.waiting.slice(tooFar)
  queue.rows -= batch.reduce((sum, waiting) => sum + waiting.rows.length, 0)
  return batch
}

/** A feed that was declared otherwise has rows of other columns. */
function keyOf({ id, value }: KnownFeed): string {
  return `${id} ${value.name} ${value.columns.map(({ name }) => name).join(' ')}`
}
