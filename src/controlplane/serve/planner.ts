/**
 * Makes the plans of services: joins the catalog, what is known of members (availability, vitals, resolutions), overrides and
 * location maps into a selection, and that into an image. Remembers how each service is answered now, for explaining, and what it
 * was answered with last while it was up.
 *
 * A plan that comes out as the one that is served is not handed over again: most of what may change an answer changes none.
 *
 * Bounded by the services and pools of the configuration.
 */
import { compilePlan } from '../../dataplane/image/plan-compiler.ts'
import { leavesOf, type PlanNode } from '../../dataplane/image/plan-tree.ts'
import { Catalog } from '../catalog/catalog.ts'
import type { Vitals } from '../health/checked-member.ts'
import { rampShare } from '../health/slow-start.ts'
import type { MemberKey } from '../model/member-key.ts'
import type { HealthState, Resolution } from '../model/observation.ts'
import type { Member, Pool } from '../model/pool.ts'
import type { Conditions, PoolJudgement } from '../steering/judge.ts'
import { LastKnownAnswers } from '../steering/last-known.ts'
import { toPlan } from '../steering/plan.ts'
import { Round } from '../steering/select.ts'
import type { Selection } from '../steering/selection.ts'
import { wallClock } from '../timing/clock.ts'
import { DueTimes } from '../timing/due-times.ts'
import type { AnswerCounters } from './answer-counters.ts'
import type { AnsweredMember } from './handed-out.ts'
import type { LocationMaps } from './location-maps.ts'

/** What is known of the members of pools with a monitor. */
export interface MemberFacts {
  readonly measured: (pool: string, member: string) => HealthState
  /** The last state that was not `unknown`; null when there has been none. */
  readonly lastKnown: (pool: string, member: string) => 'up' | 'down' | null
  /** Null for a member that is not checked. */
  readonly vitals: (pool: string, member: string) => Vitals | null
}

export interface PlannerOptions {
  readonly answers: AnswerCounters
  readonly facts: MemberFacts
  /** What resolving the host of a member has come to. */
  readonly resolution: (host: string) => Resolution
  readonly locations: Pick<LocationMaps, 'of'>
  readonly now: () => Date
  /** The weights of members of these pools that come back have risen a step. */
  readonly onRamp: (pools: readonly string[]) => void
}

export interface MadePlan {
  readonly image: SharedArrayBuffer
  readonly members: readonly AnsweredMember[]
}

/** Plans of one moment: what they have in common is judged once. To be used up before anything can change. */
export interface Planning {
  /** The plan of a service, null when it is the one that there is. */
  plan(service: string): MadePlan | null
  /** The judgement of a pool that there is. */
  judge(pool: string): PoolJudgement
}

export class Planner implements Disposable {
  catalog = Catalog.empty
  readonly #options: PlannerOptions
  readonly #selections = new Map<string, Selection>()
  readonly #images = new Map<string, SharedArrayBuffer>()
  /** What was last answered while it was up. */
  readonly lastKnown = new LastKnownAnswers()
  /** When weights of members that come back rise a step, by pool. Bounded by the pools. */
  readonly #ramps: DueTimes<string>
  /** Revisions by which counters have been freed, by service. Bounded by the services. */
  readonly #counted = new Map<string, number>()

  constructor(options: PlannerOptions) {
    this.#options = options
    this.#ramps = new DueTimes(wallClock(options.now), options.onRamp)
  }

  /** How a service is answered now, and why. */
  selection(service: string): Selection | undefined {
    return this.#selections.get(service)
  }

  forget(service: string): void {
    this.#selections.delete(service)
    this.#images.delete(service)
    this.#counted.delete(service)
    this.#options.answers.retain(service, () => false)
  }

  begin(): Planning {
    const { pools, services } = this.catalog
    const { locations } = this.#options
    const round = new Round({
      pools,
      services,
      conditions: this.#conditions(),
      lastKnown: this.lastKnown,
      areas: (service) => locations.of(service),
    })
    return { plan: (service) => this.#plan(service, round), judge: (pool) => round.judgePool(pool) }
  }

  #plan(name: string, round: Round): MadePlan | null {
    const { answers, resolution } = this.#options
    const selection = round.select(name)
    this.#selections.set(name, selection)
    this.lastKnown.remember(selection.judgement)
    this.#freeCounters(name)
    const members = new Map<number, MemberKey>()
    const counterOf = (pool: Pool, member: Member) => {
      const slot = answers.slotOf(name, pool.name, member.name)
      members.set(slot, { pool: pool.name, member: member.name })
      return slot
    }
    const node = toPlan(selection, { counterOf, resolutionOf: resolution })
    const image = compilePlan(node)
    const before = this.#images.get(name)
    if (before !== undefined && same(before, image)) return null
    this.#images.set(name, image)
    return { image, members: answered(node, members) }
  }

  /** What is known of members at this moment. */
  #conditions(): Conditions {
    const { facts, resolution } = this.#options
    const now = this.#options.now()
    const nowMs = now.getTime()
    return {
      ...facts,
      resolution,
      forced: (pool, member) => this.catalog.overrideOf(pool, member, now)?.state ?? null,
      near: (pool, member) => facts.vitals(pool, member)?.near ?? false,
      weightPercent: (pool, member) => facts.vitals(pool, member)?.weightPercent ?? null,
      latencyMs: (pool, member) => facts.vitals(pool, member)?.latencyMs ?? null,
      share: (pool, member) => this.#share(pool, member, nowMs),
    }
  }

  [Symbol.dispose](): void {
    this.#ramps[Symbol.dispose]()
  }

  #share(pool: string, member: string, nowMs: number): number {
    const slowStartMs = this.catalog.pools.get(pool)?.slowStartMs ?? 0
    if (slowStartMs === 0) return 1
    const backSince = this.#options.facts.vitals(pool, member)?.backSince ?? null
    const { share, nextMs } = rampShare(backSince?.getTime() ?? null, slowStartMs, nowMs)
    if (nextMs !== null) this.#ramps.note(pool, nextMs)
    return share
  }

  /** Frees counters of members that are no more; once for each revision, for only that takes members away. */
  #freeCounters(service: string): void {
    const { catalog } = this
    if (this.#counted.get(service) === catalog.revision) return
    this.#counted.set(service, catalog.revision)
    const wanted = new Map(
      Array.from(catalog.poolsOf(service), (pool) => {
        return [pool, new Set(catalog.pools.get(pool)?.members.map(({ name }) => name))] as const
      }),
    )
    this.#options.answers.retain(service, (pool, member) => wanted.get(pool)?.has(member) ?? false)
  }
}

function same(left: SharedArrayBuffer, right: SharedArrayBuffer): boolean {
  return left.byteLength === right.byteLength && Buffer.from(left).equals(Buffer.from(right))
}

/** Members that a plan may answer with, and for how long they are kept. */
function answered(root: PlanNode, members: ReadonlyMap<number, MemberKey>): AnsweredMember[] {
  return leavesOf(root).flatMap(({ candidates, cnames = [], ttlSeconds }) => {
    const slots = new Set([...candidates, ...cnames].map(({ counter }) => counter))
    return [...slots].map((slot) => ({ ...members.get(slot)!, ttlSeconds }))
  })
}
