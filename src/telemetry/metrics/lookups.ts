import { Histogram, type Registry } from 'prom-client'
import { BusiestNames } from './busiest-names.ts'
import { exposeCounts, exposeValue } from './series.ts'

const busiestNames = 100

const bucketsSeconds = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** The lookup tool. */
export class LookupMetrics {
  readonly #names = new BusiestNames(busiestNames)
  #found = 0
  #failed = 0
  readonly #duration: Histogram

  constructor(registry: Registry) {
    const value = (type: 'counter' | 'gauge', name: string, help: string, read: () => number) =>
      exposeValue(registry, type, `dns_lookup_${name}`, help, read)
    value('counter', 'total', 'Uses of the lookup tool.', () => this.#found + this.#failed)
    const found = 'Uses of the lookup tool that found an address, since the start.'
    value('gauge', 'success', found, () => this.#found)
    const failed = 'Uses of the lookup tool that found no address, since the start.'
    value('gauge', 'failure', failed, () => this.#failed)
    this.#duration = new Histogram({
      name: 'dns_lookup_duration_seconds',
      help: 'Time that the lookup tool took.',
      buckets: bucketsSeconds,
      registers: [registry],
    })
    const names = 'Uses of the lookup tool by name: the busiest names, the rest as other.'
    exposeCounts(registry, 'queries_total', names, () => [
      ...Array.from(this.#names.entries(), ([domain, count]) => ({ domain, count })),
      { domain: 'other', count: this.#names.other },
    ])
  }

  /** One use of the lookup tool with a name that was a name. */
  used(domain: string, found: boolean, durationSeconds: number): void {
    this.#names.count(domain)
    if (found) this.#found++
    else this.#failed++
    this.#duration.observe(durationSeconds)
  }
}
