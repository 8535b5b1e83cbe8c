/**
 * One probing that runs: a probe that is made again and again, what its verdicts have come to (`monitor.ts`), and why. It
 * belongs to all members that are probed in the same way, and is in nobody else's hands than those of the registry.
 *
 * A verdict goes to the guard first (`guard.ts`), which rules whether it counts, and then to the machine. A verdict of a probe
 * that was called off says nothing and is dropped.
 */
import { createHash } from 'node:crypto'
import type { PeerCertificate } from '../model/certificate.ts'
import { type Family, familyNames } from '../model/family.ts'
import type { MemberKey } from '../model/member-key.ts'
import type { ProbeMonitor, TlsSettings } from '../model/monitor.ts'
import type { Flaps, HealthState, Hold } from '../model/observation.ts'
import type { AddressText } from '../model/pool.ts'
import { toReason } from '../model/reason.ts'
import {
  advance,
  explain,
  failBack,
  isHeldBack,
  isHeldDown,
  type Measurement,
  measured,
  nearChange,
  nextProbeMs,
} from './monitor.ts'
import type { Probe } from './probes/probe.ts'
import type { Probed, ProbeTarget } from './probes/probe-target.ts'
import type { JobPosition, ScheduledJob, Scheduler } from './scheduler.ts'
import type { ProbeVerdict, SaidWeight } from './verdict.ts'

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
  /** What the last handshake has shown; null for nothing, and until there is one. */
  readonly certificate: PeerCertificate | null
  /** Where; null when nobody was asked since the start. */
  readonly address: AddressText | null
  /** Where it stands in the schedule; null: to be probed at once. */
  readonly position: JobPosition | null
}

/** When all that is known is the state, and what has led to a hold or may yet. */
export function pastOf(state: HealthState, flaps: Flaps | null): Past {
  return {
    measurement: measured(state, flaps),
    reason: null,
    heard: false,
    latencyMs: null,
    weightPercent: null,
    certificate: null,
    address: null,
    position: null,
  }
}

/** A member that a check is for. The probe is made in the name of one of those who watch. */
export interface Watcher extends MemberKey {
  /** What it is to the guard: the same for all addresses of the member. The member's name when left out. */
  readonly witness?: string
  /** After each verdict. May not throw. */
  readonly onVerdict: (verdict: ProbeVerdict) => void
  /**
   * When something else than a verdict changed the measurement. May not throw.
   * @param undone what was measured lately does not count after all
   */
  readonly onChange: (undone: boolean) => void
  /** When it is held down for changing too often. May not throw. */
  readonly onHold: (hold: Hold) => void
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

export interface CheckContext {
  readonly scheduler: Scheduler
  readonly probe: Probe
  /** Time of day in milliseconds, that does not go back. */
  readonly nowMs: () => number
  /** Whether a verdict is to go to the machine; may give measurements back before it says so. */
  readonly counts: (check: Check, ok: boolean, atMs: number) => boolean
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
  /** What the last handshake has shown; null for nothing, and until there is one. */
  certificate: PeerCertificate | null
  readonly #context: CheckContext
  readonly #job: ScheduledJob
  /** A probe is under way. */
  #inFlight = false
  #lacks: Family | null = null
  /** Why the state is what it is, from a verdict that agrees with it; null until there is one. */
  #reason: string | null
  /** Why the last word of the member on its weight does not count; null when it does, or there is none. */
  #weightProblem: string | null = null

  constructor(context: CheckContext, key: string, probed: Probed, past: Past) {
    this.#context = context
    this.key = key
    this.probed = probed
    this.measurement = past.measurement
    this.heard = past.heard
    this.latencyMs = past.latencyMs
    this.weightPercent = asksForWeight(probed.monitor) ? past.weightPercent : null
    this.certificate = tlsOf(probed.monitor) === null ? null : past.certificate
    this.#reason = past.reason
    const { intervalMs } = probed.monitor
    this.#job = context.scheduler.schedule(intervalMs, (signal) => this.#run(signal), past.position)
  }

  /** Who has watched longest. */
  get owner(): Watcher {
    return this.watchers.values().next().value!
  }

  /** State and reason. */
  get opinion(): Opinion {
    const { state } = this.measurement
    if (this.#lacks === null) return { state, reason: this.#explained() }
    const reason = `this node has no ${familyNames[this.#lacks]} address to probe from`
    // What it was before the start was measured by others perhaps, or when there was one.
    if (!this.heard) return { state: 'unknown', reason }
    return { state, reason: toReason(`as before, ${reason}: ${this.#explained()}`) }
  }

  /** The family that this host has no address of, when it can't ask for want of one; null when it can, as far as is known. */
  get lacks(): Family | null {
    return this.#lacks
  }

  /** What another check may go on with. */
  get past(): Past {
    const { measurement, heard, latencyMs, weightPercent, certificate } = this
    const position = this.#inFlight ? null : this.#job.position
    const { address } = this.probed
    return {
      measurement,
      reason: this.#reason,
      heard,
      latencyMs,
      weightPercent,
      certificate,
      address,
      position,
    }
  }

  /** Whether a few more verdicts would change the state. */
  get near(): boolean {
    return nearChange(this.measurement, this.probed.monitor, this.#context.nowMs())
  }

  /** Whether it answers again, and waits for an operator to let it come back. */
  get waits(): boolean {
    return isHeldBack(this.measurement)
  }

  /** Whether it is held down for changing too often. */
  get held(): boolean {
    return isHeldDown(this.measurement, this.probed.monitor, this.#context.nowMs())
  }

  /** An operator lets what waits for it come back. */
  failBack(): void {
    const before = this.measurement
    this.measurement = failBack(before, this.#context.nowMs())
    if (this.measurement.state !== before.state) this.#reason = 'let come back by an operator'
    this.#tell(false)
  }

  /** What the guard says was not the member's failure is undone. */
  giveBack(measurement: Measurement): void {
    this.measurement = measurement
    this.#reason = null
    this.#tell(true)
  }

  /** Takes again what had been measured before something was given back. */
  takeAgain(measurement: Measurement, reason: string): void {
    this.measurement = measurement
    this.#reason = reason
    this.#tell(false)
  }

  cancel(): void {
    this.#job.cancel()
  }

  #explained(): string {
    switch (this.measurement.state) {
      case 'unknown':
        return this.heard ? 'failed, which does not count now' : 'not probed yet'
      case 'up':
        return this.#withProblem(this.#reason ?? 'up as before')
      case 'down': {
        const why = explain(this.measurement, this.probed.monitor, this.#context.nowMs())
        const known = [why, this.#reason].filter((part) => part !== null)
        return known.length === 0 ? 'down as before' : known.join('; ')
      }
    }
  }

  #withProblem(reason: string): string {
    return this.#weightProblem === null ? reason : toReason(`${reason}; ${this.#weightProblem}`)
  }

  #tell(undone: boolean): void {
    for (const { onChange } of this.watchers) onChange(undone)
  }

  async #run(signal: AbortSignal): Promise<number | null> {
    const { monitor } = this.probed
    this.#inFlight = true
    const verdict = await this.#context.probe(this.#target(), signal).finally(() => {
      this.#inFlight = false
    })
    if (signal.aborted) return null
    if (verdict.certificate !== undefined) this.certificate = verdict.certificate
    if (says(verdict)) {
      this.#lacks = null
      this.#take(verdict)
      this.heard = true
    } else if (!verdict.ok && verdict.lacks !== undefined) this.#lacks = verdict.lacks
    for (const { onVerdict } of this.watchers) onVerdict(verdict)
    const nextMs = nextProbeMs(this.measurement, monitor, monitor.intervalMs)
    return nextMs < monitor.intervalMs ? nextMs : null
  }

  #take(verdict: ProbeVerdict): void {
    const atMs = this.#context.nowMs()
    // A probe that we refuse says nothing of the network: it has not been there.
    const refused = !verdict.ok && verdict.failure === 'refused'
    if (!refused && !this.#context.counts(this, verdict.ok, atMs)) return
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
    if (verdict.ok) this.#hear(verdict.weight ?? null)
  }

  /** What nobody understands changes nothing but the reason. */
  #hear(said: SaidWeight | null): void {
    this.#weightProblem = said !== null && 'problem' in said ? said.problem : null
    if (this.#weightProblem === null)
      this.weightPercent = said !== null && 'percent' in said ? said.percent : null
  }

  #target(): ProbeTarget {
    const { pool, member } = this.owner
    return { pool, member, ...this.probed }
  }
}

/**
 * Smooths the time that a machine takes to answer: an exponentially weighted mean with the weight of TCP's round-trip time
 * (RFC 6298 section 2), so that a change shows after some ten probes and a single slow one hardly. A failure is no sample:
 * how long a connection took to be refused says nothing of how long an answer takes.
 * @param beforeMs null when there has been no sample
 */
export function smooth(
  beforeMs: number | null,
  { ok, durationMs }: Pick<ProbeVerdict, 'ok' | 'durationMs'>,
): number | null {
  if (!ok) return beforeMs
  return beforeMs === null ? durationMs : beforeMs + (durationMs - beforeMs) / 8
}

/** Whether a verdict is a statement about the machine. */
export function says(verdict: ProbeVerdict): boolean {
  return verdict.ok || verdict.failure !== 'aborted'
}

/** The settings of TLS that a monitor's probes may need; null for those that never do. */
export function tlsOf(monitor: ProbeMonitor): TlsSettings | null {
  if (monitor.type === 'dns') return null
  return monitor.type === 'http' && monitor.followRedirects === 0 ? null : monitor.tls
}

/** Whether responses may say what share of its weight the member wants. */
function asksForWeight(monitor: ProbeMonitor): boolean {
  return (monitor.type === 'http' || monitor.type === 'https') && monitor.weight !== null
}
