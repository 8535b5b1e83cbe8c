/**
 * The health checker: joins the scheduler (when), the probes (what a member says), the machine (what that means) and the
 * availability table (what everybody else sees). It touches no database and no plan: the caller is told of transitions
 * and does with them what it must.
 *
 * What is shown of a member is what its source (`sources.ts`: probes, reports, composites of them) comes to on this node or,
 * where the pool asks for it, what most nodes say (`quorum.ts`). While this node's own network is suspect, failures do not
 * count (`guard.ts`), so everybody stays what they were.
 *
 * From verdict to callback: a verdict moves its member's machine at once. Transitions are delivered at the end of the
 * same turn of the event loop (`deliveries.ts`).
 *
 * What counts: a verdict of a probe that was called off says nothing and is dropped. So is one that was asked under
 * settings that have changed meanwhile: that probe is aborted and asked again.
 *
 * A member that is a host is probed at one of its addresses, which may change while the member stays what it is: its state
 * goes on, and the new address is probed at once. A host without an address can't be probed, and is down for that.
 *
 * Bound: one entry per target.
 */
import { isDeepStrictEqual } from 'node:util'
import { formatMemberKey, type MemberKey } from '../model/member-key.ts'
import type { HealthState, MemberHealth, NodeVerdicts } from '../model/observation.ts'
import type { Quorum } from '../model/pool.ts'
import { Alarm } from '../timing/alarm.ts'
import { type Clock, monotonicClock } from '../timing/clock.ts'
import { type Availability, AvailabilityTable } from './availability.ts'
import { Checks, type Opinion, type Past } from './checks.ts'
import { Deliveries, type Listeners } from './deliveries.ts'
import type { Canary, SelfIsolationGuard, Suspicion } from './guard.ts'
import type { Hold, Measurement } from './monitor.ts'
import { probe as defaultProbe, type Probe } from './probes/probe.ts'
import { agree, type Votes } from './quorum.ts'
import { Scheduler, type SchedulerOptions } from './scheduler.ts'
import {
  assumed,
  type CheckPlan,
  looksElsewhere,
  makeSource,
  notResolved,
  planKey,
  type Report,
  reportTtlMs,
  type Source,
} from './sources.ts'
import type { ProbeVerdict } from './verdict.ts'

export interface CheckerOptions extends SchedulerOptions, Listeners {
  /**
   * Every verdict that counts, as it comes, for each member that it is about; `lateMs` is how long after its time the probe
   * began (an overloaded checker shows there first). May not throw.
   */
  readonly onProbe?: (target: MemberKey, verdict: ProbeVerdict, lateMs: number) => void
  readonly probe?: Probe
  /** Null or left out: no guard. */
  readonly guard?: SelfIsolationGuard<Measurement> | null
  /** Told when the guard begins to suspect this node's network, or (null) trusts it again. */
  readonly onSuspicion?: (suspicion: Suspicion | null) => void
  /** A member is held down for changing too often. May not throw. */
  readonly onHold?: (member: MemberKey, hold: Hold) => void
  /** What other nodes say of a member; null while there are none, or none can be asked. */
  readonly votes?: (pool: string, member: string) => Votes | null
  /** Time of day for `since` and `at`. */
  readonly now?: () => Date
  /** Time of day in milliseconds that does not go back when clocks are set. */
  readonly nowMs?: () => number
}

function monotonicNowMs(): number {
  return performance.timeOrigin + performance.now()
}

/** Who is watched, and how. */
export interface CheckTarget extends MemberKey {
  readonly quorum: Quorum
  readonly plan: CheckPlan
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
  /** What this node has measured itself, which may not be what is shown. */
  readonly own: Opinion
}

export interface Checker extends AsyncDisposable {
  /**
   * Says who is checked from now on, and is visible in `availability()` when it returns. A member that stays keeps its
   * state and its place in the schedule, with changed settings applied, also those of another type of monitor; one whose
   * endpoint differs is another machine and starts anew. New members are `unknown` and probed at once. Members that are gone
   * vanish without an event.
   * @param targets pool and member name identify a target and may not occur twice
   */
  setTargets(targets: readonly CheckTarget[]): void
  /**
   * Gives members the state that they had when the daemon last ran. Counts for those of the first `setTargets`, before
   * which it must be called; the rest is forgotten.
   */
  restore(health: readonly MemberHealth[]): void
  /**
   * What has been reported of a member with a push monitor; one that is older than what is known already changes nothing.
   * @returns false when there is no such member
   */
  report(key: MemberKey, report: Report): boolean
  /** How long a report on a member is good; null for one that takes none, undefined when there is no such member. */
  reportTtlMs(key: MemberKey): number | null | undefined
  /** Whether a member answers again, and waits for an operator to let it come back. */
  waitsForFailBack(key: MemberKey): boolean
  /** An operator lets it. */
  failBack(key: MemberKey): void
  /** Looks again at members whose votes may have changed. */
  reconsider(keys: Iterable<MemberKey>): void
  /** Sets what the guard listens to beside the members; see `SelfIsolationGuard`. */
  setCanaries(canaries: readonly Canary[]): void
  /** A canary has been asked. */
  canary(name: string, ok: boolean): void
  /** The table as it was last published. */
  availability(): Availability
  /** Null for a member that is not checked. */
  vitals(pool: string, member: string): Vitals | null
  /** This node's own word on the members that nodes agree upon; null when there are none. */
  ownVerdicts(): NodeVerdicts | null
  /** Probes that run, each for one member or more. */
  readonly probes: number
  /**
   * Resolves when every target of the first `setTargets` has had a verdict (or has been taken away since) and the transitions
   * of those verdicts have been delivered; also when the checker is stopped before that, so that nobody waits for ever.
   */
  readonly firstRound: Promise<void>
  /** True once the first round is complete; a stop doesn't make it so. */
  readonly firstRoundDone: boolean
  /** Aborts the probes in flight, delivers what they had already said, and starts no more. May be called more than once. */
  stop(): Promise<void>
}

/** Starts a checker without targets. */
export function startChecker(options: CheckerOptions): Checker {
  return new HealthChecker(options)
}

interface Watched {
  target: CheckTarget
  key: string
  planKey: string
  source: Source
  /** What the table says. */
  shown: MemberHealth
  /** What this node alone would say. */
  own: HealthState
  report: Report | null
  /** Rings when the time of the report is over, which says something, too. */
  expiry: Alarm
  near: boolean
  weightPercent: number | null
  backSince: Date | null
}

class HealthChecker implements Checker {
  readonly #options: CheckerOptions
  readonly #now: () => Date
  /** Of the time of day. */
  readonly #clock: Clock
  readonly #scheduler: Scheduler
  readonly #checks: Checks
  readonly #table = new AvailabilityTable()
  readonly #watched = new Map<string, Watched>()
  #restored = new Map<string, MemberHealth>()
  /** Targets of the first `setTargets` that have no verdict yet; null before that call. */
  #awaited: Set<string> | null = null
  readonly #firstRound = Promise.withResolvers<void>()
  #firstRoundDone = false
  readonly #deliveries: Deliveries
  #stopping: Promise<void> | null = null
  #stopped = false

  constructor(options: CheckerOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
    const timers = options.clock ?? monotonicClock
    this.#clock = {
      nowMs: () => this.#now().getTime(),
      after: (delayMs, run) => timers.after(delayMs, run),
    }
    this.#scheduler = new Scheduler(options)
    this.#deliveries = new Deliveries(options, this.#table, () => this.#noteFirstRound())
    this.#checks = new Checks({
      scheduler: this.#scheduler,
      probe: options.probe ?? defaultProbe,
      nowMs: options.nowMs ?? monotonicNowMs,
      guard: options.guard ?? null,
      onSuspicion: (suspicion) => {
        options.onSuspicion?.(suspicion)
        this.#reconsiderAgreed()
      },
    })
  }

  get firstRound(): Promise<void> {
    return this.#firstRound.promise
  }

  get firstRoundDone(): boolean {
    return this.#firstRoundDone
  }

  get probes(): number {
    return this.#checks.size
  }

  availability(): Availability {
    return this.#table.current
  }

  vitals(pool: string, member: string): Vitals | null {
    const watched = this.#watched.get(formatMemberKey({ pool, member }))
    if (watched === undefined) return null
    const { near, weightPercent, backSince, source } = watched
    return { near, weightPercent, backSince, latencyMs: source.latencyMs, own: source.opinion }
  }

  ownVerdicts(): NodeVerdicts | null {
    const byPool = new Map<string, Record<string, 'up' | 'down'>>()
    let any = false
    for (const { target, own } of this.#watched.values()) {
      if (target.quorum !== 'majority') continue
      any = true
      if (own === 'unknown') continue
      const members = byPool.get(target.pool) ?? nothingSaid()
      members[target.member] = own
      byPool.set(target.pool, members)
    }
    return any ? Object.fromEntries(byPool) : null
  }

  restore(health: readonly MemberHealth[]): void {
    for (const one of health) this.#restored.set(formatMemberKey(one), one)
  }

  setTargets(targets: readonly CheckTarget[]): void {
    if (this.#stopping !== null) return
    const wanted = new Map(targets.map((target) => [formatMemberKey(target), target]))
    for (const [key, watched] of this.#watched) {
      const target = wanted.get(key)
      if (target === undefined || looksElsewhere(watched.target.plan, target.plan)) this.#forget(key, watched)
    }
    for (const [key, target] of wanted) {
      const watched = this.#watched.get(key)
      if (watched === undefined) this.#watch(key, target)
      else this.#change(watched, target)
    }
    this.#restored.clear()
    this.#table.publish()
    this.#awaited ??= new Set([...wanted.keys()].filter((key) => !this.#watched.get(key)!.source.heard))
    this.#deliveries.soon()
  }

  report(key: MemberKey, report: Report): boolean {
    const watched = this.#watched.get(formatMemberKey(key))
    if (watched === undefined || this.#stopping !== null) return false
    if (watched.report !== null && !isNewer(report, watched.report)) return true
    this.#takeReport(watched, report)
    this.#settle(watched)
    return true
  }

  reportTtlMs(key: MemberKey): number | null | undefined {
    const watched = this.#watched.get(formatMemberKey(key))
    return watched === undefined ? undefined : reportTtlMs(watched.target.plan)
  }

  waitsForFailBack(key: MemberKey): boolean {
    return this.#watched.get(formatMemberKey(key))?.source.waits ?? false
  }

  failBack(key: MemberKey): void {
    const watched = this.#watched.get(formatMemberKey(key))
    if (watched === undefined) return
    watched.source.failBack()
    this.#settle(watched)
  }

  reconsider(keys: Iterable<MemberKey>): void {
    for (const key of keys) {
      const watched = this.#watched.get(formatMemberKey(key))
      if (watched !== undefined) this.#settle(watched)
    }
  }

  setCanaries(canaries: readonly Canary[]): void {
    this.#checks.apply(this.#options.guard?.setCanaries(canaries) ?? null)
  }

  canary(name: string, ok: boolean): void {
    const nowMs = this.#options.nowMs ?? monotonicNowMs
    this.#checks.apply(this.#options.guard?.canary(name, ok, nowMs()) ?? null)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #stop(): Promise<void> {
    await this.#scheduler.stop()
    for (const { expiry } of this.#watched.values()) expiry[Symbol.dispose]()
    this.#deliveries.now()
    this.#stopped = true
    this.#firstRound.resolve()
  }

  #watch(key: string, target: CheckTarget): void {
    const { pool, member } = target
    const restored = this.#restored.get(key)
    const shown: MemberHealth = restored ?? {
      pool,
      member,
      state: 'unknown',
      since: this.#now(),
      reason: 'not probed yet',
    }
    this.#table.set(shown)
    const watched = {
      target,
      key,
      planKey: planKey(target.plan),
      shown,
      own: 'unknown',
      report: null,
      near: false,
      weightPercent: null,
      backSince: null,
    } as unknown as Watched
    watched.expiry = new Alarm(this.#clock, () => this.#settle(watched))
    watched.source = this.#makeSource(watched, target.plan, this.#restoreParts(watched, restored))
    this.#watched.set(key, watched)
    this.#settle(watched)
  }

  /** @returns what the probes of a member begin with */
  #restoreParts(watched: Watched, restored: MemberHealth | undefined): ReadonlyMap<string, Past> {
    // That a host had no address, alone or among other parts, was no verdict on anybody.
    const wasMeasured = restored !== undefined && !restored.reason.includes(notResolved)
    if (!wasMeasured || restored.state === 'unknown') return new Map()
    const { plan } = watched.target
    const { before, reported } = assumed(plan, restored.state)
    if (reported !== null) {
      const until = new Date(this.#now().getTime() + reportTtlMs(plan)!)
      const reason = `${reported} as before`
      // Older than any that is made.
      this.#takeReport(watched, { state: reported, reason, weightPercent: null, at: new Date(0), until })
    }
    return before
  }

  /** Goes on under other settings, or at another address, at once. */
  #change(watched: Watched, target: CheckTarget): void {
    const key = planKey(target.plan)
    watched.target = target
    if (key !== watched.planKey) {
      const { source } = watched
      const before = new Map<string, Past>()
      source.recall('', before)
      watched.planKey = key
      // Made before the old one goes, so that a check that both watch goes on.
      watched.source = this.#makeSource(watched, target.plan, before)
      source[Symbol.dispose]()
    }
    this.#settle(watched)
  }

  #makeSource(watched: Watched, plan: CheckPlan, before: ReadonlyMap<string, Past>): Source {
    const { pool, member } = watched.target
    return makeSource(plan, {
      checks: this.#checks,
      before,
      watcher: {
        pool,
        member,
        onVerdict: (verdict, lateMs) => {
          this.#options.onProbe?.({ pool, member }, verdict, lateMs)
          this.#settle(watched)
        },
        onChange: (undone) => this.#settle(watched, undone),
        onHold: (hold) => this.#options.onHold?.({ pool, member }, hold),
      },
      reports: { current: () => watched.report, now: this.#now },
    })
  }

  #forget(key: string, { target, source, expiry }: Watched): void {
    this.#watched.delete(key)
    source[Symbol.dispose]()
    expiry[Symbol.dispose]()
    if (target.quorum === 'majority') this.#deliveries.addVerdicts()
    this.#table.remove(target.pool, target.member)
    this.#awaited?.delete(key)
  }

  #takeReport(watched: Watched, report: Report): void {
    watched.report = report
    watched.expiry.set(report.until.getTime())
  }

  /**
   * Brings what is shown of a member in line with what is known of it.
   * @param undone what it has changed to lately it never was
   */
  #settle(watched: Watched, undone = false): void {
    if (this.#stopped) return
    const { source, target } = watched
    // What was restored stands until there is something to say.
    if (source.heard) {
      const own = source.opinion
      this.#show(watched, this.#judge(target, own), undone)
      this.#noteOwn(watched, target.quorum === 'majority' ? own.state : 'unknown')
    }
    const { near, weightPercent } = source
    if (near !== watched.near || weightPercent !== watched.weightPercent) {
      watched.near = near
      watched.weightPercent = weightPercent
      this.#deliveries.addVitals(target.pool)
    }
    if (source.heard && this.#awaited?.delete(watched.key) && this.#awaited.size === 0)
      this.#deliveries.soon()
  }

  #judge({ pool, member, quorum }: CheckTarget, own: Opinion): Opinion {
    if (quorum === 'own') return own
    const { votes, guard } = this.#options
    const others = votes?.(pool, member) ?? null
    return others === null ? own : agree(own, others, (guard?.suspicion ?? null) !== null)
  }

  /** This node's own word begins or ceases to count. */
  #reconsiderAgreed(): void {
    for (const watched of this.#watched.values()) {
      if (watched.target.quorum === 'majority') this.#settle(watched)
    }
  }

  /** @param own `unknown` for a member that nodes do not agree upon */
  #noteOwn(watched: Watched, own: HealthState): void {
    if (own === watched.own) return
    watched.own = own
    this.#deliveries.addVerdicts()
  }

  /** Puts a state into the table; another one than before is a transition. */
  #show(watched: Watched, { state, reason }: Opinion, undone: boolean): void {
    const { pool, member } = watched.target
    const { state: from, since } = watched.shown
    if (state === from && reason === watched.shown.reason) return
    const at = this.#now()
    watched.shown = { pool, member, state, since: state === from ? since : at, reason }
    this.#table.set(watched.shown)
    if (state !== from) {
      watched.backSince = from === 'down' && state === 'up' && !undone ? at : null
      this.#deliveries.addEvent({ pool, member, from, to: state, reason, at })
    } else this.#deliveries.soon()
  }

  #noteFirstRound(): void {
    if (this.#awaited?.size === 0 && !this.#firstRoundDone) {
      this.#firstRoundDone = true
      this.#firstRound.resolve()
    }
  }
}

function isNewer(report: Report, known: Report): boolean {
  const [at, knownAt] = [report.at.getTime(), known.at.getTime()]
  // Of two that were made at the same time the one that was stored last stands, and that comes from the store.
  return at > knownAt || (at === knownAt && !isDeepStrictEqual(report, known))
}

/** Names of members are the keys, whatever they are. */
function nothingSaid(): Record<string, 'up' | 'down'> {
  return Object.create(null)
}
