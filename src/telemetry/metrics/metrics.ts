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
import { setImmediate } from 'node:timers/promises'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import { CacheMetrics } from './cache.ts'
import { type DnsCounters, registerDnsMetrics } from './dns.ts'
import { hardlyEverMs, registerEventLoopMetrics } from './event-loop.ts'
import { renderPage } from './exposition.ts'
import { FaultMetrics } from './faults.ts'
import { FeedMetrics } from './feeds.ts'
import { HttpMetrics } from './http.ts'
import { LookupMetrics } from './lookups.ts'
import {
  type CertificateEnd,
  type HostCounts,
  MemberMetrics,
  registerCertificateMetrics,
  registerHostMetrics,
} from './members.ts'
import { Exposed, expose, exposeCounts, exposeValue, Scrape, type Series, tallies, tally } from './series.ts'
import { type RenderedPage, SharedRendering } from './shared-rendering.ts'
import { registerSigningMetrics, type SignedZoneNow, type ZoneRolloverNow } from './signing.ts'
import {
  type DrainNow,
  type MemberNow,
  type PoolNow,
  registerStateMetrics,
  type ServiceNow,
} from './states.ts'
import { type FeedUseNow, registerSteeringMetrics } from './steering.ts'
import { WebhookMetrics } from './webhooks.ts'

/** What a scrape reads. Called at every scrape: must be cheap and never throw. */
export interface MetricsSources {
  /** Waits until what the workers have counted is known. */
  refresh(): Promise<void>
  /** How often a process has been started again after it had ended by itself. */
  processRestarts(): readonly { readonly process: string; readonly count: number }[]
  dns(): DnsCounters
  /** Members that have shown a certificate. */
  certificates(): readonly CertificateEnd[]
  feedUses(): readonly FeedUseNow[]
  /** Members that are hosts. */
  hosts(): readonly HostCounts[]
  /** Every member of the configuration. */
  members(): readonly MemberNow[]
  /** Members that are drained. */
  drains(): readonly DrainNow[]
  pools(): readonly PoolNow[]
  services(): readonly ServiceNow[]
  /** Zones that are signed, or should be. */
  signedZones(): readonly SignedZoneNow[]
  /** Zones whose keys are rolled over. */
  rollovers(): readonly ZoneRolloverNow[]
  /** How many signatures were made. */
  signaturesMade(): number
  /** RRsets of services that are still to be signed. */
  unsignedSets(): { readonly answers: number; readonly ahead: number }
  /** Configuration revision that this node serves. */
  configRevision(): number
  /** Seconds. */
  configLag(): number
  databaseUp(): boolean
  /** Events that are not stored yet. */
  eventsWaiting(): number
  /** Whether the database is empty, though this node serves what it had. */
  databaseEmptied(): boolean
  /** Whether its schema is of a newer version. */
  databaseSchemaNewer(): boolean
  /** Whether this node doubts its own network. */
  networkSuspect(): boolean
  /** Probes that this node can't make for want of an address of a family, by the name of the family. */
  unjudgedProbes(): Readonly<Record<string, number>>
  /** Rows of the database that can't be used now. */
  badRows(): number
  /** When the cold-start snapshot was last written; null when there is none. */
  snapshotWrittenAt(): Date | null
}

/** Threads beside those that answer DNS. */
const threadNames = ['compile', 'database', 'dnstap', 'location', 'signing'] as const
export type ThreadName = (typeof threadNames)[number]

/** What gives way first when there is no room for all. Deliveries to webhooks have a metric of their own. */
const shedKinds = ['events', 'history', 'probes', 'queries'] as const
export type ShedKind = (typeof shedKinds)[number]

/** How a database turns out to be not what came of what this node had from it. */
const breakKinds = ['back', 'other', 'empty', 'foreign'] as const

export class Metrics {
  readonly #registry = new Registry()
  readonly faults: FaultMetrics
  readonly feeds: FeedMetrics
  readonly lookups: LookupMetrics
  readonly members: MemberMetrics
  readonly webhooks: WebhookMetrics
  readonly http: HttpMetrics
  readonly cache: CacheMetrics
  readonly #page: SharedRendering
  readonly #sources: MetricsSources
  #workerRestarts = 0
  readonly #threadRestarts = tallies(threadNames)
  readonly #historyBreaks = tallies(breakKinds)
  readonly #shed = tallies(shedKinds)
  readonly #scrape = new Scrape()
  /** Of the last page. */
  #length = 0

  constructor(version: string, sources: MetricsSources, now: () => number = Date.now) {
    const registry = this.#registry
    this.#sources = sources
    registerProcessMetrics(registry, version)
    this.faults = new FaultMetrics(registry)
    this.feeds = new FeedMetrics(registry)
    this.lookups = new LookupMetrics(registry)
    this.members = new MemberMetrics(registry)
    this.webhooks = new WebhookMetrics(registry)
    this.http = new HttpMetrics(registry)
    this.#page = new SharedRendering(() => this.#render())
    this.cache = new CacheMetrics(registry)
    const restarts = 'DNS workers that died or hung, and were started again.'
    exposeValue(registry, 'counter', 'pooldns_worker_restarts_total', restarts, () => this.#workerRestarts)
    const threads = 'Threads beside those that answer DNS that died or hung, and were started again.'
    exposeCounts(registry, 'pooldns_thread_restarts_total', threads, () =>
      Array.from(this.#threadRestarts, ([thread, count]) => ({ thread, count })),
    )
    const breaks = 'Times that the database was found to have been restored, or to be empty.'
    exposeCounts(registry, 'pooldns_history_breaks_total', breaks, () =>
      Array.from(this.#historyBreaks, ([kind, count]) => ({ kind, count })),
    )
    const shed =
      'What was given up for want of room: events that waited for the database, changes that are too large for the history, rows of probes, queries of the query log.'
    exposeCounts(registry, 'pooldns_shed_total', shed, () =>
      Array.from(this.#shed, ([what, count]) => ({ what, count })),
    )
    const processes = 'Processes of this server that ended by themselves or hung, and were started again.'
    exposeCounts(registry, 'pooldns_process_restarts_total', processes, () => sources.processRestarts())
    registerDnsMetrics(registry, this.#scrape, () => sources.dns())
    registerNodeMetrics(registry, sources, now)
    registerStateMetrics(registry, this.#scrape, sources)
    registerCertificateMetrics(registry, () => sources.certificates())
    registerSteeringMetrics(registry, () => sources.feedUses())
    registerHostMetrics(registry, () => sources.hosts())
    registerSigningMetrics(registry, sources, now)
  }

  /** Something was given up. */
  shed(what: ShedKind, times: number): void {
    tally(this.#shed, what, times)
  }

  historyBroken(kind: (typeof breakKinds)[number]): void {
    tally(this.#historyBreaks, kind)
  }

  /** A thread that answers DNS died. */
  workerRestarted(): void {
    this.#workerRestarts++
  }

  /** One of the control plane died. */
  threadRestarted(thread: ThreadName): void {
    tally(this.#threadRestarts, thread)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The page for Prometheus. */
  async text(): Promise<string> {
    return String(await this.#render())
  }

  /** The same for callers of whom there may be many: no older than the call, and shared by those who wait. */
  page(): Promise<RenderedPage> {
    return this.#page.get()
  }

  /** The same as on the page, for who sends it elsewhere. Metrics are read in turns, between which other things go on. */
  async families(): Promise<readonly MetricFamily[]> {
    await this.#sources.refresh()
    try {
      const families: MetricFamily[] = []
      for (const metric of this.#registry.getMetricsAsArray() as unknown as readonly (Exposed | Counted)[]) {
        families.push(await familyOf(metric))
        await setImmediate()
      }
      return families
    } finally {
      this.#scrape.end()
    }
  }

  async #render(): Promise<Buffer> {
    await this.#sources.refresh()
    try {
      const page = await renderPage(this.#registry, this.#length)
      this.#length = page.length
      return page
    } finally {
      this.#scrape.end()
    }
  }
}

/** A metric with its series, as they are at a moment. */
export interface MetricFamily {
  readonly name: string
  readonly help: string
  readonly type: string
  readonly series: readonly Series[]
}

/** What prom-client counts by itself. */
interface Counted {
  get(): Promise<Omit<MetricFamily, 'series'> & { readonly values: readonly Series[] }>
}

async function familyOf(metric: Exposed | Counted): Promise<MetricFamily> {
  if (metric instanceof Exposed) {
    const { name, help, type, read } = metric
    return { name, help, type, series: [...read()] }
  }
  const { name, help, type, values } = await metric.get()
  return { name, help, type, series: values }
}

/** What prom-client brings, and which version runs. */
function registerProcessMetrics(registry: Registry, version: string): void {
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: hardlyEverMs })
  registerEventLoopMetrics(registry)
  for (const metric of registry.getMetricsAsArray()) {
    const { name } = metric as unknown as { readonly name: string }
    if (metric instanceof Gauge && name.endsWith('_total')) registry.removeSingleMetric(name)
  }
  const help = 'Always 1; the label says which version runs.'
  expose(registry, 'gauge', 'pooldns_build_info', help, () => [{ labels: { version }, value: 1 }])
}

/** What this node is at. */
function registerNodeMetrics(registry: Registry, state: MetricsSources, now: () => number): void {
  const gauge = (name: string, help: string, read: () => number | null) =>
    exposeValue(registry, 'gauge', `pooldns_${name}`, help, read)
  const revision = 'Revision of the configuration that this node serves.'
  gauge('config_revision', revision, () => state.configRevision())
  const lag =
    'Seconds since when nothing has moved though the database has, or may have, more than this node serves; 0 when it has not.'
  gauge('config_lag_seconds', lag, () => state.configLag())
  gauge('database_up', 'Whether the last use of the database succeeded.', () => Number(state.databaseUp()))
  const waiting = 'Events that wait for the database; the oldest give way when there are too many.'
  gauge('events_waiting', waiting, () => state.eventsWaiting())
  const emptied =
    'Whether the database is empty, or another one, and was not: this node serves what it had from it.'
  gauge('database_emptied', emptied, () => Number(state.databaseEmptied()))
  const newer = 'Whether the database has the schema of a newer version, so that this node takes no changes.'
  gauge('database_schema_newer', newer, () => Number(state.databaseSchemaNewer()))
  const suspect = 'Whether this node doubts its own network, so that failures of members do not count.'
  gauge('network_suspect', suspect, () => Number(state.networkSuspect()))
  const unjudged = 'Probes that this node can not make, as it has no address of that family to go from.'
  expose(registry, 'gauge', 'pooldns_unjudged_probes', unjudged, () =>
    Object.entries(state.unjudgedProbes()).map(([family, value]) => ({ labels: { family }, value })),
  )
  const bad =
    'Rows of the database that can not be used now, so that the last good is served in their place, or nothing.'
  gauge('bad_rows', bad, () => state.badRows())
  gauge('snapshot_age_seconds', 'Age of the cold-start snapshot; absent when there is none.', () => {
    const writtenAt = state.snapshotWrittenAt()
    return writtenAt === null ? null : Math.max(0, (now() - writtenAt.getTime()) / 1000)
  })
}
