/**
 * Observations: what nodes have measured, been told and looked up. None of it is configuration, so it changes no revision; it
 * stands beside what an operator wants and never overwrites it.
 */

import { isToldCertificate, type ToldCertificate } from './certificate.ts'
import type { Family } from './family.ts'
import type { MemberKey } from './member-key.ts'
import type { AddressText } from './pool.ts'

export const healthStates = ['up', 'down', 'unknown'] as const
export type HealthState = (typeof healthStates)[number]

/** What probes have said. */
interface Health {
  readonly state: HealthState
  readonly since: Date
  /** Why, such as `status 503`, `timeout after 3000 ms`, `connect ECONNREFUSED`. */
  readonly reason: string
}

/** What the probes of one address of a member have said. */
export interface AddressHealth extends Health {
  readonly address: AddressText
}

/** A member that is held down for changing too often, and after how many falls. */
export interface Hold {
  readonly sinceMs: number
  readonly untilMs: number
  readonly falls: number
}

/** What is remembered of falls, so that they are counted and lead to a hold (`health/monitor.ts`). */
export interface Flaps {
  readonly hold: Hold | null
  /** When it fell from `up`, ascending: within the flap limit's time before the last fall, and at most `changes` + 1. */
  readonly fallsMs: readonly number[]
  /** How often the next hold is doubled; at most `mostDoublings`. */
  readonly offences: number
}

/** The same of one probe, at one address of a member (null: it has none now) and by its path in a composite monitor. */
export interface ProbeFlaps extends Flaps {
  readonly address: AddressText | null
  readonly path: string
}

/** What the probes of one member have said, as it is kept in the store: up while one of its addresses is. */
export interface MemberHealth extends MemberKey, Health {
  /** What was said of each address, of a member whose addresses are probed by themselves; left out where there is only one. */
  readonly addresses?: readonly AddressHealth[]
  /** Certificates that a warning has been given of; left out where there was none. */
  readonly told?: readonly ToldCertificate[]
  /** Of each probe that has fallen from `up` lately; left out where none has. */
  readonly flaps?: readonly ProbeFlaps[]
}

/** Reads what JSON made of the times; whatever is no list is left out. */
export function withAddressTimes(health: MemberHealth): MemberHealth {
  const { addresses, told, flaps, ...rest } = health
  const known = Array.isArray(told) ? told.filter(isToldCertificate) : []
  const fallen = Array.isArray(flaps) ? flaps.filter(isProbeFlaps) : []
  const whole = {
    ...rest,
    ...(known.length === 0 ? {} : { told: known }),
    ...(fallen.length === 0 ? {} : { flaps: fallen }),
  }
  if (!Array.isArray(addresses)) return whole
  return { ...whole, addresses: addresses.map((one) => ({ ...one, since: new Date(one.since) })) }
}

function isProbeFlaps(value: unknown): value is ProbeFlaps {
  if (typeof value !== 'object' || value === null) return false
  const { address, path, hold, fallsMs, offences } = value as Partial<Record<keyof ProbeFlaps, unknown>>
  const isWhere = (address === null || typeof address === 'string') && typeof path === 'string'
  const isCounted = Array.isArray(fallsMs) && fallsMs.every(Number.isFinite) && Number.isSafeInteger(offences)
  return isWhere && isCounted && (hold === null || isHold(hold))
}

function isHold(value: unknown): value is Hold {
  if (typeof value !== 'object' || value === null) return false
  const { sinceMs, untilMs, falls } = value as Partial<Record<keyof Hold, unknown>>
  return [sinceMs, untilMs, falls].every(Number.isFinite)
}

/** The state of one address of a member, or (null) of all of it. */
export function stateAt(health: MemberHealth, address: AddressText | null): HealthState {
  const { addresses } = health
  if (addresses === undefined || address === null) return health.state
  return addresses.find((one) => one.address === address)?.state ?? 'unknown'
}

/** What somebody reports of a member with a push monitor. */
export interface MemberReport extends MemberKey {
  readonly state: 'up' | 'down'
  readonly reason: string
  /** Share of its weight that the member wants, 0 to 100, a fraction it may be; null when it does not say. */
  readonly weightPercent: number | null
  readonly at: Date
  readonly until: Date
  /** Which of those that have had the name it is on (`births.ts`); null when that is not known. */
  readonly born?: number | null
}

/** A daemon on this database. */
export interface NodeRecord {
  readonly id: string
  readonly name: string | null
  readonly version: string
  readonly startedAt: Date
  /** When it was heard of last, by the database's clock. */
  readonly seenAt: Date
  /** The revision of the configuration that it serves. */
  readonly revision: number
  /** It doubts its own network. */
  readonly suspect: boolean
  /** Seen lately. */
  readonly live: boolean
}

/** A node, as far as steps of rollovers have to know it. */
export interface SigningNode {
  readonly id: string
  readonly name: string | null
  /** That it serves, of the history that the database has: -1 for one of another history. */
  readonly revision: number
  /** Apexes of zones that it can't sign, or has not yet; `*` is any. */
  readonly unsigned: readonly string[]
  readonly silentMs: number
  /** When it was heard last, by the clock of the database. */
  readonly seenAt: Date
  /** By apex, for how many milliseconds it answers a zone when it is silent; a zone that is not named for as long as it lives. */
  readonly leases: Readonly<Record<string, number>>
}

/** What a node has measured, by pool and member. */
export type NodeVerdicts = Readonly<Record<string, Readonly<Record<string, 'up' | 'down'>>>>

export const resolutionStates = ['pending', 'fresh', 'stale', 'failed', 'absent'] as const

/**
 * - `pending`: not asked yet since the start
 * - `fresh`: the last lookup gave the addresses
 * - `stale`: the last lookup did not, and the addresses are those of the last good one
 * - `failed`: no lookup has ever given an answer
 * - `absent`: the host has no address
 */
export type ResolutionState = (typeof resolutionStates)[number]

/** What resolving a host has come to. */
export interface Resolution {
  readonly host: string
  readonly state: ResolutionState
  /** IPv4 first, each family in numerical order, so that resolvers that rotate their answers change nothing. */
  readonly addresses: readonly AddressText[]
  /** When the addresses became what they are. */
  readonly since: Date
  /** End of the TTL that a `fresh` resolution came with; null with any other state. */
  readonly expiresAt: Date | null
  /** Why the last lookup gave no address, or none of one family although it had some; null when all is well. */
  readonly error: string | null
  /** Only where it is kept over a restart: since when the families have been absent whose addresses are still kept, as UNIX time. */
  readonly absentSinceMs?: Readonly<Partial<Record<Family, number>>>
}

/** A transition of a member's measured state, or of that of one of its addresses. */
export interface HealthEvent extends MemberKey {
  /** The address, of a member with several; left out when it is the member that changed. */
  readonly address?: AddressText
  readonly from: HealthState
  readonly to: HealthState
  readonly reason: string
  readonly at: Date
  /** What is known of the member by then; only of one with several addresses. */
  readonly health?: MemberHealth
}

/** A lookup that the lookup tool answered with at least one address. */
export interface Lookup {
  readonly domain: string
  readonly clientIp: string
  readonly createdAt: Date
  readonly addresses: readonly string[]
}
