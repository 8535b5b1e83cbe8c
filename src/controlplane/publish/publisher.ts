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
import { compilePlan } from '../../dataplane/zone/plan.ts'
import type { HealthState, Member, Pool, Resolution } from '../model.ts'
import { toPlan } from '../steering/plan.ts'
import { type LastKnown, type Selection, selectMembers } from '../steering/select.ts'
import type { AnswerCounters } from './answer-counters.ts'
import { Catalog, poolsOf } from './catalog.ts'
import type { AnsweredMember, HandedOut, Offer } from './handed-out.ts'
import type { ImagePump, Images } from './image-pump.ts'
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
  readonly handedOut: HandedOut
  /** What the workers have acknowledged, and with it who is answered, may have changed. */
  readonly onServed?: () => void
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

/** What the pump hands over in one generation. */
interface HandOver {
  readonly offer: Offer
  /** The pump's word that the workers have it. */
  readonly served: Promise<void>
  /** Resolves when that has been taken note of. */
  readonly noted: Promise<void>
}

export class Publisher {
  readonly #options: PublisherOptions
  readonly #zoneSlots = new Slots()
  readonly #planSlots = new Slots()
  /** By service. Bounded by the services. */
  readonly #selections = new Map<string, Selection>()
  readonly #lastKnown = new Map<string, LastKnown>()
  /** Whom the plans that have been made hold, by service, until they are handed over in the same turn. */
  readonly #made = new Map<string, readonly AnsweredMember[]>()
  #handOver: HandOver | undefined
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

  /** What each service was last answered with while a pool of it was up; for the snapshot. */
  lastKnown(): ReadonlyMap<string, LastKnown> {
    return this.#lastKnown
  }

  restoreLastKnown(known: Iterable<readonly [string, LastKnown]>): void {
    for (const [service, last] of known) this.#lastKnown.set(service, last)
  }

  /** Takes over a new catalog. Resolves when the workers serve it. */
  async adopt(step: CatalogStep): Promise<void> {
    const before = this.#catalog
    const { catalog } = step
    this.#catalog = catalog
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
    await this.#push({ zones: [...emptied, ...zones], plans, ...directory })
    if (catalog.pools !== before.pools) this.#options.handedOut.retain(this.#catalog.pools)
    this.#reach(catalog.revision)
  }

  /** Selects again for the services of these pools, after a transition, the end of an override or a lookup of a host. */
  async refresh(pools: Iterable<string>): Promise<void> {
    const services = new Set([...pools].flatMap((pool) => this.#catalog.servicesOf(pool)))
    if (services.size === 0) return
    await this.#push({
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

  /** Resolves when the workers serve the images, and it is known who has left the answers by that. */
  #push(images: Images): Promise<void> {
    const { pump, handedOut, onServed } = this.#options
    const served = pump.push(images)
    let handOver = this.#handOver
    // The pump gives one promise to all that it hands over together.
    if (handOver?.served !== served) {
      const offer: Offer = new Map()
      const noted = served.then(() => {
        handedOut.acknowledge(offer)
        onServed?.()
      })
      handOver = { offer, served, noted }
      this.#handOver = handOver
    }
    for (const [service, members] of this.#made) handedOut.offer(handOver.offer, service, members)
    this.#made.clear()
    return handOver.noted
  }

  #reach(revision: number): void {
    this.#served = revision
    for (const waiter of this.#waiters) {
      if (waiter.revision > revision) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  #affected(step: CatalogStep): Set<string> {
    const names = new Set(step.services)
    for (const pool of step.pools) for (const service of step.catalog.servicesOf(pool)) names.add(service)
    return new Set([...names].filter((name) => step.catalog.services.has(name)))
  }

  #plan(name: string): readonly [number, SharedArrayBuffer] {
    const { pools, services } = this.#catalog
    const { answers, measured, resolution } = this.#options
    const service = services.get(name)!
    const now = this.#options.now()
    const selection = selectMembers(
      service,
      pools,
      {
        measured,
        resolution,
        forced: (pool, member) => this.#catalog.overrideOf(pool, member, now)?.state ?? null,
      },
      this.#lastKnown.get(name),
    )
    this.#selections.set(name, selection)
    if (selection.outcome === 'pool-up') {
      this.#lastKnown.set(name, {
        pool: selection.pool!.name,
        members: selection.members.map((member) => member.name),
      })
    }
    const wanted = new Set(poolsOf(service))
    answers.retain(name, (pool, member) => {
      return wanted.has(pool) && pools.get(pool)!.members.some((candidate) => candidate.name === member)
    })
    const counted: { pool: string; member: string }[] = []
    const counterOf = (pool: Pool, member: Member) => {
      counted.push({ pool: pool.name, member: member.name })
      return answers.slotOf(name, pool.name, member.name)
    }
    const plan = toPlan(service, selection, counterOf, resolution)
    this.#made.set(
      name,
      counted.map((member) => ({ ...member, ttlSeconds: plan.ttlSeconds })),
    )
    return [this.planSlot(name), compilePlan(plan)]
  }

  #forget(service: string): readonly [number, null] {
    this.#selections.delete(service)
    this.#lastKnown.delete(service)
    this.#options.answers.retain(service, () => false)
    this.#made.set(service, [])
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
