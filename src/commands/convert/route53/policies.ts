/**
 * Record sets of one name and type, as what a service chooses among. A and AAAA are sets of their own in Route 53; their choices stand in
 * one service, which passes over those that have nothing of the family that is asked for.
 */
import { isIP } from 'node:net'
import { isMap } from '../../../controlplane/document/schema-check.ts'
import { continentOf } from '../../../controlplane/location/countries.ts'
import { type Body, type Draft, putNamed } from '../draft.ts'
import type { Checks, Watching } from './checks.ts'
import type { RecordSet } from './records.ts'
import { locationOfRegion } from './regions.ts'

export type Steer = 'failover' | 'weighted' | 'geo' | 'nearest'

/** An entry of a service's `pools`. */
export type Choice = Body & { readonly pool?: string; readonly service?: string }

export interface Steered {
  readonly steer: Steer
  readonly choices: readonly Choice[]
  /** With `geo`: names of choices by kind and key; what has no key is `default`. */
  readonly geo: ReadonlyMap<string, readonly string[]> | null
}

/** Most records of a multivalue answer. */
const mostValues = 8

/** Where an alias leads, as a choice. */
export type AliasOf = (set: RecordSet) => Choice | null

export class Policies {
  readonly #draft: Draft
  readonly #checks: Checks
  readonly #aliasOf: AliasOf

  constructor(draft: Draft, checks: Checks, aliasOf: AliasOf) {
    this.#draft = draft
    this.#checks = checks
    this.#aliasOf = aliasOf
  }

  /** @param sets of one name and type. Null when they can't be carried over, which is told. */
  steered(sets: readonly RecordSet[]): Steered | null {
    const { policy } = sets[0]!
    if (sets.some((set) => set.policy !== policy))
      return this.#refuse(sets, 'its sets have several routing policies')
    switch (policy) {
      case 'simple':
        return this.#listed(sets, 'failover')
      case 'failover': {
        const order = (set: RecordSet) => (set.fields.Failover === 'PRIMARY' ? 0 : 1)
        return this.#listed(
          sets.toSorted((a, b) => order(a) - order(b)),
          'failover',
        )
      }
      case 'weighted':
        return this.#weighted(sets)
      case 'multivalue':
        return this.#multivalue(sets)
      case 'geolocation':
        return this.#geolocation(sets)
      case 'latency':
      case 'geoproximity':
        return this.#nearest(sets)
      case 'cidr':
        return this.#refuse(
          sets,
          'which networks a CIDR collection has is not in this export: write them under geo.cidr of a service',
        )
    }
  }

  #listed(sets: readonly RecordSet[], steer: Steer): Steered | null {
    const choices = this.#choices(sets)
    return choices === null ? null : { steer, choices, geo: null }
  }

  #weighted(sets: readonly RecordSet[]): Steered | null {
    const weightOf = ({ fields: { Weight } }: RecordSet) => (typeof Weight === 'number' ? Weight : 0)
    const single = sets.every(({ data }) => data.length === 1)
    const watching = single ? sets.map((set) => this.#checks.of(set)) : []
    if (single && isOfOne(watching)) {
      const members = sets.map((set, index) =>
        memberOf(set, set.id, set.data[0]!, watching[index]!, { weight: weightOf(set) }),
      )
      return this.#onePool(sets, { select: 'weighted' }, watching[0]!, members)
    }
    this.#draft.differs(
      sets[0]!.place,
      `${sets[0]!.name} ${sets[0]!.type}`,
      'when no set is healthy, the first is answered here, and Route 53 goes on by weight',
    )
    const choices = this.#choices(sets)
    if (choices === null) return null
    return {
      steer: 'weighted',
      choices: choices.map((choice, index) => ({ ...choice, weight: weightOf(sets[index]!) })),
      geo: null,
    }
  }

  #multivalue(sets: readonly RecordSet[]): Steered | null {
    const watching = sets.map((set) => this.#checks.of(set))
    if (!isOfOne(watching))
      return this.#refuse(
        sets,
        'its sets are watched in several ways, and a pool has one monitor: give all of them health checks that ask alike',
      )
    const members = sets.flatMap((set, index) =>
      set.data.map((data, nth) =>
        memberOf(set, set.data.length === 1 ? set.id : `${set.id}-${nth + 1}`, data, watching[index]!, {}),
      ),
    )
    return this.#onePool(sets, { select: 'all', answers: mostValues }, watching[0]!, members)
  }

  #geolocation(sets: readonly RecordSet[]): Steered | null {
    const choices = this.#choices(sets)
    if (choices === null) return null
    const keyed = sets.map((set, index) => ({ key: geoKey(set), name: nameOfChoice(choices[index]!), set }))
    const wrong = keyed.find(({ key }) => key === null)
    if (wrong !== undefined) return this.#refuse(sets, `the place of ${wrong.set.id} is not understood`)
    const byKey = new Map(keyed.map(({ key, name }) => [key!, name]))
    const usual = byKey.get('default')
    const all = [...choices]
    let nobody: string | undefined
    if (usual === undefined) {
      // A pool without members answers with nothing, as Route 53 does then.
      nobody = this.#draft.pool(`${sets[0]!.name}-nobody`, { members: {} }, sets[0]!.place)
      all.push({ pool: nobody })
    }
    const lists = new Map(
      [...byKey].map(([key, name]) => {
        const wider = widerKeys(key).flatMap((each) => byKey.get(each) ?? [])
        return [key, [...new Set([name, ...wider])]] as const
      }),
    )
    if (nobody !== undefined) lists.set('default', [nobody])
    return { steer: 'geo', choices: all, geo: lists }
  }

  #nearest(sets: readonly RecordSet[]): Steered | null {
    const choices = this.#choices(sets)
    if (choices === null) return null
    const located: Choice[] = []
    for (const [index, set] of sets.entries()) {
      const place = nearestFields(set)
      if (place === null) return this.#refuse(sets, `where ${set.id} is, is not known here`)
      located.push({ ...choices[index]!, ...place })
    }
    const { name, type, policy, place } = sets[0]!
    if (policy === 'latency')
      this.#draft.differs(
        place,
        `${name} ${type}`,
        'a client gets the region that is nearest on the map, and with Route 53 the one that is fastest by its measurements',
      )
    return { steer: 'nearest', choices: located, geo: null }
  }

  /** A choice for each set; null when one of them leads nowhere. */
  #choices(sets: readonly RecordSet[]): Choice[] | null {
    const choices: Choice[] = []
    for (const set of sets) {
      const choice = set.alias === null ? this.#poolOfSet(set) : this.#aliasOf(set)
      if (choice === null)
        return this.#refuse(
          sets,
          `${set.id === '' ? 'its alias' : set.id} leads nowhere that is carried over`,
        )
      choices.push(choice)
    }
    return choices
  }

  #poolOfSet(set: RecordSet): Choice {
    const watching = this.#checks.of(set)
    const members = set.data.map((data, index) =>
      memberOf(set, set.data.length === 1 && set.id !== '' ? set.id : `m${index + 1}`, data, watching, {}),
    )
    return { pool: this.#pool(set, set.id, { select: 'all' }, watching, members) }
  }

  #onePool(
    sets: readonly RecordSet[],
    settings: Body,
    watching: Watching | null,
    members: readonly MemberOf[],
  ): Steered {
    return {
      steer: 'failover',
      choices: [{ pool: this.#pool(sets[0]!, '', settings, watching, members) }],
      geo: null,
    }
  }

  #pool(
    { name, type, place }: RecordSet,
    id: string,
    settings: Body,
    watching: Watching | null,
    members: readonly MemberOf[],
  ): string {
    const written: Body = {}
    for (const { label, body } of members) putNamed(written, label, body)
    const hosts = type === 'CNAME' ? { hosts: 'cname' } : {}
    const monitor = watching === null ? {} : { monitor: watching.monitor }
    const stem = `${name}-${type.toLowerCase()}${id === '' ? '' : `-${id}`}`
    return this.#draft.pool(stem, { ...monitor, ...settings, ...hosts, members: written }, place)
  }

  #refuse([first]: readonly RecordSet[], why: string): null {
    const { name, type, policy, place } = first!
    this.#draft.leftOut(place, `${name} ${type} (${policy})`, why)
    return null
  }
}

interface MemberOf {
  readonly label: string
  readonly body: Body
}

function memberOf(
  set: RecordSet,
  label: string,
  data: string,
  watching: Watching | null,
  settings: Body,
): MemberOf {
  const target = isIP(data) === 0 ? { host: data } : { address: data }
  const probe = watching === null || Object.keys(watching.probe).length === 0 ? {} : { probe: watching.probe }
  return { label: label === '' ? set.name : label, body: { ...target, ...settings, ...probe } }
}

/** Whether all are watched by one monitor, or none is watched. */
function isOfOne(watching: readonly (Watching | null)[]): boolean {
  return watching.every((one) => one?.monitor === watching[0]?.monitor)
}

export function nameOfChoice({ pool, service }: Choice): string {
  return pool ?? service!
}

/** `country CH`, `subdivision US-CA`, `continent EU`, `default`; null for what is none. */
function geoKey({ fields: { GeoLocation } }: RecordSet): string | null {
  const { ContinentCode, CountryCode, SubdivisionCode } = isMap(GeoLocation) ? GeoLocation : {}
  if (typeof ContinentCode === 'string') return `continent ${ContinentCode}`
  if (typeof CountryCode !== 'string') return null
  if (CountryCode === '*') return 'default'
  return typeof SubdivisionCode === 'string'
    ? `subdivision ${CountryCode}-${SubdivisionCode}`
    : `country ${CountryCode}`
}

/** Where a client is sent on to when nothing of a place is healthy. */
function widerKeys(key: string): string[] {
  const [kind, code = ''] = key.split(' ')
  if (kind === 'default') return []
  const country = kind === 'subdivision' ? code.slice(0, 2) : code
  const continent = kind === 'continent' ? [] : [`continent ${continentOf(country) ?? ''}`]
  return [...(kind === 'subdivision' ? [`country ${country}`] : []), ...continent, 'default']
}

function nearestFields({ fields: { Region, GeoProximityLocation } }: RecordSet): Body | null {
  const { AWSRegion, Coordinates, Bias } = isMap(GeoProximityLocation) ? GeoProximityLocation : {}
  const region = typeof Region === 'string' ? Region : AWSRegion
  const { Latitude, Longitude } = isMap(Coordinates) ? Coordinates : {}
  const degrees = { latitude: Number(Latitude), longitude: Number(Longitude) }
  const isThere =
    Latitude !== undefined && Number.isFinite(degrees.latitude) && Number.isFinite(degrees.longitude)
  const location = typeof region === 'string' ? locationOfRegion(region) : isThere ? degrees : null
  if (location === null) return null
  return { location, ...(typeof Bias === 'number' && Bias !== 0 ? { bias: Bias } : {}) }
}
