/**
 * What happens in the daemon and concerns several of its parts, and who hears of it: one closed table. Whoever sees something
 * announces it and knows nobody who listens; a part that listens has a `Hearing`, which the compiler holds against the table. An
 * event is heard at once, by one listener after another in the order of its row. One that throws is a defect, which is counted and
 * told, and keeps neither the others from hearing nor whoever announced from going on. What concerns the
 * log or the metrics alone goes there without an event.
 */
import type { Config } from '../config.ts'
import type { Catalog } from '../controlplane/catalog/catalog.ts'
import type { ReadCache } from '../controlplane/feeds/cache/read-cache.ts'
import type { FeedWriter } from '../controlplane/feeds/feed-writer.ts'
import type { FoundBreak as Break } from '../controlplane/follow/follower.ts'
import type { CertificateNews } from '../controlplane/health/certificate-watch.ts'
import type { Suspicion } from '../controlplane/health/guard.ts'
import type { Ended } from '../controlplane/model/births.ts'
import { isUnavailable } from '../controlplane/model/errors.ts'
import type { NewEvent } from '../controlplane/model/event.ts'
import type { MemberKey } from '../controlplane/model/member-key.ts'
import type { HealthEvent, Hold, MemberHealth } from '../controlplane/model/observation.ts'
import type { Override, ServiceOverride } from '../controlplane/model/override.ts'
import type { AddressText } from '../controlplane/model/pool.ts'
import type { ResolutionChange } from '../controlplane/resolving/host-resolver.ts'
import type { DrainedMember } from '../controlplane/serve/drain-watch.ts'
import type { SteeringChange } from '../controlplane/serve/fed-watch.ts'
import type { PoolChange } from '../controlplane/serve/pool-watch.ts'
import type { ServiceChange } from '../controlplane/serve/service-watch.ts'
import type { Database } from '../controlplane/store/database.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics, ThreadName } from '../telemetry/metrics/metrics.ts'
import type { Tracing } from '../telemetry/tracing.ts'
import type { DescriptorShares } from './descriptors.ts'
import type { Faults } from './faults.ts'
import type { Supervision } from './supervision.ts'

/** What every part stands on. */
export interface Ground {
  readonly config: Config
  readonly database: Database
  /** Of what was read lately. */
  readonly cache: ReadCache
  /** Of rows of feeds, whoever brings them. */
  readonly feedWriter: FeedWriter
  /** Id of this node. */
  readonly nodeId: string
  readonly log: Logger
  readonly metrics: Metrics
  /** Where parts tell what goes wrong in this node itself. */
  readonly faults: Faults
  /** How many descriptors each part may open. */
  readonly descriptors: DescriptorShares
  readonly announce: Announce
  /** Null when the workers are threads of this process. */
  readonly supervision: Supervision | null
  /** Told of what is traced; null where nobody traces. */
  readonly tracing: Tracing | null
  /** Aborts when the stop begins. */
  readonly signal: AbortSignal
}

interface FoundBreak {
  readonly found: Break
}

/** Plans are about to be made of another catalog. */
interface NextCatalog {
  readonly before: Catalog
  readonly catalog: Catalog
  /** What the catalog before knew and this one does not, though there may be others of the same names. */
  readonly ended: Ended
  /** What members were when the daemon last ran; comes with the first catalog. */
  readonly stored: readonly MemberHealth[] | null
}

interface Resolved {
  /** Every round that ended. */
  readonly changes: readonly ResolutionChange[]
  /** Those that changed more than the time until which addresses are good. */
  readonly news: readonly ResolutionChange[]
}

type Pools = { readonly pools: Iterable<string> }

/** What each kind of event says, and who hears it. */
export const events = {
  'database-available': {
    says: {},
    heardBy: ['log', 'readiness', 'overrides', 'pending', 'gradual', 'feeds', 'rollovers', 'bootstraps'],
  },
  'database-away': { says: {} as { reason: string }, heardBy: ['log', 'readiness', 'configuration'] },
  /** The database is not what came of what this node had from it. */
  'history-broken': { says: {} as FoundBreak, heardBy: ['log', 'metrics', 'configuration'] },
  /** The database's schema is of a newer version, whose latest migration this is; null: no more. */
  schema: { says: {} as { newer: string | null }, heardBy: ['log'] },
  catalog: {
    says: {} as NextCatalog,
    // What feeds say comes before those who go by it.
    heardBy: [
      'readings',
      'hosts',
      'health',
      'metrics',
      'overrides',
      'answers',
      'events',
      'configuration',
      'gradual',
      'feeds',
      'signing',
      'rollovers',
    ],
  },
  'overrides-ended': {
    says: {} as { overrides: readonly Override[]; services: readonly ServiceOverride[] },
    heardBy: ['configuration', 'answers', 'overrides'],
  },
  operated: { says: {} as { events: readonly NewEvent[] }, heardBy: ['events', 'log'] },
  // Members; the record of events comes before answers, since who is answered may look there
  transitions: {
    says: {} as Pools & { transitions: readonly HealthEvent[] },
    heardBy: ['events', 'health', 'metrics', 'log', 'configuration', 'gradual'],
  },
  /** Members weigh or answer otherwise than before. */
  'weights-changed': { says: {} as Pools, heardBy: ['configuration'] },
  /** Feeds have been read: the pools that go by what has changed. */
  readings: { says: {} as Pools, heardBy: ['health', 'configuration'] },
  /** What feeds say of members and pools begins to count, or ceases to. */
  steering: { says: {} as { changes: readonly SteeringChange[] }, heardBy: ['log', 'events'] },
  held: {
    says: {} as { key: MemberKey; hold: Hold; address: AddressText | null },
    heardBy: ['log', 'events'],
  },
  certificate: {
    says: {} as { health: MemberHealth; news: CertificateNews },
    heardBy: ['log', 'events'],
  },
  suspicion: {
    says: {} as { suspicion: Suspicion | null; whyTrusted: string },
    heardBy: ['log', 'events', 'health', 'feeds'],
  },
  resolved: { says: {} as Resolved, heardBy: ['log', 'health', 'configuration'] },
  pools: { says: {} as { changes: readonly PoolChange[] }, heardBy: ['log', 'events', 'gradual'] },
  services: { says: {} as { changes: readonly ServiceChange[] }, heardBy: ['log', 'events', 'gradual'] },
  drained: { says: {} as { members: readonly DrainedMember[] }, heardBy: ['log', 'events'] },
  /** Other nodes have been heard of. */
  nodes: { says: {}, heardBy: ['answers'] },
  'locations-changed': { says: {}, heardBy: ['configuration'] },
  /** A thread of this process died, hung, or was given up; another one is started when it is needed. */
  'thread-died': { says: {} as { thread: ThreadName; reason: string }, heardBy: ['metrics', 'log'] },
  'worker-restarted': { says: {} as { transport: string; reason: string }, heardBy: ['metrics', 'log'] },
} as const

type Kind = keyof typeof events
type ListenerName = (typeof events)[Kind]['heardBy'][number]
type EventOf<K extends Kind> = K extends Kind ? { readonly kind: K } & (typeof events)[K]['says'] : never

export type DaemonEvent = EventOf<Kind>
export type Announce = (event: DaemonEvent) => void

/** What a listener does with each event that the table gives it. */
export type Hearing<Name extends ListenerName> = {
  readonly [K in Kind as Name extends (typeof events)[K]['heardBy'][number] ? K : never]: (
    event: EventOf<K>,
  ) => void
}

export type Listeners = { readonly [Name in ListenerName]: Hearing<Name> }

/** Where an error of a listener is caught, of each. */
export const hearings: readonly string[] = Object.entries(events).flatMap(([kind, { heardBy }]) =>
  heardBy.map((name) => hearing(name, kind)),
)

function hearing(name: string, kind: string): string {
  return `${name} at ${kind}`
}

/**
 * @param listeners asked at each event, since the parts that listen are made of those that announce
 * @param faults told of listeners that throw
 */
export function announceTo(listeners: () => Listeners, faults: Pick<Faults, 'contain'>): Announce {
  return (event) => {
    // The compiler can't follow that the listener that is picked by a kind takes an event of that kind.
    const all = listeners() as unknown as Readonly<Record<string, Record<Kind, (event: DaemonEvent) => void>>>
    for (const name of events[event.kind].heardBy) {
      faults.contain(hearing(name, event.kind), () => all[name]![event.kind](event))
    }
  }
}

const tellEveryMs = 60_000

/** For what is tried again every few seconds, and fails for the same reason. */
export function seldom(tell: (error: unknown) => void): (error: unknown) => void {
  let toldAtMs = Number.NEGATIVE_INFINITY
  return (error) => {
    const nowMs = performance.now()
    if (nowMs - toldAtMs < tellEveryMs) return
    toldAtMs = nowMs
    tell(error)
  }
}

/** Logs what an error kept from being done. That the database is away is said once, not by everybody who finds it so. */
export function failing(log: Logger, what: string): (error: unknown) => void {
  return (error) => {
    if (!isUnavailable(error)) log.error({ err: error }, what)
  }
}
