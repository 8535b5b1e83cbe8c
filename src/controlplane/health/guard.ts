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
 * A hold wants neither `minMembers` nor `minPools`: where all members are in one pool, or there is one, canaries tell as well.
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
 * the guard is off. Canaries work with any number, and so do holds, once each has been heard and one has answered.
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
 * members, one pass over the checks. One entry per check, per pool of each, and per canary. Pure:
 * times are milliseconds of one clock that does not go back.
 */
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

/** A check that is to have the measurement again that it had before the blow. */
export interface GivenBack<M> {
  readonly check: string
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

/** A check: of a member, or of one address of it. */
interface Guarded<M> {
  readonly name: string
  /** What it counts for in each pool that it is for, together with the other checks of its member. The first counts over all. */
  readonly witnesses: Map<string, Witness>
  /** What its last verdict counts as; null when that is too old or there was none. */
  heard: Word | null
  /** When the failures began that have not been broken since; null when it does not fail. */
  failingSinceMs: number | null
  before: M | null
  periodMs: number
  /** The place among all, in the order of last verdicts. */
  readonly hearing: AgeingLink<Guarded<M>>
  /** The place among those that can be struck, in the order in which failures began. */
  readonly blow: AgeingLink<Guarded<M>>
}

const ended = { to: 'trusting' } as const
const counting = { counts: true, change: null } as const
const notCounting = { counts: false, change: null } as const

export class SelfIsolationGuard<M extends { readonly state: HealthState }> {
  readonly #settings: GuardSettings
  /** For a hold: the canaries tell whether it is so, and few members are as few as many. */
  readonly #holding: StruckSettings
  readonly #checks = new Map<string, Guarded<M>>()
  readonly #hearings = new AgeingList<Guarded<M>>()
  readonly #blows = new AgeingList<Guarded<M>>()
  /** Whether each answered when it was last asked; null for one that has not been heard. */
  readonly #canaries: Map<string, boolean | null>
  readonly #canaryPeriodMs: number
  /** Whether one of them has answered. */
  #canariesDecide = false
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
    this.#holding = { ...this.#settings, minMembers: 1, minPools: 1 }
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
   * Watches a check for a pool from now on; one that is watched already goes on with another period.
   * @param check unique over all pools; one that is watched for several pools is a witness in each, and one machine over all
   * @param periodMs the longest time from one verdict to the next: the interval with its jitter, and the timeout
   * @param witness what has the same one in a pool is one machine
   */
  watch(pool: string, check: string, periodMs: number, witness = check): void {
    this.#windowMs = null
    const one = this.#checks.get(check) ?? guarded<M>(check)
    this.#checks.set(check, one)
    one.periodMs = periodMs
    if (one.witnesses.has(pool)) return
    const joined = this.#witnesses.join(pool, witness)
    one.witnesses.set(pool, joined)
    if (one.witnesses.size === 1) this.#witnesses.count(joined, 1)
    this.#witnesses.say(joined, null, one.heard)
  }

  /** Watches a check for that pool no more. */
  forget(pool: string, check: string): GuardChange<M> | null {
    const one = this.#checks.get(check)
    const left = one?.witnesses.get(pool)
    if (one === undefined || left === undefined) return null
    const [first] = one.witnesses.values()
    this.#witnesses.say(left, one.heard, null)
    if (left === first) this.#witnesses.count(left, -1)
    this.#witnesses.leave(left)
    one.witnesses.delete(pool)
    const [next] = one.witnesses.values()
    if (next === undefined) {
      this.#silence(one)
      this.#checks.delete(check)
    } else if (left === first) this.#witnesses.count(next, 1)
    this.#windowMs = null
    const { minMembers, minPools } = this.#settings
    const tooFew = this.#witnesses.size < minMembers || this.#witnesses.pools < minPools
    return tooFew && !this.#canariesDecide ? this.#trust() : null
  }

  /**
   * Rules on a verdict, before it goes to the machine.
   * @param current the check's measurement as it is before this verdict
   */
  verdict(check: string, ok: boolean, current: M, atMs: number): Ruling<M> {
    const one = this.#checks.get(check)
    if (one === undefined) return counting
    this.#age(atMs)
    this.#hear(one, ok, current, atMs)
    const settings = this.#canariesDecide ? this.#holding : this.#settings
    if (ok && atMs < this.#acquittedUntilMs && this.#witnesses.lookWell(settings))
      this.#acquittedUntilMs = Number.NEGATIVE_INFINITY
    if (
      this.#suspicion === null &&
      !ok &&
      atMs >= this.#acquittedUntilMs &&
      this.#witnesses.lookStruck(settings)
    ) {
      return { counts: false, change: this.#struck(atMs) }
    }
    const membersDecide = !this.#canariesDecide || this.#holds
    if (membersDecide && this.#suspicion !== null && ok && this.#witnesses.lookWell(settings))
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
    for (const { name: check, failingSinceMs, before } of this.#checks.values()) {
      if (failingSinceMs === null || failingSinceMs < atMs - horizonMs) continue
      if (before !== null && before.state !== 'down') giveBack.push({ check, measurement: before })
    }
    return { to: 'suspect', suspicion, giveBack }
  }

  /** Failures that did not count are no beginning of failures that do. */
  #trust(): GuardChange<M> | null {
    if (this.#suspicion === null) return null
    this.#suspicion = null
    for (const one of this.#checks.values()) if (one.failingSinceMs !== null) this.#silence(one)
    return ended
  }

  /** Forgets what a member said. */
  #silence(one: Guarded<M>): void {
    this.#count(one, null)
    this.#hearings.remove(one.hearing)
    this.#blows.remove(one.blow)
    one.failingSinceMs = null
    one.before = null
  }

  #hear(one: Guarded<M>, ok: boolean, current: M, atMs: number): void {
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

  #count(one: Guarded<M>, heard: Word | null): void {
    for (const witness of one.witnesses.values()) this.#witnesses.say(witness, one.heard, heard)
    one.heard = heard
  }

  #window(): number {
    this.#windowMs ??= this.#workOutWindow()
    return this.#windowMs
  }

  #workOutWindow(): number {
    const { windowMs, maxWindowMs } = this.#settings
    const periods = new Float64Array(this.#checks.size)
    let index = 0
    for (const { periodMs } of this.#checks.values()) periods[index++] = periodMs
    const median = periods.sort()[(periods.length - 1) >> 1] ?? 0
    return Math.min(maxWindowMs, Math.max(windowMs, median))
  }
}

function guarded<M>(name: string): Guarded<M> {
  // The links need the check and the check its links.
  const fresh = { name, witnesses: new Map(), heard: null, failingSinceMs: null, before: null, periodMs: 0 }
  const one = fresh as unknown as Guarded<M>
  return Object.assign(one, { hearing: new AgeingLink(one), blow: new AgeingLink(one) })
}
