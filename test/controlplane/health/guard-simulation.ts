import { type Due, DueHeap } from '../../../src/controlplane/health/due-heap.ts'
import {
  type GuardChange,
  type GuardSettings,
  SelfIsolationGuard,
} from '../../../src/controlplane/health/guard.ts'
import { advance, type Measurement, measured, nextProbeMs } from '../../../src/controlplane/health/monitor.ts'
import type { Judging } from '../../../src/controlplane/model/monitor.ts'
import type { HealthState } from '../../../src/controlplane/model/observation.ts'
import { timingDefaults } from '../model/defaults.ts'
import { seededRandom } from './fixture.ts'

export interface Specimen {
  readonly pool: string
  readonly member: string
  readonly intervalMs: number
  readonly judging?: Partial<Judging>
  /** What the store says; `up` when left out. */
  readonly start?: HealthState
}

interface Running extends Due, Specimen {
  measurement: Measurement
}

export interface World {
  readonly members: readonly Specimen[]
  readonly settings?: Partial<GuardSettings>
  readonly canaries?: readonly string[]
}

const timeoutMs = 3000
const canaryIntervalMs = 5000

/**
 * Members, their machines and the guard, joined as the checker joins them, in virtual time. A probe that is answered takes 20
 * ms, one that is refused 1 ms, one into the void its timeout.
 */
export class Simulation {
  /** To be changed between one `runTo` and the next. */
  network = true
  readonly dead = new Set<string>()
  readonly deadCanaries = new Set<string>()
  readonly guard: SelfIsolationGuard<Measurement>
  /** `+` and the second at which a suspicion began, `-` and that at which it ended. */
  readonly changes: string[] = []
  /** Whoever fell, and whoever was given back, in order. */
  readonly fell: string[] = []
  readonly givenBack: string[] = []
  /** How often the canaries were asked in doubt; that they say it is the members is no change. */
  holds = 0
  readonly #lent = new Map<Running, { readonly given: Measurement; readonly taken: Measurement }>()
  readonly #running = new Map<string, Running>()
  readonly #heap = new DueHeap<Running>()
  readonly #canaries: readonly string[]
  #canaryMs = 0
  #nowMs = 0

  constructor({ members, settings = {}, canaries = [] }: World) {
    this.guard = new SelfIsolationGuard(settings, canaries, canaryIntervalMs + timeoutMs)
    this.#canaries = canaries
    const random = seededRandom(7)
    for (const one of members) {
      this.guard.watch(one.pool, one.member, one.intervalMs * 1.1 + timeoutMs)
      const running = {
        ...one,
        measurement: measured(one.start ?? 'up'),
        dueMs: random() * one.intervalMs,
        heapIndex: -1,
      }
      this.#running.set(one.member, running)
      this.#heap.put(running)
    }
  }

  state(member: string): HealthState {
    return this.#running.get(member)!.measurement.state
  }

  in(state: HealthState): string[] {
    return [...this.#running.keys()].filter((member) => this.state(member) === state)
  }

  runTo(seconds: number): void {
    const untilMs = seconds * 1000
    for (;;) {
      const next = this.#heap.peek()
      const nextMs = Math.min(next?.dueMs ?? untilMs, this.#canaries.length > 0 ? this.#canaryMs : untilMs)
      if (nextMs >= untilMs) break
      this.#nowMs = Math.max(this.#nowMs, nextMs)
      if (next !== undefined && next.dueMs === nextMs) this.#probe(next)
      else this.#probeCanaries()
    }
    this.#nowMs = untilMs
  }

  /** Verdicts are heard at the time at which they come; what is probed is the world at that time, near enough. */
  #probe(one: Running): void {
    const judging: Judging = { ...timingDefaults, rise: 2, fall: 3, ...one.judging }
    const ok = this.network && !this.dead.has(one.member)
    const atMs = this.#nowMs
    const before = one.measurement
    const { counts, change } = this.guard.verdict(one.member, ok, before, atMs)
    this.#heed(change)
    if (counts) one.measurement = advance(before, ok, judging, atMs)
    if (before.state !== 'down' && one.measurement.state === 'down') this.fell.push(one.member)
    const tookMs = ok ? 20 : this.network ? 1 : timeoutMs
    one.dueMs = atMs + Math.max(tookMs, nextProbeMs(one.measurement, judging, one.intervalMs))
    this.#heap.put(one)
  }

  #probeCanaries(nextMs = this.#canaryMs + canaryIntervalMs): void {
    for (const name of this.#canaries)
      this.#heed(this.guard.canary(name, this.network && !this.deadCanaries.has(name), this.#nowMs))
    this.#canaryMs = nextMs
  }

  #heed(change: GuardChange<Measurement> | null): void {
    if (change === null) return
    if (change.to === 'suspect' && change.suspicion.holds) this.holds++
    else if (!(change.to === 'trusting' && change.takeAgain)) this.#tell(change)
    if (change.to === 'trusting') {
      if (change.takeAgain)
        for (const [one, { given, taken }] of this.#lent)
          if (one.measurement === given) one.measurement = taken
      this.#lent.clear()
      return
    }
    for (const { check: member, measurement } of change.giveBack) {
      const one = this.#running.get(member)!
      if (one.measurement.state === 'down') this.givenBack.push(member)
      if (change.suspicion.holds) this.#lent.set(one, { given: measurement, taken: one.measurement })
      one.measurement = measurement
    }
    if (change.suspicion.holds) this.#probeCanaries(this.#canaryMs)
  }

  #tell(change: GuardChange<Measurement>): void {
    this.changes.push(`${change.to === 'suspect' ? '+' : '-'}${(this.#nowMs / 1000).toFixed(1)}`)
  }
}
