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
import { type AnswerNode, leavesOf, type PlanNode, type PlanTrees } from '../../dataplane/image/plan-tree.ts'
import { Catalog } from '../catalog/catalog.ts'
import type { Vitals } from '../health/checked-member.ts'
import { rampShare } from '../health/slow-start.ts'
import { type Asked, families } from '../model/family.ts'
import type { Readings } from '../model/feed-use.ts'
import type { MemberKey } from '../model/member-key.ts'
import type { HealthState, Resolution } from '../model/observation.ts'
import type { OverrideState } from '../model/override.ts'
import type { AddressText, Member, Pool } from '../model/pool.ts'
import {
  type ConditionReport,
  type Conditions,
  type PoolJudgement,
  wholeCondition,
} from '../steering/judge.ts'
import { FamilyAnswers } from '../steering/last-known.ts'
import { toPlans } from '../steering/plan.ts'
import { Round } from '../steering/select.ts'
import type { Selections, ServiceAreas } from '../steering/selection.ts'
import { weightNow } from '../steering/weight.ts'
import { wallClock } from '../timing/clock.ts'
import { DueTimes } from '../timing/due-times.ts'
import type { AnswerCounters } from './answer-counters.ts'
import { type FedNow, FedStates } from './fed-states.ts'
import { type FedUseNow, usesOf } from './fed-watch.ts'
import { type AnsweredMember, octetsOf } from './handed-out.ts'
import type { LocationMaps } from './location-maps.ts'
import type { PlanSigning } from './plan-signing.ts'
import type { OtherState } from './sign-ahead.ts'

/** What is known of the members of pools with a monitor. */
export interface MemberFacts {
  readonly measured: (pool: string, member: string, address: AddressText | null) => HealthState
  /** The last state that was not `unknown`; null when there has been none. */
  readonly lastKnown: (pool: string, member: string) => 'up' | 'down' | null
  /** Null for a member that is not checked. */
  readonly vitals: (pool: string, member: string) => Vitals | null
  /** Smoothed time of the probes of one address, or of a member as a whole; null without samples. */
  readonly latencyMs: (pool: string, member: string, address: AddressText | null) => number | null
}

export interface PlannerOptions {
  readonly answers: AnswerCounters
  readonly facts: MemberFacts
  /** What resolving the host of a member has come to. */
  readonly resolution: (host: string) => Resolution
  readonly locations: Pick<LocationMaps, 'of'>
  /** What feeds say; left out: nothing. */
  readonly readings?: Readings
  /** Left out: no service is signed. */
  readonly signing?: PlanSigning
  readonly now: () => Date
  /** The weights of members of these pools that come back have risen a step, or what feeds say of them is too old now. */
  readonly onRamp: (pools: readonly string[]) => void
}

/** A member as it counts now. */
export interface MemberNow extends MemberKey {
  readonly weight: number
  readonly override: OverrideState | null
}

export interface MadePlan {
  readonly image: SharedArrayBuffer
  readonly members: readonly AnsweredMember[]
}

/** Plans of one moment: what they have in common is judged once. To be used up before anything can change. */
export interface Planning {
  /** The plan of a service, null when it is the one that there is, or is to be signed first. */
  plan(service: string): MadePlan | null
  /** The judgement of a pool that there is. */
  judge(pool: string, asked: Asked): PoolJudgement
  /** What a pool that there is comes to, over its families. */
  condition(pool: string): ConditionReport
  /** What feeds say of members and pools. */
  readonly fed: FedNow
}

export class Planner implements Disposable {
  catalog = Catalog.empty
  readonly #options: PlannerOptions
  readonly #selections = new Map<string, Selections>()
  readonly #images = new Map<string, SharedArrayBuffer>()
  /** What was last answered while it was up. */
  readonly lastKnown = new FamilyAnswers()
  /** What feeds make of members and pools. */
  readonly fedStates: FedStates
  /** When weights of members that come back rise a step, or what feeds say is too old, by pool. Bounded by the pools. */
  readonly #ramps: DueTimes<string>
  /** Revisions by which counters have been freed, by service. Bounded by the services. */
  readonly #counted = new Map<string, number>()

  constructor(options: PlannerOptions) {
    this.#options = options
    this.#ramps = new DueTimes(wallClock(options.now), options.onRamp)
    this.fedStates = new FedStates({
      readings: options.readings ?? noReadings,
      onAge: (pool, atMs) => this.#ramps.note(pool, atMs),
    })
  }

  /** How a service is answered now, and why. */
  selections(service: string): Selections | undefined {
    return this.#selections.get(service)
  }

  forget(service: string): void {
    this.#selections.delete(service)
    this.#images.delete(service)
    this.#counted.delete(service)
    this.#options.answers.retain(service, () => false)
  }

  /** Says that the plan of a service did not reach the workers: the next one is handed over, whether or not it is the same. */
  unserved(service: string): void {
    this.#images.delete(service)
  }

  begin(): Planning {
    const { pools } = this.catalog
    const { locations } = this.#options
    const nowMs = this.#options.now().getTime()
    this.lastKnown.settle(nowMs)
    const fed = this.fedStates.at(nowMs)
    const round = this.#rounds(this.catalog, (service) => locations.of(service), fed)
    const judge = (pool: string, asked: Asked) => round(asked).judgePool(pool)
    return {
      plan: (service) => this.#plan(service, round, nowMs),
      judge,
      condition: (pool) => {
        const asked: readonly Asked[] = pools.get(pool)!.hosts === 'cname' ? ['any'] : families
        return wholeCondition(asked.map((each) => judge(pool, each)))
      },
      fed,
    }
  }

  /**
   * How services would be answered by another catalog, with what is known of members now. Changes nothing.
   *
   * @param readings in the place of those that this node has, which are of what the configuration names now
   */
  preview(
    catalog: Catalog,
    areas: (service: string) => ServiceAreas | null,
    readings?: Readings,
  ): (service: string) => Selections {
    const round = this.#rounds(catalog, areas, this.#fedAside(readings))
    return (service) => select(catalog, service, round)
  }

  /**
   * How services would be answered by a catalog with one member in another state, or all as they are. Changes nothing. Members are counted
   * nowhere.
   */
  foresee(
    other: OtherState | null,
    catalog = this.catalog,
    areas: (service: string) => ServiceAreas | null = (service) => this.#options.locations.of(service),
  ): (service: string) => PlanTrees {
    const { resolution: resolutionOf } = this.#options
    const round = this.#rounds(catalog, areas, this.#fedAside(), other)
    return (service) => toPlans(select(catalog, service, round), { counterOf: () => 0, resolutionOf })
  }

  /** What feeds say, without remembering it. */
  #fedAside(readings?: Readings): FedNow {
    return this.fedStates.at(this.#options.now().getTime(), true, readings)
  }

  #rounds(
    catalog: Catalog,
    areas: (service: string) => ServiceAreas | null,
    fed: FedNow,
    other: OtherState | null = null,
  ): (asked: Asked) => Round {
    const { pools, services } = catalog
    const now = this.#conditions(catalog, fed)
    const conditions = other === null ? now : { ...now, measured: measuredBut(now.measured, other) }
    const begin = (asked: Asked) =>
      new Round({ asked, pools, services, conditions, lastKnown: this.lastKnown[asked], areas })
    const rounds = { ipv4: begin('ipv4'), ipv6: begin('ipv6'), any: begin('any') }
    return (asked) => rounds[asked]
  }

  /** All that goes by feeds now. */
  fedUses(): FedUseNow[] {
    const now = this.#fedAside()
    return [...this.catalog.pools.values()].flatMap((pool) => usesOf(pool, now))
  }

  /** What each member weighs now, and the operator's word on it. */
  members(): MemberNow[] {
    const conditions = this.#conditions(this.catalog, this.#fedAside())
    return [...this.catalog.pools.values()].flatMap((pool) =>
      pool.members.map((member) => ({
        pool: pool.name,
        member: member.name,
        weight: weightNow(pool, member, conditions),
        override: conditions.forced(pool.name, member.name),
      })),
    )
  }

  #plan(name: string, round: (asked: Asked) => Round, nowMs: number): MadePlan | null {
    const { answers, resolution } = this.#options
    const selections = select(this.catalog, name, round)
    this.#selections.set(name, selections)
    for (const { asked, judgement } of [selections.ipv4, selections.ipv6]) {
      this.lastKnown[asked].remember(judgement, nowMs)
    }
    this.#freeCounters(name)
    const members = new Map<number, MemberKey>()
    const counterOf = (pool: Pool, member: Member) => {
      const slot = answers.slotOf(name, pool.name, member.name)
      members.set(slot, { pool: pool.name, member: member.name })
      return slot
    }
    const trees = toPlans(selections, { counterOf, resolutionOf: resolution })
    const { ipv4, ipv6 } = trees
    const image = this.#compile(name, trees)
    if (image === null) return null
    const before = this.#images.get(name)
    if (before !== undefined && same(before, image)) return null
    this.#images.set(name, image)
    return { image, members: answered([ipv4, ipv6], members) }
  }

  /** Null while a part of the plan has no signatures yet: it is planned anew when they have come. */
  #compile(service: string, trees: PlanTrees): SharedArrayBuffer | null {
    const { signing } = this.#options
    if (signing === undefined) return compilePlan(trees.ipv4, trees.ipv6)
    return signing.compile(service, this.catalog, trees)
  }

  /** What is known of members at this moment. */
  #conditions(catalog: Catalog, { fed, full }: FedNow): Conditions {
    const { facts, resolution } = this.#options
    const now = this.#options.now()
    const nowMs = now.getTime()
    return {
      ...facts,
      resolution,
      fed,
      full,
      forced: (pool, member) => catalog.overrideOf(pool, member, now)?.state ?? null,
      forcedService: (service) => catalog.overrideOfService(service, now)?.state ?? null,
      near: (pool, member) => facts.vitals(pool, member)?.near ?? false,
      weightPercent: (pool, member) => facts.vitals(pool, member)?.weightPercent ?? null,
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

const noReadings: Readings = { latest: () => null, isKnown: () => false }

function select(catalog: Catalog, service: string, round: (asked: Asked) => Round): Selections {
  const isAlias = (pool: string) => catalog.pools.get(pool)?.hosts === 'cname'
  if ([...catalog.poolsOf(service)].some(isAlias)) {
    const selection = round('any').select(service)
    return { ipv4: selection, ipv6: selection }
  }
  return { ipv4: round('ipv4').select(service), ipv6: round('ipv6').select(service) }
}

function measuredBut(measured: Conditions['measured'], other: OtherState): Conditions['measured'] {
  return (pool, member, address) =>
    pool === other.pool && member === other.member ? other.state : measured(pool, member, address)
}

function same(left: SharedArrayBuffer, right: SharedArrayBuffer): boolean {
  return left.byteLength === right.byteLength && Buffer.from(left).equals(Buffer.from(right))
}

/** Members that a plan may answer with, and for how long they are kept. */
function answered(roots: readonly PlanNode[], members: ReadonlyMap<number, MemberKey>): AnsweredMember[] {
  return [...new Set(roots)]
    .flatMap(leavesOf<AnswerNode>)
    .flatMap(({ candidates, cnames = [], ttlSeconds }) => {
      const names = new Set(cnames.map(({ counter }) => counter))
      return [
        ...candidates.map(({ counter, address }) => {
          return { ...members.get(counter)!, octets: octetsOf(address), ttlSeconds }
        }),
        ...Array.from(names, (slot) => ({ ...members.get(slot)!, ttlSeconds })),
      ]
    })
}
