/**
 * The probes that run, each once: members of several pools that are probed in the same way (address, port and all of the
 * monitor's settings but its name) share one check, its measurement included. A check lives as long as somebody
 * watches it.
 *
 * Bound: one check per member and part of its monitor, at most.
 */
import { createHash } from 'node:crypto'
import type { AddressText, ProbeMonitor } from '../model.ts'
import { advance, explain, failBack, type Measurement, nextProbeMs, unmeasured } from './monitor.ts'
import type { Probe, ProbeTarget } from './probe.ts'
import type { ScheduledJob, Scheduler } from './scheduler.ts'
import { smooth } from './smoothing.ts'
import type { ProbeVerdict } from './verdict.ts'

/** Where and how to probe. */
export interface Probed {
  readonly monitor: ProbeMonitor
  readonly port: number
  readonly address: AddressText | null
}

export interface Watcher {
  /** The probe is made in the name of one of those who watch. */
  readonly pool: string
  readonly member: string
  /** After each verdict that counts. May not throw. */
  readonly onVerdict: (verdict: ProbeVerdict, lateMs: number) => void
}

export interface ChecksOptions {
  readonly scheduler: Scheduler
  readonly probe: Probe
  readonly nowMs: () => number
}

/** @returns a text that is the same for what is probed in the same way */
export function probeKey({ monitor, port, address }: Probed): string {
  return `${address ?? ''} ${port} ${settingsKey(monitor)}`
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
   * Watches the check of what is to be probed, which begins at once if nobody watched it before.
   * @param before what was measured of the machine under other settings; counts when the check begins
   */
  watch(
    probed: Probed,
    before: Measurement | undefined,
    watcher: Watcher,
  ): { readonly check: Check; readonly release: () => void } {
    const key = probeKey(probed)
    let check = this.#checks.get(key)
    if (check === undefined) {
      check = new Check(this.#options, probed, before ?? unmeasured)
      this.#checks.set(key, check)
    }
    // One for each call: two parts of a composite may be the same check.
    const own = { ...watcher }
    check.watchers.add(own)
    const watched = check
    return {
      check,
      release: () => {
        watched.watchers.delete(own)
        if (watched.watchers.size > 0) return
        watched.cancel()
        this.#checks.delete(key)
      },
    }
  }
}

export class Check {
  readonly watchers = new Set<Watcher>()
  measurement: Measurement
  /** Whether there has been a verdict. */
  heard = false
  /** Smoothed, of probes that succeeded. */
  latencyMs: number | null = null
  weightPercent: number | null = null
  readonly #options: ChecksOptions
  readonly #probed: Probed
  readonly #job: ScheduledJob
  /** Of the verdict that made the state what it is. */
  #reason = 'not probed yet'

  constructor(options: ChecksOptions, probed: Probed, before: Measurement) {
    this.#options = options
    this.#probed = probed
    this.measurement = before
    this.#job = options.scheduler.schedule(probed.monitor.intervalMs, (signal, lateMs) =>
      this.#run(signal, lateMs),
    )
  }

  /** State and reason, as far as there is one: a state that was taken over has the one of before. */
  get opinion() {
    const { state } = this.measurement
    const why = this.heard ? explain(this.measurement, this.#probed.monitor, this.#options.nowMs()) : null
    return { state, reason: why ?? this.#reason }
  }

  /** An operator lets what waits for it come back. */
  failBack(): void {
    const before = this.measurement
    this.measurement = failBack(before, this.#options.nowMs())
    if (this.measurement.state !== before.state) this.#reason = 'let come back by an operator'
  }

  cancel(): void {
    this.#job.cancel()
  }

  async #run(signal: AbortSignal, lateMs: number): Promise<number | null> {
    const { monitor } = this.#probed
    const verdict = await this.#options.probe(this.#target(), signal)
    if (signal.aborted) return null
    const before = this.measurement
    this.measurement = advance(before, verdict.ok, monitor, this.#options.nowMs())
    if (this.measurement.state !== before.state || !this.heard) {
      this.#reason = verdict.ok ? 'answered as expected' : verdict.reason
    }
    this.heard = true
    if (verdict.ok) {
      this.latencyMs = smooth(this.latencyMs, verdict.durationMs)
      this.weightPercent = verdict.weightPercent ?? null
    }
    for (const { onVerdict } of this.watchers) onVerdict(verdict, lateMs)
    const nextMs = nextProbeMs(this.measurement, monitor, monitor.intervalMs)
    return nextMs < monitor.intervalMs ? nextMs : null
  }

  #target(): ProbeTarget {
    const { monitor, port, address } = this.#probed
    // A check that nobody watches has been cancelled.
    const { pool, member } = this.watchers.values().next().value!
    return { pool, member, address: address!, port, monitor }
  }
}
