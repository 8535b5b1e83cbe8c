import type { Registry } from 'prom-client'
import { exposeCounts, exposeValue, tallies, tally } from './series.ts'

const reasons = ['pipelining', 'stalled', 'memory', 'unwanted', 'quiet'] as const

/** The HTTP server's defence of itself. Bound: the reasons, which are words of a fixed list. */
export class HttpMetrics {
  readonly #ended = tallies(reasons)
  /** Connections that are open; set by the server. */
  connections: () => number = () => 0

  constructor(registry: Registry) {
    const open = 'HTTP connections that are open.'
    exposeValue(registry, 'gauge', 'pooldns_http_connections_open', open, () => this.connections())
    const ended = 'HTTP connections that the server ended to protect itself, by reason.'
    exposeCounts(registry, 'pooldns_http_connections_ended_total', ended, () =>
      Array.from(this.#ended, ([reason, count]) => ({ reason, count })),
    )
  }

  ended(reason: (typeof reasons)[number]): void {
    tally(this.#ended, reason)
  }
}
