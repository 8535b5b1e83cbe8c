/**
 * What is known of a member from the things that look at it: a tree as its monitor asks for. Leaves are probes (shared by
 * all members that are probed in the same way, see `checks.ts`), reports that come by themselves, and states that are set;
 * composites combine what their parts say.
 *
 * A source belongs to one member. It is made anew when what the member is checked by changes, and then takes over what the
 * one before had measured, part by part: other settings do not make another machine.
 */

import type { CompositeMonitor, ProbeMonitor } from '../model/monitor.ts'
import type { AddressText } from '../model/pool.ts'
import { type Check, type Checks, type Opinion, type Past, pastOf, probeKey, type Watcher } from './checks.ts'
import { combine } from './composite.ts'
import { forget } from './monitor.ts'

/** How a member is checked. */
export type CheckPlan =
  | ProbePlan
  | { readonly kind: 'push'; readonly ttlMs: number }
  | { readonly kind: 'static'; readonly state: 'up' | 'down' }
  | {
      readonly kind: 'composite'
      readonly monitor: CompositeMonitor
      readonly parts: readonly { readonly name: string; readonly plan: CheckPlan }[]
    }

export interface ProbePlan {
  readonly kind: 'probe'
  readonly monitor: ProbeMonitor
  readonly port: number
  /** Null: the member is a host, and has no address. */
  readonly address: AddressText | null
  /** What the member is, when that is not its address: a host. */
  readonly endpoint?: string
  /** Only without an address: whether it has one is not known yet. */
  readonly pending?: boolean
}

/** A plan with an address to probe. */
type Addressed = ProbePlan & { readonly address: AddressText }

function hasAddress(plan: ProbePlan): plan is Addressed {
  return plan.address !== null
}

export interface Source extends Disposable {
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

/** What a source is made with. */
export interface SourceOptions {
  readonly checks: Checks
  /** As `recall` gives it. */
  readonly before: ReadonlyMap<string, Past>
  readonly watcher: Watcher
  readonly reports: ReportSource
}

/** What has been reported of a member. */
export interface Report extends Opinion {
  readonly state: 'up' | 'down'
  readonly weightPercent: number | null
  readonly at: Date
  readonly until: Date
}

/** Where a push monitor looks for the report on its member. */
export interface ReportSource {
  /** The last report, whether its time is over or not; null when there was none. */
  current(): Report | null
  now(): Date
}

/** @returns a text that is the same for plans that need no new source */
export function planKey(plan: CheckPlan): string {
  switch (plan.kind) {
    case 'probe':
      return hasAddress(plan) ? `probe ${probeKey(plan)}` : `unresolved ${plan.pending ?? false}`
    case 'push':
      return `push ${plan.ttlMs}`
    case 'static':
      return `static ${plan.state}`
    case 'composite': {
      const { require, invert } = plan.monitor
      const parts = plan.parts.map(({ name, plan: part }) => `${name}=${planKey(part)}`)
      return `composite ${require} ${invert} (${parts.join('; ')})`
    }
  }
}

export function makeSource(plan: CheckPlan, options: SourceOptions, path = ''): Source {
  switch (plan.kind) {
    case 'probe':
      return hasAddress(plan)
        ? new ProbeSource(plan, options, path)
        : new UnresolvedSource(plan.pending ?? false, options.before.get(path))
    case 'push':
      return new PushSource(options.reports)
    case 'static':
      return new StaticSource(plan.state)
    case 'composite':
      return new CompositeSource(
        plan.monitor,
        plan.parts.map(({ name, plan: part }) => ({
          name,
          source: makeSource(part, options, `${path}/${name}`),
        })),
      )
  }
}

/** The reason of a member that has no address to be probed at. */
export const notResolved = 'not resolved'

/** What there is to say of members that nothing measures now. */
abstract class SilentSource implements Source {
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

class StaticSource extends SilentSource {
  readonly opinion: Opinion
  readonly heard = true

  constructor(state: 'up' | 'down') {
    super()
    this.opinion = { state, reason: 'by its monitor' }
  }
}

/** A host without an address. What was measured of it waits for one; what its last addresses were worth says nothing of others. */
class UnresolvedSource extends SilentSource {
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
  const nowhere = { ...past, address: null, place: null, heard: false }
  return pending
    ? nowhere
    : { ...nowhere, measurement: forget(past.measurement), reason: null, latencyMs: null }
}

class ProbeSource implements Source {
  readonly #check: Check
  readonly #release: () => void

  constructor(plan: Addressed, { checks, before, watcher }: SourceOptions, path: string) {
    const past = before.get(path) ?? null
    // Who stays where they are keep their place in the schedule.
    const there = past === null || past.address === plan.address ? past : { ...past, place: null }
    const { check, release } = checks.watch(plan, watcher, there)
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

class PushSource extends SilentSource {
  /** Nobody waits for reports: they come when they come. */
  readonly heard = true
  readonly #reports: ReportSource

  constructor(reports: ReportSource) {
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
  readonly source: Source
}

class CompositeSource implements Source {
  readonly #monitor: CompositeMonitor
  readonly #parts: readonly Part[]

  constructor(monitor: CompositeMonitor, parts: readonly Part[]) {
    this.#monitor = monitor
    this.#parts = parts
  }

  get opinion(): Opinion {
    return combine(
      this.#monitor,
      this.#parts.map(({ name, source }) => ({ name, ...source.opinion })),
    )
  }

  get heard(): boolean {
    return this.#parts.every(({ source }) => source.heard)
  }

  get near(): boolean {
    return this.#parts.some(({ source }) => source.near)
  }

  /** Of the slowest: a client waits for the whole of it. */
  get latencyMs(): number | null {
    const known = this.#parts.flatMap(({ source }) => source.latencyMs ?? [])
    return known.length === 0 ? null : Math.max(...known)
  }

  /** The least that any part asks for. */
  get weightPercent(): number | null {
    const known = this.#parts.flatMap(({ source }) => source.weightPercent ?? [])
    return known.length === 0 ? null : Math.min(...known)
  }

  recall(path: string, into: Map<string, Past>): void {
    for (const { name, source } of this.#parts) source.recall(`${path}/${name}`, into)
  }

  get waits(): boolean {
    return this.#parts.some(({ source }) => source.waits)
  }

  failBack(): void {
    for (const { source } of this.#parts) source.failBack()
  }

  [Symbol.dispose](): void {
    for (const { source } of this.#parts) source[Symbol.dispose]()
  }
}

/** How long a report that a plan takes is good; null when it takes none. */
export function reportTtlMs(plan: CheckPlan): number | null {
  switch (plan.kind) {
    case 'push':
      return plan.ttlMs
    case 'composite': {
      const known = plan.parts.flatMap(({ plan: part }) => reportTtlMs(part) ?? [])
      return known.length === 0 ? null : Math.min(...known)
    }
    case 'probe':
    case 'static':
      return null
  }
}

/** Whether two plans look at two machines: nothing that is known of the one says anything of the other. */
export function looksElsewhere(before: CheckPlan, after: CheckPlan): boolean {
  const [from, to] = [machineOf(before), machineOf(after)]
  return from !== null && to !== null && from !== to
}

/** All parts look at the same machine; null where none looks at any. */
function machineOf(plan: CheckPlan): string | null {
  switch (plan.kind) {
    case 'probe':
      return plan.endpoint ?? plan.address
    case 'composite': {
      for (const { plan: part } of plan.parts) {
        const machine = machineOf(part)
        if (machine !== null) return machine
      }
      return null
    }
    case 'push':
    case 'static':
      return null
  }
}

/**
 * What a plan's parts are taken to have said when only what came of it is known: each the same, so that it takes as many
 * verdicts as ever to change that.
 */
export interface Assumed {
  /** Of probes, as `Source.recall` gives it. */
  readonly before: Map<string, Past>
  /** Of reports; null when the plan takes none. */
  readonly reported: 'up' | 'down' | null
}

export function assumed(plan: CheckPlan, state: 'up' | 'down', path = ''): Assumed {
  switch (plan.kind) {
    case 'probe':
      return { before: new Map([[path, pastOf(state)]]), reported: null }
    case 'push':
      return { before: new Map(), reported: state }
    case 'static':
      return { before: new Map(), reported: null }
    case 'composite': {
      const said = plan.monitor.invert ? (state === 'up' ? 'down' : 'up') : state
      const parts = plan.parts.map(({ name, plan: part }) => assumed(part, said, `${path}/${name}`))
      return {
        before: new Map(parts.flatMap(({ before }) => [...before])),
        reported: parts.find(({ reported }) => reported !== null)?.reported ?? null,
      }
    }
  }
}
