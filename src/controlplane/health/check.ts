/**
 * The probes that run, each once: members of several pools that are probed in the same way (address, port and all of the
 * monitor's settings but its name) share one check, its measurement included. A check lives as long as somebody
 * watches it. One that takes the place of another, because settings or the address of a machine changed, goes on with what
 * that one had measured (`Past`), at its place in the schedule.
 *
 * A verdict goes to the guard first (`guard.ts`), which rules whether it counts, and then to the machine. For the guard a check
 * is in the pool of the member that has watched it longest.
 *
 * Bound: one check per member and part of its monitor, at most.
 */
import { createHash } from 'node:crypto'
import type { ProbeMonitor } from '../model/monitor.ts'
import type { HealthState } from '../model/observation.ts'
import type { AddressText } from '../model/pool.ts'
import type { GuardChange, SelfIsolationGuard, Suspicion } from './guard.ts'
import {
  advance,
  explain,
  failBack,
  type Hold,
  type Measurement,
  measured,
  nearChange,
  nextProbeMs,
} from './monitor.ts'
import type { Probe } from './probes/probe.ts'
import type { ProbeTarget } from './probes/probe-target.ts'
import { longestGapMs, type Place, type ScheduledJob, type Scheduler } from './scheduler.ts'
import { smooth } from './smoothing.ts'
import type { ProbeVerdict } from './verdict.ts'

/** Where and how to probe. */
export interface Probed {
  readonly monitor: ProbeMonitor
  readonly port: number
  readonly address: AddressText
}

/** A state, and why. */
export interface Opinion {
  readonly state: HealthState
  readonly reason: string
}

/** What was measured of a machine by a check before. */
export interface Past {
  readonly measurement: Measurement
  /** Why the state is what it is; null when nothing more is known than the state. */
  readonly reason: string | null
  /** Whether there has been a verdict since the start. */
  readonly heard: boolean
  readonly latencyMs: number | null
  readonly weightPercent: number | null
  /** Where; null when nobody was asked since the start. */
  readonly address: AddressText | null
  /** Null: to be probed at once. */
  readonly place: Place | null
}

/** When all that is known is the state. */
export function pastOf(state: HealthState): Past {
  const nothing = {
    reason: null,
    heard: false,
    latencyMs: null,
    weightPercent: null,
    address: null,
    place: null,
  }
  return { measurement: measured(state), ...nothing }
}

const beginning = pastOf('unknown')

export interface Watcher {
  /** The probe is made in the name of one of those who watch. */
  readonly pool: string
  readonly member: string
  /** After each verdict. May not throw. */
  readonly onVerdict: (verdict: ProbeVerdict, lateMs: number) => void
  /**
   * When something else than a verdict changed the measurement. May not throw.
   * @param undone what was measured lately does not count after all
   */
  readonly onChange: (undone: boolean) => void
  /** When it is held down for changing too often. May not throw. */
  readonly onHold: (hold: Hold) => void
}

export interface ChecksOptions {
  readonly scheduler: Scheduler
  readonly probe: Probe
  /** Time of day in milliseconds, that does not go back. */
  readonly nowMs: () => number
  /** Null: every verdict counts. */
  readonly guard: SelfIsolationGuard<Measurement> | null
  /** The guard suspects this node's network, or (null) trusts it again. */
  readonly onSuspicion: (suspicion: Suspicion | null) => void
}

/** @returns a text that is the same for what is probed in the same way */
export function probeKey({ monitor, port, address }: Probed): string {
  return `${address} ${port} ${settingsKey(monitor)}`
}

/** Thousands of members share a few monitor objects. */
const settingsKeys = new WeakMap<ProbeMonitor, string>()

function settingsKey(monitor: ProbeMonitor): string {
  const known = settingsKeys.get(monitor)
  if (known !== undefined) return known
  const { name: _, ...settings } = monitor
  const key = createHash('sha256').update(JSON.stringify(settings)).digest('base64')
  settingsKeys.set(monitor, key)
  return key
}

export class Checks {
  readonly #options: ChecksOptions
  readonly #checks = new Map<string, Check>()

  constructor(options: ChecksOptions) {
    this.#options = options
  }

  /** How many probes there are. */
  get size(): number {
    return this.#checks.size
  }

  /**
   * Watches the check of what is to be probed, which begins if nobody watched it before.
   * @param past counts when it does; null when nothing is known of the machine
   */
  watch(
    probed: Probed,
    watcher: Watcher,
    past: Past | null,
  ): { readonly check: Check; readonly release: () => void } {
    const key = probeKey(probed)
    const check = this.#checks.get(key) ?? this.#begin(key, probed, past ?? beginning)
    // One for each call: two parts of a composite may be the same check.
    const own = { ...watcher }
    check.watchers.add(own)
    if (check.watchers.size === 1) this.#guard(check)
    return { check, release: () => this.#release(check, own) }
  }

  /** Does what the guard says. */
  apply(change: GuardChange<Measurement> | null): void {
    if (change === null) return
    if (change.to === 'trusting') {
      this.#options.onSuspicion(null)
      return
    }
    this.#options.onSuspicion(change.suspicion)
    for (const { member: key, measurement } of change.giveBack) this.#checks.get(key)?.giveBack(measurement)
  }

  #begin(key: string, probed: Probed, past: Past): Check {
    const check = new Check(this, this.#options, key, probed, past)
    this.#checks.set(key, check)
    return check
  }

  #release(check: Check, watcher: Watcher): void {
    const first = check.owner
    check.watchers.delete(watcher)
    if (watcher === first) this.apply(this.#options.guard?.forget(first.pool, check.key) ?? null)
    if (check.watchers.size === 0) {
      check.cancel()
      this.#checks.delete(check.key)
    } else if (watcher === first) this.#guard(check)
  }

  #guard(check: Check): void {
    const { intervalMs, timeoutMs } = check.probed.monitor
    this.#options.guard?.watch(check.owner.pool, check.key, longestGapMs(intervalMs) + timeoutMs)
  }
}

export class Check {
  readonly key: string
  readonly probed: Probed
  /** Not empty while the check runs. */
  readonly watchers = new Set<Watcher>()
  measurement: Measurement
  /** Whether there has been a verdict. */
  heard: boolean
  /** Smoothed, of probes that succeeded. */
  latencyMs: number | null
  weightPercent: number | null
  readonly #checks: Checks
  readonly #options: ChecksOptions
  readonly #job: ScheduledJob
  /** A probe is under way. */
  #inFlight = false
  /** Why the state is what it is, from a verdict that agrees with it; null until there is one. */
  #reason: string | null

  constructor(checks: Checks, options: ChecksOptions, key: string, probed: Probed, past: Past) {
    this.#checks = checks
    this.#options = options
    this.key = key
    this.probed = probed
    this.measurement = past.measurement
    this.heard = past.heard
    this.latencyMs = past.latencyMs
    this.weightPercent = asksForWeight(probed.monitor) ? past.weightPercent : null
    this.#reason = past.reason
    const { intervalMs } = probed.monitor
    const run = (signal: AbortSignal, lateMs: number) => this.#run(signal, lateMs)
    this.#job = options.scheduler.schedule(intervalMs, run, past.place)
  }

  /** Who has watched longest. */
  get owner(): Watcher {
    return this.watchers.values().next().value!
  }

  /** State and reason. */
  get opinion(): Opinion {
    return { state: this.measurement.state, reason: this.#explained() }
  }

  /** What another check may go on with. */
  get past(): Past {
    const { measurement, heard, latencyMs, weightPercent } = this
    const place = this.#inFlight ? null : this.#job.place
    const { address } = this.probed
    return { measurement, reason: this.#reason, heard, latencyMs, weightPercent, address, place }
  }

  /** Whether a few more verdicts would change the state. */
  get near(): boolean {
    return nearChange(this.measurement, this.probed.monitor, this.#options.nowMs())
  }

  /** An operator lets what waits for it come back. */
  failBack(): void {
    const before = this.measurement
    this.measurement = failBack(before, this.#options.nowMs())
    if (this.measurement.state !== before.state) this.#reason = 'let come back by an operator'
    this.#tell(false)
  }

  /** What the guard says was not the member's failure is undone. */
  giveBack(measurement: Measurement): void {
    this.measurement = measurement
    this.#reason = null
    this.#tell(true)
  }

  cancel(): void {
    this.#job.cancel()
  }

  #explained(): string {
    switch (this.measurement.state) {
      case 'unknown':
        return this.heard ? 'failed, which does not count now' : 'not probed yet'
      case 'up':
        return this.#reason ?? 'up as before'
      case 'down': {
        const why = explain(this.measurement, this.probed.monitor, this.#options.nowMs())
        const known = [why, this.#reason].filter((part) => part !== null)
        return known.length === 0 ? 'down as before' : known.join('; ')
      }
    }
  }

  #tell(undone: boolean): void {
    for (const { onChange } of this.watchers) onChange(undone)
  }

  async #run(signal: AbortSignal, lateMs: number): Promise<number | null> {
    const { monitor } = this.probed
    this.#inFlight = true
    const verdict = await this.#options.probe(this.#target(), signal)
    this.#inFlight = false
    if (signal.aborted) return null
    this.#take(verdict)
    this.heard = true
    for (const { onVerdict } of this.watchers) onVerdict(verdict, lateMs)
    const nextMs = nextProbeMs(this.measurement, monitor, monitor.intervalMs)
    return nextMs < monitor.intervalMs ? nextMs : null
  }

  #take(verdict: ProbeVerdict): void {
    const { guard, nowMs } = this.#options
    const atMs = nowMs()
    // A probe that we refuse says nothing of the network: it has not been there.
    const refused = !verdict.ok && verdict.failure === 'refused'
    const ruling = refused
      ? null
      : guard?.verdict(this.owner.pool, this.key, verdict.ok, this.measurement, atMs)
    this.#checks.apply(ruling?.change ?? null)
    if (ruling?.counts === false) return
    const before = this.measurement
    this.measurement = advance(before, verdict.ok, this.probed.monitor, atMs)
    const { state } = this.measurement
    if (!verdict.ok && state === 'down') this.#reason = verdict.reason
    if (verdict.ok && state === 'up' && (before.state !== 'up' || this.#reason === null)) {
      this.#reason = 'answered as expected'
    }
    const { hold } = this.measurement
    if (hold !== null && hold !== before.hold) for (const { onHold } of this.watchers) onHold(hold)
    this.latencyMs = smooth(this.latencyMs, verdict)
    if (verdict.ok) this.weightPercent = verdict.weightPercent ?? null
  }

  #target(): ProbeTarget {
    const { pool, member } = this.owner
    return { pool, member, ...this.probed }
  }
}

/** Whether responses may say what share of its weight the member wants. */
function asksForWeight(monitor: ProbeMonitor): boolean {
  return (monitor.type === 'http' || monitor.type === 'https') && monitor.weight !== null
}
