import { Counter, type Registry } from 'prom-client'

/** Deliveries to webhooks. Bound: the webhooks of the configuration, times the outcomes. */
export class WebhookMetrics {
  readonly #deliveries: Counter
  /** Outcomes by webhook, to remove their series. */
  readonly #seen = new Map<string, Set<string>>()

  constructor(registry: Registry) {
    this.#deliveries = new Counter({
      name: 'pooldns_webhook_deliveries_total',
      help: 'Events that were delivered, failed or dropped, and attempts that were retried.',
      labelNames: ['webhook', 'outcome'],
      registers: [registry],
    })
  }

  /** The webhooks that there are now; series of all others go away. */
  retain(names: Iterable<string>): void {
    const kept = new Set(names)
    for (const webhook of kept) if (!this.#seen.has(webhook)) this.#seen.set(webhook, new Set())
    for (const [webhook, outcomes] of this.#seen) {
      if (kept.has(webhook)) continue
      this.#seen.delete(webhook)
      for (const outcome of outcomes) this.#deliveries.remove({ webhook, outcome })
    }
  }

  /** What became of an event, or of an attempt to deliver one (a word of a fixed list). */
  delivery(webhook: string, outcome: string): void {
    const outcomes = this.#seen.get(webhook)
    if (outcomes === undefined) return
    outcomes.add(outcome)
    this.#deliveries.inc({ webhook, outcome })
  }
}
