/**
 * Hands over to the workers what they serve: zone images as they come compiled from the follower (`serve`), and plans, which are
 * made (`planner.ts`) whenever something that they depend on changes: from a verdict to the answers there are 10 ms.
 *
 * ## What is handed over together
 * A plan is whole in itself, so the services of a step are planned in turns (`plan-turns.ts`), each by what is known in its turn, and a
 * verdict comes between two of them. What is planned in one turn is one generation; so a step that takes no more than a turn is one, too.
 * Together, whatever it takes, go:
 *
 * - a zone's image and the plans of those services that would not prove themselves beside it: they are signed, or are not any more, or
 *   lie in another zone now (`plan-signing.ts`). Where the keys of before prove what they signed, plans follow in turns;
 * - the first configuration, all of it: before that nobody is answered by us.
 *
 * Location maps come with the first plans that go by them, and are taken away behind the last that did.
 *
 * A zone image may be older than the catalog, never newer. A service that it names keeps its plan until no image names it
 * (`plan-slots.ts`), and is answered as before.
 */
import { isEmpty, type ServingChanges } from '../../dataplane/image/serving-set.ts'
import type { Catalog, Mark } from '../catalog/catalog.ts'
import { isUnavailable } from '../model/errors.ts'
import type { Selections } from '../steering/selection.ts'
import { orAborted } from '../timing/clock.ts'
import { inTurns } from '../timing/in-turns.ts'
import type { FedWatch, SteeringChange } from './fed-watch.ts'
import type { AnsweredMember, HandedOut, Offer } from './handed-out.ts'
import { type AdmittingLeases, HandedZones, type ZonesToServe, type ZoneToServe } from './handed-zones.ts'
import type { ImagePump } from './image-pump.ts'
import type { LocationMaps, PreparedMaps } from './location-maps.ts'
import { PlanFaults } from './plan-faults.ts'
import { nothingResigned, type PlanSigning } from './plan-signing.ts'
import { PlanSlots } from './plan-slots.ts'
import { type PlanTurn, PlanTurns, type TakeTurn } from './plan-turns.ts'
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
  readonly locations: Pick<LocationMaps, 'take' | 'free' | 'hasUnused' | 'services' | 'previewed'>
  readonly handedOut: HandedOut
  /** Left out: no service is signed. */
  readonly signing?: PlanSigning
  /** Left out: any image of a zone may be served. */
  readonly leases?: AdmittingLeases
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
  /** Left out: a turn of planning takes some milliseconds, so that on a busy machine what a step plans may be several generations. */
  readonly takeTurn?: TakeTurn
  /** How long plans are left alone that did not reach the workers; a second when left out. */
  readonly againMs?: number
  /** More of the configuration is served than before. */
  readonly onProgress?: () => void
  /**
   * The plan of a service could not be made, and it is answered as before, or it holds but a part of its addresses; or a change did not
   * reach the workers.
   */
  readonly onError: (what: string, error: unknown) => void
}

/** Between two attempts at plans that did not reach the workers. */
const defaultAgainMs = 1_000

/** What a turn does beside its plans. */
interface Also {
  /** Pools to be looked at. */
  readonly pools?: Iterable<string>
  /** Services to be looked at. */
  readonly services?: Iterable<string>
  /** Handed over with the plans. */
  readonly with?: ServingChanges
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
  readonly #zones: HandedZones
  /** The members of plans that have been made, by service, until they are handed over in the same turn. */
  readonly #made = new Map<string, readonly AnsweredMember[]>()
  /** Services that have been planned, until they are looked at in the same turn. */
  readonly #planned = new Set<string>()
  readonly #turns: PlanTurns
  /** Pools of a step that have not been looked at yet. Bounded by the pools. */
  readonly #unseen = new Set<string>()
  #handOver: HandOver | undefined
  readonly #faults: PlanFaults

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#turns = new PlanTurns((services) => this.#replan(services), options.takeTurn)
    this.progress = new Progress(options.onProgress)
    this.#zones = new HandedZones(this.planSlots, options.leases)
    this.#faults = new PlanFaults(options.onError)
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
    return this.#faults.unplanned(service)
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
    // What leads where is found with the first question, and remembered: else in the middle of the step.
    const isOther = catalog.services !== this.catalog.services || catalog.pools !== this.catalog.pools
    const isLong = await inTurns(isOther ? catalog.services.keys() : [], (some) => {
      for (const service of some) catalog.poolsOf(service)
    })
    if (signing?.isNeeded(catalog) !== true) return isLong
    const changed = catalog.withOuterServices(services)
    const served = [...pools].flatMap((pool) => catalog.servicesOf(pool))
    const treesOf = planner.foresee(null, catalog, locations.previewed(maps).areas)
    const isSigned = await signing.prepare(new Set([...changed, ...served]), catalog, treesOf, zones)
    return isLong || isSigned
  }

  /** The same for zones that are to be handed over to `serve`. */
  async prepareZones(zones: ZonesToServe): Promise<void> {
    const { signing, planner } = this.#options
    const concerned = signing?.concernedBy(zones)
    if (concerned === undefined || concerned.size === 0) return
    await signing!.prepare(concerned, this.catalog, planner.foresee(null), zones)
  }

  /** Takes over a new catalog, with the maps that were prepared for it. Resolves when the workers serve it. */
  async adopt(step: CatalogStep, maps: PreparedMaps): Promise<void> {
    const { planner, locations, handedOut, signing } = this.#options
    const before = this.catalog
    const { catalog } = step
    planner.catalog = catalog
    if (catalog.pools !== before.pools || catalog.services !== before.services) {
      planner.lastKnown.retain(catalog.pools, catalog.services)
      planner.fedStates.retain(catalog.pools)
    }
    const zones =
      step.zones === undefined
        ? {}
        : this.#handZonesOver(this.#zones.instead(step.zones), step.readMs ?? null)
    const come = locations.take(maps, this.planSlots.leaving(catalog.services))
    // A map may have come late, or be gone, for reasons that no change of its service tells.
    const located = come.length > 0 || locations.hasUnused ? locations.services : []
    const changed = catalog.withOuterServices([...step.services, ...located])
    const served = [...step.pools].flatMap((pool) => catalog.servicesOf(pool))
    for (const pool of step.pools) this.#unseen.add(pool)
    const lost = [...before.pools.keys()].filter((pool) => !catalog.pools.has(pool))
    const lostServices = [...before.services.keys()].filter((service) => !catalog.services.has(service))
    const services = new Set([...changed, ...served])
    const first: PlanTurn = (some) => {
      const plans = this.#freePlans()
      return this.#replan(some, { pools: lost, services: lostServices, with: { plans, maps: come } })
    }
    const last = () => this.#push({ ...zones, maps: locations.free() })
    if (before.revision < 0) await Promise.all([first(services), last()])
    else await this.#turns.plan(services, { first, last })
    if (this.#unseen.size > 0) await inTurns(this.#unseen, (pools) => this.#lookAtUnseen(pools))
    if (catalog.pools !== before.pools) handedOut.retain(catalog.pools)
    if (catalog.services !== before.services) signing?.retain(this.catalog)
    this.progress.reachSettings(catalog)
  }

  /**
   * Takes over a catalog in which only overrides are others than in the one before: of members in these pools, and of these
   * services. Resolves when the workers serve it.
   */
  async amend(catalog: Catalog, pools: Names, services: Names): Promise<void> {
    this.#options.planner.catalog = catalog
    const served = [...pools].flatMap((pool) => catalog.servicesOf(pool))
    await this.#turns.plan([...catalog.withOuterServices(services), ...served], {
      first: (some) => this.#replan(some, { pools }),
      last: () => this.#push({}),
    })
  }

  /**
   * Takes over images of zones, all of them at once, behind the catalog that they go with. Resolves when the workers serve them, and every
   * service as it is signed then.
   *
   * @param readMs when they were read from the database, by the steady clock; null for what this node had before that
   */
  async serve(zones: ZonesToServe, readMs: number | null = null): Promise<void> {
    const { signing, planner } = this.#options
    const { together, behind } = signing?.resignedBy(zones, this.catalog) ?? nothingResigned
    const images = this.#handZonesOver(zones, readMs)
    const plans = this.#freePlans()
    if (together.size > 0) {
      plans.push(...this.#plan(together, planner.begin()))
      this.#lookAtServices()
    }
    await Promise.all([this.#push({ ...images, plans }), this.#turns.plan(behind)])
    if (together.size + behind.size > 0) signing!.retain(this.catalog)
  }

  /** Selects again for the services of these pools, after a transition, the end of an override or a lookup of a host. */
  async refresh(pools: Iterable<string>): Promise<void> {
    const names = [...pools]
    const services = new Set(names.flatMap((pool) => this.catalog.servicesOf(pool)))
    await this.#turns.plan(services, { first: (some) => this.#replan(some, { pools: names }) })
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
    const come = locations.take(maps, this.planSlots.leaving(this.catalog.services))
    const plans = this.#plan(this.catalog.withOuterServices(locations.services), planner.begin())
    this.#lookAtServices()
    // Those that a step has let go of are still gone by where it has not come yet, and go with its end.
    const gone = this.#turns.running === null ? locations.free() : []
    await this.#pushAlone({ plans, maps: [...come, ...gone] })
  }

  /** Selects again for the services that steer by latency: probe times change all the time, and tell nobody. */
  async refreshLatencies(): Promise<void> {
    const { catalog } = this
    const timed = [...catalog.services.values()].filter(({ steer }) => steer === 'latency')
    await this.refreshServices(timed.map(({ name }) => name))
  }

  async #replan(services: Iterable<string>, also: Also = {}): Promise<void> {
    const planning = this.#options.planner.begin()
    const plans = [...(also.with?.plans ?? []), ...this.#plan(services, planning)]
    this.#lookAt([...(also.pools ?? []), ...this.#unseenOf(this.#planned)], planning)
    this.#lookAtServices(also.services)
    await this.#pushAlone({ ...also.with, plans })
  }

  /** The pools of steps that these services are answered from, and that nobody has looked at yet: what was judged for plans. */
  #unseenOf(services: Iterable<string>): string[] {
    if (this.#unseen.size === 0) return []
    const pools = [...services].flatMap((service) => [...this.catalog.poolsOf(service)])
    return pools.filter((pool) => this.#unseen.delete(pool))
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
    const { offer, noted } = handOver
    const made = [...this.#made.keys()]
    for (const [service, members] of this.#made) handedOut.offer(offer, service, members)
    this.#made.clear()
    if (made.length > 0)
      served.catch((error: unknown) => {
        // This server stops: what was handed over last is for the next one.
        if (isUnavailable(error)) return
        handedOut.withdraw(offer)
        this.#planAgain(made)
      })
    return noted
  }

  /** Plans services anew after a while whose plans did not reach the workers: nothing else may change for long. */
  #planAgain(services: readonly string[]): void {
    const { planner, againMs = defaultAgainMs } = this.#options
    for (const service of services) planner.unserved(service)
    setTimeout(() => void this.#turns.plan(services), againMs).unref()
  }

  /** What the workers have to be told of zones. */
  #handZonesOver(zones: ZonesToServe, readMs: number | null): Pick<ServingChanges, 'zones' | 'directory'> {
    this.#options.signing?.hand(zones)
    return this.#zones.handOver(zones, readMs)
  }

  /** Takes away the plans of services that are gone and that no image names. */
  #freePlans(): SlotImages {
    return this.planSlots.free(this.catalog.services).map(([name, slot]) => {
      this.#options.planner.forget(name)
      this.#faults.forget(name)
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
      this.#faults.planned(service, this.selections(service)!)
      return made
    } catch (error) {
      this.#faults.failed(service, error)
      return null
    }
  }

  #lookAt(names: readonly string[], planning: Planning): void {
    const { pools, onPools, fed, onSteering } = this.#options
    const steered = fed?.look(names, this.catalog.pools, planning.fed) ?? []
    if (steered.length > 0) onSteering?.(steered)
    const changes = pools.look(names, this.catalog.pools, planning.condition)
    if (changes.length > 0) onPools(changes)
  }

  /** Of a step, those that no service of it is answered from. */
  #lookAtUnseen(pools: Iterable<string>): void {
    const planning = this.#options.planner.begin()
    for (const pool of pools) if (this.#unseen.delete(pool)) this.#lookAt([pool], planning)
  }

  /** After the pools: that a service is down comes of theirs. */
  #lookAtServices(lost: Iterable<string> = []): void {
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
