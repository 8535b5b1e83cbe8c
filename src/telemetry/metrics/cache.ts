import type { Registry } from 'prom-client'
import { exposeCounts, exposeValue, tally } from './series.ts'

/** What the cache of reads counts itself. */
export interface CacheState {
  readonly hits: number
  readonly misses: number
  readonly stale: number
  readonly evictions: number
  readonly entries: number
  readonly octets: number
  /** Null when none is named. */
  readonly serverUp: boolean | null
}

/** The cache in front of reads of history and of feeds. Bound: the words below and those of failures, which are fixed lists. */
export class CacheMetrics {
  /** Set by the daemon. */
  state: () => CacheState | null = () => null
  readonly #failures = new Map<string, number>()

  constructor(registry: Registry) {
    const reads =
      'Reads that the cache gave itself, had to ask the database for, or gave though they are old.'
    exposeCounts(registry, 'pooldns_cache_reads_total', reads, () => {
      const { hits, misses, stale } = this.state() ?? { hits: 0, misses: 0, stale: 0 }
      return [
        { result: 'hit', count: hits },
        { result: 'miss', count: misses },
        { result: 'stale', count: stale },
      ]
    })
    const evictions = 'What the cache had to give up for want of room.'
    const value = (type: 'counter' | 'gauge', name: string, help: string, field: keyof CacheState) =>
      exposeValue(registry, type, `pooldns_cache_${name}`, help, () => {
        const found = this.state()?.[field] ?? null
        return found === null ? null : Number(found)
      })
    value('counter', 'evictions_total', evictions, 'evictions')
    value('gauge', 'entries', 'What the cache keeps in memory.', 'entries')
    value('gauge', 'octets', 'What that takes of the memory.', 'octets')
    const up = 'Whether the shared server of the cache can be used; absent when none is named.'
    value('gauge', 'server_up', up, 'serverUp')
    const failures =
      'Times that the shared server of the cache was away, late, answered with an error, or was spared for want of room.'
    exposeCounts(registry, 'pooldns_cache_server_failures_total', failures, () =>
      Array.from(this.#failures, ([reason, count]) => ({ reason, count })),
    )
  }

  /** What can go wrong, by words of a fixed list: nothing has yet. */
  expect(kinds: readonly string[]): void {
    for (const kind of kinds) tally(this.#failures, kind, 0)
  }

  failed(kind: string): void {
    tally(this.#failures, kind)
  }
}
