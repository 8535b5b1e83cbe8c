/**
 * Has the queries that workers leave for the log written down.
 *
 *     ring of a worker ──every 250 ms, so much at the most──> waiting ──in batches──> the database
 *
 * One thing alone drops: a worker that finds its ring full, which it counts. While the database is away, or slower than queries come, so
 * many wait here as there is room for, and no more are taken; then the rings become full. What is lost besides, when it can't be stored
 * or the stop comes before the database, is told to `onLost`.
 */
import { isUnavailable } from '../model/errors.ts'
import type { KeptBits, LoggedQuery } from '../model/logged-query.ts'
import type { Clock } from '../timing/clock.ts'
import { PollLoop } from '../timing/poll-loop.ts'
import { readFrames } from './read-frames.ts'

const lookEveryMs = 250
/** Of frames, of each look: a megabyte a second, some five thousand queries. */
export const mostTakenOctets = 256 * 1024
/** That wait for the database; a look adds what it takes to one less than these. */
export const mostWaitingQueries = 10_000
/** Of one transaction. */
export const batchQueries = 1_000

export interface QueryRecorderOptions {
  /** Takes frames that workers have left; `most` octets of each process that answers. */
  readonly take: (most: number) => Promise<readonly Uint8Array[]>
  /** Resolves when the queries are stored. */
  readonly store: (queries: readonly LoggedQuery[]) => Promise<unknown>
  /** Whether it is worth a try. */
  readonly databaseUp: () => boolean
  /** Of clients' addresses. */
  readonly kept: KeptBits
  /** Queries were taken and not stored. */
  readonly onLost: (count: number) => void
  readonly onError: (error: unknown) => void
  readonly clock?: Clock
}

export class QueryRecorder implements AsyncDisposable {
  readonly #options: QueryRecorderOptions
  readonly #loop: PollLoop
  /** Bound: `mostWaitingQueries`, and what one look takes. */
  #waiting: LoggedQuery[] = []

  constructor(options: QueryRecorderOptions) {
    this.#options = options
    const { onError, clock } = options
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => lookEveryMs,
      lastLook: true,
      onError,
      ...(clock && { clock }),
    })
  }

  start(): void {
    this.#loop.start()
  }

  /** Stores what there is once more, and tells what could not be. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#loop.started) await this.#loop.stop()
    this.#lose(this.#waiting.length)
  }

  async #look(): Promise<boolean> {
    const { take, kept, store, databaseUp } = this.#options
    if (this.#waiting.length < mostWaitingQueries)
      for (const frames of await take(mostTakenOctets)) this.#waiting.push(...readFrames(frames, kept))
    while (this.#waiting.length > 0 && databaseUp()) {
      const batch = this.#waiting.slice(0, batchQueries)
      try {
        await store(batch)
        this.#waiting.splice(0, batch.length)
      } catch (error) {
        // What the database refuses, it refuses again.
        if (!isUnavailable(error)) this.#lose(batch.length)
        throw error
      }
    }
    return false
  }

  /** Gives up the first. */
  #lose(count: number): void {
    this.#waiting.splice(0, count)
    if (count > 0) this.#options.onLost(count)
  }
}
