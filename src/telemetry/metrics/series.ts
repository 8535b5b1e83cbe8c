/** A metric whose series are read at each scrape: the part of it that prom-client's registry calls, and no more. */
import type { Gauge, Registry } from 'prom-client'

export interface Series {
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
  /** The metric's own when left out. */
  readonly metricName?: string
}

/** A count with the labels of its series. */
export type Count = { readonly count: number } & Readonly<Record<string, string | number>>

export function expose(
  registry: Registry,
  type: 'counter' | 'gauge' | 'histogram',
  name: string,
  help: string,
  read: () => readonly Series[],
): void {
  const head = { name, help, type }
  const metric = { ...head, get: async () => ({ ...head, values: read() }) }
  registry.registerMetric(metric as unknown as Gauge)
}

export function exposeCounts(
  registry: Registry,
  name: string,
  help: string,
  read: () => readonly Count[],
): void {
  expose(registry, 'counter', name, help, () =>
    read().map(({ count, ...labels }) => ({ labels, value: count })),
  )
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
