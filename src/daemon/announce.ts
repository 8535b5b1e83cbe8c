/**
 * What happens in the daemon, and who hears of it: one closed table. Whoever sees something announces it and knows nobody who
 * listens; a part that listens has a `Hearing`, which the compiler holds against the table. An event is heard at once, by one
 * listener after another in the order of its row, and none of them may throw.
 */
import type { Catalog } from '../controlplane/catalog/catalog.ts'
import type { Suspicion } from '../controlplane/health/guard.ts'
import type { Hold } from '../controlplane/health/monitor.ts'
import type { ProbeVerdict } from '../controlplane/health/verdict.ts'
import type { LoadedDatabase } from '../controlplane/location/location-thread.ts'
import type { NewEvent } from '../controlplane/model/event.ts'
import type { MemberKey } from '../controlplane/model/member-key.ts'
import type { HealthEvent, MemberHealth } from '../controlplane/model/observation.ts'
import type { Override } from '../controlplane/model/override.ts'
import type { MemberPattern } from '../controlplane/model/override-index.ts'
import type { ResolutionChange } from '../controlplane/resolving/host-resolver.ts'
import type { DrainedMember } from '../controlplane/serve/drain-watch.ts'
import type { PoolChange } from '../controlplane/serve/pool-watch.ts'

/** A daemon that is ready, as the log shows it. */
interface Ready {
  readonly backend: { readonly udpBackend: string; readonly reason: string; readonly workers: number }
  readonly dns: readonly string[]
  readonly http: string
  readonly revision: number
}

/** Plans are about to be made of another catalog. */
interface NextCatalog {
  readonly before: Catalog
  readonly catalog: Catalog
  /** What members were when the daemon last ran; comes with the first catalog. */
  readonly stored: readonly MemberHealth[] | null
}

interface Resolved {
  /** Every round that ended. */
  readonly changes: readonly ResolutionChange[]
  /** Those that changed more than the time until which addresses are good. */
  readonly news: readonly ResolutionChange[]
}

interface WebhookProblem {
  readonly webhook: string
  readonly problem: string
  readonly detail: object
}

type Pools = { readonly pools: Iterable<string> }
type Reason = { readonly reason: string }

/** By kind of event: what it says, and who hears it. */
export const events = {
  // How far the daemon is, see `readiness.ts`
  'database-available': { says: {}, heardBy: ['log', 'readiness', 'overrides'] },
  'database-away': { says: {} as Reason, heardBy: ['log', 'readiness', 'configuration'] },
  loaded: { says: {}, heardBy: ['readiness', 'overrides'] },
  gathered: { says: {}, heardBy: ['readiness'] },
  bound: { says: {}, heardBy: ['readiness'] },
  checked: { says: {} as Ready, heardBy: ['readiness', 'log'] },
  stopping: { says: {}, heardBy: ['readiness'] },
  // The configuration
  'demo-loaded': { says: {}, heardBy: ['log'] },
  'snapshot-served': { says: {} as { revision: number; writtenAt: Date }, heardBy: ['log'] },
  catalog: {
    says: {} as NextCatalog,
    heardBy: ['hosts', 'health', 'metrics', 'overrides', 'answers', 'webhooks', 'configuration'],
  },
  'fail-back': { says: {} as { members: readonly MemberPattern[] }, heardBy: ['health'] },
  'overrides-ended': {
    says: {} as { overrides: readonly Override[] },
    heardBy: ['configuration', 'answers', 'overrides'],
  },
  operated: { says: {} as { events: readonly NewEvent[] }, heardBy: ['record', 'log'] },
  // Members; the record comes before answers, since who is answered may look there
  probed: { says: {} as { key: MemberKey; verdict: ProbeVerdict }, heardBy: ['metrics'] },
  transitions: {
    says: {} as Pools & { transitions: readonly HealthEvent[] },
    heardBy: ['record', 'health', 'metrics', 'log', 'configuration'],
  },
  vitals: { says: {} as Pools, heardBy: ['configuration'] },
  'weights-risen': { says: {} as Pools, heardBy: ['configuration'] },
  held: { says: {} as { key: MemberKey; hold: Hold }, heardBy: ['log', 'record'] },
  suspicion: { says: {} as { suspicion: Suspicion | null }, heardBy: ['log', 'record', 'health'] },
  'canaries-silent': { says: {} as { canaries: readonly string[] }, heardBy: ['log'] },
  resolved: { says: {} as Resolved, heardBy: ['log', 'health', 'configuration'] },
  pools: { says: {} as { changes: readonly PoolChange[] }, heardBy: ['log', 'record'] },
  drained: { says: {} as { members: readonly DrainedMember[] }, heardBy: ['log', 'record'] },
  // Locations, webhooks, workers
  'locations-loaded': { says: {} as { databases: readonly LoadedDatabase[] }, heardBy: ['log'] },
  'locations-changed': { says: {}, heardBy: ['configuration'] },
  'location-problem': { says: {} as Reason, heardBy: ['log'] },
  'events-lost': { says: {} as { count: number }, heardBy: ['log'] },
  delivered: { says: {} as { webhook: string; outcome: string }, heardBy: ['metrics'] },
  'webhook-problem': { says: {} as WebhookProblem, heardBy: ['log'] },
  'worker-restarted': { says: {} as Reason & { transport: string }, heardBy: ['metrics', 'log'] },
  'udp-fell-back': { says: {} as Reason, heardBy: ['log'] },
  'address-skipped': { says: {} as { address: string }, heardBy: ['log'] },
  // What went wrong
  'row-left-out': { says: {} as Reason, heardBy: ['log'] },
  'snapshot-part-left-out': { says: {} as Reason, heardBy: ['log'] },
  'addresses-not-read': { says: {} as { error: unknown }, heardBy: ['log'] },
  failed: { says: {} as { what: string; error: unknown }, heardBy: ['log'] },
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

/** @param listeners asked at each event, since the parts that listen are made of those that announce */
export function announceTo(listeners: () => Listeners): Announce {
  return (event) => {
    // The compiler can't follow that the listener that is picked by a kind takes an event of that kind.
    const all = listeners() as unknown as Readonly<Record<string, Record<Kind, (event: DaemonEvent) => void>>>
    for (const name of events[event.kind].heardBy) all[name]![event.kind](event)
  }
}

/** Announces what went wrong, for parts that tell an error alone. */
export function failing(announce: Announce, what: string): (error: unknown) => void {
  return (error) => announce({ kind: 'failed', what, error })
}
