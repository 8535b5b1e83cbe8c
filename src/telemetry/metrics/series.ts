/** A metric whose series are read at each scrape, and what is read once for several of them. */
import type { Gauge, Registry } from 'prom-client'

export interface Series {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  /** The metric's own when left out. */
  readonly metricName?: string
}

/** A count with the labels of its series. */
export type Count = { readonly count: number } & Readonly<Record<string, string | number>>

/** What prom-client's registry holds for us; `exposition.ts` writes it. */
export class Exposed {
  readonly name: string
  readonly help: string
  readonly type: string
  /** Called at each scrape, and gone through in several turns: what it goes through may change meanwhile. */
  readonly read: () => Iterable<Series>

  constructor(name: string, help: string, type: string, read: () => Iterable<Series>) {
    this.name = name
    this.help = help
    this.type = type
    this.read = read
  }
}

export function expose(
  registry: Registry,
  type: 'counter' | 'gauge' | 'histogram',
  name: string,
  help: string,
  read: () => Iterable<Series>,
): void {
  registry.registerMetric(new Exposed(name, help, type, read) as unknown as Gauge)
}

export function exposeCounts(
  registry: Registry,
  name: string,
  help: string,
  read: () => Iterable<Count>,
): void {
  expose(registry, 'counter', name, help, function* () {
    for (const { count, ...labels } of read()) yield { labels, value: count }
  })
}

/** @param read null while there is nothing to show */
export function exposeValue(
  registry: Registry,
  type: 'counter' | 'gauge',
  name: string,
  help: string,
  read: () => number | null,
): void {
  expose(registry, type, name, help, () => {
    const value = read()
    return value === null ? [] : [{ labels: {}, value }]
  })
}

/** Counts one more of a word, or several. */
export function tally(counts: Map<string, number>, word: string, times = 1): void {
  counts.set(word, (counts.get(word) ?? 0) + times)
}

/** Counts of words that are known before they are counted, so that the first one is a rise. */
export function tallies(words: Iterable<string>): Map<string, number> {
  return new Map(Array.from(words, (word) => [word, 0]))
}

/** What several metrics show something of, and is asked for once a scrape. */
export class Scrape {
  readonly #forget: (() => void)[] = []

  once<T>(read: () => T): () => T {
    let known: { readonly value: T } | null = null
    this.#forget.push(() => {
      known = null
    })
    return () => {
      known ??= { value: read() }
      return known.value
    }
  }

  end(): void {
    for (const forget of this.#forget) forget()
  }
}
