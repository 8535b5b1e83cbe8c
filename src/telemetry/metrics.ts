/**
 * Every metric of the daemon, and the only use of prom-client. One registry a daemon, because several daemons run in
 * one process of tests.
 *
 * The data plane does not know this module: its workers count in shared memory, and a scrape reads those counts
 * through `MetricsSources`. What the control plane does (probes, transitions, lookups) is counted here, by a call.
 * Labels are words of the configuration or of the protocol; the one exception, `queries_total{domain}`, is bounded by
 * `BusiestNames`. Series of members that left the configuration are removed.
 *
 * Monotone counts whose names in the contract lack `_total` (`dns_lookup_success`) are exposed as gauges, and gauges
 * of prom-client that end in `_total` are left out: a linter of metrics takes offence at both.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { BusiestNames } from './busiest-names.ts'

/** What the DNS workers have counted since they started, summed over them. */
export interface DnsCounters {
  readonly queries: readonly {
    readonly transport: string
    readonly family: string
    readonly qtype: string
    readonly count: number
  }[]
  readonly responses: readonly {
    readonly transport: string
    readonly rcode: string
    readonly count: number
  }[]
  readonly dropped: readonly { readonly reason: string; readonly count: number }[]
  readonly limited: readonly { readonly action: string; readonly count: number }[]
  /** Of TCP connections: how many were accepted, and closed for each reason. */
  readonly tcpConnections: readonly { readonly event: string; readonly count: number }[]
  readonly tcpOpen: number
  readonly duration: DurationCounts
  readonly serviceAnswers: readonly {
    readonly service: string
    readonly pool: string
    readonly member: string
    readonly count: number
  }[]
}

export interface DurationCounts {
  /** Upper bounds of the buckets, ascending, without infinity. */
  readonly boundsSeconds: readonly number[]
  /** Observations of each bucket alone (not cumulative); one more than bounds, the last for everything above. */
  readonly counts: readonly number[]
  readonly sumSeconds: number
}

/** What a scrape reads. Called at every scrape: must be cheap and never throw. */
export interface MetricsSources {
  dns(): DnsCounters
  /** Configuration revision that this node serves. */
  configRevision(): number
  databaseUp(): boolean
  /** Whether this node doubts its own network. */
  networkSuspect(): boolean
  /** When the cold-start snapshot was last written; null when there is none. */
  snapshotWrittenAt(): Date | null
  /** Members that are hosts. */
  hosts(): readonly HostCounts[]
}

export interface HostCounts extends MemberKey {
  /** That the host has now. */
  readonly addresses: number
  /** Lookups that gave less than they should. */
  readonly failures: number
}

export interface MemberKey {
  readonly pool: string
  readonly member: string
}

const busiestNames = 100

const lookupBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export class Metrics {
  readonly #registry = new Registry()
  readonly #lookups: LookupMetrics
  readonly #members: MemberMetrics
  readonly #webhooks: WebhookMetrics
  readonly #workerRestarts: Counter
  #sources: MetricsSources | null = null

  constructor(options: { version: string; now?: () => number }) {
    const registry = this.#registry
    const now = options.now ?? Date.now
    collectDefaultMetrics({ register: registry })
    for (const metric of registry.getMetricsAsArray()) {
      if (metric instanceof Gauge && nameOf(metric).endsWith('_total'))
        registry.removeSingleMetric(nameOf(metric))
    }
    this.#lookups = new LookupMetrics(registry)
    this.#members = new MemberMetrics(registry)
    this.#webhooks = new WebhookMetrics(registry)
    const source = () => this.#sources
    registerDnsMetrics(registry, source)
    registerStateMetrics(registry, source, now)
    registerHostMetrics(registry, source)
    this.#workerRestarts = new Counter({
      name: 'pooldns_worker_restarts_total',
      help: 'DNS workers that died and were started again.',
      registers: [registry],
    })
    new Gauge({
      name: 'pooldns_build_info',
      help: 'Always 1; the label says which version runs.',
      labelNames: ['version'],
      registers: [registry],
    }).set({ version: options.version }, 1)
  }

  /** Connects what scrapes read; until then the metrics of the data plane are empty. */
  connect(sources: MetricsSources): void {
    this.#sources = sources
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The page for Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** One use of the lookup tool with a name that was a name. */
  lookup(domain: string, found: boolean, durationSeconds: number): void {
    this.#lookups.observe(domain, found, durationSeconds)
  }

  /** The members that are probed now; series of all others go away. */
  setMembers(members: Iterable<MemberKey>): void {
    this.#members.keep(members)
  }

  /** The measured state of a member; null while it is not known. Members that are not set are ignored. */
  memberState(key: MemberKey, up: boolean | null): void {
    this.#members.state(key, up)
  }

  memberTransition(key: MemberKey, to: string): void {
    this.#members.transition(key, to)
  }

  /** One probe; `failure` is its kind (a word of a fixed list), or null when it succeeded. */
  probe(key: MemberKey, durationMs: number, failure: string | null): void {
    this.#members.probe(key, durationMs, failure)
  }

  /** The webhooks that there are now; series of all others go away. */
  setWebhooks(names: Iterable<string>): void {
    this.#webhooks.keep(names)
  }

  /** What became of an event, or of an attempt to deliver one (a word of a fixed list). */
  webhookDelivery(webhook: string, outcome: string): void {
    this.#webhooks.delivery(webhook, outcome)
  }

  workerRestarted(): void {
    this.#workerRestarts.inc()
  }
}

function nameOf(metric: object): string {
  return (metric as { name: string }).name
}

class LookupMetrics {
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
      buckets: lookupBuckets,
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

  observe(domain: string, found: boolean, durationSeconds: number): void {
    this.#names.count(domain)
    this.#total.inc()
    if (found) this.#success.inc()
    else this.#failure.inc()
    this.#duration.observe(durationSeconds)
  }
}

/** Bound: the members of the configuration, times the states and the kinds of failure. */
class WebhookMetrics {
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

  keep(names: Iterable<string>): void {
    const kept = new Set(names)
    for (const webhook of kept) if (!this.#seen.has(webhook)) this.#seen.set(webhook, new Set())
    for (const [webhook, outcomes] of this.#seen) {
      if (kept.has(webhook)) continue
      this.#seen.delete(webhook)
      for (const outcome of outcomes) this.#deliveries.remove({ webhook, outcome })
    }
  }

  delivery(webhook: string, outcome: string): void {
    const outcomes = this.#seen.get(webhook)
    if (outcomes === undefined) return
    outcomes.add(outcome)
    this.#deliveries.inc({ webhook, outcome })
  }
}

class MemberMetrics {
  readonly #up: Gauge
  readonly #transitions: Counter
  readonly #duration: Gauge
  readonly #failures: Counter
  /** What a member's series with a third label were called, to remove them. */
  readonly #seen = new Map<string, { key: MemberKey; to: Set<string>; reasons: Set<string> }>()

  constructor(registry: Registry) {
    const registers = [registry]
    const labelNames = ['pool', 'member'] as const
    this.#up = new Gauge({
      name: 'pooldns_member_up',
      help: 'Measured state of a member: 1 up, 0 down, absent until its first probe.',
      labelNames,
      registers,
    })
    this.#transitions = new Counter({
      name: 'pooldns_member_transitions_total',
      help: 'Changes of a member between up and down.',
      labelNames: [...labelNames, 'to'],
      registers,
    })
    // A histogram a member would be a dozen series for each of ten thousand.
    this.#duration = new Gauge({
      name: 'pooldns_probe_duration_seconds',
      help: 'Time that the last probe of a member took.',
      labelNames,
      registers,
    })
    this.#failures = new Counter({
      name: 'pooldns_probe_failures_total',
      help: 'Probes that failed, by the kind of failure.',
      labelNames: [...labelNames, 'reason'],
      registers,
    })
  }

  keep(members: Iterable<MemberKey>): void {
    const kept = new Set<string>()
    for (const key of members) {
      const id = idOf(key)
      kept.add(id)
      if (!this.#seen.has(id)) this.#seen.set(id, { key: labels(key), to: new Set(), reasons: new Set() })
    }
    for (const [id, { key, to, reasons }] of this.#seen) {
      if (kept.has(id)) continue
      this.#seen.delete(id)
      this.#up.remove({ ...key })
      this.#duration.remove({ ...key })
      for (const state of to) this.#transitions.remove({ ...key, to: state })
      for (const reason of reasons) this.#failures.remove({ ...key, reason })
    }
  }

  state(key: MemberKey, up: boolean | null): void {
    if (!this.#seen.has(idOf(key))) return
    if (up === null) this.#up.remove(labels(key))
    else this.#up.set(labels(key), up ? 1 : 0)
  }

  transition(key: MemberKey, to: string): void {
    const seen = this.#seen.get(idOf(key))
    if (seen === undefined) return
    seen.to.add(to)
    this.#transitions.inc({ ...labels(key), to })
  }

  probe(key: MemberKey, durationMs: number, failure: string | null): void {
    const seen = this.#seen.get(idOf(key))
    if (seen === undefined) return
    this.#duration.set(labels(key), durationMs / 1000)
    if (failure === null) return
    seen.reasons.add(failure)
    this.#failures.inc({ ...labels(key), reason: failure })
  }
}

function labels({ pool, member }: MemberKey): { pool: string; member: string } {
  return { pool, member }
}

/** Names of pools and members hold no space. */
function idOf({ pool, member }: MemberKey): string {
  return `${pool} ${member}`
}

type Source = () => MetricsSources | null

function registerDnsMetrics(registry: Registry, source: Source): void {
  const counts = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (dns: DnsCounters) => readonly (Record<Label, string> & { readonly count: number })[],
  ) =>
    new Counter({
      name: `pooldns_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        const sources = source()
        if (sources === null) return
        this.reset()
        for (const row of read(sources.dns())) {
          const picked: Partial<Record<Label, string>> = {}
          for (const label of labelNames) picked[label] = row[label]
          this.inc(picked, row.count)
        }
      },
    })
  counts('dns_queries_total', 'Queries received.', ['transport', 'family', 'qtype'], (dns) => dns.queries)
  counts('dns_responses_total', 'Responses sent.', ['transport', 'rcode'], (dns) => dns.responses)
  counts('dns_dropped_total', 'Messages that got no response.', ['reason'], (dns) => dns.dropped)
  counts(
    'dns_rate_limited_total',
    'Responses above the rate limit, by what became of them.',
    ['action'],
    (dns) => dns.limited,
  )
  counts(
    'tcp_connections_total',
    'TCP connections, by what happened to them.',
    ['event'],
    (dns) => dns.tcpConnections,
  )
  new Gauge({
    name: 'pooldns_tcp_connections_open',
    help: 'TCP connections that are open.',
    registers: [registry],
    collect() {
      this.set(source()?.dns().tcpOpen ?? 0)
    },
  })
  counts(
    'service_answers_total',
    'Times that a member was in an answer.',
    ['service', 'pool', 'member'],
    (dns) => dns.serviceAnswers,
  )
  registerDurationHistogram(registry, () => source()?.dns().duration ?? null)
}

/**
 * A histogram whose counts are kept elsewhere. prom-client's own can only observe one value at a time, so this is the
 * part of a metric that its registry calls, and no more.
 */
function registerDurationHistogram(registry: Registry, read: () => DurationCounts | null): void {
  const name = 'pooldns_dns_response_duration_seconds'
  const head = {
    name,
    help: 'Time from a received query to its response.',
    type: 'histogram',
    aggregator: 'sum',
  }
  const metric = {
    ...head,
    reset: () => {},
    get: async () => ({ ...head, values: histogramValues(name, read()) }),
  }
  registry.registerMetric(metric as unknown as Histogram)
}

function histogramValues(name: string, durations: DurationCounts | null) {
  const { boundsSeconds, counts, sumSeconds } = durations ?? { boundsSeconds: [], counts: [], sumSeconds: 0 }
  let total = 0
  const buckets = [...boundsSeconds, '+Inf'].map((le, index) => {
    total += counts[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { le }, value: total }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sumSeconds },
    { metricName: `${name}_count`, labels: {}, value: total },
  ]
}

/** Bound: the members that are hosts. */
function registerHostMetrics(registry: Registry, source: Source): void {
  const common = { labelNames: ['pool', 'member'] as const, registers: [registry] }
  const hosts = () => source()?.hosts() ?? []
  new Counter({
    ...common,
    name: 'pooldns_resolve_failures_total',
    help: "Lookups of a member's host that failed, or found nothing where there was something.",
    collect() {
      this.reset()
      for (const host of hosts()) this.inc(labels(host), host.failures)
    },
  })
  new Gauge({
    ...common,
    name: 'pooldns_resolved_addresses',
    help: "Addresses that a member's host has, the last good ones while lookups fail.",
    collect() {
      this.reset()
      for (const host of hosts()) this.set(labels(host), host.addresses)
    },
  })
}

function registerStateMetrics(registry: Registry, source: Source, now: () => number): void {
  const gauge = (name: string, help: string, read: (sources: MetricsSources) => number | null) =>
    new Gauge({
      name: `pooldns_${name}`,
      help,
      registers: [registry],
      collect() {
        const sources = source()
        const value = sources === null ? null : read(sources)
        if (value === null) this.remove()
        else this.set(value)
      },
    })
  gauge('config_revision', 'Revision of the configuration that this node serves.', (from) =>
    from.configRevision(),
  )
  gauge('database_up', 'Whether the last use of the database succeeded.', (from) =>
    from.databaseUp() ? 1 : 0,
  )
  gauge(
    'network_suspect',
    'Whether this node doubts its own network, so that failures of members do not count.',
    (from) => (from.networkSuspect() ? 1 : 0),
  )
  gauge('snapshot_age_seconds', 'Age of the cold-start snapshot; absent when there is none.', (from) => {
    const writtenAt = from.snapshotWrittenAt()
    return writtenAt === null ? null : Math.max(0, (now() - writtenAt.getTime()) / 1000)
  })
}
