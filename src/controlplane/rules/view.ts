/**
 * What the rules look at: a configuration, or as much of it as a change concerns.
 *
 * A rule is a pure function over a `ConfigurationView`, so it stands once, whoever asks. A document is judged whole; a write
 * first loads its neighbourhood from its transaction (`store/neighbourhood.ts`), puts the change into it and judges what the
 * change is about. Of what a neighbourhood lacks nothing is said: names of nothing lead nowhere.
 *
 * Rejected: a view whose methods ask the database. Its rules would be asynchronous, and a write would make a round trip for
 * each question.
 */
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import { type FeedColumns, type FeedView, feedColumnsOf } from './feeds.ts'
import { partsOf } from './graph.ts'
import { absoluteName, namesAbove, relativeOwner } from './owners.ts'
import type { RrsetKey } from './zone-data.ts'

export interface MonitorView {
  readonly name: string
  readonly type: string
  /** The monitors that a composite one judges by. */
  readonly monitors?: readonly string[]
}

export interface PoolView extends Pick<Pool, 'name' | 'monitor' | 'hosts' | 'fallback'> {
  /** Null when nobody knows where the pool is. */
  readonly location: object | null
  /** Null when the pool spills nothing. */
  readonly capacity: object | null
}

export type ServiceView = Pick<Service, 'name' | 'steer' | 'choices' | 'fallback'>

export interface ZoneView {
  readonly apex: string
  readonly rrsets: readonly RrsetKey[]
}

/** The parts of a configuration that rules look at; a `Configuration` is one. */
export interface Parts {
  readonly feeds: readonly FeedView[]
  readonly monitors: readonly MonitorView[]
  readonly pools: readonly PoolView[]
  readonly services: readonly ServiceView[]
  readonly zones: readonly ZoneView[]
}

export interface PlacesView {
  /** The apex of the zone that the name of a service lies in, by the longest match; null when there is none. */
  zoneOf(name: string): string | null
  /** The types that the zone of a service has at its name. */
  typesAt(name: string): readonly string[]
  /** The next name above that of a service, absolute, that has a DNAME in the same zone. */
  dnameAbove(name: string): string | null
  /**
   * The zone cut that the name of a service lies at or below, absolute: the one next to the apex, which lookup comes to first;
   * null when there is none. NS at the apex make none.
   */
  cutAt(name: string): string | null
}

export interface ConfigurationView extends PlacesView {
  readonly feeds: FeedColumns
  /** The monitors that a monitor judges by, by its name. */
  readonly monitors: ReadonlyMap<string, readonly string[]>
  readonly pools: ReadonlyMap<string, PoolView>
  readonly services: ReadonlyMap<string, ServiceView>
}

/**
 * @param placed names of which zones will be asked; those of all services without
 */
export function viewOf(
  { feeds, monitors, pools, services, zones }: Parts,
  placed: readonly string[] = services.map(({ name }) => name),
): ConfigurationView {
  return {
    feeds: feedColumnsOf(feeds),
    monitors: new Map(monitors.map((monitor) => [monitor.name, partsOf(monitor)])),
    pools: byName(pools),
    services: byName(services),
    ...placesOf(zones, placed),
  }
}

/** One look at each RRset, of which there may be a million; what is kept of them is bounded by the names. */
export function placesOf(zones: readonly ZoneView[], names: readonly string[]): PlacesView {
  const apexes = new Set(zones.map(({ apex }) => apex))
  const zoneOf = (name: string) => enclosingHostnames(name).find((apex) => apexes.has(apex)) ?? null
  const wanted = new Map<string, Map<string, string[]>>()
  for (const name of names) {
    const apex = zoneOf(name)
    if (apex === null) continue
    const owner = relativeOwner(name, apex)
    const types = wanted.get(apex) ?? new Map<string, string[]>()
    wanted.set(apex, types)
    for (const each of [owner, ...namesAbove(owner)]) if (!types.has(each)) types.set(each, [])
  }
  for (const { apex, rrsets } of zones) {
    const types = wanted.get(apex)
    if (types !== undefined) for (const { owner, type } of rrsets) types.get(owner)?.push(type)
  }
  const at = (apex: string, owner: string): readonly string[] => wanted.get(apex)?.get(owner) ?? []
  return {
    zoneOf,
    typesAt: (name: string) => {
      const apex = zoneOf(name)
      return apex === null ? [] : at(apex, relativeOwner(name, apex))
    },
    dnameAbove: (name: string) => {
      const apex = zoneOf(name)
      if (apex === null) return null
      const above = namesAbove(relativeOwner(name, apex))
      const owner = above.find((each) => at(apex, each).includes('DNAME'))
      return owner === undefined ? null : absoluteName(owner, apex)
    },
    cutAt: (name: string) => {
      const apex = zoneOf(name)
      if (apex === null) return null
      const owner = relativeOwner(name, apex)
      const cut = [owner, ...namesAbove(owner)].findLast(
        (each) => each !== '@' && at(apex, each).includes('NS'),
      )
      return cut === undefined ? null : absoluteName(cut, apex)
    },
  }
}

function byName<T extends { readonly name: string }>(items: readonly T[]): ReadonlyMap<string, T> {
  return new Map(items.map((item) => [item.name, item]))
}
