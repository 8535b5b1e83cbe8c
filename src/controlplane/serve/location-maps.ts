/**
 * The location maps of services that steer by where their clients are: the slot of each in the workers, and what its areas mean.
 * Services with the same rules share one.
 *
 * Making a map takes a while, and answers must not be by the plan of one moment and the map of another. So maps are
 * prepared first (`prepare`, `renew`), and taken over (`take`) in the very turn in which the plans are made that go with them;
 * both reach the workers in one update. A map that can't be made (too many areas, no time) is left out: every client is in
 * area 0 then, the default, until it has been made (`complete`).
 *
 * Bounded by the services.
 */
import type { Catalog } from '../catalog/catalog.ts'
import type { GeoLists, NearChoice } from '../location/areas.ts'
import type { AreaRequest, ServiceMap } from '../location/location-thread.ts'
import type { GeoRules, Service } from '../model/service.ts'
import type { ServiceAreas } from '../steering/selection.ts'
import { type SlotImages, Slots } from './slots.ts'

export interface LocationMapsOptions {
  /** Makes areas; see `LocationSource.areas`. */
  readonly areas: (request: AreaRequest, signal: AbortSignal) => Promise<ServiceMap>
  /** One line: a service has no map, and why. */
  readonly onProblem: (problem: string) => void
  /** How long a step may wait for its maps; 10 s. */
  readonly patienceMs?: number
}

/** Maps that are made but not taken over. */
export interface PreparedMaps {
  /** Keys of maps by service. */
  readonly keys: ReadonlyMap<string, string>
  /** New maps by key. */
  readonly made: ReadonlyMap<string, ServiceMap>
}

/** What services that steer by where their clients are would go by. */
export interface PreviewedMaps {
  areas(service: string): ServiceAreas | null
  image(slot: number): SharedArrayBuffer | undefined
}

const defaultPatienceMs = 10_000

export class LocationMaps {
  readonly #options: LocationMapsOptions
  readonly #slots = new Slots()
  /** Maps by key. */
  readonly #maps = new Map<string, ServiceMap>()
  #keys: ReadonlyMap<string, string> = new Map()
  /** Why maps could not be made, by key, last: each reason is told once. Bounded by the services. */
  readonly #problems = new Map<string, string>()
  /** How often the location data has been another one. */
  #renewals = 0

  constructor(options: LocationMapsOptions) {
    this.#options = options
  }

  /** The areas of a service; null when it has no map. */
  of(service: string): ServiceAreas | null {
    const key = this.#keys.get(service)
    const map = key === undefined ? undefined : this.#maps.get(key)
    return map === undefined ? null : { mapSlot: this.#slots.take(key!)!, areas: map.areas }
  }

  /** Services that have a map. */
  get services(): Iterable<string> {
    return this.#keys.keys()
  }

  /** Makes the maps that a catalog needs beside those that there are. */
  async prepare(catalog: Catalog, signal: AbortSignal): Promise<PreparedMaps> {
    const { keys, requests } = requestsOf(catalog)
    for (;;) {
      const renewals = this.#renewals
      const fresh = new Map([...requests].filter(([key]) => !this.#maps.has(key)))
      const made = await this.#make(fresh, signal)
      // Those that were made from data that has been replaced meanwhile would stay.
      if (renewals === this.#renewals || made.size === 0) return { keys, made }
    }
  }

  /**
   * Does the same for a catalog that is only looked at: one map after the other, so that maps which are to be served wait for one
   * at the most, and none any more once the time is over.
   */
  async foresee(catalog: Catalog, signal: AbortSignal): Promise<PreparedMaps> {
    const { keys, requests } = requestsOf(catalog)
    const patience = AbortSignal.timeout(this.#options.patienceMs ?? defaultPatienceMs)
    const either = AbortSignal.any([signal, patience])
    const made = new Map<string, ServiceMap>()
    for (const [key, request] of requests) {
      if (this.#maps.has(key)) continue
      try {
        made.set(key, await this.#options.areas(request, either))
      } catch (error) {
        signal.throwIfAborted()
        this.#options.onProblem(`a location map of a plan was not made: ${(error as Error).message}`)
        if (patience.aborted) break
      }
    }
    return { keys, made }
  }

  /**
   * Makes every map anew, because the location data changed.
   * @param catalogOf the catalog that is served; when that or the data becomes another one, the maps are made once more
   * @returns null when there is nothing to take over: it has been left to a later call
   */
  async renew(catalogOf: () => Catalog, signal: AbortSignal): Promise<PreparedMaps | null> {
    const renewals = ++this.#renewals
    for (;;) {
      const catalog = catalogOf()
      const { keys, requests } = requestsOf(catalog)
      const made = await this.#make(requests, signal)
      if (renewals !== this.#renewals) return null
      if (catalog === catalogOf()) return { keys, made }
    }
  }

  /**
   * Makes the maps that could not be made when they were needed: no other change may come for long.
   *
   * @param catalogOf the catalog that is served
   * @returns null when there is nothing to take over
   */
  async complete(catalogOf: () => Catalog, signal: AbortSignal): Promise<PreparedMaps | null> {
    const isMade = (key: string) => this.#maps.has(key) && !this.#problems.has(key)
    if ([...this.#keys.values()].every(isMade)) return null
    const renewals = this.#renewals
    const catalog = catalogOf()
    const { keys, requests } = requestsOf(catalog)
    const made = await this.#make(new Map([...requests].filter(([key]) => !isMade(key))), signal)
    // Other data, or a step to another catalog, has others made.
    return made.size > 0 && renewals === this.#renewals && catalog === catalogOf() ? { keys, made } : null
  }

  /**
   * Takes prepared maps over.
   * @param leaving services that keep their maps, since they are still answered though nothing was prepared for them
   * @returns what comes to the workers by that
   */
  take({ keys: prepared, made }: PreparedMaps, leaving: ReadonlySet<string>): SlotImages {
    const kept = [...this.#keys].filter(([service]) => leaving.has(service))
    this.#keys = new Map([...prepared, ...kept])
    const used = new Set(this.#keys.values())
    for (const key of this.#problems.keys()) if (!used.has(key)) this.#problems.delete(key)
    return Array.from(made, ([key, map]) => {
      this.#maps.set(key, map)
      return [this.#slots.take(key)!, map.image] as const
    })
  }

  /** Whether there are maps that no service goes by. */
  get hasUnused(): boolean {
    return this.#unused.length > 0
  }

  /**
   * Forgets maps that no service goes by, once no plan does.
   *
   * @returns what goes from the workers by that
   */
  free(): SlotImages {
    return this.#unused.map((key) => {
      this.#maps.delete(key)
      return [this.#slots.release(key)!, null] as const
    })
  }

  get #unused(): string[] {
    const used = new Set(this.#keys.values())
    return [...this.#maps.keys()].filter((key) => !used.has(key))
  }

  /** The areas that services would have by prepared maps, which are not taken over, and those maps by their slots. */
  previewed({ keys, made }: PreparedMaps): PreviewedMaps {
    const maps = [...new Set(keys.values())].map((key) => made.get(key) ?? this.#maps.get(key) ?? null)
    const slots = new Map([...new Set(keys.values())].map((key, slot) => [key, slot]))
    return {
      areas: (service) => {
        const mapSlot = slots.get(keys.get(service) ?? '')
        const map = mapSlot === undefined ? null : maps[mapSlot]!
        return map === null ? null : { mapSlot: mapSlot!, areas: map.areas }
      },
      image: (slot) => maps[slot]?.image,
    }
  }

  async #make(
    requests: ReadonlyMap<string, AreaRequest>,
    signal: AbortSignal,
  ): Promise<Map<string, ServiceMap>> {
    if (requests.size === 0) return new Map()
    const patience = AbortSignal.timeout(this.#options.patienceMs ?? defaultPatienceMs)
    const either = AbortSignal.any([signal, patience])
    const made = await Promise.all(
      Array.from(requests, async ([key, request]) => {
        try {
          const map = await this.#options.areas(request, either)
          this.#problems.delete(key)
          return [[key, map] as const]
        } catch (error) {
          signal.throwIfAborted()
          this.#tell(key, `a location map was not made: ${(error as Error).message}`)
          return []
        }
      }),
    )
    return new Map(made.flat())
  }

  #tell(key: string, problem: string): void {
    if (this.#problems.get(key) === problem) return
    this.#problems.set(key, problem)
    this.#options.onProblem(problem)
  }
}

/** What is to be asked for: by key, and for each service that steers by where its clients are the key of its request. */
function requestsOf({ services, pools }: Catalog) {
  const keys = new Map<string, string>()
  const requests = new Map<string, AreaRequest>()
  for (const service of services.values()) {
    if (service.steer !== 'geo' && service.steer !== 'nearest') continue
    const request: AreaRequest =
      service.steer === 'geo'
        ? { steer: 'geo', rules: listsOf(service.geo!) }
        : { steer: 'nearest', choices: nearChoices(service, pools) }
    const key = JSON.stringify(request)
    keys.set(service.name, key)
    requests.set(key, request)
  }
  return { keys, requests }
}

/** Where clients are sent beyond their lists is no matter of the map. */
function listsOf({ beyond: _, ...lists }: GeoRules): GeoLists {
  return lists
}

function nearChoices({ choices }: Service, pools: Catalog['pools']): NearChoice[] {
  return choices.map(({ kind, name, bias, location }) => ({
    bias,
    location: location ?? (kind === 'pool' ? (pools.get(name)?.location ?? null) : null),
  }))
}
