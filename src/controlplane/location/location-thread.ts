/**
 * The location thread as the main thread sees it. Reading a database of hundreds of thousands of networks takes a second, and
 * making areas of it a tenth of one, which neither HTTP nor health may wait for; the table stays in the thread, too.
 *
 * Services with the same rules share one map. A load that changes the table empties the cache; who asked before it gets
 * areas of the table that there was.
 */

import type { AddressText } from '../model/pool.ts'
import { CalledThread, type StopMessage } from '../threads/called-thread.ts'
import { orAborted } from '../timing/clock.ts'
import type { AreaMap, GeoLists, NearChoice } from './areas.ts'
import type { Place } from './place.ts'

/** What to make areas of. */
export type AreaRequest =
  | { readonly steer: 'geo'; readonly rules: GeoLists }
  | { readonly steer: 'nearest'; readonly choices: readonly NearChoice[] }

/** A location map for the workers, and what its areas mean. */
export interface ServiceMap extends Pick<AreaMap, 'areas'> {
  readonly image: SharedArrayBuffer
}

export interface LoadedDatabase {
  readonly path: string
  /** What the file calls itself, such as `GeoLite2-City`. */
  readonly databaseType: string
  readonly builtAt: Date | null
  /** Ranges of addresses, of both families, that are told apart. */
  readonly ranges: number
}

export interface LoadResult {
  /** The databases that can be used, in the order of their paths. */
  readonly databases: readonly LoadedDatabase[]
  /** One line for each file that can't be used. */
  readonly damaged: readonly string[]
  /** Whether the table is now that of these databases. Else it is what it was. */
  readonly taken: boolean
}

export type ToLocation =
  | { readonly kind: 'load'; readonly id: number; readonly paths: readonly string[] }
  | { readonly kind: 'areas'; readonly id: number; readonly request: AreaRequest }
  | { readonly kind: 'place'; readonly id: number; readonly address: AddressText }
  | { readonly kind: 'countries'; readonly id: number; readonly addresses: readonly AddressText[] }
  | StopMessage

/** Maps kept for who asks again: a few megabytes each. */
const maxMaps = 32
/** It is a part of the ten seconds that the daemon's stop may take; nothing is written that would have to be whole. */
const graceMs = 500
/** The largest databases take seconds to read, in which no sign of life is given. */
const patience = { stillMs: 1500, busyMs: 30_000 }

export class LocationThread {
  readonly #thread: CalledThread<ToLocation>
  /** Maps by their request, least recently used first: at most `maxMaps`. */
  readonly #maps = new Map<string, Promise<ServiceMap>>()
  /** What the table was read from that the thread has, or had before it died. */
  #loaded: { readonly paths: readonly string[]; readonly deaths: number } | undefined
  #reloading: Promise<void> | undefined

  /** @param onDeath told when the thread died by itself */
  constructor(onDeath?: (reason: string) => void) {
    this.#thread = new CalledThread({
      file: './location-worker',
      beside: import.meta.url,
      name: 'location',
      graceMs,
      patience,
      onDeath,
    })
  }

  /** Whether the thread hangs, and can't even be ended. */
  get stuck(): boolean {
    return this.#thread.stuck
  }

  /**
   * Reads databases, and joins them to the table (see `location-table.ts`). When one can't be used the table stays as it is;
   * only if nothing was loaded before, the others make it.
   *
   * @throws Error when the thread died or was stopped
   */
  async load(paths: readonly string[]): Promise<LoadResult> {
    const result = (await this.#thread.call((id) => ({ kind: 'load', id, paths }))) as LoadResult
    if (!result.taken) return result
    this.#loaded = { paths: result.databases.map(({ path }) => path), deaths: this.#thread.deaths }
    this.#maps.clear()
    return result
  }

  /**
   * The map of a service. What comes is shared with whoever asks the same.
   *
   * @throws Error when there are too many areas, or a thread that has died can't read its databases again; the reason of
   *   `signal` when that aborts; as `load` does
   */
  async areas(request: AreaRequest, signal?: AbortSignal): Promise<ServiceMap> {
    const wanted = withoutRest(request)
    const key = JSON.stringify(wanted)
    const map = this.#maps.get(key) ?? this.#make(wanted)
    this.#maps.delete(key)
    this.#maps.set(key, map)
    if (this.#maps.size > maxMaps) this.#maps.delete(this.#maps.keys().next().value!)
    // A failure is not kept. Whoever waits hears of it.
    map.catch(() => {
      if (this.#maps.get(key) === map) this.#maps.delete(key)
    })
    return await orAborted(map, signal)
  }

  /** Where an address is, by the table. Throws as `areas` does. */
  async placeOf(address: AddressText, signal?: AbortSignal): Promise<Place> {
    await orAborted(this.#reloadIfLost(), signal)
    return (await this.#thread.call((id) => ({ kind: 'place', id, address }), signal)) as Place
  }

  /** In which countries addresses are; null for one that is not known. Throws as `areas` does. */
  async countriesOf(addresses: readonly AddressText[], signal?: AbortSignal): Promise<(string | null)[]> {
    await orAborted(this.#reloadIfLost(), signal)
    const countries = await this.#thread.call((id) => ({ kind: 'countries', id, addresses }), signal)
    return countries as (string | null)[]
  }

  /** Ends the thread; what it did not finish is rejected. Idempotent. */
  async stop(): Promise<void> {
    await this.#thread.stop()
  }

  async #make(request: AreaRequest): Promise<ServiceMap> {
    await this.#reloadIfLost()
    return (await this.#thread.call((id) => ({ kind: 'areas', id, request }))) as ServiceMap
  }

  async #reloadIfLost(): Promise<void> {
    if (this.#loaded === undefined || this.#loaded.deaths === this.#thread.deaths) return
    this.#reloading ??= this.#reload(this.#loaded.paths)
    try {
      await this.#reloading
    } finally {
      this.#reloading = undefined
    }
  }

  async #reload(paths: readonly string[]): Promise<void> {
    const { damaged } = (await this.#thread.call((id) => ({ kind: 'load', id, paths }))) as LoadResult
    // Areas of the rest would be other ones than those that are served.
    if (damaged.length > 0) throw new Error(damaged.join('; '))
    this.#loaded = { paths, deaths: this.#thread.deaths }
  }
}

/** Nothing that makes no difference to the areas. */
function withoutRest(request: AreaRequest): AreaRequest {
  if (request.steer === 'nearest') {
    return { steer: 'nearest', choices: request.choices.map(({ location, bias }) => ({ location, bias })) }
  }
  const { cidr, asn, subdivision, country, continent, default: rest } = request.rules
  return { steer: 'geo', rules: { cidr, asn, subdivision, country, continent, default: rest } }
}
