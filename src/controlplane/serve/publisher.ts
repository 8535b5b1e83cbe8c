/**
 * Hands over to the workers what they serve: zone images as they come compiled from the follower (`serve`), and plans, which are
 * made (`planner.ts`) whenever something that they depend on changes: from a verdict to the answers there are 10 ms.
 *
 * Everything but the hand-over is synchronous, so that two changes can't interleave: a catalog and the plans made from it
 * belong together, and so do location maps and the plans that go by them.
 *
 * A zone image may be older than the catalog, never newer. A service that it names keeps its plan until no image names it
 * (`plan-slots.ts`), and is answered as before.
 */
import { compileBrokenZone } from '../../dataplane/image/compile.ts'
import { isEmpty, type ServingChanges } from '../../dataplane/image/serving-set.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import type { Catalog, Mark } from '../catalog/catalog.ts'
import type { ZoneLeases } from '../dnssec/zone-leases.ts'
import { tellCuts } from '../steering/answer-room.ts'
import type { Selections } from '../steering/selection.ts'
import { orAborted } from '../timing/clock.ts'
import type { FedWatch, SteeringChange } from './fed-watch.ts'
import type { AnsweredMember, HandedOut, Offer } from './handed-out.ts'
import { HandedZones, type ZonesToServe, type ZoneToServe } from './handed-zones.ts'
import type { ImagePump } from './image-pump.ts'
import type { LocationMaps, PreparedMaps } from './location-maps.ts'
import type { PlanSigning } from './plan-signing.ts'
import { PlanSlots } from './plan-slots.ts'
import { PlanTurns } from './plan-turns.ts'
import type { MadePlan, Planner, Planning } from './planner.ts'
import type { PoolChange, PoolWatch } from './pool-watch.ts'
import { Progress } from './progress.ts'
import { serviceReport } from './service-status.ts'
import type { ServiceChange, ServiceWatch } from './service-watch.ts'
import type { SlotImages } from './slots.ts'

/** Can be gone through more than once, which iterators can't. */
type Names = readonly string[] | ReadonlySet<string>

/** The step from one catalog to the next. */
export interface CatalogStep {
  readonly catalog: Catalog
  /** Every zone that there is, to be served from the same moment; left out when zones follow by themselves. */
  readonly zones?: ReadonlyMap<string, ZoneToServe>
  /** Services whose own configuration changed. */
  readonly services: Names
  /** When the zones were read from the database, by the steady clock; left out for what was there before. */
  readonly readMs?: number
  /** Pools that changed, or whose members' overrides did. */
  readonly pools: Names
}

export interface PublisherOptions {
  readonly pump: ImagePump
  readonly planner: Planner
  readonly locations: Pick<LocationMaps, 'take' | 'services' | 'previewed'>
  readonly handedOut: HandedOut
  /** Left out: no service is signed. */
  readonly signing?: PlanSigning
  /** Whether an image of a zone may be served, read from the database then; left out: any may (`dnssec/zone-leases.ts`). */
  readonly leases?: Pick<ZoneLeases, 'admits' | 'forget'>
  readonly pools: PoolWatch
  /** Pools that changed between healthy, degraded and down. */
  readonly onPools: (changes: readonly PoolChange[]) => void
  /** Left out: nothing goes by feeds. */
  readonly fed?: FedWatch
  /** What feeds say began to count, or ceased to. */
  readonly onSteering?: (changes: readonly SteeringChange[]) => void
  readonly services: ServiceWatch
  /** Services that changed between up, degraded and down, or that other pools answer for. */
  readonly onServices: (changes: readonly ServiceChange[]) => void
  /** What the workers have acknowledged, and with it who is answered, may have changed. */
  readonly onServed: () => void
  /** More of the configuration is served than before. */
  readonly onProgress?: () => void
  /**
   * The plan of a service could not be made, and it is answered as before, or it holds but a part of its addresses; or a change did not
   * reach the workers.
   */
  readonly onError: (what: string, error: unknown) => void
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
  readonly progress: Progress
  readonly planSlots = new PlanSlots()
  readonly #zones = new HandedZones(this.planSlots)
  /** The members of plans that have been made, by service, until they are handed over in the same turn. */
  readonly #made = new Map<string, readonly AnsweredMember[]>()
  /** Services that have been planned, until they are looked at in the same turn. */
  readonly #planned = new Set<string>()
  readonly #turns = new PlanTurns((services) => this.#replan(services))
  #handOver: HandOver | undefined
  /** Services whose last plan could not be made, and why. Bounded by the services. */
  readonly #unplanned = new Map<string, string>()
  /** Services whose hosts have more addresses than their plan holds. Bounded by the services. */
  readonly #cut = new Set<string>()

  constructor(options: PublisherOptions) {
    this.#options = options
    this.progress = new Progress(options.onProgress)
  }

  /** The configuration that plans are made from. */
  get catalog(): Catalog {
    return this.#options.planner.catalog
  }

  /** Revision that every worker serves whole, settings and zones; -1 before the first. */
  get revision(): number {
    return this.progress.revision
  }

  /** The same, with what tells it from another one of its number. */
  get served(): Mark {
    return this.progress.served
  }

  /** Apexes of the zones that have been handed over. */
  get zones(): Iterable<string> {
    return this.#zones.apexes
  }

  /** The same, with the slots of their images, and the services that those name with the slots of their plans. */
  get handedZones() {
    return this.#zones.all
  }

  /** How a service is answered now, and why. */
  selections(service: string): Selections | undefined {
    return this.#options.planner.selections(service)
  }

  /** Why a service is not answered by what `selections` says; null when it is. */
  unplanned(service: string): string | null {
    return this.#unplanned.get(service) ?? null
  }

  /** The services and their selections by the slots of their plans, for explaining what a worker would choose. */
  selectionsInSlot(slot: number): Selections | undefined {
    const service = this.planSlots.serviceIn(slot)
    return service === undefined ? undefined : this.selections(service)
  }

  /**
   * Has signed what a step will have services answered with, so that its plans wait for nothing when it is adopted.
   *
   * @returns whether that took a while
   */
  async prepare({ catalog, services, pools, zones }: CatalogStep, maps: PreparedMaps): Promise<boolean> {
    const { signing, planner, locations } = this.#options
    if (signing?.isNeeded(catalog) !== true) return false
    const changed = catalog.withOuterServices(services)
    const served = [...pools].flatMap((pool) => catalog.servicesOf(pool))
    const treesOf = planner.foresee(null, catalog, locations.previewed(maps).areas)
    return await signing.prepare(new Set([...changed, ...served]), catalog, treesOf, zones)
  }

  /** The same for zones that are to be handed over to `serve`. */
  async prepareZones(zones: ZonesToServe): Promise<void> {
    const { signing, planner } = this.#options
    const changed = signing?.changedBy(zones)
    if (changed === undefined || changed.size === 0) return
    await signing!.prepare(changed, this.catalog, planner.foresee(null), zones)
  }

  /** Takes over a new catalog, with the maps that were prepared for it. Resolves when the workers serve it. */
  async adopt(step: CatalogStep, maps: PreparedMaps): Promise<void> {
    const { planner, locations, handedOut, signing } = this.#options
    const before = this.catalog
    const { catalog } = step
    planner.catalog = catalog
    planner.lastKnown.retain(catalog.pools, catalog.services)
    planner.fedStates.retain(catalog.pools)
    const handed: ZonesToServe = step.zones === undefined ? new Map() : this.#zones.instead(step.zones)
    const resigned = signing?.changedBy(handed) ?? []
    const zones = this.#handZonesOver(handed, step.readMs ?? null)
    const moved = locations.take(maps, this.planSlots.leaving(catalog.services))
    const plans = this.#freePlans()
    const planning = planner.begin()
    // A map may have come late, or be gone, for reasons that no change of its service tells.
    const located = moved.length === 0 ? [] : locations.services
    const changed = [...step.services, ...located, ...resigned]
    const served = [...step.pools].flatMap((pool) => catalog.servicesOf(pool))
    plans.push(...this.#plan(new Set([...catalog.withOuterServices(changed), ...served]), planning))
    const lost = [...before.pools.keys()].filter((pool) => !catalog.pools.has(pool))
    this.#lookAt([...lost, ...step.pools], planning)
    this.#lookAtServices([...before.services.keys()].filter((service) => !catalog.services.has(service)))
    await this.#push({ ...zones, plans, maps: moved })
    if (catalog.pools !== before.pools) handedOut.retain(catalog.pools)
    signing?.retain(this.catalog)
    this.progress.reachSettings(catalog)
  }

  /**
   * Takes over a catalog in which only overrides are others than in the one before: of members in these pools, and of these
   * services. Resolves when the workers serve it.
   */
  async amend(catalog: Catalog, pools: Names, services: Names): Promise<void> {
    this.#options.planner.catalog = catalog
    const planning = this.#options.planner.begin()
    const served = [...pools].flatMap((pool) => catalog.servicesOf(pool))
    const plans = this.#plan(new Set([...catalog.withOuterServices(services), ...served]), planning)
    this.#lookAt(pools, planning)
    this.#lookAtServices()
    await this.#push({ plans })
  }

  /**
   * Takes over images of zones, all of them at once, behind the catalog that they go with. Resolves when the workers serve them.
   *
   * @param readMs when they were read from the database, by the steady clock; null for what this node had before that
   */
  async serve(zones: ZonesToServe, readMs: number | null = null): Promise<void> {
    const resigned = this.#options.signing?.changedBy(zones) ?? new Set()
    const images = this.#handZonesOver(zones, readMs)
    const plans = this.#freePlans()
    if (resigned.size > 0) {
      plans.push(...this.#plan(resigned, this.#options.planner.begin()))
      this.#lookAtServices()
    }
    await this.#push({ ...images, plans })
    this.#options.signing?.retain(this.catalog)
  }

  /** Selects again for the services of these pools, after a transition, the end of an override or a lookup of a host. */
  async refresh(pools: Iterable<string>): Promise<void> {
    const names = [...pools]
    const services = new Set(names.flatMap((pool) => this.catalog.servicesOf(pool)))
    await this.#turns.plan(services, (some) => this.#replan(some, names))
  }

  /** Selects again for these services and all that lead to them: what an operator says of them has ended. */
  async refreshServices(services: Iterable<string>): Promise<void> {
    await this.#turns.plan(this.catalog.withOuterServices(services))
  }

  /** Plans these services anew, whose signatures have come, or are others. */
  async refreshSigned(services: Iterable<string>): Promise<void> {
    await this.#turns.plan(services)
  }

  /** Takes over location maps that were made anew. */
  async relocate(maps: PreparedMaps): Promise<void> {
    const { locations, planner } = this.#options
    const images = locations.take(maps, this.planSlots.leaving(this.catalog.services))
    const plans = this.#plan(this.catalog.withOuterServices(locations.services), planner.begin())
    this.#lookAtServices()
    await this.#pushAlone({ plans, maps: images })
  }

  /** Selects again for the services that steer by latency: probe times change all the time, and tell nobody. */
  async refreshLatencies(): Promise<void> {
    const { catalog } = this
    const timed = [...catalog.services.values()].filter(({ steer }) => steer === 'latency')
    await this.refreshServices(timed.map(({ name }) => name))
  }

  async #replan(services: Iterable<string>, pools: Names = []): Promise<void> {
    const planning = this.#options.planner.begin()
    const plans = this.#plan(services, planning)
    this.#lookAt(pools, planning)
    this.#lookAtServices()
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

  /** Resolves when the workers serve what a revision changed, or something later. Rejects with the signal's reason. */
  reached(revision: number, signal: AbortSignal): Promise<void> {
    return this.progress.reached(revision, signal)
  }

  /**
   * Resolves when nothing is being handed over, so that what is selected is what the workers answer by; also when the signal
   * aborts first.
   */
  async settled(signal: AbortSignal): Promise<void> {
    const { running } = this.#turns
    if (running !== null) await orAborted(running, signal).catch(() => undefined)
    for (let seen: HandOver | undefined; seen !== this.#handOver && !signal.aborted; ) {
      seen = this.#handOver!
      await orAborted(seen.noted, signal).catch(() => undefined)
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
        onServed()
      })
      handOver = { offer, served, noted }
      this.#handOver = handOver
    }
    for (const [service, members] of this.#made) handedOut.offer(handOver.offer, service, members)
    this.#made.clear()
    return handOver.noted
  }

  /** What the workers have to be told of zones. */
  #handZonesOver(zones: ZonesToServe, readMs: number | null): Pick<ServingChanges, 'zones' | 'directory'> {
    this.#options.signing?.hand(zones)
    return this.#zones.handOver(this.#admitted(zones, readMs))
  }

  /** In the place of images that may not be served those that say nothing but that. */
  #admitted(zones: ZonesToServe, readMs: number | null): ZonesToServe {
    const { leases } = this.#options
    if (leases === undefined) return zones
    return new Map(
      Array.from(zones, ([apex, zone]) => {
        if (zone === null) leases.forget(apex)
        if (zone === null || leases.admits(apex, zone.isOld ? null : readMs)) return [apex, zone]
        return [apex, { ...zone, image: compileBrokenZone(hostnameToWire(apex)) }]
      }),
    )
  }

  /** Takes away the plans of services that are gone and that no image names. */
  #freePlans(): SlotImages {
    return this.planSlots.free(this.catalog.services).map(([name, slot]) => {
      this.#options.planner.forget(name)
      this.#unplanned.delete(name)
      this.#cut.delete(name)
      this.#made.set(name, [])
      return [slot, null]
    })
  }

  /**
   * The plans of services that are not what they were. A service whose plan can't be made (it has more members than a plan
   * holds) is answered as before, and no other one suffers for it.
   */
  #plan(services: Iterable<string>, planning: Planning): SlotImages {
    const plans: SlotImages = []
    for (const service of services) {
      if (!this.catalog.services.has(service)) continue
      const made = this.#make(service, planning)
      this.#planned.add(service)
      this.#turns.planned(service)
      if (made === null) continue
      this.#made.set(service, made.members)
      plans.push([this.planSlots.take(service), made.image])
    }
    return plans
  }

  #make(service: string, planning: Planning): MadePlan | null {
    try {
      const made = planning.plan(service)
      this.#unplanned.delete(service)
      this.#tellCuts(service)
      return made
    } catch (error) {
      // Said once, not with each change of a member.
      if (!this.#unplanned.has(service)) {
        this.#options.onError(`service ${service} has no plan and is answered as before`, error)
      }
      this.#unplanned.set(service, error instanceof Error ? error.message : String(error))
      return null
    }
  }

  /** Said once, not with each lookup of a host. */
  #tellCuts(service: string): void {
    const said = tellCuts(this.selections(service)!)
    if (said === '') this.#cut.delete(service)
    else if (!this.#cut.has(service)) {
      this.#cut.add(service)
      this.#options.onError(`service ${service} answers with a part of its addresses`, new Error(said))
    }
  }

  #lookAt(names: Names, planning: Planning): void {
    const { pools, onPools, fed, onSteering } = this.#options
    const steered = fed?.look(names, this.catalog.pools, planning.fed) ?? []
    if (steered.length > 0) onSteering?.(steered)
    const changes = pools.look(names, this.catalog.pools, planning.condition)
    if (changes.length > 0) onPools(changes)
  }

  /** After the pools: that a service is down comes of theirs. */
  #lookAtServices(lost: readonly string[] = []): void {
    const { services, onServices } = this.#options
    const report = (service: string) =>
      this.catalog.services.has(service)
        ? serviceReport(this.selections(service), this.unplanned(service))
        : null
    const changes = services.look([...lost, ...this.#planned], report)
    this.#planned.clear()
    if (changes.length > 0) onServices(changes)
  }
}
