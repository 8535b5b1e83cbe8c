import type { Registry } from 'prom-client'
import { exposeCounts, tallies, tally } from './series.ts'

const outcomes = ['read', 'failed'] as const

/** Feeds that this node reads from their sources. Bound: the feeds of the configuration, times the outcomes. */
export class FeedMetrics {
  readonly #turns = new Map<string, Map<string, number>>()
  readonly #rows = new Map<string, number>()
  readonly #leftOut = new Map<string, number>()

  constructor(registry: Registry) {
    const turns = 'Times that this node has read a feed from its source, or could not.'
    exposeCounts(registry, 'pooldns_feed_source_reads_total', turns, () =>
      [...this.#turns].flatMap(([feed, counts]) =>
        Array.from(counts, ([outcome, count]) => ({ feed, outcome, count })),
      ),
    )
    const rows = 'Rows that this node has read from the source of a feed.'
    exposeCounts(registry, 'pooldns_feed_source_rows_total', rows, () => counted(this.#rows))
    const leftOut = 'Series of the source of a feed of which no row could be made.'
    exposeCounts(registry, 'pooldns_feed_source_left_out_total', leftOut, () => counted(this.#leftOut))
  }

  /** The feeds with a source that there are now; series of all others go away. */
  retain(feeds: Iterable<string>): void {
    const kept = new Set(feeds)
    for (const feed of kept) {
      if (this.#turns.has(feed)) continue
      this.#turns.set(feed, tallies(outcomes))
      this.#rows.set(feed, 0)
      this.#leftOut.set(feed, 0)
    }
    for (const counts of [this.#turns, this.#rows, this.#leftOut]) {
      for (const feed of counts.keys()) if (!kept.has(feed)) counts.delete(feed)
    }
  }

  /** A feed was read. @param rows null: it could not be */
  read(feed: string, rows: number | null, leftOut: number): void {
    const turns = this.#turns.get(feed)
    if (turns === undefined) return
    tally(turns, rows === null ? 'failed' : 'read')
    tally(this.#rows, feed, rows ?? 0)
    tally(this.#leftOut, feed, leftOut)
  }
}

function counted(counts: ReadonlyMap<string, number>) {
  return Array.from(counts, ([feed, count]) => ({ feed, count }))
}
