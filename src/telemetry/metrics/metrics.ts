/**
 * Every metric of the daemon, by subsystem; this folder alone uses prom-client. One registry a daemon, because several
 * daemons run in one process of tests.
 *
 * The data plane does not know this folder: its workers count in shared memory, and a scrape reads those counts through
 * `MetricsSources`. What the control plane does (probes, transitions, lookups) is counted here, by a call. Labels are
 * words of the configuration or of the protocol; the one exception, `queries_total{domain}`, is bounded by
 * `BusiestNames`. Series of members and webhooks that left the configuration are removed.
 *
 * Monotone counts whose names in the contract lack `_total` (`dns_lookup_success`) are exposed as gauges, and gauges
 * of prom-client that end in `_total` are left out: a linter of metrics takes offence at both.
 */
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { type DnsCounters, registerDnsMetrics, WorkerMetrics } from './dns.ts'
import { LookupMetrics } from './lookups.ts'
import { type HostCounts, MemberMetrics, registerHostMetrics } from './members.ts'
import { type NodeState, registerNodeMetrics } from './node.ts'
import { WebhookMetrics } from './webhooks.ts'

/** What a scrape reads. Called at every scrape: must be cheap and never throw. */
export interface MetricsSources extends NodeState {
  dns(): DnsCounters
  /** Members that are hosts. */
  hosts(): readonly HostCounts[]
}

export class Metrics {
  readonly #registry = new Registry()
  readonly lookups: LookupMetrics
  readonly members: MemberMetrics
  readonly webhooks: WebhookMetrics
  readonly workers: WorkerMetrics

  constructor(version: string, sources: MetricsSources, now: () => number = Date.now) {
    const registry = this.#registry
    registerProcessMetrics(registry, version)
    this.lookups = new LookupMetrics(registry)
    this.members = new MemberMetrics(registry)
    this.webhooks = new WebhookMetrics(registry)
    this.workers = new WorkerMetrics(registry)
    registerDnsMetrics(registry, () => sources.dns())
    registerNodeMetrics(registry, sources, now)
    registerHostMetrics(registry, () => sources.hosts())
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The page for Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }
}

/** What prom-client brings, and which version runs. */
function registerProcessMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry })
  for (const metric of registry.getMetricsAsArray()) {
    const { name } = metric as unknown as { readonly name: string }
    if (metric instanceof Gauge && name.endsWith('_total')) registry.removeSingleMetric(name)
  }
  new Gauge({
    name: 'pooldns_build_info',
    help: 'Always 1; the label says which version runs.',
    labelNames: ['version'],
    registers: [registry],
  }).set({ version }, 1)
}
