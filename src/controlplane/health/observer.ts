/**
 * What looks at one member: the checks of the probes that its method asks for, and the reports on it, joined into one opinion
 * by the tree that the method is (`check-method.ts`).
 *
 * An observer belongs to one member. It is made anew when what the member is checked by changes, and then takes over what the
 * one before had measured, part by part: other settings do not make another machine. What a probe finds is shared, though, by
 * all members that are probed in the same way (`check-registry.ts`).
 */
import { endsSoonAtMs, formatEnding } from '../model/certificate.ts'
import type { Flaps } from '../model/observation.ts'
import { toReason } from '../model/reason.ts'
import type { PresentedCertificate } from './certificate-watch.ts'
import { type Check, type Opinion, type Past, pastOf, tlsOf, type Watcher } from './check.ts'
import { type CheckMethod, leavesOf, type ProbeMethod } from './check-method.ts'
import type { CheckRegistry, Watched } from './check-registry.ts'
import { combine } from './composite.ts'
import type { EndingCertificates, EndingPlace } from './ending-certificates.ts'
import { expiryMs, type FedOpinion, type FollowedReadings, judgeReading } from './fed-check.ts'
import { flapsOf, forget } from './monitor.ts'

/** What an observer is made with. */
export interface ObserverOptions {
  readonly checks: CheckRegistry
  readonly endings: EndingCertificates
  readonly watcher: Watcher
  /** The last report on the member, whether its time is over or not; null when there was none. */
  readonly report: () => Report | null
  /** Whether it has not run out; see `CheckedMember.report`. */
  readonly reportStands: () => boolean
  /** Whether its time is over, though it may stand. */
  readonly reportIsLate: () => boolean
  /** What feeds say. */
  readonly readings: FollowedReadings
  readonly now: () => Date
}

/** What has been reported of a member. */
export interface Report extends Opinion {
  readonly state: 'up' | 'down'
  readonly weightPercent: number | null
  readonly at: Date
  readonly until: Date
}

/** A report is over, but whether there is a newer one can't be told. */
const keptReason = 'as before, while the database is away'

/** The reason of a member that has no address to be probed at. */
export const notResolved = 'not resolved'

/** A check that the observer watches. */
interface Probing extends Watched {
  readonly path: string
  /** Where it stands when its certificate may count against the member; null when it may not. */
  readonly place: EndingPlace | null
}

export class Observer implements Disposable {
  readonly #method: CheckMethod
  readonly #options: ObserverOptions
  /** Its probes; mostly a single one, and there are thousands of observers. Bounded by the parts of the monitor. */
  #probes: readonly Probing[] = []
  /** What was measured of hosts that have no address, and waits for one; by the paths of the probes, and bounded as they are. */
  #waiting: Map<string, Past> | null = null
  /** What feeds have said, by the paths of their monitors; null: none has a say. Bounded by the parts of the monitor. */
  #fed: Map<string, FedOpinion | null> | null = null
  #pending = false
  #takesReports = false

  /** @param before what `recall` of another observer gave */
  constructor(method: CheckMethod, before: ReadonlyMap<string, Past>, options: ObserverOptions) {
    this.#method = method
    this.#options = options
    for (const { path, method: leaf } of leavesOf(method)) {
      if (leaf.kind === 'probe') this.#begin(path, leaf, before.get(path))
      if (leaf.kind === 'push') this.#takesReports = true
      if (leaf.kind === 'feed') {
        const state = before.get(path)?.measurement.state ?? 'unknown'
        this.#fed ??= new Map()
        this.#fed.set(path, state === 'unknown' ? null : { state, reason: `${state} as before`, wrong: null })
      }
    }
  }

  get opinion(): Opinion {
    return this.#opinionOf(this.#method, '')
  }

  /** Whether it has had its say since it was made, so that nobody needs to wait for it; reports come when they come. */
  get heard(): boolean {
    return !this.#pending && this.#checks.every(({ heard, lacks }) => heard || lacks !== null)
  }

  /** Whether this host can't ask for want of an address of a family, so that its word is no vote. */
  get isBlind(): boolean {
    return this.#checks.some(({ lacks }) => lacks !== null)
  }

  /** Whether verdicts count towards a change of a state. */
  get near(): boolean {
    return this.#checks.some(({ near }) => near)
  }

  /** Smoothed time of the slowest probe, as a client waits for the whole; null when none has succeeded. */
  get latencyMs(): number | null {
    const known = this.#checks.flatMap(({ latencyMs }) => latencyMs ?? [])
    return known.length === 0 ? null : Math.max(...known)
  }

  /** What share of its weight the member wants, 0 to 100, the least that is asked for; null when nothing says. */
  get weightPercent(): number | null {
    const known = this.#checks.flatMap(({ weightPercent }) => weightPercent ?? [])
    const report = this.#takesReports ? this.#options.report() : null
    const reported = report !== null && this.#options.reportStands() ? report.weightPercent : null
    if (reported !== null) known.push(reported)
    return known.length === 0 ? null : Math.min(...known)
  }

  /** What its probes have been shown last. */
  get certificates(): readonly PresentedCertificate[] {
    return this.#checks.flatMap(({ certificate, probed }) => {
      const tls = tlsOf(probed.monitor)
      if (certificate === null || tls === null) return []
      return [{ certificate, warnDays: Math.max(tls.warnDaysLeft, tls.minDaysLeft) }]
    })
  }

  /** Whether that is all: no probe with TLS has yet to be shown one. */
  get seenCertificates(): boolean {
    return this.#checks.every(
      ({ certificate, probed }) => certificate !== null || tlsOf(probed.monitor) === null,
    )
  }

  /** Whether the member answers again, and waits for an operator to let it come back. */
  get waits(): boolean {
    return this.#checks.some(({ waits }) => waits)
  }

  /** Whether the member, or a part of what it is checked by, is held down for changing too often. */
  get held(): boolean {
    return this.#checks.some(({ held }) => held)
  }

  /** An operator lets the member come back. */
  failBack(): void {
    for (const check of this.#checks) check.failBack()
  }

  /** When the first value of a feed that it goes by is too old, as time of day; null when none will be. */
  get fedUntilMs(): number | null {
    if (this.#fed === null) return null
    const times = leavesOf(this.#method).flatMap(({ method }) =>
      method.kind === 'feed' ? (expiryMs(method, this.#options.readings) ?? []) : [],
    )
    const nowMs = this.#options.now().getTime()
    const ahead = times.filter((time) => time >= nowMs)
    return ahead.length === 0 ? null : Math.min(...ahead)
  }

  /** What its probes have measured and its feeds have said, by their paths. */
  recall(): ReadonlyMap<string, Past> {
    const measured = new Map(this.#waiting)
    for (const [path, said] of this.#fed ?? []) {
      if (said !== null) measured.set(path, pastOf(said.state, null))
    }
    for (const { path, check } of this.#probes) measured.set(path, check.past)
    return measured
  }

  /** What is to be remembered of its falls, by the paths of its probes. */
  get flaps(): readonly (readonly [path: string, flaps: Flaps])[] {
    return this.#probes.flatMap(({ path, check }) => {
      const flaps = flapsOf(check.measurement)
      return flaps === null ? [] : [[path, flaps] as const]
    })
  }

  [Symbol.dispose](): void {
    for (const { place } of this.#probes) place?.[Symbol.dispose]()
    for (const { release } of this.#probes) release()
  }

  get #checks(): readonly Check[] {
    return this.#probes.map(({ check }) => check)
  }

  #begin(path: string, method: ProbeMethod, past: Past | undefined): void {
    const { address, monitor, port, pending = false } = method
    const { checks, watcher } = this.#options
    if (address === null) {
      this.#pending ||= pending
      if (past === undefined) return
      this.#waiting ??= new Map()
      this.#waiting.set(path, withoutAddress(past, pending))
      return
    }
    // Who stays where they are keep their position in the schedule.
    const there = past === undefined || past.address === address ? past : { ...past, position: null }
    // Names have no slash in them, and paths begin with one.
    const own = path === '' ? watcher : { ...watcher, witness: `${watcher.member}${path}` }
    const tls = tlsOf(monitor)
    if (tls === null || tls.minDaysLeft === 0 || tls.endingFails === 'always') {
      const { check, release } = checks.watch({ address, monitor, port }, own, there)
      this.#add({ path, check, release, place: null })
      return
    }
    const place = this.#options.endings.place(watcher.pool, address)
    const stand = (): void => {
      const { certificate, measurement } = watched.check
      const counts = certificate !== null && measurement.state === 'up'
      place.set(counts ? endsSoonAtMs(certificate, tls.minDaysLeft) : null)
    }
    const watched = checks.watch({ address, monitor, port }, standing(own, stand), there)
    stand()
    this.#add({ path, check: watched.check, release: watched.release, place })
  }

  /** A list that grows by itself makes room for sixteen more. */
  #add(probing: Probing): void {
    this.#probes = [...this.#probes, probing]
  }

  /** What a probe has measured, and what its certificate makes of that. */
  #measured({ check, place }: Probing): Opinion {
    const { opinion, certificate } = check
    const verdict = place?.verdict ?? 'lasts'
    if (opinion.state !== 'up' || certificate === null || verdict === 'lasts') return opinion
    const { minDaysLeft } = tlsOf(check.probed.monitor)!
    const why = formatEnding(certificate, minDaysLeft, this.#options.now().getTime())
    if (verdict === 'fails') return { state: 'down', reason: why }
    return { state: 'up', reason: toReason(`${opinion.reason}; ${why}, as in most of the pool`) }
  }

  #opinionOf(method: CheckMethod, path: string): Opinion {
    switch (method.kind) {
      case 'probe': {
        const probing = this.#probes.find((one) => one.path === path)
        if (probing !== undefined) return this.#measured(probing)
        return method.pending
          ? { state: 'unknown', reason: 'not probed yet' }
          : { state: 'down', reason: notResolved }
      }
      case 'push':
        return this.#reported()
      case 'static':
        return { state: method.state, reason: 'by its monitor' }
      case 'feed': {
        const { readings, now } = this.#options
        const said = judgeReading(method, this.#fed?.get(path) ?? null, readings, now().getTime())
        this.#fed?.set(path, said)
        return said
      }
      case 'composite': {
        const parts = method.parts.map(({ name, method: part }) => ({
          name,
          ...this.#opinionOf(part, `${path}/${name}`),
        }))
        return combine(method.monitor, parts)
      }
    }
  }

  #reported(): Opinion {
    const report = this.#options.report()
    if (report === null) return { state: 'unknown', reason: 'no report yet' }
    if (this.#options.reportStands()) {
      return {
        state: report.state,
        reason: this.#options.reportIsLate() ? toReason(`${keptReason}: ${report.reason}`) : report.reason,
      }
    }
    return { state: 'down', reason: `no report by ${report.until.toISOString()}` }
  }
}

/** The same, with something done first whenever a check has changed. */
function standing(watcher: Watcher, first: () => void): Watcher {
  return {
    ...watcher,
    onVerdict: (verdict) => {
      first()
      watcher.onVerdict(verdict)
    },
    onChange: (undone) => {
      first()
      watcher.onChange(undone)
    },
  }
}

/** What was measured of a host stays while its address is not known yet; what its last addresses were worth says nothing of others. */
function withoutAddress(past: Past, pending: boolean): Past {
  const nowhere = { ...past, address: null, position: null, heard: false }
  return pending
    ? nowhere
    : { ...nowhere, measurement: forget(past.measurement), reason: null, latencyMs: null, certificate: null }
}
