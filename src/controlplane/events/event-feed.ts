/**
 * Follows the record of events, for streams: one look a second at the store for all of them together, and one at once when
 * this node has stored something.
 *
 * The events that the last looks brought are kept, and a stream that is no further behind than that takes them from here;
 * one that is reads pages from the store at its own pace. So the store is the only queue: a stream that is slow costs a
 * page of memory, not what it has yet to read, and it misses nothing, because ids become visible in order (`store/events.ts`).
 *
 * Nothing is read while nobody follows. While the database is away streams wait.
 */
import { isUnavailable } from '../model/errors.ts'
import type { StoredEvent } from '../model/event.ts'
import type { Database } from '../store/database.ts'
import { eventIdBefore, eventsAfter, latestEventId } from '../store/events.ts'
import { pause } from '../timing/clock.ts'
import { PollLoop } from '../timing/poll-loop.ts'

export interface EventFeedOptions {
  readonly database: Database
  /** A look failed for another reason than that the database is away. The next one comes all the same. */
  readonly onError: (error: unknown) => void
  readonly now: () => Date
}

const pollMs = 1000
/** Events of one batch. */
const pageSize = 200
/** Events that are kept for streams that are close behind. */
const keptEvents = 1000

export class EventFeed {
  readonly #options: EventFeedOptions
  readonly #loop: PollLoop
  /** What was looked at: the events after `from` up to `to`. Null while nobody follows. Bound: `keptEvents`. */
  #kept: { from: number; to: number; events: StoredEvent[] } | null = null
  #followers = 0
  /** Looks that brought something. */
  #finds = 0
  /** Followers that wait for the next of them. Bound: one a follower. */
  readonly #waiting = new Set<() => void>()

  constructor(options: EventFeedOptions) {
    this.#options = options
    this.#loop = new PollLoop({
      look: () => this.#look(),
      everyMs: () => (this.#followers > 0 ? pollMs : Number.POSITIVE_INFINITY),
      onError: options.onError,
    })
  }

  /** Makes the next look come at once. */
  wake(): void {
    this.#loop.hint()
  }

  /**
   * The events after `after` and then those to come, in batches, for ever; with null those to come alone. Ends when the
   * signal aborts or the feed stops. The first batch is empty and says that what is stored from now on will come. An id that the record does not have yet means the latest.
   */
  async *follow(after: number | null, signal: AbortSignal): AsyncGenerator<readonly StoredEvent[], void> {
    const ends = AbortSignal.any([signal, this.#loop.signal])
    this.#followers++
    try {
      let cursor = await this.#start(after, ends)
      yield []
      while (!ends.aborted) {
        const finds = this.#finds
        const seen = this.#recent(cursor)
        const page =
          seen === null ? await this.#read(cursor, ends) : { cursor, events: seen.slice(0, pageSize) }
        cursor = page.events.at(-1)?.id ?? page.cursor
        if (page.events.length > 0) yield page.events
        else await this.#nextFind(finds, cursor, ends)
      }
    } finally {
      this.#followers--
      if (this.#followers === 0) this.wake()
    }
  }

  async stop(): Promise<void> {
    await this.#loop.stop()
  }

  /** The id to begin after. */
  async #start(after: number | null, signal: AbortSignal): Promise<number> {
    if (after !== null) return after
    const openedAt = this.#options.now()
    let late = false
    const found = await this.#patiently(signal, async () => {
      // What happens while the database is away comes into the record later, and is still to come.
      const begin = late
      late = true
      return this.#options.database.read((tx) => (begin ? eventIdBefore(tx, openedAt) : latestEventId(tx)))
    })
    return found ?? 0
  }

  /** What is kept after `cursor`; null when that is not all that there is. */
  #recent(cursor: number): StoredEvent[] | null {
    const kept = this.#kept
    if (kept === null || cursor < kept.from || cursor > kept.to) return null
    const first = kept.events.findIndex(({ id }) => id > cursor)
    return first < 0 ? [] : kept.events.slice(first)
  }

  async #read(cursor: number, signal: AbortSignal): Promise<Page> {
    return (await this.#patiently(signal, () => this.#page(cursor))) ?? { cursor, events: [] }
  }

  /** A record that ends before the cursor is another one (it was restored from a backup): go on from its end. */
  #page(cursor: number): Promise<Page> {
    return this.#options.database.read(async (tx) => {
      const latest = await latestEventId(tx)
      if (latest <= cursor) return { cursor: latest, events: [] }
      return { cursor, events: await eventsAfter(tx, cursor, pageSize) }
    })
  }

  /** The result of `work`, tried again each second while the database is away; undefined when the signal aborts. */
  async #patiently<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
    while (!signal.aborted) {
      try {
        return await work()
      } catch (error) {
        if (!isUnavailable(error)) throw error
      }
      await pause(pollMs, signal)
    }
    return undefined
  }

  /** Until there have been more than so many finds; `cursor` is where the looks begin if there were none. */
  async #nextFind(finds: number, cursor: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#finds > finds) return
    if (this.#kept === null) {
      this.#kept = { from: cursor, to: cursor, events: [] }
      this.#loop.start()
      this.wake()
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    const onAbort = () => resolve()
    signal.addEventListener('abort', onAbort)
    await promise
    signal.removeEventListener('abort', onAbort)
    this.#waiting.delete(resolve)
  }

  /** @returns whether there may be more */
  async #look(): Promise<boolean> {
    const kept = this.#kept
    if (kept === null || this.#followers === 0) {
      this.#kept = null
      return false
    }
    const { cursor, events } = await this.#page(kept.to)
    if (cursor < kept.to) this.#kept = { from: cursor, to: cursor, events: [] }
    else if (events.length > 0) {
      const all = [...kept.events, ...events]
      const excess = Math.max(0, all.length - keptEvents)
      const from = excess === 0 ? kept.from : all[excess - 1]!.id
      this.#kept = { from, to: all.at(-1)!.id, events: all.slice(excess) }
    } else return false
    this.#finds++
    for (const tell of this.#waiting) tell()
    return events.length === pageSize
  }
}

interface Page {
  /** Where to go on when there are no events. */
  readonly cursor: number
  readonly events: readonly StoredEvent[]
}
