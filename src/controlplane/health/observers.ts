/**
 * Those who look at a member, each with an opinion of it: one for each node of the tree that its method is (`check-method.ts`).
 *
 * An observer belongs to one member. It is made anew when what the member is checked by changes, and then takes over what the
 * one before had measured, part by part: other settings do not make another machine. What a probe finds is shared, though, by
 * all members that are probed in the same way (`check-registry.ts`).
 */
import type { CompositeMonitor } from '../model/monitor.ts'
import type { Check, Opinion, Past, Watcher } from './check.ts'
import { type AddressedProbe, type CheckMethod, hasAddress } from './check-method.ts'
import type { CheckRegistry } from './check-registry.ts'
import { combine } from './composite.ts'
import { forget } from './monitor.ts'

export interface Observer extends Disposable {
  readonly opinion: Opinion
  /** Whether it has had its say since it was made, so that nobody needs to wait for it. */
  readonly heard: boolean
  /** Verdicts count towards a change of its state. */
  readonly near: boolean
  /** Smoothed time of a probe that succeeds; null without one. */
  readonly latencyMs: number | null
  /** What share of its weight the member wants, 0 to 100; null when it does not say. */
  readonly weightPercent: number | null
  /** Writes down what its probes have measured, by the names of the parts on the way to them. */
  recall(path: string, into: Map<string, Past>): void
  /** It answers again, and waits for an operator to let it come back. */
  readonly waits: boolean
  /** An operator lets a member come back. */
  failBack(): void
}

/** What an observer is made with. */
export interface ObserverOptions {
  readonly checks: CheckRegistry
  /** As `recall` gives it. */
  readonly before: ReadonlyMap<string, Past>
  readonly watcher: Watcher
  readonly reports: ReportsOnMember
}

/** What has been reported of a member. */
export interface Report extends Opinion {
  readonly state: 'up' | 'down'
  readonly weightPercent: number | null
  readonly at: Date
  readonly until: Date
}

/** Where a push monitor looks for the report on its member. */
export interface ReportsOnMember {
  /** The last report, whether its time is over or not; null when there was none. */
  current(): Report | null
  now(): Date
}

export function makeObserver(method: CheckMethod, options: ObserverOptions, path = ''): Observer {
  switch (method.kind) {
    case 'probe':
      return hasAddress(method)
        ? new ProbeObserver(method, options, path)
        : new UnresolvedObserver(method.pending ?? false, options.before.get(path))
    case 'push':
      return new PushObserver(options.reports)
    case 'static':
      return new StaticObserver(method.state)
    case 'composite':
      return new CompositeObserver(
        method.monitor,
        method.parts.map(({ name, method: part }) => ({
          name,
          observer: makeObserver(part, options, `${path}/${name}`),
        })),
      )
  }
}

/** The reason of a member that has no address to be probed at. */
export const notResolved = 'not resolved'

/** What there is to say of members that nothing measures now. */
abstract class SilentObserver implements Observer {
  abstract readonly opinion: Opinion
  abstract readonly heard: boolean
  readonly near = false
  readonly waits = false
  readonly latencyMs = null

  get weightPercent(): number | null {
    return null
  }

  recall(_path: string, _into: Map<string, Past>): void {}

  failBack(): void {}

  [Symbol.dispose](): void {}
}

class StaticObserver extends SilentObserver {
  readonly opinion: Opinion
  readonly heard = true

  constructor(state: 'up' | 'down') {
    super()
    this.opinion = { state, reason: 'by its monitor' }
  }
}

/** A host without an address. What was measured of it waits for one; what its last addresses were worth says nothing of others. */
class UnresolvedObserver extends SilentObserver {
  readonly opinion: Opinion
  readonly heard: boolean
  readonly #past: Past | undefined

  constructor(pending: boolean, past: Past | undefined) {
    super()
    this.heard = !pending
    this.opinion = pending
      ? { state: 'unknown', reason: 'not probed yet' }
      : { state: 'down', reason: notResolved }
    this.#past = past === undefined ? undefined : withoutAddress(past, pending)
  }

  override recall(path: string, into: Map<string, Past>): void {
    if (this.#past !== undefined) into.set(path, this.#past)
  }
}

function withoutAddress(past: Past, pending: boolean): Past {
  const nowhere = { ...past, address: null, position: null, heard: false }
  return pending
    ? nowhere
    : { ...nowhere, measurement: forget(past.measurement), reason: null, latencyMs: null }
}

class ProbeObserver implements Observer {
  readonly #check: Check
  readonly #release: () => void

  constructor(method: AddressedProbe, { checks, before, watcher }: ObserverOptions, path: string) {
    const past = before.get(path) ?? null
    // Who stays where they are keep their position in the schedule.
    const there = past === null || past.address === method.address ? past : { ...past, position: null }
    const { check, release } = checks.watch(method, watcher, there)
    this.#check = check
    this.#release = release
  }

  get opinion(): Opinion {
    return this.#check.opinion
  }

  get heard(): boolean {
    return this.#check.heard
  }

  get near(): boolean {
    return this.#check.near
  }

  get latencyMs(): number | null {
    return this.#check.latencyMs
  }

  get weightPercent(): number | null {
    return this.#check.weightPercent
  }

  recall(path: string, into: Map<string, Past>): void {
    into.set(path, this.#check.past)
  }

  get waits(): boolean {
    const { waiting } = this.#check.measurement
    return waiting !== null && waiting !== 'rise'
  }

  failBack(): void {
    this.#check.failBack()
  }

  [Symbol.dispose](): void {
    this.#release()
  }
}

class PushObserver extends SilentObserver {
  /** Nobody waits for reports: they come when they come. */
  readonly heard = true
  readonly #reports: ReportsOnMember

  constructor(reports: ReportsOnMember) {
    super()
    this.#reports = reports
  }

  get opinion(): Opinion {
    const report = this.#reports.current()
    if (report === null) return { state: 'unknown', reason: 'no report yet' }
    if (report.until > this.#reports.now()) return { state: report.state, reason: report.reason }
    return { state: 'down', reason: `no report by ${report.until.toISOString()}` }
  }

  override get weightPercent(): number | null {
    const report = this.#reports.current()
    return report !== null && report.until > this.#reports.now() ? report.weightPercent : null
  }
}

interface Part {
  readonly name: string
  readonly observer: Observer
}

class CompositeObserver implements Observer {
  readonly #monitor: CompositeMonitor
  readonly #parts: readonly Part[]

  constructor(monitor: CompositeMonitor, parts: readonly Part[]) {
    this.#monitor = monitor
    this.#parts = parts
  }

  get opinion(): Opinion {
    return combine(
      this.#monitor,
      this.#parts.map(({ name, observer }) => ({ name, ...observer.opinion })),
    )
  }

  get heard(): boolean {
    return this.#parts.every(({ observer }) => observer.heard)
  }

  get near(): boolean {
    return this.#parts.some(({ observer }) => observer.near)
  }

  /** The time of the slowest: a client waits for the whole of it. */
  get latencyMs(): number | null {
    const known = this.#parts.flatMap(({ observer }) => observer.latencyMs ?? [])
    return known.length === 0 ? null : Math.max(...known)
  }

  /** The least that any part asks for. */
  get weightPercent(): number | null {
    const known = this.#parts.flatMap(({ observer }) => observer.weightPercent ?? [])
    return known.length === 0 ? null : Math.min(...known)
  }

  recall(path: string, into: Map<string, Past>): void {
    for (const { name, observer } of this.#parts) observer.recall(`${path}/${name}`, into)
  }

  get waits(): boolean {
    return this.#parts.some(({ observer }) => observer.waits)
  }

  failBack(): void {
    for (const { observer } of this.#parts) observer.failBack()
  }

  [Symbol.dispose](): void {
    for (const { observer } of this.#parts) observer[Symbol.dispose]()
  }
}
