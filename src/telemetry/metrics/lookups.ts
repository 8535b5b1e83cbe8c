import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { BusiestNames } from './busiest-names.ts'

const busiestNames = 100

const bucketsSeconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The lookup tool. */
export class LookupMetrics {
  readonly #names = new BusiestNames(busiestNames)
  readonly #total: Counter
  readonly #success: Gauge
  readonly #failure: Gauge
  readonly #duration: Histogram

  constructor(registry: Registry) {
    const registers = [registry]
    this.#total = new Counter({ name: 'dns_lookup_total', help: 'Uses of the lookup tool.', registers })
    this.#success = new Gauge({
      name: 'dns_lookup_success',
      help: 'Uses of the lookup tool that found an address, since the start.',
      registers,
    })
    this.#failure = new Gauge({
      name: 'dns_lookup_failure',
      help: 'Uses of the lookup tool that found no address, since the start.',
      registers,
    })
    this.#duration = new Histogram({
      name: 'dns_lookup_duration_seconds',
      help: 'Time that the lookup tool took.',
      buckets: bucketsSeconds,
      registers,
    })
    const names = this.#names
    new Counter({
      name: 'queries_total',
      help: 'Uses of the lookup tool by name: the busiest names, the rest as other.',
      labelNames: ['domain'],
      registers,
      collect() {
        this.reset()
        for (const [domain, count] of names.entries()) this.inc({ domain }, count)
        this.inc({ domain: 'other' }, names.other)
      },
    })
  }

  /** One use of the lookup tool with a name that was a name. */
  used(domain: string, found: boolean, durationSeconds: number): void {
    this.#names.count(domain)
    this.#total.inc()
    if (found) this.#success.inc()
    else this.#failure.inc()
    this.#duration.observe(durationSeconds)
  }
}
