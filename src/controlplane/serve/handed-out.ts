/**
 * Until when clients may still have a member: one that has left the answers is in caches until the TTL of the last answer with
 * it has run out.
 *
 * A member counts as answered from the moment when a plan that holds it is handed over until every worker has acknowledged a
 * plan without it; it is safe when the largest TTL that it was answered with has passed since. That is a bound for this
 * node's own answers, not a measurement: perhaps nobody asked, and a cache that serves what has expired (RFC 8767) or keeps a
 * minimum of its own goes beyond it.
 *
 * Each address of a member is told apart: one may leave, with the configuration, with what a host resolves to, or by itself as it is
 * down, while its member stays.
 *
 * Bounded by the members of the configuration and their addresses (`retain` forgets others), and for each service by the members of its plan.
 */
import { formatIpv4, formatIpv6, parseAddress } from '../../dataplane/wire/address.ts'
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import type { AddressText } from '../model/pool.ts'

/** A member in the plan of a service, at one of its addresses, with the largest TTL that it can be answered with. */
export interface AnsweredMember extends MemberKey {
  /** Its octets, a character each; left out where it is answered as a name. */
  readonly octets?: string
  readonly ttlSeconds: number
}

/** An address that is answered no more, though its member is. */
export interface LeavingAddress {
  readonly address: AddressText
  /** When the last TTL has run out, at the latest; it has not yet. */
  readonly safeAt: Date
}

export interface HandedOutState {
  /** Whether a plan that workers serve, or are being handed, holds the member. */
  readonly answered: boolean
  /** When the last TTL has run out, at the latest; may have passed. Null while answered, and when nothing is known of it. */
  readonly safeAt: Date | null
  /** Of a member that is answered: its addresses, present or former, that caches may still have although they are not. */
  readonly leaving?: readonly LeavingAddress[]
  /** Ids of other nodes that have not heard of its drain, and may answer with it (`fleet-drains.ts`). */
  readonly answeredBy?: readonly string[]
}

/** What is to be remembered of a member beyond a restart. */
export interface HandedOutEntry extends MemberKey {
  /** Left out where it was answered as a name, and in snapshots of a version that did not tell them apart. */
  readonly address?: AddressText
  /** The largest TTL that it is answered with; null when it is not. */
  readonly ttlSeconds: number | null
  /** When what it was answered with before has run out; null when it has. */
  readonly safeAt: Date | null
}

/** A member, and when the last TTL that was handed out with it will have run out at the latest. */
export interface SafeTime extends MemberKey {
  /** Left out: whatever it was answered with. */
  readonly address?: AddressText
  readonly safeAt: Date
}

interface Known extends MemberKey {
  /** Octets of the address, a character each; null for none in particular. */
  readonly octets: string | null
  /** Plans, served or handed over, that hold it. */
  plans: number
  /** UNIX time; 0 when it has not left any plan. */
  safeAtMs: number
}

/** Largest TTL by member. */
type Plan = ReadonlyMap<Known, number>

/** The plans, by service, that reach the workers together. */
export type Offer = Map<string, Plan>

export class HandedOut {
  readonly #now: () => Date
  /** By the member, all that it has been answered with. */
  readonly #known = new Map<string, Known[]>()
  /** What every worker has acknowledged, by service. */
  readonly #served = new Map<string, Plan>()
  /** Handed over and not acknowledged yet. Bound: the offer that is under way, and the next. */
  readonly #offers = new Set<Offer>()

  constructor(now: () => Date) {
    this.#now = now
  }

  /**
   * Says whom the plan of a service holds that is being handed over; nobody for a service that goes. Takes the place of the
   * service's plan before in this offer, which the workers will not see.
   */
  offer(offer: Offer, service: string, members: Iterable<AnsweredMember>): void {
    this.#offers.add(offer)
    const plan = new Map<Known, number>()
    for (const { pool, member, octets = null, ttlSeconds } of members) {
      const known = this.#find(pool, member, octets)
      plan.set(known, Math.max(ttlSeconds, plan.get(known) ?? 0))
    }
    count(plan, 1)
    count(offer.get(service), -1)
    offer.set(service, plan)
  }

  /** Says that every worker serves what was offered. Offers are acknowledged in their order. */
  acknowledge(offer: Offer): void {
    const nowMs = this.#now().getTime()
    this.#offers.delete(offer)
    for (const [service, plan] of offer) {
      const before = this.#served.get(service)
      for (const [known, ttlSeconds] of before ?? []) {
        if (ttlSeconds > (plan.get(known) ?? -1)) {
          known.safeAtMs = Math.max(known.safeAtMs, nowMs + ttlSeconds * 1000)
        }
      }
      count(before, -1)
      if (plan.size > 0) this.#served.set(service, plan)
      else this.#served.delete(service)
    }
  }

  /** Says that an offer failed, so that nobody will acknowledge it. Some worker may have answered by it all the same. */
  withdraw(offer: Offer): void {
    if (!this.#offers.delete(offer)) return
    const nowMs = this.#now().getTime()
    for (const plan of offer.values()) {
      for (const [known, ttlSeconds] of plan)
        known.safeAtMs = Math.max(known.safeAtMs, nowMs + ttlSeconds * 1000)
      count(plan, -1)
    }
  }

  state(pool: string, member: string): HandedOutState {
    const each = this.#known.get(formatMemberKey({ pool, member })) ?? []
    if (each.some(({ plans }) => plans > 0)) {
      const leaving = this.#leaving(each)
      return { answered: true, safeAt: null, ...(leaving.length === 0 ? {} : { leaving }) }
    }
    const safeAtMs = Math.max(0, ...each.map((known) => known.safeAtMs))
    return { answered: false, safeAt: safeAtMs === 0 ? null : new Date(safeAtMs) }
  }

  #leaving(each: readonly Known[]): LeavingAddress[] {
    const nowMs = this.#now().getTime()
    return each.flatMap(({ octets, plans, safeAtMs }) =>
      octets === null || plans > 0 || safeAtMs <= nowMs
        ? []
        : [{ address: textOf(octets), safeAt: new Date(safeAtMs) }],
    )
  }

  /** Forgets who is safe, and members that are not there any more. */
  retain(pools: ReadonlyMap<string, { readonly members: readonly { readonly name: string }[] }>): void {
    const nowMs = this.#now().getTime()
    const isThere = ({ pool, member }: Known) =>
      pools.get(pool)?.members.some(({ name }) => name === member) ?? false
    const isWanted = (known: Known) => known.plans > 0 || (known.safeAtMs > nowMs && isThere(known))
    for (const [key, each] of this.#known) {
      if (each.every(isWanted)) continue
      const left = each.filter(isWanted)
      if (left.length > 0) this.#known.set(key, left)
      else this.#known.delete(key)
    }
  }

  /** Forgets members that are no more. */
  forget(ended: Iterable<MemberKey>): void {
    // Plans that are still served keep what they know of them, until they are not.
    for (const key of ended) this.#known.delete(formatMemberKey(key))
  }

  /** Every member that is not safe yet, for `handedOutBefore`. */
  entries(): HandedOutEntry[] {
    const nowMs = this.#now().getTime()
    const ttls = new Map<Known, number>()
    const plans = [...this.#served.values(), ...[...this.#offers].flatMap((offer) => [...offer.values()])]
    for (const plan of plans) {
      for (const [known, ttl] of plan) ttls.set(known, Math.max(ttl, ttls.get(known) ?? 0))
    }
    return [...this.#known.values()].flat().flatMap((known) => {
      const { pool, member, octets } = known
      const ttlSeconds = ttls.get(known) ?? null
      const safeAt = known.safeAtMs > nowMs ? new Date(known.safeAtMs) : null
      return ttlSeconds === null && safeAt === null
        ? []
        : [{ pool, member, ...(octets === null ? {} : { address: textOf(octets) }), ttlSeconds, safeAt }]
    })
  }

  /** Takes over what is known of the time before the start. */
  restore(entries: Iterable<SafeTime>): void {
    for (const { pool, member, address, safeAt } of entries) {
      const known = this.#find(pool, member, address === undefined ? null : octetsOf(parseAddress(address)!))
      known.safeAtMs = Math.max(known.safeAtMs, safeAt.getTime())
    }
  }

  #find(pool: string, member: string, octets: string | null): Known {
    const key = formatMemberKey({ pool, member })
    const each = this.#known.get(key)
    const before = each?.find((one) => one.octets === octets)
    if (before !== undefined) return before
    const known = { pool, member, octets, plans: 0, safeAtMs: 0 }
    if (each === undefined) this.#known.set(key, [known])
    else each.push(known)
    return known
  }
}

/** A text that is cheap to make for thousands of them, and to compare. */
export function octetsOf(address: Uint8Array): string {
  return String.fromCharCode(...address)
}

function textOf(octets: string): AddressText {
  const address = Buffer.from(octets, 'latin1')
  return address.length === 4 ? formatIpv4(address) : formatIpv6(address)
}

function count(plan: Plan | undefined, by: 1 | -1): void {
  for (const known of plan?.keys() ?? []) known.plans += by
}
