/**
 * What happens in the fleet, as a closed list of kinds. A node adds what it sees to the one record that all nodes share
 * (`events/event-recorder.ts`); from there it goes to the list, to streams and to webhooks. The words are part of the
 * API: what is added later must leave them as they are.
 */
import type { ReadingKey } from './feed-use.ts'
import type { GradualTurn } from './gradual.ts'
import type { MemberKey } from './member-key.ts'
import type { HealthEvent, MemberHealth } from './observation.ts'
import type { Override, ServiceOverride } from './override.ts'
import type { AddressText } from './pool.ts'

export const eventKinds = [
  'member',
  'pool',
  'override',
  'drained',
  'isolation',
  'hold',
  'service',
  'certificate',
  'gradual',
  'feed',
  'steering',
  'dnssec',
] as const
export type EventKind = (typeof eventKinds)[number]

export const poolConditions = ['healthy', 'degraded', 'down'] as const
/**
 * - `healthy`: every counted member is kept, and the first tier serves
 * - `degraded`: up, but a counted member is not kept, or a later tier serves
 * - `down`: not up by its members, whatever the pool answers then
 */
export type PoolCondition = (typeof poolConditions)[number]

export const serviceConditions = ['up', 'degraded', 'down'] as const
/**
 * - `up`: all that it is asked for is answered from what is up
 * - `degraded`: some of it is: of one address family, or of some clients alone
 * - `down`: none of it is, whatever is answered then
 */
export type ServiceCondition = (typeof serviceConditions)[number]

export const overrideActions = ['set', 'changed', 'deleted', 'expired'] as const

export const certificateTurns = ['ends-soon', 'renewed'] as const

/**
 * - `stale`: there is no good value, and what goes without one holds; `fresh`: there is one again
 * - `shedding`: a member hands answers on to others; `shed-over`: it hands on none any more
 * - `full`: a pool hands answers on to the next one; `full-over`: it hands on none any more
 */
export const steeringTurns = ['stale', 'fresh', 'shedding', 'shed-over', 'full', 'full-over'] as const
export type SteeringTurn = (typeof steeringTurns)[number]

/** What becomes of a rollover of a zone's keys. */
export const rolloverTurns = ['begun', 'step', 'done', 'cancelled'] as const
export type RolloverTurn = (typeof rolloverTurns)[number]

/** What a node thinks of its own network. */
export const trustStates = ['trusted', 'suspect'] as const

/** Whether a feed that the servers read themselves can be read. */
export const sourceStates = ['ok', 'failing'] as const

interface Seen {
  readonly at: Date
  /** Id of the node that saw it: a short text. */
  readonly node: string
}

interface Changed<State> {
  readonly from: State
  readonly to: State
  /** Why, such as `2 of 5 members up, minUp 0.5`. */
  readonly reason: string
}

/** A member's measured state changed. */
interface MemberEvent extends Seen, HealthEvent {
  readonly kind: 'member'
}

interface PoolEvent extends Seen, Changed<PoolCondition> {
  readonly kind: 'pool'
  readonly pool: string
}

/** An operator said something about members, by names or by patterns, or took it back, or its time ran out. */
interface OverrideEvent extends Seen, Pick<Override, 'pool' | 'member' | 'state' | 'actor' | 'reason'> {
  readonly kind: 'override'
  readonly what: (typeof overrideActions)[number]
}

/** The same of a service that stands in a pool's place. */
interface ServiceOverrideEvent extends Seen, Pick<ServiceOverride, 'service' | 'state' | 'actor' | 'reason'> {
  readonly kind: 'override'
  readonly what: (typeof overrideActions)[number]
}

/** The last TTL that was handed out with a drained member has run out. */
interface DrainedEvent extends Seen, MemberKey {
  readonly kind: 'drained'
}

/** The node's own network became suspect, or is trusted again. */
interface IsolationEvent extends Seen, Changed<(typeof trustStates)[number]> {
  readonly kind: 'isolation'
}

/** A member that changes too often, or one of its addresses, is held down. */
interface HoldEvent extends Seen, MemberKey {
  readonly kind: 'hold'
  /** Of a member with several addresses. */
  readonly address?: AddressText
  readonly until: Date
  readonly reason: string
}

/** A service became up, degraded or down, or other pools answer for it than before. */
interface ServiceEvent extends Seen, Changed<ServiceCondition> {
  readonly kind: 'service'
  readonly service: string
  /** Those that answer from now on. */
  readonly pools: readonly string[]
  readonly before: readonly string[]
}

/** A member's certificate has fewer days left than are wanted, or another one has taken the place of such a one. */
interface CertificateEvent extends Seen, MemberKey {
  readonly kind: 'certificate'
  readonly what: (typeof certificateTurns)[number]
  /** The first name in the certificate. */
  readonly name: string
  readonly notAfter: Date
  /** SHA-256. */
  readonly fingerprint: string
  readonly reason: string
  /** What is known of the member by then. */
  readonly health?: MemberHealth
}

/** A gradual change was started, took a step, or ended. */
interface GradualEvent extends Seen {
  readonly kind: 'gradual'
  /** The id of the change. */
  readonly change: number
  readonly what: GradualTurn
  /** Steps that were taken, and of how many. */
  readonly step: number
  readonly steps: number
  /** How far the weights have come. */
  readonly percent: number
  /** What it moves: services, and pools whose members' weights move or whose shares of those services do. At most 32 each. */
  readonly services: readonly string[]
  readonly pools: readonly string[]
  readonly actor: string
  readonly reason: string
}

/** A feed can't be read from its source any more, or can again. */
interface FeedEvent extends Seen, Changed<(typeof sourceStates)[number]> {
  readonly kind: 'feed'
  readonly feed: string
}

/** What a feed says of a member or of a pool begins to move answers, or ceases to. */
interface SteeringEvent extends Seen, ReadingKey {
  readonly kind: 'steering'
  readonly what: SteeringTurn
  readonly pool: string
  /** Left out where it is the pool that goes by it. */
  readonly member?: string
  /** What is answered by now, such as `load of fra-1 is 93: 65 % of its answers go elsewhere`. */
  readonly reason: string
}

/** A rollover of a zone's keys was begun, took a step, or ended. */
interface DnssecEvent extends Seen {
  readonly kind: 'dnssec'
  readonly zone: string
  readonly what: RolloverTurn
  /** What it does by now, such as `publish: new keys are published`. */
  readonly reason: string
}

export type Event =
  | MemberEvent
  | PoolEvent
  | OverrideEvent
  | ServiceOverrideEvent
  | DrainedEvent
  | IsolationEvent
  | HoldEvent
  | ServiceEvent
  | CertificateEvent
  | GradualEvent
  | FeedEvent
  | SteeringEvent
  | DnssecEvent

type WithoutNode<E> = E extends Event ? Omit<E, 'node'> : never
/** An event as whoever sees it tells it; the recorder knows which node this is. */
export type NewEvent = WithoutNode<Event>

/** An event in the record, numbered in the order in which events became visible there. */
export type StoredEvent = Event & { readonly id: number }

/** What to pick; left out or undefined takes any. An event without a pool or member fits none that is named. */
export interface EventFilter {
  readonly kind?: EventKind | undefined
  /** Of a service: one that answers for it, or did before; of a gradual change: one that it concerns. */
  readonly pool?: string | undefined
  readonly service?: string | undefined
  readonly member?: string | undefined
  readonly node?: string | undefined
}

/** A transition that the checker found. */
export function memberEvent(transition: HealthEvent): NewEvent {
  return { kind: 'member', ...transition }
}

export function fitsFilter(event: Event, { kind, pool, service, member, node }: EventFilter): boolean {
  return (
    (kind === undefined || event.kind === kind) &&
    (node === undefined || event.node === node) &&
    (pool === undefined || poolsOf(event).includes(pool)) &&
    (service === undefined || servicesOf(event).includes(service)) &&
    (member === undefined || ('member' in event && event.member === member))
  )
}

/** The pools that an event names, patterns as they stand. */
export function poolsOf(event: Event): readonly string[] {
  if (event.kind === 'service') return [...event.pools, ...event.before]
  if (event.kind === 'gradual') return event.pools
  return 'pool' in event ? [event.pool] : []
}

function servicesOf(event: Event): readonly string[] {
  if (event.kind === 'gradual') return event.services
  return 'service' in event ? [event.service] : []
}
