/**
 * Hands over to the workers what they serve. Zone images come compiled from the follower; plans are made (`planner.ts`) here and
 * now, whenever something that they depend on changes, because from a verdict to the answers there are 10 ms.
 *
 * Everything but the hand-over is synchronous, so that two changes can't interleave: a catalog and the plans made from
 * it belong together, and so do location maps and the plans that go by them.
 */

import { compileDirectory } from '../../dataplane/image/directory.ts'
import { isEmpty, only, type ServingChanges } from '../../dataplane/image/serving-set.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import type { Catalog } from '../catalog/catalog.ts'
import type { Selection } from '../steering/selection.ts'
import type { AnsweredMember, HandedOut, Offer } from './handed-out.ts'
import type { ImagePump } from './image-pump.ts'
import type { LocationMaps, PreparedMaps } from './location-maps.ts'
import type { MadePlan, Planner, Planning } from './planner.ts'
import type { PoolChange, PoolWatch } from './pool-watch.ts'
import { Slots } from './slots.ts'

/** Can be gone through more than once, which iterators can't. */
type Names = readonly string[] | ReadonlySet<string>

/** The step from one catalog to the next. */
export interface CatalogStep {
  readonly catalog: Catalog
  /** New images by apex; the zones that `catalog` lacks are taken away by themselves. */
  readonly zones: ReadonlyMap<string, SharedArrayBuffer>
  /** Services whose own configuration changed. */
  readonly services: Names
  /** Pools that changed, or whose members' overrides did. */
  readonly pools: Names
}

export interface PublisherOptions {
  readonly pump: ImagePump
  readonly planner: Planner
  readonly locations: Pick<LocationMaps, 'take' | 'services'>
  readonly handedOut: HandedOut
  readonly pools: PoolWatch
  /** Pools that changed between healthy, degraded and down. */
  readonly onPools: (changes: readonly PoolChange[]) => void
  /** What the workers have acknowledged, and with it who is answered, may have changed. */
  readonly onServed?: () => void
  /** The plan of a service could not be made, and it is answered as before; or a change did not reach the workers. */
  readonly onError: (what: string, error: unknown) => void
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

type PlanImages = (readonly [slot: number, image: SharedArrayBuffer | null])[]

export class Publisher {
  readonly #options: PublisherOptions
  readonly #zoneSlots = new Slots()
  readonly #planSlots = new Slots()
  /** Whom the plans that have been made hold, by service, until they are handed over in the same turn. */
  readonly #made = new Map<string, readonly AnsweredMember[]>()
  #handOver: HandOver | undefined
  /** Services whose last plan could not be made. Bounded by the services. */
  readonly #unplanned = new Set<string>()
  /** One entry for each request that waits for its own write; each ends with its request. */
  readonly #waiters = new Set<Waiter>()
  #served = -1

  constructor(options: PublisherOptions) {
    this.#options = options
  }

  /** The configuration that plans are made from. */
  get catalog(): Catalog {
    return this.#options.planner.catalog
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
    return this.#options.planner.selection(service)
  }

  /** The services and their selections by the slots of their plans, for explaining what a worker would choose. */
  selectionInSlot(slot: number): Selection | undefined {
    for (const service of this.#planSlots.names()) {
      if (this.#planSlots.get(service) === slot) return this.selection(service)
    }
    return undefined
  }

  /**
   * Takes over a new catalog. Resolves when the workers serve it.
   * @param maps prepared for the catalog; null when there is nothing that could have changed them
   */
  async adopt(step: CatalogStep, maps: PreparedMaps | null): Promise<void> {
    const { planner, locations, handedOut } = this.#options
    const before = this.catalog
    const { catalog } = step
    planner.catalog = catalog
    planner.retain()
    const moved = maps === null ? [] : locations.take(maps)
    const removed = [...this.#planSlots.names()].filter((service) => !catalog.services.has(service))
    const plans: PlanImages = removed.map((service) => this.#forget(service))
    const planning = planner.begin()
    // A map may have come late, or be gone, for reasons that no change of its service tells.
    const located = moved.length === 0 ? [] : this.#withOuter(locations.services)
    plans.push(...this.#plan(new Set([...this.#affected(step), ...located]), planning))
    const lost = [...before.pools.keys()].filter((pool) => !catalog.pools.has(pool))
    this.#lookAt([...lost, ...step.pools], planning)
    const zones = [...step.zones].map(([apex, image]) => [this.#zoneSlots.take(apex)!, image] as const)
    const gone = [...before.zones.keys()].filter((apex) => !catalog.zones.has(apex))
    const emptied = gone.map((apex) => [this.#zoneSlots.release(apex)!, null] as const)
    const came = [...catalog.zones.keys()].some((apex) => !before.zones.has(apex))
    const directory = came || gone.length > 0 ? { directory: only(this.#directory()) } : {}
    await this.#push({ zones: [...emptied, ...zones], plans, maps: moved, ...directory })
    if (catalog.pools !== before.pools) handedOut.retain(catalog.pools)
    this.#reach(catalog.revision)
  }

  /** Selects again for the services of these pools, after a transition, the end of an override or a lookup of a host. */
  async refresh(pools: Iterable<string>): Promise<void> {
    const names = [...pools]
    const planning = this.#options.planner.begin()
    const plans = this.#plan(new Set(names.flatMap((pool) => this.catalog.servicesOf(pool))), planning)
    this.#lookAt(names, planning)
    await this.#pushAlone({ plans })
  }

  /** Takes over location maps that were made anew. */
  async relocate(maps: PreparedMaps): Promise<void> {
    const { locations, planner } = this.#options
    const images = locations.take(maps)
    const plans = this.#plan(this.#withOuter(locations.services), planner.begin())
    await this.#pushAlone({ plans, maps: images })
  }

  /** Selects again for the services that steer by latency: probe times change all the time, and tell nobody. */
  async refreshLatencies(): Promise<void> {
    const { services } = this.catalog
    const timed = [...services.values()].filter(({ steer }) => steer === 'latency')
    const plans = this.#plan(this.#withOuter(timed.map(({ name }) => name)), this.#options.planner.begin())
    await this.#pushAlone({ plans })
  }

  /** Pushes what nobody waits for: a failure is told, and the next change comes all the same. */
  async #pushAlone(changes: ServingChanges): Promise<void> {
    if (isEmpty(changes)) return
    try {
      await this.#push(changes)
    } catch (error) {
      this.#options.onError('a change did not reach the DNS workers', error)
    }
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

  /**
   * Resolves when nothing is being handed over, so that what is selected is what the workers answer by; also when the signal
   * aborts first.
   */
  async settled(signal: AbortSignal): Promise<void> {
    const { promise: aborted, resolve } = Promise.withResolvers<void>()
    signal.addEventListener('abort', () => resolve(), { once: true })
    for (let seen: HandOver | undefined; seen !== this.#handOver && !signal.aborted; ) {
      seen = this.#handOver
      await Promise.race([seen?.noted.catch(() => undefined), aborted])
    }
  }

  /** Resolves when the workers serve the images, and it is known who has left the answers by that. */
  #push(changes: ServingChanges): Promise<void> {
    const { pump, handedOut, onServed } = this.#options
    const served = pump.push(changes)
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

  #affected({ catalog, services, pools }: CatalogStep): Set<string> {
    const names = this.#withOuter(services)
    for (const pool of pools) for (const service of catalog.servicesOf(pool)) names.add(service)
    return names
  }

  /** Services, and those that lead to them. */
  #withOuter(services: Iterable<string>): Set<string> {
    const { catalog } = this
    const names = new Set<string>()
    for (const service of services) {
      names.add(service)
      for (const outer of catalog.outerServicesOf(service)) names.add(outer)
    }
    return names
  }

  /**
   * The plans of services that are not what they were. A service whose plan can't be made (it has more members than a plan
   * holds) is answered as before, and no other one suffers for it.
   */
  #plan(services: Iterable<string>, planning: Planning): PlanImages {
    const plans: PlanImages = []
    for (const service of services) {
      if (!this.catalog.services.has(service)) continue
      const made = this.#make(service, planning)
      if (made === null) continue
      this.#made.set(service, made.members)
      plans.push([this.planSlot(service), made.image])
    }
    return plans
  }

  #make(service: string, planning: Planning): MadePlan | null {
    try {
      const made = planning.plan(service)
      this.#unplanned.delete(service)
      return made
    } catch (error) {
      // Said once, not with each change of a member.
      if (!this.#unplanned.has(service)) {
        this.#options.onError(`service ${service} has no plan and is answered as before`, error)
      }
      this.#unplanned.add(service)
      return null
    }
  }

  #lookAt(names: Iterable<string>, planning: Planning): void {
    const { pools, onPools } = this.#options
    const changes = pools.look(names, this.catalog.pools, planning.judge)
    if (changes.length > 0) onPools(changes)
  }

  #forget(service: string): readonly [number, null] {
    this.#options.planner.forget(service)
    this.#unplanned.delete(service)
    this.#made.set(service, [])
    return [this.#planSlots.release(service)!, null]
  }

  #directory(): SharedArrayBuffer {
    const apexes = Array.from(
      this.catalog.zones.keys(),
      (apex) => [this.#zoneSlots.take(apex)!, hostnameToWire(apex)] as const,
    )
    return compileDirectory(new Map(apexes))
  }
}
