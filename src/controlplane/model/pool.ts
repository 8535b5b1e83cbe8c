/**
 * Pools: members that stand for each other, and how a pool chooses among those that are up. What pools and services share, such
 * as locations and what to do when all is down, is here too.
 */

import type { Capacity, FedWeight, Shed } from './feed-use.ts'

/** An IPv4 or IPv6 address in canonical text form (RFC 5952 for IPv6). */
export type AddressText = string

/** Says why this node may not connect to an address, such as `127.0.0.1 is loopback ...`; null when it may. */
export type AddressPolicy = (address: AddressText) => string | null

/** How many bits of a client's address are its key: clients that share them get the same choice. */
export interface ClientPrefix {
  /** 1..32 */
  readonly ipv4: number
  /** 1..128 */
  readonly ipv6: number
}

/** Degrees: latitude -90..90, longitude -180..180. */
export interface Location {
  readonly latitude: number
  readonly longitude: number
}

/** How many members must be up: a share (0..1) of those that count, where with 0 a single one suffices, or a number of them. */
export type Threshold = number | { readonly members: number }

/** The same for both address families, or one for each. */
export type MinUp = Threshold | { readonly ipv4: Threshold; readonly ipv6: Threshold }

/** Members of one priority, for pools that select by `failover`. */
export interface Tier {
  readonly priority: number
  readonly minUp: MinUp
}

/** How a member counts that has not been measured: as up, as down, or as what it was when it was measured last (else up). */
export const unknownCounts = ['up', 'down', 'last-known'] as const
export type UnknownCounts = (typeof unknownCounts)[number]

/** Whose verdict counts: this node's, or that of most nodes. */
export const quorums = ['own', 'majority'] as const
export type Quorum = (typeof quorums)[number]

export const poolSelects = ['all', 'weighted', 'failover', 'hash'] as const
export type PoolSelect = (typeof poolSelects)[number]

/**
 * How the members of a pool that are host names are answered: with the addresses that resolving them gives, or with a
 * CNAME to one of them. Every member of a `cname` pool is a host.
 */
export const poolHosts = ['resolve', 'cname'] as const
export type PoolHosts = (typeof poolHosts)[number]

interface MemberSettings {
  readonly name: string
  /** The addresses behind the first, of any family; none is there twice. None for a host. */
  readonly moreAddresses: readonly AddressText[]
  /** 0..65535; relative to the other members of the pool. Where a feed says it: what holds while that says nothing. */
  readonly weight: number
  /** Null: no feed says the weight. */
  readonly weightFeed: FedWeight | null
  /** Null: the member hands no answers on. */
  readonly shed: Shed | null
  /** 1..1000, for `failover`: the members of the lowest number that are up go first. */
  readonly priority: number
  /** Probed instead of the member's own addresses, when the health endpoint lives elsewhere. */
  readonly probeAddress: AddressText | null
  /** Probed instead of the monitor's port. */
  readonly probePort: number | null
}

/** Most addresses of one member: a machine has a few, and each is probed by itself. */
export const maxMemberAddresses = 16

/** A machine that is known by its addresses. */
export interface AddressMember extends MemberSettings {
  /** The first, and for most the only one. */
  readonly address: AddressText
  readonly host: null
}

/** A host name in the place of addresses: whatever addresses it has at the time. */
export interface HostMember extends MemberSettings {
  readonly address: null
  /** Absolute, in lower case, with the final dot. */
  readonly host: string
}

export type Member = AddressMember | HostMember

export interface Pool {
  readonly name: string
  /** Name of the monitor; null means that members are not probed and count as up. */
  readonly monitor: string | null
  readonly select: PoolSelect
  /** Most members in one answer; null means every one for `all` and `failover`, and 1 for `weighted` and `hash`. */
  readonly answers: number | null
  /** How many members must be up for the pool to be up, in each address family by itself. */
  readonly minUp: MinUp
  readonly hosts: PoolHosts
  readonly unknown: UnknownCounts
  /**
   * What the pool itself answers when it is down, and then it counts as up to who names it; null: it counts as down, and
   * who names it decides.
   */
  readonly whenAllDown: AllDownPolicy | null
  /** Pool that is served whole, unprobed, when `whenAllDown` is `fallback`; null with any other policy. */
  readonly fallback: string | null
  /** Tiers of `failover` whose `minUp` is not the pool's, in ascending order of priority. */
  readonly tiers: readonly Tier[]
  /** What is hashed of a client's address, for `hash`. */
  readonly hashPrefix: ClientPrefix
  /** How long the weight of a member that came back rises from a tenth to all of it; 0 for at once. */
  readonly slowStartMs: number
  /** Where the pool is, for services that steer by `nearest`. */
  readonly location: Location | null
  readonly quorum: Quorum
  /** Null: it bears whatever comes. */
  readonly capacity: Capacity | null
  /** In the order of the document; names, addresses and hosts are unique inside the pool. */
  readonly members: readonly Member[]
}

const addressLists = new WeakMap<Member, readonly AddressText[]>()

/** The addresses that a member was given, in their order; none for a host. */
export function addressesOf(member: Member): readonly AddressText[] {
  const known = addressLists.get(member)
  if (known !== undefined) return known
  const list = member.host === null ? [member.address, ...member.moreAddresses] : []
  addressLists.set(member, list)
  return list
}

/** Whether anything depends on the addresses of a member's host: its answers, or where it is probed. */
export function needsAddresses({ hosts, monitor }: Pool, { host, probeAddress }: Member): boolean {
  return host !== null && (hosts === 'resolve' || (monitor !== null && probeAddress === null))
}

export const allDownPolicies = ['serve-all', 'last-known', 'fallback', 'nodata', 'servfail'] as const
export type AllDownPolicy = (typeof allDownPolicies)[number]
