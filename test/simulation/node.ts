/**
 * One server of a simulation: its checker, its guard with canaries, its catalog and its planner, all as they are, on a clock and in
 * a network that are the simulation's. Of what is answered it knows what a plan would hold now.
 */
import { Catalog } from '../../src/controlplane/catalog/catalog.ts'
import { type Canaries, canaryPeriodMs, startCanaries } from '../../src/controlplane/health/canaries.ts'
import { checkTargets } from '../../src/controlplane/health/check-targets.ts'
import { Checker } from '../../src/controlplane/health/checker.ts'
import { SelfIsolationGuard } from '../../src/controlplane/health/guard.ts'
import type { Measurement } from '../../src/controlplane/health/monitor.ts'
import type { Votes } from '../../src/controlplane/health/quorum.ts'
import type { ProbeVerdict } from '../../src/controlplane/health/verdict.ts'
import { formatMemberKey } from '../../src/controlplane/model/member-key.ts'
import { type NodeVerdicts, stateAt } from '../../src/controlplane/model/observation.ts'
import { AnswerCounters } from '../../src/controlplane/serve/answer-counters.ts'
import { LastStates } from '../../src/controlplane/serve/last-states.ts'
import { LocationMaps } from '../../src/controlplane/serve/location-maps.ts'
import { Planner } from '../../src/controlplane/serve/planner.ts'
import { AnswerReader } from '../../src/dataplane/counters.ts'
import { refused, seededRandom, success } from '../controlplane/health/fixture.ts'
import type { HandClock } from '../controlplane/timing/hand-clock.ts'

export const serviceName = 'www.example.test'
const startMs = Date.parse('2026-05-01T12:00:00Z')
const canary = { host: '198.51.100.1', port: 53 }
/** What a node that can't be reached says. */
const lost: ProbeVerdict = { ...refused, failure: 'timeout', reason: 'no response' } as ProbeVerdict

export interface NodeOptions {
  readonly index: number
  readonly clock: HandClock
  readonly canaries: boolean
  readonly isAlive: (pool: string, member: string) => boolean
}

export class SimulatedNode implements AsyncDisposable {
  /** Whether it reaches anybody. */
  network = true
  /** What its time of day is off by. */
  offsetMs = 0
  catalog = Catalog.empty
  /** What it has heard of the others; null for none that counts. */
  heard: readonly NodeVerdicts[] = []
  readonly checker: Checker
  readonly guard: SelfIsolationGuard<Measurement>
  /** Since when it has had no doubts. */
  trustingSinceMs = 0
  readonly #clock: HandClock
  readonly #planner: Planner
  readonly #lastStates = new LastStates()
  readonly #canaries: Canaries | null

  constructor({ index, clock, canaries, isAlive }: NodeOptions) {
    this.#clock = clock
    const names = canaries ? [`${canary.host}:${canary.port}`] : []
    this.guard = new SelfIsolationGuard<Measurement>({}, names, canaryPeriodMs)
    const answered = async (alive: boolean, timeoutMs: number): Promise<ProbeVerdict> => {
      if (this.network) return alive ? success : refused
      await new Promise<void>((resolve) => clock.after(timeoutMs, resolve))
      return lost
    }
    this.checker = new Checker({
      probe: ({ pool, member, monitor }) => answered(isAlive(pool, member), monitor.timeoutMs),
      guard: this.guard,
      clock,
      random: seededRandom(index + 1),
      now: () => this.now(),
      nowMs: () => clock.nowMs(),
      votes: (pool, member) => this.#votes(pool, member),
      onTransitions: (transitions) => {
        for (const { pool, member, to } of transitions) this.#lastStates.note({ pool, member, state: to })
      },
      askCanaries: () => this.#canaries?.ask(),
      onSuspicion: () => {
        this.trustingSinceMs = clock.nowMs()
      },
    })
    this.#canaries = canaries
      ? startCanaries(
          [canary],
          ({ monitor }) => answered(true, monitor.timeoutMs),
          (name, ok) => this.checker.canary(name, ok),
          { clock, random: seededRandom(index + 100) },
        )
      : null
    this.#planner = this.#makePlanner()
  }

  #makePlanner(): Planner {
    return new Planner({
      answers: new AnswerCounters(() => new AnswerReader([])),
      facts: {
        measured: (pool, member, address) => {
          const health = this.checker.availability().get(pool)?.get(member)
          return health === undefined ? 'unknown' : stateAt(health, address)
        },
        lastKnown: (pool, member) => this.#lastStates.of(pool, member),
        vitals: (pool, member) => this.checker.vitals(pool, member),
        latencyMs: (pool, member, address) => this.checker.latencyMs(pool, member, address),
      },
      resolution: () => {
        throw new Error('there is no host')
      },
      locations: new LocationMaps({
        areas: () => Promise.reject(new Error('there is no location data')),
        onProblem: () => undefined,
      }),
      now: () => this.now(),
      onRamp: () => undefined,
    })
  }

  now(): Date {
    return new Date(startMs + this.#clock.nowMs() + this.offsetMs)
  }

  adopt(catalog: Catalog): void {
    const before = this.catalog
    this.catalog = catalog
    this.#planner.catalog = catalog
    if (before.pools !== catalog.pools)
      this.checker.setTargets(
        checkTargets(catalog, () => {
          throw new Error('there is no host')
        }),
      )
  }

  /** Hears what the others say, or (empty) that nobody does. */
  hear(verdicts: readonly NodeVerdicts[]): void {
    this.heard = verdicts
    this.checker.reconsider(
      [...this.catalog.pools.values()].flatMap(({ name: pool, members }) =>
        members.map(({ name: member }) => ({ pool, member })),
      ),
    )
  }

  #votes(pool: string, member: string): Votes | null {
    if (this.heard.length === 0) return null
    const words = this.heard.map((byPool) => byPool[pool]?.[member])
    return {
      up: words.filter((word) => word === 'up').length,
      down: words.filter((word) => word === 'down').length,
    }
  }

  stateOf(pool: string, member: string): string {
    return this.checker.availability().get(pool)?.get(member)?.state ?? 'none'
  }

  /** Members that would be answered now, as `pool/member`. */
  answer(): ReadonlySet<string> {
    this.#planner.forget(serviceName)
    const members = this.#planner.begin().plan(serviceName)?.members ?? []
    return new Set(members.map(formatMemberKey))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#canaries?.[Symbol.asyncDispose]()
    await this.checker.stop()
    this.#planner[Symbol.dispose]()
  }
}
