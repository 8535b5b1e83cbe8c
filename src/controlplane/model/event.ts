/**
 * What happens in the fleet, as a closed list of kinds. A node adds what it sees to the one record that all nodes share
 * (`events/event-recorder.ts`); from there it goes to the list, to streams and to webhooks. The words are part of the
 * API: what is added later must leave them as they are.
 */
import type { HealthEvent, HealthState } from './observation.ts'
import type { OverrideState } from './override.ts'

export const eventKinds = ['member', 'pool', 'override', 'drained', 'isolation', 'hold'] as const
export type EventKind = (typeof eventKinds)[number]

/**
 * - `healthy`: every member is up
 * - `degraded`: not every one, but enough by `minUp`
 * - `down`: too few
 */
export const poolStates = ['healthy', 'degraded', 'down'] as const
export type PoolState = (typeof poolStates)[number]

export const overrideActions = ['set', 'changed', 'deleted', 'expired'] as const
export type OverrideAction = (typeof overrideActions)[number]

/** What a node thinks of its own network. */
export const trustStates = ['trusted', 'suspect'] as const
export type TrustState = (typeof trustStates)[number]

interface Seen {
  readonly at: Date
  /** Id of the node that saw it: a short text. */
  readonly node: string
}

/** A member's measured state changed. */
export interface MemberEvent extends Seen {
  readonly kind: 'member'
  readonly pool: string
  readonly member: string
  readonly from: HealthState
  readonly to: HealthState
  readonly reason: string
}

export interface PoolEvent extends Seen {
  readonly kind: 'pool'
  readonly pool: string
  readonly from: PoolState
  readonly to: PoolState
  /** Why, such as `2 of 5 members up, minUp 0.5`. */
  readonly reason: string
}

/** An operator said something about members, or took it back, or its time ran out. */
export interface OverrideEvent extends Seen {
  readonly kind: 'override'
  /** Names, or patterns as the operator wrote them. */
  readonly pool: string
  readonly member: string
  readonly what: OverrideAction
  readonly state: OverrideState
  readonly actor: string
  readonly reason: string
}

/** The last TTL that was handed out with a drained member has run out. */
export interface DrainedEvent extends Seen {
  readonly kind: 'drained'
  readonly pool: string
  readonly member: string
}

/** The node's own network became suspect, or is trusted again. */
export interface IsolationEvent extends Seen {
  readonly kind: 'isolation'
  readonly from: TrustState
  readonly to: TrustState
  readonly reason: string
}

/** A member that changes too often is held down. */
export interface HoldEvent extends Seen {
  readonly kind: 'hold'
  readonly pool: string
  readonly member: string
  readonly until: Date
  readonly reason: string
}

export type Event = MemberEvent | PoolEvent | OverrideEvent | DrainedEvent | IsolationEvent | HoldEvent

type WithoutNode<E> = E extends Event ? Omit<E, 'node'> : never
/** An event as whoever sees it tells it; the recorder knows which node this is. */
export type NewEvent = WithoutNode<Event>

/** An event in the record, numbered in the order in which events became visible there. */
export type StoredEvent = Event & { readonly id: number }

/** What to pick; left out or undefined takes any. An event without a pool or member fits none that is named. */
export interface EventFilter {
  readonly kind?: EventKind | undefined
  readonly pool?: string | undefined
  readonly member?: string | undefined
  readonly node?: string | undefined
}

/** A transition that the checker found. */
export function memberEvent(transition: HealthEvent): NewEvent {
  return { kind: 'member', ...transition }
}

export function fitsFilter(event: Event, { kind, pool, member, node }: EventFilter): boolean {
  return (
    (kind === undefined || event.kind === kind) &&
    (node === undefined || event.node === node) &&
    (pool === undefined || ('pool' in event && event.pool === pool)) &&
    (member === undefined || ('member' in event && event.member === member))
  )
}
