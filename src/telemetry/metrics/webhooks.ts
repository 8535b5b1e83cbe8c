import type { Registry } from 'prom-client'
import { exposeCounts, tally } from './series.ts'

/** Deliveries to webhooks. Bound: the webhooks of the configuration, times the outcomes. */
export class WebhookMetrics {
  readonly #outcomes = new Map<string, Map<string, number>>()

  constructor(registry: Registry) {
    const help = 'Events that were delivered, failed or dropped, and attempts that were retried.'
    exposeCounts(registry, 'pooldns_webhook_deliveries_total', help, () =>
      [...this.#outcomes].flatMap(([webhook, counts]) =>
        Array.from(counts, ([outcome, count]) => ({ webhook, outcome, count })),
      ),
    )
  }

  /** The webhooks that there are now; series of all others go away. */
  retain(names: Iterable<string>): void {
    const kept = new Set(names)
    for (const name of kept) if (!this.#outcomes.has(name)) this.#outcomes.set(name, new Map())
    for (const name of this.#outcomes.keys()) if (!kept.has(name)) this.#outcomes.delete(name)
  }

  /** What became of an event, or of an attempt to deliver one (a word of a fixed list). */
  delivery(webhook: string, outcome: string): void {
    const counts = this.#outcomes.get(webhook)
    if (counts !== undefined) tally(counts, outcome)
  }
}
