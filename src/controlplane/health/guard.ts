/**
 * The self-isolation guard: notices that it is this node's own network that fails, and not everybody at once. Then nobody
 * is taken out of the answers for it: the last states are kept, operators are told, probing goes on, and good news ends it.
 *
 * ## States
 * It stands between the probes and the machines of the members. Each verdict goes to the guard first, which rules whether
 * it counts. There are two states:
 *
 *   trusting, suspect
 *
 *   state     event                                             then
 *   trusting  failure, and the members look struck              suspect; it does not count, and what the blow took is given back
 *   trusting  any other verdict                                 trusting; counts
 *   suspect   failure of a member that is up or unknown         suspect; does not count
 *   suspect   failure of a member that is down                  suspect; counts
 *   suspect   success, and the members look well again          trusting; counts
 *   suspect   any other success                                 suspect; counts
 *   trusting  canary fails, and so does every other             suspect; what the blow took is given back
 *   suspect   hold, and the last of the canaries fails          suspect, no longer a hold
 *   suspect   canary answers                                    trusting; after a hold, what it gave back is taken again
 *   suspect   too few members are left                          trusting
 *
 * With canaries they alone decide, from the first answer of one of them on. Until then, and without any, the members do, and
 * the failures of canaries mean nothing: those that never answered may be misspelt or behind a firewall, and would make
 * the node suspect for ever.
 *
 * But canaries are asked every few seconds, and members with a low `fall` would be gone by then. So when the members look struck, that
 * is a hold: suspect at once, and the canaries are asked now. As long as none has answered nobody leaves the answers. When one does,
 * it was the members: those who had been given back something lose it again, and the members make no other hold until what they
 * failed by is out of the window, or they look well again: what comes after that is another blow. When none does, the suspicion is theirs.
 *
 * ## What does not count, and what is given back
 * What does not count does not reach a member's machine. To let the machines run on and only show something else would
 * keep the answers too, but when the network is back every member would be down and need `rise` successes, and more
 * where fail-back is delayed or by hand: the node would recover into the very outage that it had been kept from.
 * Successes count always: that a member answers is no illusion. A member that really died meanwhile is
 * taken out `fall` failures after the guard trusts again.
 *
 * Given back is the measurement from before the failures, to each member that has failed since then without a break and
 * began to within the window: the guard can't trip on the first failure, and members with a low `fall` or a quick
 * re-check are down before most have been asked. So it doesn't have to be faster than they are.
 *
 * ## The window
 * Whether the members look struck or well is said by `witnesses.ts`, of those that said something within the window.
 * Members are probed at different intervals, so that at no moment all have been heard after a blow. A window
 * makes samples of them: a member that was not heard within it is no witness for now, and of those that were, all
 * fail. It need not be as long as the longest interval or fall time, only long enough for a fair sample, so it is what half of
 * the members take at most from one verdict to the next, with `windowMs` as the least and `maxWindowMs` as the most. A longer
 * one would take failures that creep from member to member for one blow. A blow is noticed after some `share` of the
 * lesser of interval and window, because until then those who succeeded just before it outnumber the struck.
 *
 * ## At the start, and with few members
 * At the start nobody is up, so nobody can be struck: members whose first verdict is a failure are down, as ever. Those that
 * come from the store as up can be. Fewer than `minMembers` members, or than `minPools` pools, are too few to tell, and
 * the guard is off. Canaries work with any number, once each has been heard and one has answered.
 *
 * ## Where it errs
 * Wrongly suspect (dead members stay in the answers until they answer again or the rest does):
 * - A true outage of nearly everything looks the same from here. Nothing is lost by it when all are dead; when a fifth
 *   lives in other places it gets a fifth of the answers where it should have all. Canaries tell the two apart: names
 *   outside that fail only with the network. So does an operator, whose overrides go before measured states.
 * - Most pools with most of their members in one place that fails. `share` of pools is for this, and more of it helps.
 * - A node that is too busy, or was suspended, lets all its probes time out at once: that is no isolation, but the same
 *   blow, and nobody should be taken out for it.
 * - A single canary that loses a packet, or all of them behind one router that is not ours. Have two, far apart.
 * Wrongly trusting (what fails is taken out, as if there were no guard):
 * - Half a blow: an uplink is lost and a third of the members are reached without it, or a network that loses half of all
 *   packets. Canaries beyond the uplink see the first.
 * - Members that are all in one pool, or in one pool but for a few: a pool that fails alone is never isolation.
 * - A canary on this host or in its network.
 * - A node that starts while it is isolated: no canary has answered yet, and members that it knows nothing of can't be struck.
 * - A blow to a fleet most of which has been down for long (`leastOfAll`), which is what keeps the last few that fail in a
 *   slow decay from looking like a blow.
 * - Intervals of which half are above `maxWindowMs` and so few members that hardly any is heard within it.
 *
 * ## Limits
 * Not to be told of here: members that are not probed by this node's network (push, static).
 *
 * Costs and bounds: a verdict costs constant time, the beginning and end of a suspicion, and the first verdict after a change of
 * members, one pass over the members. One entry per check (of a member, each monitor is one), per pool and per canary. Pure:
 * times are milliseconds of one clock that does not go back.
 */
import type { MemberKey } from '../model/member-key.ts'
import type { HealthState } from '../model/observation.ts'
import { AgeingLink, AgeingList } from './ageing-list.ts'
import { type StruckSettings, type Witness, Witnesses, type Word } from './witnesses.ts'

/** When members look struck, and of how long ago their words count. */
export interface GuardSettings extends StruckSettings {
  readonly windowMs: number
  /** Never below `windowMs`. */
  readonly maxWindowMs: number
}

export const guardDefaults: GuardSettings = {
  share: 0.7,
  minMembers: 3,
  minPools: 2,
  leastOfAll: 1 / 3,
  windowMs: 10_000,
  maxWindowMs: 120_000,
}

export interface Suspicion {
  readonly sinceMs: number
  /** Such as `12 of 14 members that were up fail at once, in 4 of 5 pools` or `none of 2 canaries answers`. */
  readonly reason: string
  /** A hold: the canaries are being asked whether it is so. */
  readonly holds: boolean
}

/** A member that is to have the measurement again that it had before the blow. */
export interface GivenBack<M> extends MemberKey {
  readonly measurement: M
}

export type GuardChange<M> =
  | {
      readonly to: 'suspect'
      readonly suspicion: Suspicion
      /** Where the suspicion is a hold, the canaries are to be asked now. */
      readonly giveBack: readonly GivenBack<M>[]
    }
  | {
      readonly to: 'trusting'
      /** The canaries ended a hold: what was given back is to be taken again, of whom nothing else was heard since. */
      readonly takeAgain?: true
    }

export interface Ruling<M> {
  /** Whether the verdict is to go to the member's machine. */
  readonly counts: boolean
  /** What to do first, if anything. */
  readonly change: GuardChange<M> | null
}

interface GuardedPool<M> {
  readonly name: string
  readonly members: Map<string, GuardedMember<M>>
}

/** A member, or one address of it. */
interface GuardedMember<M> {
  readonly name: string
  /** What it counts for, together with the other addresses of its member. */
  readonly witness: Witness
  /** What its last verdict counts as; null when that is too old or there was none. */
  heard: Word | null
  /** When the failures began that have not been broken since; null when it does not fail. */
  failingSinceMs: number | null
  before: M | null
  periodMs: number
  /** The place among all, in the order of last verdicts. */
  readonly hearing: AgeingLink<GuardedMember<M>>
  /** The place among those that can be struck, in the order in which failures began. */
  readonly blow: AgeingLink<GuardedMember<M>>
}

const ended = { to: 'trusting' } as const
const counting = { counts: true, change: null } as const
const notCounting = { counts: false, change: null } as const

export class SelfIsolationGuard<M extends { readonly state: HealthState }> {
  readonly #settings: GuardSettings
  readonly #pools = new Map<string, GuardedPool<M>>()
  readonly #hearings = new AgeingList<GuardedMember<M>>()
  readonly #blows = new AgeingList<GuardedMember<M>>()
  /** Whether each answered when it was last asked; null for one that has not been heard. */
  readonly #canaries: Map<string, boolean | null>
  readonly #canaryPeriodMs: number
  /** Whether one of them has answered. */
  #canariesDecide = false
  #members = 0
  readonly #witnesses = new Witnesses()
  /** Null: to be worked out, because members have changed. */
  #windowMs: number | null = null
  #suspicion: Suspicion | null = null
  /** Until then the members make no hold: the canaries have said that it is them. */
  #acquittedUntilMs = Number.NEGATIVE_INFINITY

  /**
   * @param canaries names outside that answer whenever this node's network works, at most a few
   * @param canaryPeriodMs the longest time from one word of a canary to the next
   */
  constructor(settings: Partial<GuardSettings> = {}, canaries: readonly string[] = [], canaryPeriodMs = 0) {
    this.#settings = { ...guardDefaults, ...settings }
    this.#canaries = new Map(canaries.map((name) => [name, null]))
    this.#canaryPeriodMs = canaryPeriodMs
  }

  /** Null while trusting. */
  get suspicion(): Suspicion | null {
    return this.#suspicion
  }

  /** The canaries have the last word about the suspicion. */
  get #holds(): boolean {
    return this.#suspicion?.holds ?? false
  }

  /**
   * Watches a member from now on; one that is watched already goes on with another period.
   * @param member unique in its pool; where several monitors probe a member, each is one
   * @param periodMs the longest time from one verdict to the next: the interval with its jitter, and the timeout
   * @param witness what has the same one in a pool is one machine
   */
  watch(pool: string, member: string, periodMs: number, witness = member): void {
    this.#windowMs = null
    const into = this.#pools.get(pool) ?? { name: pool, members: new Map() }
    this.#pools.set(pool, into)
    const known = into.members.get(member)
    if (known === undefined) {
      into.members.set(member, guarded(this.#witnesses.join(pool, witness), member, periodMs))
      this.#members++
    } else known.periodMs = periodMs
  }

  /** Watches a member no more. */
  forget(pool: string, member: string): GuardChange<M> | null {
    const from = this.#pools.get(pool)
    const one = from?.members.get(member)
    if (from === undefined || one === undefined) return null
    this.#silence(one)
    this.#witnesses.leave(one.witness)
    from.members.delete(member)
    if (from.members.size === 0) this.#pools.delete(pool)
    this.#members--
    this.#windowMs = null
    const { minMembers, minPools } = this.#settings
    const tooFew = this.#witnesses.size < minMembers || this.#witnesses.pools < minPools
    return tooFew && !this.#canariesDecide ? this.#trust() : null
  }

  /**
   * Rules on a verdict, before it goes to the machine.
   * @param current the member's measurement as it is before this verdict
   */
  verdict(pool: string, member: string, ok: boolean, current: M, atMs: number): Ruling<M> {
    const one = this.#pools.get(pool)?.members.get(member)
    if (one === undefined) return counting
    this.#age(atMs)
    this.#hear(one, ok, current, atMs)
    if (ok && atMs < this.#acquittedUntilMs && this.#witnesses.lookWell(this.#settings))
      this.#acquittedUntilMs = Number.NEGATIVE_INFINITY
    if (
      this.#suspicion === null &&
      !ok &&
      atMs >= this.#acquittedUntilMs &&
      this.#witnesses.lookStruck(this.#settings)
    ) {
      return { counts: false, change: this.#struck(atMs) }
    }
    const membersDecide = !this.#canariesDecide || this.#holds
    if (membersDecide && this.#suspicion !== null && ok && this.#witnesses.lookWell(this.#settings))
      return { counts: true, change: this.#trust() }
    return ok || this.#suspicion === null || current.state === 'down' ? counting : notCounting
  }

  /** Hears a canary. */
  canary(name: string, ok: boolean, atMs: number): GuardChange<M> | null {
    this.#canaries.set(name, ok)
    if (ok) {
      this.#canariesDecide = true
      return this.#holds ? this.#acquit(atMs) : this.#trust()
    }
    if (!this.#canariesDecide) return null
    const all = [...this.#canaries.values()]
    if (all.some((answered) => answered !== false)) return null
    const reason = all.length === 1 ? 'the canary does not answer' : `none of ${all.length} canaries answers`
    if (this.#suspicion !== null) return this.#holds ? this.#confirm(this.#suspicion, reason) : null
    this.#age(atMs)
    return this.#suspect(
      { sinceMs: atMs, reason, holds: false },
      Math.max(this.#window(), this.#canaryPeriodMs),
    )
  }

  /** The members look struck: the canaries are asked, if they decide, for what they said before says nothing of now. */
  #struck(sinceMs: number): GuardChange<M> {
    const holds = this.#canariesDecide
    if (holds) for (const name of this.#canaries.keys()) this.#canaries.set(name, null)
    return this.#suspect({ sinceMs, reason: this.#witnesses.blow, holds }, this.#window())
  }

  /** No canary answers either: it is this node's network. */
  #confirm({ sinceMs, reason: struck }: Suspicion, reason: string): GuardChange<M> {
    this.#suspicion = { sinceMs, reason: `${struck}; ${reason}`, holds: false }
    return { to: 'suspect', suspicion: this.#suspicion, giveBack: [] }
  }

  /** The members do fail: their failures count from when they began. */
  #acquit(atMs: number): GuardChange<M> {
    this.#suspicion = null
    this.#acquittedUntilMs = atMs + Math.max(this.#window(), this.#canaryPeriodMs)
    return { to: 'trusting', takeAgain: true }
  }

  #suspect(suspicion: Suspicion, horizonMs: number): GuardChange<M> {
    this.#suspicion = suspicion
    const { sinceMs: atMs } = suspicion
    const giveBack: GivenBack<M>[] = []
    for (const { name: pool, members } of this.#pools.values()) {
      for (const { name: member, failingSinceMs, before } of members.values()) {
        if (failingSinceMs === null || failingSinceMs < atMs - horizonMs) continue
        if (before !== null && before.state !== 'down') giveBack.push({ pool, member, measurement: before })
      }
    }
    return { to: 'suspect', suspicion, giveBack }
  }

  /** Failures that did not count are no beginning of failures that do. */
  #trust(): GuardChange<M> | null {
    if (this.#suspicion === null) return null
    this.#suspicion = null
    for (const { members } of this.#pools.values()) {
      for (const one of members.values()) if (one.failingSinceMs !== null) this.#silence(one)
    }
    return ended
  }

  /** Forgets what a member said. */
  #silence(one: GuardedMember<M>): void {
    this.#count(one, null)
    this.#hearings.remove(one.hearing)
    this.#blows.remove(one.blow)
    one.failingSinceMs = null
    one.before = null
  }

  #hear(one: GuardedMember<M>, ok: boolean, current: M, atMs: number): void {
    this.#hearings.append(one.hearing, atMs)
    if (ok) {
      this.#blows.remove(one.blow)
      one.failingSinceMs = null
      one.before = null
      this.#count(one, 'ok')
      return
    }
    if (one.failingSinceMs === null) {
      one.failingSinceMs = atMs
      one.before = current
      if (current.state === 'up') this.#blows.append(one.blow, atMs)
    }
    this.#count(one, one.blow.inside ? 'struck' : 'failing')
  }

  /** Lets go of what is older than the window. */
  #age(atMs: number): void {
    const startMs = atMs - this.#window()
    for (let one = this.#hearings.takeOlder(startMs); one !== null; one = this.#hearings.takeOlder(startMs)) {
      this.#count(one, null)
    }
    if (this.#suspicion !== null) return
    for (let one = this.#blows.takeOlder(startMs); one !== null; one = this.#blows.takeOlder(startMs)) {
      if (one.heard === 'struck') this.#count(one, 'failing')
    }
  }

  #count(one: GuardedMember<M>, heard: Word | null): void {
    this.#witnesses.say(one.witness, one.heard, heard)
    one.heard = heard
  }

  #window(): number {
    this.#windowMs ??= this.#workOutWindow()
    return this.#windowMs
  }

  #workOutWindow(): number {
    const { windowMs, maxWindowMs } = this.#settings
    const periods = new Float64Array(this.#members)
    let index = 0
    for (const { members } of this.#pools.values()) {
      for (const { periodMs } of members.values()) periods[index++] = periodMs
    }
    const median = periods.sort()[(periods.length - 1) >> 1] ?? 0
    return Math.min(maxWindowMs, Math.max(windowMs, median))
  }
}

function guarded<M>(witness: Witness, name: string, periodMs: number): GuardedMember<M> {
  // The links need the member and the member its links.
  const one = { name, witness, heard: null, failingSinceMs: null, before: null, periodMs } as GuardedMember<M>
  return Object.assign(one, { hearing: new AgeingLink(one), blow: new AgeingLink(one) })
}
