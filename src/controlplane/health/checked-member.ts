/**
 * One member that is checked: how, what its observers say of it, and what is shown of it, which is what they say or, where the
 * pool asks for it, what most nodes say (`quorum.ts`). Whatever may have changed, `settle` brings the rest in line with it.
 */
import { isDeepStrictEqual } from 'node:util'
import type { PeerCertificate } from '../model/certificate.ts'
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import { type HealthState, type Hold, type MemberHealth, stateAt } from '../model/observation.ts'
import type { AddressText, Quorum } from '../model/pool.ts'
import { Alarm } from '../timing/alarm.ts'
import type { Clock } from '../timing/clock.ts'
import type { AvailabilityTable } from './availability.ts'
import { CertificateWatch, sooner } from './certificate-watch.ts'
import { type Opinion, type Past, says } from './check.ts'
import {
  type AddressCheck,
  addressLookedAt,
  assume,
  type CheckMethod,
  looksElsewhere,
  reportTtlMs,
} from './check-method.ts'
import type { CheckRegistry } from './check-registry.ts'
import type { Deliveries } from './deliveries.ts'
import type { EndingCertificates } from './ending-certificates.ts'
import type { FollowedReadings } from './fed-check.ts'
import { type AddressOpinion, ObservedAddresses } from './observed-addresses.ts'
import { notResolved, Observer, type Report } from './observer.ts'
import { agree, type Votes } from './quorum.ts'
import { addressTransitions, flapsBefore, nextHealth, saysMore, toldApart } from './shown-health.ts'
import type { ProbeVerdict } from './verdict.ts'

/** Who is checked, and how. */
export interface CheckTarget extends MemberKey {
  readonly quorum: Quorum
  /** How it is checked, at its first address where it has several. */
  readonly method: CheckMethod
  /** How each of its addresses is checked, of a member with several that are told apart. */
  readonly byAddress?: readonly AddressCheck[]
}

function checksOf({ method, byAddress }: CheckTarget): readonly AddressCheck[] {
  return byAddress ?? [{ address: addressLookedAt(method), method }]
}

/** What is known of a member beside its state. */
export interface Vitals {
  /** Verdicts count towards a change. */
  readonly near: boolean
  /** Smoothed time of its probes; null without one that succeeded. */
  readonly latencyMs: number | null
  /** 0 to 100; null when the member does not say. */
  readonly weightPercent: number | null
  /** When it came back from being down; null when it did not, since the start. */
  readonly backSince: Date | null
  /** Of the certificates that its probes have been shown last the one that ends first; null without any. */
  readonly certificate: PeerCertificate | null
  /** What this node has measured itself, which may not be what is shown. */
  readonly own: Opinion
}

export interface MemberListeners {
  /** Every verdict, as it comes, for each member that it is about. May not throw. */
  readonly onProbe?: (target: MemberKey, verdict: ProbeVerdict) => void
  /**
   * A member, or one address of a member that has several, is held down for changing too often. May not throw.
   * @param address null: there is nothing to tell apart
   */
  readonly onHold?: (member: MemberKey, hold: Hold, address: AddressText | null) => void
}

/** What the members of a checker share. */
export interface MemberContext {
  readonly listeners: MemberListeners
  readonly checks: CheckRegistry
  readonly endings: EndingCertificates
  readonly table: AvailabilityTable
  readonly deliveries: Deliveries
  /** Tells the time of day. */
  readonly clock: Clock
  /** Never goes back and never jumps, whatever is done to the time of day: how long reports are good is counted by it. */
  readonly steady: Clock
  /** What other nodes say of a member; null while there are none, or none can be asked. */
  readonly votes: (pool: string, member: string) => Votes | null
  /** Whether this node suspects its own network. */
  readonly suspect: () => boolean
  /** Until when, by the steady clock, reports that come through the database are known; left out: there is no database. */
  readonly relayedUntil?: (() => number) | undefined
  /** What feeds say. */
  readonly readings: FollowedReadings
  /** A member has had its say. Called again and again. */
  readonly onHeard: (key: string) => void
}

export class CheckedMember implements Disposable {
  /** What `formatMemberKey` makes of its name. */
  readonly key: string
  readonly #context: MemberContext
  #target: CheckTarget
  readonly #observed: ObservedAddresses
  /** What the table says. */
  #shown: MemberHealth
  /** What this node alone says, of a member that nodes agree upon. */
  #word: HealthState = 'unknown'
  #report: Report | null = null
  #relayed = false
  /** When the time of the report is over, by the steady clock. */
  #reportEndMs = Number.NEGATIVE_INFINITY
  /** Rings when the time of the report is over, which says something, too. Made with the first one: most members have none. */
  #expiry: Alarm | null = null
  /** Rings when a value of a feed that it goes by is too old. Made with the first one. */
  #fedExpiry: Alarm | null = null
  #near = false
  #weightPercent: number | null = null
  #backSince: Date | null = null
  readonly #certificates: CertificateWatch
  #ended = false

  /** @param restored what it was when the daemon last ran, which stands until there is something to say */
  constructor(target: CheckTarget, restored: MemberHealth | undefined, context: MemberContext) {
    const { pool, member } = target
    this.key = formatMemberKey(target)
    this.#context = context
    this.#target = target
    this.#shown = restored ?? { pool, member, state: 'unknown', since: this.#now(), reason: 'not probed yet' }
    this.#shown = toldApart(this.#shown, target.byAddress)
    this.#certificates = new CertificateWatch(restored?.told)
    context.table.set(this.#shown)
    const observe = (method: CheckMethod, before: ReadonlyMap<string, Past>) => this.#observe(method, before)
    this.#observed = new ObservedAddresses(checksOf(target), observe, (check) =>
      this.#restoreParts(restored, check),
    )
    this.settle()
  }

  get target(): CheckTarget {
    return this.#target
  }

  /** Whether it has had its say since the start. */
  get heard(): boolean {
    return this.#observed.heard
  }

  /** To be read at once. Each plan asks several times for each member, and never for what takes long to work out. */
  get vitals(): Vitals {
    const member = this
    const observed = this.#observed
    return {
      near: this.#near,
      weightPercent: this.#weightPercent,
      backSince: this.#backSince,
      get certificate() {
        return member.certificate
      },
      get latencyMs() {
        return observed.latencyMs(null)
      },
      get own() {
        return observed.opinion
      },
    }
  }

  /** What its probes have been shown last, of several the one that ends first; null for nothing. */
  get certificate(): PeerCertificate | null {
    const [first, ...others] = this.#observed.certificates
    return first === undefined ? null : others.reduce(sooner, first).certificate
  }

  /** Smoothed time of the probes of an address, or (null) of all of it; null without samples. */
  latencyMs(address: AddressText | null): number | null {
    return this.#observed.latencyMs(address)
  }

  /** What this node tells the others of it; `unknown` also for a member that nodes do not agree upon. */
  get word(): HealthState {
    return this.#word
  }

  /** Whether it answers again, and waits for an operator to let it come back. */
  get waits(): boolean {
    return this.#observed.waits
  }

  /** Whether it, or one of its addresses, is held down for changing too often. */
  get held(): boolean {
    return this.#observed.held
  }

  /** Whether a target is another machine of the same name. */
  isElsewhere(target: CheckTarget): boolean {
    return looksElsewhere(checksOf(this.#target), checksOf(target))
  }

  /** Goes on under other settings, or at another address, at once. */
  change(target: CheckTarget): void {
    this.#target = target
    this.#observed.change(checksOf(target))
    this.settle()
  }

  /**
   * Takes a report. One that came through the database changes nothing when it is older than the last; one that was made here is the
   * latest, whatever the time of day was set to in between.
   *
   * @param relayed it came through the database: it does not run out while that is away, since a newer one could not come
   */
  report(report: Report, relayed = false): void {
    if (relayed && this.#report !== null && !isNewer(report, this.#report)) return
    this.#takeReport(report, relayed)
    this.settle()
  }

  /** An operator lets it come back. */
  failBack(): void {
    this.#observed.failBack()
    this.settle()
  }

  /**
   * Brings what is shown of the member in line with what is known of it.
   * @param undone what it has changed to lately it never was
   */
  settle(undone = false): void {
    if (this.#ended) return
    const { deliveries, onHeard } = this.#context
    const { pool, quorum } = this.#target
    const { heard, near, weightPercent, byAddress } = this.#observed
    // What was restored stands until there is something to say; several addresses have each been given it.
    if (heard || byAddress !== null) {
      const own = this.#observed.opinion
      this.#show(this.#judge(own), own.state, byAddress, undone)
      if (heard) this.#setWord(quorum === 'majority' ? this.#observed.vote : 'unknown')
    }
    this.#expireFeeds()
    if (near !== this.#near || weightPercent !== this.#weightPercent) {
      this.#near = near
      this.#weightPercent = weightPercent
      deliveries.addVitals(pool)
    }
    if (heard) onHeard(this.key)
  }

  #expireFeeds(): void {
    const untilMs = this.#observed.fedUntilMs
    if (untilMs === null) return
    this.#fedExpiry ??= new Alarm(this.#context.steady, () => this.settle())
    this.#fedExpiry.set(this.#steadyMs(untilMs + 1))
  }

  /** When it is that time of day, by the steady clock. */
  #steadyMs(timeMs: number): number {
    const { clock, steady } = this.#context
    return steady.nowMs() + timeMs - clock.nowMs()
  }

  /** Whether a report on it is over by the clock, so that it may have run out by now. */
  get overdue(): boolean {
    return this.#relayed && this.#reportEndMs <= this.#context.steady.nowMs()
  }

  /** Settles no more. */
  end(): void {
    this.#ended = true
    this.#expiry?.[Symbol.dispose]()
    this.#fedExpiry?.[Symbol.dispose]()
  }

  /** Ends, and lets go of its checks. */
  [Symbol.dispose](): void {
    this.end()
    this.#observed[Symbol.dispose]()
    const { pool, member, quorum } = this.#target
    if (quorum === 'majority') this.#context.deliveries.addVerdicts()
    this.#context.table.remove(pool, member)
  }

  #now(): Date {
    return new Date(this.#context.clock.nowMs())
  }

  #observe(method: CheckMethod, before: ReadonlyMap<string, Past>): Observer {
    const { checks, endings, listeners } = this.#context
    const { pool, member } = this.#target
    return new Observer(method, before, {
      checks,
      endings,
      watcher: {
        pool,
        member,
        onVerdict: (verdict) => {
          listeners.onProbe?.({ pool, member }, verdict)
          this.settle()
          this.#lookAtCertificates()
          // A start does not wait for what this host can't ask.
          if (!says(verdict)) this.#context.onHeard(this.key)
        },
        onChange: (undone) => this.settle(undone),
        onHold: (hold) => {
          const address = this.#target.byAddress === undefined ? null : addressLookedAt(method)
          listeners.onHold?.({ pool, member }, hold, address)
        },
      },
      report: () => this.#report,
      reportStands: () => this.#reportEndMs > this.#knownUntilMs(),
      reportIsLate: () => this.#reportEndMs <= this.#context.steady.nowMs(),
      readings: this.#context.readings,
      now: () => this.#now(),
    })
  }

  /** @returns what the probes of the member begin with */
  #restoreParts(
    restored: MemberHealth | undefined,
    { address, method }: AddressCheck,
  ): ReadonlyMap<string, Past> {
    // That a host had no address, alone or among other parts, was no verdict on anybody.
    const wasMeasured = restored !== undefined && !restored.reason.includes(notResolved)
    const state = wasMeasured ? stateAt(restored, address) : 'unknown'
    if (state === 'unknown') return new Map()
    const nowMs = this.#context.clock.nowMs()
    const { before, reported } = assume(method, state, (path) => flapsBefore(restored!, address, path, nowMs))
    if (reported !== null) {
      const until = new Date(this.#now().getTime() + reportTtlMs(method)!)
      const reason = `${reported} as before`
      // Older than any that is made.
      this.#takeReport({ state: reported, reason, weightPercent: null, at: new Date(0), until }, true)
    }
    return before
  }

  #takeReport(report: Report, relayed: boolean): void {
    this.#report = report
    this.#relayed = relayed
    this.#reportEndMs = this.#steadyMs(report.until.getTime())
    this.#expiry ??= new Alarm(this.#context.steady, () => this.settle())
    this.#expiry.set(this.#reportEndMs)
  }

  /** Up to when we would have heard of a newer report. */
  #knownUntilMs(): number {
    const { relayedUntil, steady } = this.#context
    const nowMs = steady.nowMs()
    return this.#relayed && relayedUntil !== undefined ? Math.min(relayedUntil(), nowMs) : nowMs
  }

  #judge(own: Opinion): Opinion {
    const { pool, member, quorum } = this.#target
    const others = quorum === 'own' ? null : this.#context.votes(pool, member)
    if (others === null || others.up + others.down === 0) return own
    return agree({ ...own, state: this.#observed.vote }, others, this.#context.suspect())
  }

  #lookAtCertificates(): void {
    const presented = this.#observed.certificates
    if (this.#ended || presented.length === 0) return
    const { seenCertificates } = this.#observed
    const news = this.#certificates.look(presented, seenCertificates, this.#now().getTime())
    if (news.length === 0) return
    this.#shown = { ...this.#shown, told: this.#certificates.told }
    this.#context.table.set(this.#shown)
    for (const one of news) this.#context.deliveries.addCertificate(() => this.#shown, one)
  }

  #setWord(word: HealthState): void {
    if (word === this.#word) return
    this.#word = word
    this.#context.deliveries.addVerdicts()
  }

  /**
   * Puts a state into the table; another one than before is a transition, of the member or of one of its addresses.
   *
   * @param ownState what this node alone says: where that is something else, all addresses are what the member is
   */
  #show(
    opinion: Opinion,
    ownState: HealthState,
    byAddress: readonly AddressOpinion[] | null,
    undone: boolean,
  ): void {
    const { table, deliveries } = this.#context
    const { pool, member } = this.#target
    const before = this.#shown
    const at = this.#now()
    const { state, reason } = opinion
    const said = byAddress?.map((one) => (state === ownState ? one : { ...one, state, reason })) ?? null
    const next = nextHealth(before, opinion, said, at)
    if (next === null) return
    const { flaps } = this.#observed
    const health = flaps.length === 0 ? next : { ...next, flaps }
    this.#shown = health
    table.set(health)
    for (const transition of addressTransitions(before, health)) {
      deliveries.addEvent({ pool, member, ...transition, at, health })
    }
    if (state !== before.state) {
      this.#backSince = before.state === 'down' && state === 'up' && !undone ? at : null
      const known = saysMore(health) ? { health } : {}
      deliveries.addEvent({ pool, member, from: before.state, to: state, reason, at, ...known })
    } else deliveries.soon()
  }
}

const said = ({ state, reason, weightPercent, until }: Report) => ({ state, reason, weightPercent, until })

function isNewer(report: Report, known: Report): boolean {
  const [at, knownAt] = [report.at.getTime(), known.at.getTime()]
  // Of two that were made at the same time the one that was stored last stands, and that comes from the store.
  return at > knownAt || (at === knownAt && !isDeepStrictEqual(said(report), said(known)))
}
