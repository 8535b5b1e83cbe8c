/**
 * Reads the feeds that have a source, when their turns come. Servers on one database take turns by `store/feed-sources.ts`: each feed
 * is read by one of them at a time, and when that one dies, another one takes the next turn.
 *
 * What fails is told once, when it begins and when it ends; in between the feed has no new rows, and whoever steers by them falls back
 * when the last are too old.
 *
 * Bounds: the feeds that there may be, `atOnce` requests, each with what `query.ts` reads of an answer.
 */

import { createHash } from 'node:crypto'
import { ControlError, isUnavailable } from '../../model/errors.ts'
import type { Feed, PrometheusSource } from '../../model/feed.ts'
import type { FeedRow } from '../../model/feed-row.ts'
import type { AddressPolicy } from '../../model/pool.ts'
import { toReason } from '../../model/reason.ts'
import type { Database } from '../../store/database.ts'
import { claimTurns, noteTurn, type TurnResult } from '../../store/feed-sources.ts'
import { type Clock, monotonicClock } from '../../timing/clock.ts'
import { PollLoop } from '../../timing/poll-loop.ts'
import { ask, SourceFault } from './query.ts'
import { rowsOf } from './rows.ts'

/** A feed with its identity. */
export interface SourcedFeed {
  readonly id: number
  readonly value: Feed
}

export interface SourceReaderOptions {
  readonly database: Database
  /** Id of this node. */
  readonly node: string
  readonly policy: AddressPolicy
  readonly write: (feed: SourcedFeed, rows: readonly FeedRow[]) => Promise<unknown>
  /** Whether this node trusts its own network. One that doesn't leaves turns to others. */
  readonly trusts: () => boolean
  /** A feed can't be read from its source (with why), or can again (null). */
  readonly onTurn: (feed: string, failure: string | null) => void
  /** Every turn that ended. */
  readonly onResult: (feed: string, result: TurnResult) => void
  readonly onOwnFault: (reason: string) => void
  readonly onError: (error: unknown) => void
  readonly now?: () => Date
  readonly clock?: Clock
}

const atOnce = 4
/** After a turn of another node, so that this one is not there first by a hair and finds it taken. */
const behindMs = 50
/** While the database is away, or this node doubts its network. */
const retryMs = 1_000
const longestWaitMs = 60_000

interface Scheduled {
  feed: SourcedFeed
  readonly source: PrometheusSource
  readonly digest: string
  /** By the steady clock. */
  dueMs: number
  busy: boolean
}

export class SourceReader implements AsyncDisposable {
  readonly #options: SourceReaderOptions
  readonly #clock: Clock
  readonly #now: () => Date
  readonly #loop: PollLoop
  /** By the identity of the feed. Bound: the feeds. */
  #scheduled = new Map<number, Scheduled>()
  /** Bound: the feeds. */
  readonly #running = new Set<Promise<void>>()
  /** Those whose turn it is, while `atOnce` are read. Bound: the feeds, as none waits twice. */
  readonly #waiting: Scheduled[] = []
  #requests = 0

  constructor(options: SourceReaderOptions) {
    this.#options = options
    this.#clock = options.clock ?? monotonicClock
    this.#now = options.now ?? (() => new Date())
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => this.#everyMs(),
      onError: options.onError,
    })
  }

  /** The feeds that there are now. One whose source is another one than before is read at once. */
  setFeeds(feeds: readonly SourcedFeed[]): void {
    const before = this.#scheduled
    this.#scheduled = new Map()
    for (const feed of feeds) {
      const { source } = feed.value
      if (source === null) continue
      const known = before.get(feed.id)
      const digest = digestOf(source)
      if (known?.digest === digest) known.feed = feed
      const kept = known?.digest === digest ? known : null
      this.#scheduled.set(feed.id, kept ?? { feed, source, digest, dueMs: this.#clock.nowMs(), busy: false })
    }
    this.#loop.hint()
  }

  start(): void {
    this.#loop.start()
  }

  /** Says that the database is there, or the network trusted. */
  hint(): void {
    this.#loop.hint()
  }

  /** Calls off what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#loop.stop()
    this.#waiting.length = 0
    await Promise.all(this.#running)
  }

  #everyMs(): number {
    const next = Math.min(...Array.from(this.#scheduled.values(), ({ dueMs }) => dueMs))
    if (next === Number.POSITIVE_INFINITY) return next
    const waitMs = next - this.#clock.nowMs()
    return waitMs <= 0 ? retryMs : Math.min(waitMs, longestWaitMs)
  }

  async #look(): Promise<boolean> {
    const { database, node, trusts } = this.#options
    const nowMs = this.#clock.nowMs()
    const due = [...this.#scheduled.values()].filter(({ dueMs }) => dueMs <= nowMs)
    if (due.length === 0 || !database.up || !trusts()) return false
    const turns = due.map(({ feed, source, digest }) => {
      return { feed: feed.id, source: digest, everyMs: source.everyMs }
    })
    const claims = await database.record((tx) => claimTurns(tx, turns, node))
    const byFeed = new Map(claims.map((claim) => [claim.feed, claim]))
    for (const each of due) {
      const claim = byFeed.get(each.feed.id)
      // Of one that is gone the next catalog says so.
      each.dueMs = nowMs + (claim === undefined ? retryMs : claim.dueInMs + (claim.won ? 0 : behindMs))
      if (claim?.won !== true || each.busy) continue
      each.busy = true
      this.#waiting.push(each)
    }
    this.#begin()
    return false
  }

  #begin(): void {
    while (this.#requests < atOnce && !this.#loop.signal.aborted) {
      const next = this.#waiting.shift()
      if (next === undefined) return
      this.#requests++
      const run = this.#run(next).finally(() => {
        next.busy = false
        this.#requests--
        this.#running.delete(run)
        this.#begin()
      })
      this.#running.add(run)
    }
  }

  /** Never rejects. */
  async #run({ feed, source }: Scheduled): Promise<void> {
    const { database, onTurn, onResult, onError } = this.#options
    const { name } = feed.value
    try {
      const result = await this.#read(feed, source)
      if (result === null) return
      onResult(name, result)
      const failed = await database.record((tx) => noteTurn(tx, feed.id, result))
      if (failed === null || failed === (result.rows === null)) return
      onTurn(name, result.rows === null ? result.reason : null)
    } catch (error) {
      if (!this.#loop.signal.aborted && !isUnavailable(error)) onError(error)
    }
  }

  /** Null: it was called off. */
  async #read(feed: SourcedFeed, source: PrometheusSource): Promise<TurnResult | null> {
    const { policy, write, onOwnFault } = this.#options
    const { signal } = this.#loop
    try {
      const text = await ask(source, policy, signal)
      const { rows, leftOut, reason } = rowsOf(text, feed.value, source, this.#now())
      await write(feed, rows)
      return { rows: rows.length, leftOut, reason }
    } catch (error) {
      if (signal.aborted) return null
      const refused = error instanceof ControlError && error.code !== 'unavailable'
      if (!refused && !(error instanceof SourceFault)) throw error
      if (error instanceof SourceFault && error.own) onOwnFault(error.message)
      return { rows: null, leftOut: 0, reason: toReason(error.message) }
    }
  }
}

function digestOf(source: PrometheusSource): string {
  return createHash('sha256').update(JSON.stringify(source)).digest('base64url').slice(0, 16)
}
