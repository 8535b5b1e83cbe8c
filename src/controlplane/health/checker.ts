/**
 * The health checker: joins the scheduler (when), the probes (what a member says), the machine (what that means) and the
 * availability table (what everybody else sees). It touches no database and no plan: the caller is told of transitions
 * and does with them what it must.
 *
 * ## What is shown
 * What is shown of a member is what its observers say (`observer.ts`: probes, reports, composites of them) or, where the
 * pool asks for it, what most nodes say (`checked-member.ts`). While this node's own network is suspect, failures do not
 * count (`guard.ts`), so everybody stays what they were.
 *
 * ## From verdict to callback
 * A verdict moves its member's machine at once. Transitions are delivered at the end of the
 * same turn of the event loop (`deliveries.ts`).
 *
 * A verdict that was asked for under settings that have changed meanwhile is dropped: that probe is aborted and asked again.
 *
 * A member is probed at each of its addresses (`observed-addresses.ts`). Those of a host may change while the member stays what it
 * is: its state goes on, and new addresses are probed at once. A host without an address can't be probed, and is down for that.
 *
 * ## Bound
 * One entry per target.
 */

import type { PeerCertificate } from '../model/certificate.ts'
import type { Family } from '../model/family.ts'
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import type { MemberHealth, NodeVerdicts } from '../model/observation.ts'
import type { AddressText } from '../model/pool.ts'
import { monotonicClock } from '../timing/clock.ts'
import { type Availability, AvailabilityTable } from './availability.ts'
import { goesByFeeds, reportTtlMs } from './check-method.ts'
import { CheckRegistry } from './check-registry.ts'
import {
  CheckedMember,
  type CheckTarget,
  type MemberContext,
  type MemberListeners,
  type Vitals,
} from './checked-member.ts'
import { Deliveries, type DeliveryListeners } from './deliveries.ts'
import { EndingCertificates } from './ending-certificates.ts'
import type { FollowedReadings } from './fed-check.ts'
import type { SelfIsolationGuard, Suspicion } from './guard.ts'
import type { Measurement } from './monitor.ts'
import type { Report } from './observer.ts'
import type { Probe } from './probes/probe.ts'
import type { Votes } from './quorum.ts'
import { Scheduler, type SchedulerOptions } from './scheduler.ts'

export interface CheckerOptions extends SchedulerOptions, DeliveryListeners, MemberListeners {
  readonly probe: Probe
  /** Null or left out: no guard. */
  readonly guard?: SelfIsolationGuard<Measurement> | null
  /** Told when the guard begins to suspect this node's network, or (null) trusts it again. */
  readonly onSuspicion?: (suspicion: Suspicion | null, whyTrusted?: string) => void
  /** Told when the guard holds, until the canaries have been asked. */
  readonly askCanaries?: () => void
  /** What other nodes say of a member; null while there are none, or none can be asked. */
  readonly votes?: (pool: string, member: string) => Votes | null
  /** Until when, by `clock`, reports that come through the database are known. */
  readonly relayedUntil?: () => number
  /** What feeds say; left out: nothing has been read. */
  readonly readings?: FollowedReadings
  /** Time of day for `since` and `at`. */
  readonly now?: () => Date
  /** Time of day in milliseconds that does not go back when clocks are set. */
  readonly nowMs?: () => number
}

/** Checks nobody until it has targets. */
export class Checker implements AsyncDisposable {
  readonly #guard: SelfIsolationGuard<Measurement> | null
  readonly #nowMs: () => number
  readonly #scheduler: Scheduler
  readonly #checks: CheckRegistry
  readonly #context: MemberContext
  readonly #table = new AvailabilityTable()
  readonly #members = new Map<string, CheckedMember>()
  readonly #restored = new Map<string, MemberHealth>()
  /** Targets of the first `setTargets` that have no verdict yet; null before that call. */
  #awaited: Set<string> | null = null
  readonly #firstRound = Promise.withResolvers<void>()
  readonly #deliveries: Deliveries
  /** Pools to be looked at again at the end of the turn. */
  readonly #unsettled = new Set<string>()
  #stopping: Promise<void> | null = null

  constructor(options: CheckerOptions) {
    const { probe, guard = null, nowMs = () => performance.timeOrigin + performance.now() } = options
    this.#guard = guard
    this.#nowMs = nowMs
    this.#scheduler = new Scheduler(options)
    this.#deliveries = new Deliveries(options, this.#table, () => {
      if (this.#awaited?.size === 0) this.#firstRound.resolve()
    })
    this.#checks = new CheckRegistry({
      scheduler: this.#scheduler,
      probe,
      nowMs,
      guard,
      askCanaries: () => options.askCanaries?.(),
      onSuspicion: (suspicion, whyTrusted) => {
        options.onSuspicion?.(suspicion, whyTrusted)
        this.#reconsiderAgreed()
      },
    })
    this.#context = this.#makeContext(options)
  }

  #makeContext(options: CheckerOptions): MemberContext {
    const { votes, now, clock = monotonicClock } = options
    const timeMs = now === undefined ? Date.now : () => now().getTime()
    return {
      listeners: options,
      checks: this.#checks,
      endings: new EndingCertificates({ nowMs: timeMs, onFlip: (pool) => this.#settleSoon(pool) }),
      table: this.#table,
      deliveries: this.#deliveries,
      clock: {
        nowMs: timeMs,
        after: (delayMs, run) => clock.after(delayMs, run),
      },
      steady: clock,
      votes: votes ?? (() => null),
      relayedUntil: options.relayedUntil,
      readings: options.readings ?? nothingRead,
      suspect: () => (this.#guard?.suspicion ?? null) !== null,
      onHeard: (key) => {
        if (this.#awaited?.delete(key) && this.#awaited.size === 0) this.#deliveries.soon()
      },
    }
  }

  /**
   * Resolves when every target of the first `setTargets` has had a verdict (or has been taken away since) and the transitions
   * of those verdicts have been delivered; also when the checker is stopped before that, so that nobody waits for ever.
   */
  get firstRound(): Promise<void> {
    return this.#firstRound.promise
  }

  /** Probes that run, each for one member or more. */
  get probes(): number {
    return this.#checks.size
  }

  /** Of those, how many this host can't make for want of an address of a family. A pass over all. */
  unjudged(family: Family): number {
    return this.#checks.unjudged(family)
  }

  /** The table as it was last published. */
  availability(): Availability {
    return this.#table.current
  }

  /** Null for a member that is not checked. */
  vitals(pool: string, member: string): Vitals | null {
    return this.#find({ pool, member })?.vitals ?? null
  }

  /** Smoothed time of the probes of one address of a member, or (null) of all of it; null without samples. */
  latencyMs(pool: string, member: string, address: AddressText | null): number | null {
    return this.#find({ pool, member })?.latencyMs(address) ?? null
  }

  /** The certificates of members, of those with several the one that ends first. */
  *certificates(): Generator<MemberKey & { readonly certificate: PeerCertificate }> {
    for (const { target, certificate } of this.#members.values()) {
      if (certificate !== null) yield { pool: target.pool, member: target.member, certificate }
    }
  }

  /** This node's own word on the members that nodes agree upon; null when there are none. */
  ownVerdicts(): NodeVerdicts | null {
    const byPool = new Map<string, Record<string, 'up' | 'down'>>()
    let any = false
    for (const { target, word } of this.#members.values()) {
      if (target.quorum !== 'majority') continue
      any = true
      if (word === 'unknown') continue
      const members = byPool.get(target.pool) ?? nothingSaid()
      members[target.member] = word
      byPool.set(target.pool, members)
    }
    return any ? Object.fromEntries(byPool) : null
  }

  /**
   * Gives members the state that they had when the daemon last ran. Counts for those of the first `setTargets`, before
   * which it must be called; the rest is forgotten.
   */
  restore(health: readonly MemberHealth[]): void {
    for (const one of health) this.#restored.set(formatMemberKey(one), one)
  }

  /**
   * Says who is checked from now on, and is visible in `availability()` when it returns. A member that stays keeps its
   * state and its place in the schedule, with changed settings applied, also those of another type of monitor; one whose
   * endpoint differs is another machine and starts anew. New members are `unknown` and probed at once. Members that are gone
   * vanish without an event.
   * @param targets pool and member name identify a target and may not occur twice
   */
  setTargets(targets: readonly CheckTarget[]): void {
    if (this.#stopping !== null) return
    const wanted = new Map(targets.map((target) => [formatMemberKey(target), target]))
    for (const member of this.#members.values()) {
      const target = wanted.get(member.key)
      if (target === undefined || member.isElsewhere(target)) this.#forget(member)
    }
    for (const [key, target] of wanted) {
      const member = this.#members.get(key)
      if (member !== undefined) member.change(target)
      else this.#members.set(key, new CheckedMember(target, this.#restored.get(key), this.#context))
    }
    this.#restored.clear()
    this.#table.publish()
    this.#awaited ??= new Set([...wanted.keys()].filter((key) => !this.#members.get(key)!.heard))
    this.#deliveries.soon()
  }

  /** Forgets members that are no more, before targets of the same names come, which then begin anew. */
  forget(ended: Iterable<MemberKey>): void {
    if (this.#stopping !== null) return
    for (const key of ended) {
      this.#restored.delete(formatMemberKey(key))
      const member = this.#find(key)
      if (member !== undefined) this.#forget(member)
    }
  }

  /**
   * Takes what has been reported of a member with a push monitor; one that is older than what is known already changes nothing.
   * @param relayed see `CheckedMember.report`
   * @returns false when there is no such member
   */
  report(key: MemberKey, report: Report, relayed = false): boolean {
    const member = this.#find(key)
    if (member === undefined || this.#stopping !== null) return false
    member.report(report, relayed)
    return true
  }

  /** How long a report on a member is good; null for one that takes none, undefined when there is no such member. */
  reportTtlMs(key: MemberKey): number | null | undefined {
    const member = this.#find(key)
    return member === undefined ? undefined : reportTtlMs(member.target.method)
  }

  /** Whether a member answers again, and waits for an operator to let it come back. */
  waitsForFailBack(key: MemberKey): boolean {
    return this.#find(key)?.waits ?? false
  }

  /** Whether a member, or one of its addresses, is held down for changing too often. */
  isHeld(key: MemberKey): boolean {
    return this.#find(key)?.held ?? false
  }

  /** An operator lets it. */
  failBack(key: MemberKey): void {
    this.#find(key)?.failBack()
  }

  /** Looks again at members whose votes may have changed. */
  reconsider(keys: Iterable<MemberKey>): void {
    for (const key of keys) this.#find(key)?.settle()
  }

  /** More is known of reports that come through the database: looks at those that may have run out. */
  reportsAreCurrent(): void {
    for (const member of this.#members.values()) if (member.overdue) member.settle()
  }

  /** Feeds say something else than before, or it is known up to when they do. */
  readingsChanged(): void {
    for (const member of this.#members.values()) if (goesByFeeds(member.target.method)) member.settle()
  }

  /** A canary has been asked. */
  canary(name: string, ok: boolean): void {
    this.#checks.apply(this.#guard?.canary(name, ok, this.#nowMs()) ?? null)
  }

  /** Aborts the probes in flight, delivers what they had already said, and starts no more. May be called more than once. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    await this.#scheduler.stop()
    for (const member of this.#members.values()) member.end()
    this.#deliveries.now()
    this.#firstRound.resolve()
  }

  /** Looks again at the members of a pool at the end of the turn: what the certificates of others mean for them has changed. */
  #settleSoon(pool: string): void {
    if (this.#unsettled.size === 0) {
      setImmediate(() => {
        const pools = new Set(this.#unsettled)
        this.#unsettled.clear()
        for (const member of this.#members.values()) if (pools.has(member.target.pool)) member.settle()
      })
    }
    this.#unsettled.add(pool)
  }

  #find(key: MemberKey): CheckedMember | undefined {
    return this.#members.get(formatMemberKey(key))
  }

  #forget(member: CheckedMember): void {
    this.#members.delete(member.key)
    this.#awaited?.delete(member.key)
    member[Symbol.dispose]()
  }

  /** This node's own word begins or ceases to count. */
  #reconsiderAgreed(): void {
    for (const member of this.#members.values()) {
      if (member.target.quorum === 'majority') member.settle()
    }
  }
}

const nothingRead: FollowedReadings = { latest: () => null, isKnown: () => false, currentUntilMs: 0 }

/** Names of members are the keys, whatever they are. */
function nothingSaid(): Record<string, 'up' | 'down'> {
  return Object.create(null)
}
