/** Maps of gdnsd's geoip: from places and networks to lists of datacenters, as the rules of a service that steers by `geo` or `nearest`. */
import { continents } from '../../../controlplane/model/service.ts'
import type { Body, Draft, Place } from '../draft.ts'
import { SyntaxProblem } from '../input.ts'
import { hashOf, numberOf, textsOf, valueAt } from './values.ts'
import type { VscfHash, VscfValue } from './vscf.ts'

/** Fields of a service. */
export type Plan = Body & { readonly pools: readonly unknown[] }

export interface GeoMap {
  readonly name: string
  readonly hash: VscfHash
  /** Of a file that `nets` names. */
  readonly nets: VscfHash | undefined
}

const kinds = ['cidr', 'subdivision', 'country', 'continent'] as const
type Kind = (typeof kinds)[number]
type Rules = Record<Kind, Record<string, string[]>>

/** Databases are the server's, for all services. */
const known = ['datacenters', 'nets', 'map', 'auto_dc_coords', 'auto_dc_limit', 'geoip2_db']

/** @param pools of each datacenter, in order. Null when it can't be carried over, which is told. */
export function geoRules(
  draft: Draft,
  map: GeoMap,
  pools: ReadonlyMap<string, readonly string[]>,
  what: string,
): Plan | null {
  const { hash } = map
  for (const [key, { place }] of hash.entries)
    if (!known.includes(key)) draft.leftOut(place, `map ${map.name}: ${key}`, 'it is not known here')
  const database = hash.entries.get('geoip2_db')
  if (database !== undefined)
    draft.differs(
      database.place,
      `map ${map.name}: geoip2_db`,
      'files of location data are named for the whole server, by POOLDNS_LOCATION_DATABASES',
    )
  const coordinates = hash.entries.get('auto_dc_coords')
  if (coordinates !== undefined)
    return nearest(draft, map, pools, hashOf(coordinates.value, 'auto_dc_coords'), what)
  return new MapReader(draft, map, pools).plan()
}

function nearest(
  draft: Draft,
  { name, hash }: GeoMap,
  pools: ReadonlyMap<string, readonly string[]>,
  coordinates: VscfHash,
  what: string,
): Plan | null {
  for (const key of ['map', 'nets']) {
    const entry = hash.entries.get(key)
    if (entry === undefined) continue
    draft.leftOut(
      entry.place,
      what,
      `a map with auto_dc_coords and ${key} is not known here: a service goes by distance or by places`,
    )
    return null
  }
  const choices: Body[] = []
  const located = new Set<string>()
  for (const [datacenter, { value, place }] of coordinates.entries) {
    const own = pools.get(datacenter)
    if (own === undefined)
      throw new SyntaxProblem(place, `${datacenter} is not in the datacenters of map ${name}`)
    for (const pool of own) if (!located.has(pool)) choices.push({ pool, location: locationOf(value) })
    for (const pool of own) located.add(pool)
  }
  draft.differs(
    coordinates.place,
    what,
    'a client goes on from the nearest to all others, in the order of their distance: there is no auto_dc_limit',
  )
  const missing = [...pools.keys()].filter((datacenter) => !coordinates.entries.has(datacenter))
  if (missing.length > 0)
    draft.leftOut(
      coordinates.place,
      what,
      `${missing.join(', ')} have no coordinates, so nobody is sent there`,
    )
  return { steer: 'nearest', pools: choices }
}

/** Degrees of `[ latitude, longitude ]`. @throws SyntaxProblem */
function locationOf(value: VscfValue): Body {
  const [latitude, longitude, ...more] = value.kind === 'array' ? value.items : []
  if (latitude === undefined || longitude === undefined || more.length > 0)
    throw new SyntaxProblem(value.place, 'coordinates must be [ latitude, longitude ]')
  return { latitude: numberOf(latitude, 'a latitude'), longitude: numberOf(longitude, 'a longitude') }
}

class MapReader {
  readonly #draft: Draft
  readonly #map: GeoMap
  readonly #pools: ReadonlyMap<string, readonly string[]>
  readonly #rules: Rules = { cidr: {}, subdivision: {}, country: {}, continent: {} }
  #nobody: string | null = null

  constructor(draft: Draft, map: GeoMap, pools: ReadonlyMap<string, readonly string[]>) {
    this.#draft = draft
    this.#map = map
    this.#pools = pools
  }

  plan(): Plan {
    const { hash, nets } = this.#map
    const listed = valueAt(hash, 'nets')
    const networks = nets ?? (listed === undefined ? undefined : hashOf(listed, 'nets'))
    for (const [prefix, { value }] of networks?.entries ?? []) this.#rules.cidr[prefix] = this.#list(value)
    const places = valueAt(hash, 'map')
    let usual = this.#list(valueAt(hash, 'datacenters')!)
    if (places !== undefined) {
      const tree = hashOf(places, 'map')
      const stated = valueAt(tree, 'default')
      if (stated !== undefined) usual = this.#list(stated)
      for (const [code, { value, place }] of tree.entries)
        if (code !== 'default') this.#continent(code, value, place)
    }
    const used = kinds.filter((kind) => Object.keys(this.#rules[kind]).length > 0)
    const lists = [...used.flatMap((kind) => Object.values(this.#rules[kind])), usual]
    const named = [...this.#pools.values()].flat()
    const pools = [...new Set([...named, ...lists.flat()])]
    const rules = Object.fromEntries(used.map((kind) => [kind, this.#rules[kind]]))
    return { steer: 'geo', pools, geo: { ...rules, default: usual } }
  }

  #continent(code: string, value: VscfValue, place: Place): void {
    if (!continents.some((known) => known === code)) this.#unknown(code, place)
    else if (value.kind !== 'hash') this.#rules.continent[code] = this.#list(value)
    else this.#countries(code, value)
  }

  #countries(code: string, value: VscfHash): void {
    for (const [inner, entry] of value.entries) {
      if (inner === 'default') this.#rules.continent[code] = this.#list(entry.value)
      else this.#country(inner, entry.value, entry.place)
    }
  }

  #country(code: string, value: VscfValue, place: Place): void {
    if (!/^[A-Z]{2}$/.test(code)) this.#unknown(code, place)
    else if (value.kind !== 'hash') this.#rules.country[code] = this.#list(value)
    else this.#subdivisions(code, value)
  }

  #subdivisions(code: string, value: VscfHash): void {
    for (const [inner, entry] of value.entries) {
      if (inner === 'default') this.#rules.country[code] = this.#list(entry.value)
      else if (entry.value.kind === 'hash' || !/^[A-Z0-9]{1,3}$/.test(inner))
        this.#unknown(`${code} ${inner}`, entry.place)
      else this.#rules.subdivision[`${code}-${inner}`] = this.#list(entry.value)
    }
  }

  #unknown(code: string, place: Place): void {
    this.#draft.leftOut(
      place,
      `map ${this.#map.name}: ${code}`,
      'places are continents, countries and subdivisions here, and none of cities: its clients get what the place around it gets',
    )
  }

  /** The pools of a list of datacenters; one that is empty is answered with nothing. */
  #list(value: VscfValue): string[] {
    const datacenters = textsOf(value, 'a list of datacenters')
    if (datacenters.length === 0) {
      this.#nobody ??= this.#draft.pool(`${this.#map.name}-nobody`, { members: {} }, value.place)
      return [this.#nobody]
    }
    const pools = datacenters.flatMap((datacenter) => {
      const own = this.#pools.get(datacenter)
      if (own === undefined)
        throw new SyntaxProblem(
          value.place,
          `${datacenter} is not in the datacenters of map ${this.#map.name}`,
        )
      return own
    })
    return [...new Set(pools)]
  }
}
