import type { Registry } from 'prom-client'
import { expose, exposeCounts, tallies, tally } from './series.ts'

const outcomes = ['delivered', 'retried', 'failed', 'dropped'] as const

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
    const waiting = 'Events that wait to be sent to a webhook, or are being sent.'
    expose(registry, 'gauge', 'pooldns_webhook_events_waiting', waiting, () =>
      Array.from(this.#outcomes.keys(), (webhook) => ({ labels: { webhook }, value: this.waiting(webhook) })),
    )
  }

  /** How many events wait for a webhook; set by who sends. */
  waiting: (webhook: string) => number = () => 0

  /** The webhooks that there are now; series of all others go away. */
  retain(names: Iterable<string>): void {
    const kept = new Set(names)
    for (const name of kept) if (!this.#outcomes.has(name)) this.#outcomes.set(name, tallies(outcomes))
    for (const name of this.#outcomes.keys()) if (!kept.has(name)) this.#outcomes.delete(name)
  }

  /** What became of an event, or of an attempt to deliver one. */
  delivery(webhook: string, outcome: (typeof outcomes)[number]): void {
    const counts = this.#outcomes.get(webhook)
    if (counts !== undefined) tally(counts, outcome)
  }
}
