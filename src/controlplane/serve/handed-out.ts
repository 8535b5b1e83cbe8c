/**
 * Until when clients may still have a member: one that has left the answers is in caches until the TTL of the last answer with
 * it has run out.
 *
 * A member counts as answered from the moment when a plan that holds it is handed over until every worker has acknowledged a
 * plan without it; it is safe when the largest TTL that it was answered with has passed since. That is a bound for this
 * node's own answers, not a measurement: perhaps nobody asked, and a cache that serves what has expired (RFC 8767) or keeps a
 * minimum of its own goes beyond it.
 *
 * Bounded by the members of the configuration (`retain` forgets others), and for each service by the members of its plan.
 */
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'

/** A member in the plan of a service, with the largest TTL that it can be answered with. */
export interface AnsweredMember extends MemberKey {
  readonly ttlSeconds: number
}

export interface HandedOutState {
  /** Whether a plan that workers serve, or are being handed, holds the member. */
  readonly answered: boolean
  /** When the last TTL has run out, at the latest; may have passed. Null while answered, and when nothing is known of it. */
  readonly safeAt: Date | null
}

/** What is to be remembered of a member beyond a restart. */
export interface HandedOutEntry extends MemberKey {
  /** The largest TTL that it is answered with; null when it is not. */
  readonly ttlSeconds: number | null
  /** When what it was answered with before has run out; null when it has. */
  readonly safeAt: Date | null
}

/** A member, and when the last TTL that was handed out with it will have run out at the latest. */
export interface SafeTime extends MemberKey {
  readonly safeAt: Date
}

interface Known extends MemberKey {
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
  readonly #known = new Map<string, Known>()
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
    for (const { pool, member, ttlSeconds } of members) {
      const known = this.#find(pool, member)
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

  state(pool: string, member: string): HandedOutState {
    const known = this.#known.get(formatMemberKey({ pool, member }))
    if (known === undefined) return { answered: false, safeAt: null }
    if (known.plans > 0) return { answered: true, safeAt: null }
    return { answered: false, safeAt: known.safeAtMs === 0 ? null : new Date(known.safeAtMs) }
  }

  /** Forgets who is safe, and members that are not there any more. */
  retain(pools: ReadonlyMap<string, { readonly members: readonly { readonly name: string }[] }>): void {
    const nowMs = this.#now().getTime()
    for (const [key, { pool, member, plans, safeAtMs }] of this.#known) {
      if (plans > 0) continue
      const isThere = () => pools.get(pool)?.members.some(({ name }) => name === member)
      if (safeAtMs <= nowMs || !isThere()) this.#known.delete(key)
    }
  }

  /** Forgets members that are no more; plans of others of their names count for those. */
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
    return [...this.#known.values()].flatMap((known) => {
      const ttlSeconds = ttls.get(known) ?? null
      const safeAt = known.safeAtMs > nowMs ? new Date(known.safeAtMs) : null
      return ttlSeconds === null && safeAt === null
        ? []
        : [{ pool: known.pool, member: known.member, ttlSeconds, safeAt }]
    })
  }

  /** Takes over what is known of the time before the start. */
  restore(entries: Iterable<SafeTime>): void {
    for (const { pool, member, safeAt } of entries) {
      const known = this.#find(pool, member)
      known.safeAtMs = Math.max(known.safeAtMs, safeAt.getTime())
    }
  }

  #find(pool: string, member: string): Known {
    const key = formatMemberKey({ pool, member })
    const known = this.#known.get(key) ?? { pool, member, plans: 0, safeAtMs: 0 }
    this.#known.set(key, known)
    return known
  }
}

function count(plan: Plan | undefined, by: 1 | -1): void {
  for (const known of plan?.keys() ?? []) known.plans += by
}
