/**
 * Joins what the store says (catalog), what the probes say (availability), what hosts resolve to and what the operator says
 * (overrides) into what the workers serve. Zone images come compiled from the follower; plans are selected and compiled here, at once,
 * whenever something that they depend on changes, because from a verdict to the answers there are 10 ms.
 *
 * Everything but the hand-over is synchronous, so that two changes can't interleave: a catalog and the plans made from
 * it belong together.
 */

import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { compileDirectory } from '../../dataplane/zone/directory.ts'
import { compilePlan } from '../../dataplane/zone/plan-compiler.ts'
import type { HealthState, Member, OverrideState, Pool, Resolution } from '../model.ts'
import type { Conditions } from '../steering/conditions.ts'
import { LastKnownAnswers, type LastKnownEntries } from '../steering/last-known.ts'
import { toPlan } from '../steering/plan.ts'
import { selectAnswer } from '../steering/select.ts'
import type { Selection } from '../steering/selection.ts'
import type { AnswerCounters } from './answer-counters.ts'
import { Catalog, memberKey } from './catalog.ts'
import type { ImagePump } from './image-pump.ts'
import { Slots } from './slots.ts'

/** The step from one catalog to the next. */
export interface CatalogStep {
  readonly catalog: Catalog
  /** New images by apex; the zones that `catalog` lacks are taken away by themselves. */
  readonly zones: ReadonlyMap<string, SharedArrayBuffer>
  /** Services whose own configuration changed. */
  readonly services: Iterable<string>
  /** Pools that changed, or whose members' overrides did. */
  readonly pools: Iterable<string>
}

export interface PublisherOptions {
  readonly pump: ImagePump
  readonly answers: AnswerCounters
  /** What the probes say of a member of a pool with a monitor. */
  readonly measured: (pool: string, member: string) => HealthState
  /** What resolving the host of a member has come to. */
  readonly resolution: (host: string) => Resolution
  readonly now: () => Date
}

interface Waiter {
  readonly revision: number
  readonly resolve: () => void
}

export class Publisher {
  readonly #options: PublisherOptions
  readonly #zoneSlots = new Slots()
  readonly #planSlots = new Slots()
  /** By service. Bounded by the services. */
  readonly #selections = new Map<string, Selection>()
  readonly #lastKnown = new LastKnownAnswers()
  /** One entry for each request that waits for its own write; each ends with its request. */
  readonly #waiters = new Set<Waiter>()
  #catalog = Catalog.empty
  #served = -1

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** The configuration that plans are made from. */
  get catalog(): Catalog {
    return this.#catalog
  }

  /** Revision that every worker serves; -1 before the first. */
  get revision(): number {
    return this.#served
  }

  /** Slot of a service's plan, for compiling the zone that it lies in. */
  planSlot(service: string): number {
    return this.#planSlots.take(service)!
  }

  /** How a service is answered now, and why. */
  selection(service: string): Selection | undefined {
    return this.#selections.get(service)
  }

  /** What was last answered while it was up; for the snapshot. */
  lastKnown(): LastKnownEntries {
    return this.#lastKnown.entries()
  }

  restoreLastKnown(known: LastKnownEntries): void {
    this.#lastKnown.restore(known)
  }

  /** Takes over a new catalog. Resolves when the workers serve it. */
  async adopt(step: CatalogStep): Promise<void> {
    const before = this.#catalog
    const { catalog } = step
    this.#catalog = catalog
    this.#lastKnown.retain(catalog.pools, catalog.services)
    const removed = [...this.#planSlots.names()].filter((service) => !catalog.services.has(service))
    const plans: (readonly [number, SharedArrayBuffer | null])[] = removed.map((service) =>
      this.#forget(service),
    )
    for (const service of this.#affected(step)) plans.push(this.#plan(service))
    const zones = [...step.zones].map(([apex, image]) => [this.#zoneSlots.take(apex)!, image] as const)
    const gone = [...before.zones.keys()].filter((apex) => !catalog.zones.has(apex))
    const emptied = gone.map((apex) => [this.#zoneSlots.release(apex)!, null] as const)
    const came = [...catalog.zones.keys()].some((apex) => !before.zones.has(apex))
    const directory = came || gone.length > 0 ? { directory: this.#directory() } : {}
    await this.#options.pump.push({ zones: [...emptied, ...zones], plans, ...directory })
    this.#reach(catalog.revision)
  }

  /** Selects again for the services of these pools, after a transition, the end of an override or a lookup of a host. */
  async refresh(pools: Iterable<string>): Promise<void> {
    const services = new Set([...pools].flatMap((pool) => this.#catalog.servicesOf(pool)))
    if (services.size === 0) return
    await this.#options.pump.push({
      zones: [],
      plans: Array.from(services, (service) => this.#plan(service)),
    })
  }

  /** Resolves when the workers serve the revision, or a later one. Rejects with the signal's reason. */
  reached(revision: number, signal: AbortSignal): Promise<void> {
    if (this.#served >= revision) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiters.delete(waiter)
        reject(signal.reason)
      }
      const waiter = {
        revision,
        resolve: () => {
          signal.removeEventListener('abort', abort)
          resolve()
        },
      }
      if (signal.aborted) return abort()
      signal.addEventListener('abort', abort, { once: true })
      this.#waiters.add(waiter)
    })
  }

  #reach(revision: number): void {
    this.#served = revision
    for (const waiter of this.#waiters) {
      if (waiter.revision > revision) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  /**
   * Services with a plan to make anew: those that changed, those that they have a part in, and those of changed pools. What a
   * service or a pool no longer leads to, it led to by a change of its own.
   */
  #affected({ catalog, services, pools }: CatalogStep): Set<string> {
    const names = new Set<string>()
    for (const service of services) {
      names.add(service)
      for (const outer of catalog.outerServicesOf(service)) names.add(outer)
    }
    for (const pool of pools) for (const service of catalog.servicesOf(pool)) names.add(service)
    return new Set([...names].filter((name) => catalog.services.has(name)))
  }

  #plan(name: string): readonly [number, SharedArrayBuffer] {
    const { pools, services } = this.#catalog
    const { answers, resolution } = this.#options
    const service = services.get(name)!
    const selection = selectAnswer(service, {
      pools,
      services,
      conditions: this.#conditions(),
      lastKnown: this.#lastKnown,
      areas: () => null,
    })
    this.#selections.set(name, selection)
    this.#lastKnown.remember(selection.judgement)
    const wanted = this.#catalog.poolsOf(name)
    answers.retain(name, (pool, member) => {
      const { members } = (wanted.has(pool) ? pools.get(pool) : undefined) ?? { members: [] }
      return members.some((candidate) => candidate.name === member)
    })
    const counterOf = (pool: Pool, member: Member) => answers.slotOf(name, pool.name, member.name)
    const plan = toPlan(selection, { counterOf, resolutionOf: resolution })
    return [this.planSlot(name), compilePlan(plan)]
  }

  #conditions(): Conditions {
    const { measured, resolution } = this.#options
    const now = this.#options.now()
    return {
      measured,
      resolution,
      forced: (pool, member) => this.#forced(pool, member, now),
      lastKnown: () => null,
      near: () => false,
      share: () => 1,
      weightPercent: () => null,
      latencyMs: () => null,
    }
  }

  #forced(pool: string, member: string, now: Date): OverrideState | null {
    const override = this.#catalog.overrides.get(memberKey(pool, member))
    if (override === undefined || (override.until !== null && override.until <= now)) return null
    return override.state
  }

  #forget(service: string): readonly [number, null] {
    this.#selections.delete(service)
    this.#options.answers.retain(service, () => false)
    return [this.#planSlots.release(service)!, null]
  }

  #directory(): SharedArrayBuffer {
    const apexes = Array.from(
      this.#catalog.zones.keys(),
      (apex) => [this.#zoneSlots.take(apex)!, hostnameToWire(apex)] as const,
    )
    return compileDirectory(new Map(apexes))
  }
}
