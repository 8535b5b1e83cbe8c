import { isDeepStrictEqual } from 'node:util'
import type { AddressText, HealthEvent, HealthState, MemberHealth, ProbeMonitor } from '../model.ts'
import { type Availability, AvailabilityTable } from './availability.ts'
import { advance, type Measurement, measured, unmeasured } from './monitor.ts'
import { probe as httpProbe, type Probe } from './probe.ts'
import type { ProbeTarget } from './probe-target.ts'
import { type ScheduledJob, Scheduler, type SchedulerOptions } from './scheduler.ts'
import type { ProbeVerdict } from './verdict.ts'

/**
 * The health checker: joins the scheduler (when), the probe (what a member says), the machine (what that means) and the
 * availability table (what everybody else sees). It touches no database and no plan: the caller is told of transitions
 * and does with them what it must.
 *
 * From verdict to callback: a verdict moves its member's machine at once. Transitions are delivered at the end of the
 * same turn of the event loop (`setImmediate` runs right after the sockets and timers of a turn), so all those of one
 * turn, such as the 512 timeouts of a rack that went dark, are one callback and one swap of the table. A
 * microtask would be earlier by microseconds and would run after every single one.
 *
 * What counts: a verdict of a probe that was called off says nothing and is dropped. So is one that was asked under
 * settings that have changed meanwhile: that probe is aborted and asked again.
 *
 * A member that is a host is probed at one of its addresses, which may change while the member stays what it is: its state
 * goes on, and the new address is probed at once. A host without an address can't be probed, and is down for that.
 *
 * Bound: one entry per target; events, what one turn brings, at most one per probe in flight.
 */
export interface CheckerOptions extends SchedulerOptions {
  /**
   * Transitions of one turn, in the order in which they happened, the table that holds them already, and the pools they
   * are in. May not throw.
   */
  readonly onTransitions: (
    events: HealthEvent[],
    availability: Availability,
    changedPools: ReadonlySet<string>,
  ) => void
  /**
   * Every verdict that counts, as it comes; `lateMs` is how long after its time the probe began (an overloaded checker
   * shows there first). May not throw.
   */
  readonly onProbe?: (target: ProbeTarget, verdict: ProbeVerdict, lateMs: number) => void
  readonly probe?: Probe
  /** Time of day for `since` and `at`. */
  readonly now?: () => Date
}

/** Who is watched, and where to probe them. */
export interface CheckTarget extends Omit<ProbeTarget, 'address'> {
  /** Null: the member is a host, and has no address. */
  readonly address: AddressText | null
  /** What the member is: one with another endpoint is another machine. The address when left out. */
  readonly endpoint?: string
  /** Only without an address: whether it has one is not known yet. */
  readonly pending?: boolean
}

export interface Checker extends AsyncDisposable {
  /**
   * Says who is probed from now on, and is visible in `availability()` when it returns. A member that stays keeps its
   * state and its place in the schedule, with changed settings applied; one whose endpoint differs is another machine and
   * starts anew. New members are `unknown` and probed at once. Members that are gone vanish without an event.
   * @param targets pool and member name identify a target and may not occur twice
   */
  setTargets(targets: readonly CheckTarget[]): void
  /**
   * Gives members the state that they had when the daemon last ran. Counts for those of the first `setTargets`, before
   * which it must be called; the rest is forgotten.
   */
  restore(health: readonly MemberHealth[]): void
  /** The table as it was last published. */
  availability(): Availability
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

/** The reason of a member that has no address to be probed at. */
const notResolved = 'not resolved'

interface Watched {
  target: CheckTarget
  measurement: Measurement
  /** What the table says, which is not what was measured while there is no address. */
  shown: Pick<MemberHealth, 'state' | 'reason'>
  /** Null while there is no address. */
  job: ScheduledJob | null
}

class HealthChecker implements Checker {
  readonly #options: CheckerOptions
  readonly #probe: Probe
  readonly #now: () => Date
  readonly #scheduler: Scheduler
  readonly #table = new AvailabilityTable()
  readonly #watched = new Map<string, Watched>()
  #restored = new Map<string, MemberHealth>()
  /** Targets of the first `setTargets` that have no verdict yet; null before that call. */
  #awaited: Set<string> | null = null
  readonly #firstRound = Promise.withResolvers<void>()
  #firstRoundDone = false
  #events: HealthEvent[] = []
  #delivery: NodeJS.Immediate | null = null
  #stopping: Promise<void> | null = null

  constructor(options: CheckerOptions) {
    this.#options = options
    this.#probe = options.probe ?? httpProbe
    this.#now = options.now ?? (() => new Date())
    this.#scheduler = new Scheduler(options)
  }

  get firstRound(): Promise<void> {
    return this.#firstRound.promise
  }

  get firstRoundDone(): boolean {
    return this.#firstRoundDone
  }

  availability(): Availability {
    return this.#table.current
  }

  restore(health: readonly MemberHealth[]): void {
    for (const one of health) this.#restored.set(keyOf(one), one)
  }

  setTargets(targets: readonly CheckTarget[]): void {
    if (this.#stopping !== null) return
    const wanted = new Map(targets.map((target) => [keyOf(target), target]))
    for (const [key, watched] of this.#watched) {
      const target = wanted.get(key)
      if (target === undefined || endpointOf(target) !== endpointOf(watched.target))
        this.#forget(key, watched)
    }
    const sameMonitor = monitorComparison()
    for (const [key, target] of wanted) {
      const watched = this.#watched.get(key)
      if (watched === undefined) this.#watch(key, target)
      else if (
        target.address !== watched.target.address ||
        (target.pending ?? false) !== (watched.target.pending ?? false)
      ) {
        this.#move(key, watched, target)
      } else if (
        target.port !== watched.target.port ||
        !sameMonitor(target.monitor, watched.target.monitor)
      ) {
        watched.target = target
        watched.job?.setInterval(target.monitor.intervalMs)
        watched.job?.restart()
      }
    }
    this.#restored.clear()
    this.#table.publish()
    this.#awaited ??= new Set(wanted.keys())
    this.#deliverSoon()
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
    this.#deliver()
    this.#firstRound.resolve()
  }

  #watch(key: string, target: CheckTarget): void {
    const { pool, member } = target
    const restored = this.#restored.get(key)
    const shown = restored ?? {
      pool,
      member,
      state: 'unknown',
      since: this.#now(),
      reason: 'not probed yet',
    }
    this.#table.set(shown)
    const wasMeasured = restored !== undefined && restored.reason !== notResolved
    const measurement = wasMeasured ? measured(restored.state) : unmeasured
    const watched: Watched = { target, measurement, shown, job: null }
    this.#watched.set(key, watched)
    this.#begin(key, watched)
  }

  /** Probes from now on, or says why that can't be. */
  #begin(key: string, watched: Watched): void {
    const { target } = watched
    if (target.address !== null) {
      watched.job = this.#scheduler.schedule(target.monitor.intervalMs, (signal, lateMs) =>
        this.#check(key, watched, signal, lateMs),
      )
    } else if (target.pending !== true) {
      // What its addresses were worth says nothing of the ones to come.
      watched.measurement = unmeasured
      this.#show(watched, 'down', notResolved)
      this.#awaited?.delete(key)
    }
  }

  /** Goes on at another address, at once. */
  #move(key: string, watched: Watched, target: CheckTarget): void {
    watched.job?.cancel()
    watched.job = null
    watched.target = target
    this.#begin(key, watched)
  }

  #forget(key: string, { target, job }: Watched): void {
    job?.cancel()
    this.#watched.delete(key)
    this.#table.remove(target.pool, target.member)
    this.#awaited?.delete(key)
  }

  async #check(key: string, watched: Watched, signal: AbortSignal, lateMs: number): Promise<void> {
    // A job begins with an address, and ends before the member loses it.
    const target = watched.target as ProbeTarget
    const verdict = await this.#probe(target, signal)
    if (signal.aborted) return
    this.#options.onProbe?.(target, verdict, lateMs)
    watched.measurement = advance(watched.measurement, verdict.ok, target.monitor)
    const { state } = watched.measurement
    if (state !== watched.shown.state || watched.shown.reason === notResolved) {
      this.#show(watched, state, verdict.ok ? 'answered as expected' : verdict.reason)
    }
    if (this.#awaited?.delete(key) && this.#awaited.size === 0) this.#deliverSoon()
  }

  /** Puts a state into the table; another one than before is a transition. */
  #show(watched: Watched, state: HealthState, reason: string): void {
    const { pool, member } = watched.target
    const from = watched.shown.state
    const at = this.#now()
    if (state === from && reason === watched.shown.reason) return
    watched.shown = { state, reason }
    this.#table.set({ pool, member, state, since: at, reason })
    if (state !== from) this.#events.push({ pool, member, from, to: state, reason, at })
    this.#deliverSoon()
  }

  #deliverSoon(): void {
    this.#delivery ??= setImmediate(() => this.#deliver())
  }

  #deliver(): void {
    if (this.#delivery !== null) clearImmediate(this.#delivery)
    this.#delivery = null
    if (this.#events.length > 0) {
      const events = this.#events
      this.#events = []
      const changedPools = new Set(events.map(({ pool }) => pool))
      this.#options.onTransitions(events, this.#table.publish(), changedPools)
    }
    this.#table.publish()
    if (this.#awaited?.size === 0 && !this.#firstRoundDone) {
      this.#firstRoundDone = true
      this.#firstRound.resolve()
    }
  }
}

function endpointOf({ endpoint, address }: CheckTarget): string | null {
  return endpoint ?? address
}

/** Names hold no NUL, so the key is unambiguous. */
function keyOf({ pool, member }: { readonly pool: string; readonly member: string }): string {
  return `${pool}\0${member}`
}

/**
 * Compares monitors by value. Thousands of targets share a few monitor objects, so the last pair that was found equal is
 * remembered and spares the comparison for nearly all of them.
 */
function monitorComparison(): (left: ProbeMonitor, right: ProbeMonitor) => boolean {
  let equalLeft: ProbeMonitor | null = null
  let equalRight: ProbeMonitor | null = null
  return (left, right) => {
    if (left === right || (left === equalLeft && right === equalRight)) return true
    if (!isDeepStrictEqual(left, right)) return false
    equalLeft = left
    equalRight = right
    return true
  }
}
