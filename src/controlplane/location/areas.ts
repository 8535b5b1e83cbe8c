/**
 * From rules to areas: which choices clients prefer, address by address. An area is an ordered list of choices, by their
 * place in the service; addresses whose lists are equal are in one area. Pure, and run where a table is (see
 * `location-thread.ts`).
 */
import { type LocationRanges, maxAreas } from '../../dataplane/image/location-map.ts'
import { ControlError } from '../model/errors.ts'
import type { Location } from '../model/pool.ts'
import type { Choice, GeoRules } from '../model/service.ts'
import { cidrRanges } from './cidr.ts'
import type { LocationTable } from './location-table.ts'
import type { Place } from './place.ts'
import { emptyRanges, overlay, type Ranges, type RangesOfBoth, type Starts } from './ranges.ts'

export interface AreaMap {
  readonly ranges: LocationRanges
  /** The choices of each area, in order of preference. */
  readonly areas: readonly (readonly number[])[]
}

/** What `geo` says of where clients are. */
export type GeoLists = Omit<GeoRules, 'beyond'>

/** What `nearest` asks of a choice. */
export type NearChoice = Pick<Choice, 'location' | 'bias'>

const earthRadiusKm = 6371

/**
 * Areas of `geo`. Area 0 is the default.
 *
 * @throws ControlError `invalid` when there are more than `maxAreas`, or a prefix is none
 */
export function geoAreas(rules: GeoLists, table: LocationTable): AreaMap {
  const lists = new AreaLists(rules.default, maxAreas)
  const numbered = <K>(entries: readonly (readonly [K, readonly number[]])[]) =>
    new Map(entries.map(([key, choices]) => [key, lists.area(choices)]))
  const byAsn = numbered(rules.asn)
  const bySubdivision = numbered(rules.subdivision)
  const byCountry = numbered(rules.country)
  const byContinent = numbered(rules.continent)
  const byCidr = cidrRanges(rules.cidr.map(([prefix, choices]) => [prefix, lists.area(choices)]))
  const areaOf = ({ asn, subdivision, country, continent }: Place): number =>
    (asn === null ? undefined : byAsn.get(asn)) ??
    (subdivision === null ? undefined : bySubdivision.get(subdivision)) ??
    (country === null ? undefined : byCountry.get(country)) ??
    (continent === null ? undefined : byContinent.get(continent)) ??
    0
  return { ranges: locationRanges(table, areaOf, byCidr), areas: lists.areas }
}

/**
 * Areas of `nearest`: the choices by great-circle distance from where the client is. A bias b above 0 makes the distance
 * d * (1 - b / 100), one below 0 makes it d / (1 + b / 100), as with Route 53's geoproximity. Choices without a location
 * come last, in their order. Area 0 is that order for all, which clients get of whom it is not known where they are.
 *
 * Many choices can have more orders than there are areas. Then the nearest few are right for each place, and those after
 * them are in the order in which they are seen from the nearest: fewer and fewer, until there are areas enough.
 *
 * @param most areas, no fewer than there are choices
 */
export function nearestAreas(
  choices: readonly NearChoice[],
  table: LocationTable,
  most: number = maxAreas,
): AreaMap {
  const inOrder = choices.map((_, index) => index)
  const distances = new ChoiceDistances(choices)
  const listFrom = (from: Point, exact: number): number[] => {
    const order = distances.orderFrom(from)
    const nearest = distances.points[order[0]!]
    if (exact >= order.length || nearest == null) return order
    const head = order.slice(0, exact)
    return [...head, ...distances.orderFrom(nearest).filter((index) => !head.includes(index))]
  }
  for (let exact = choices.length; ; exact = Math.max(1, exact >>> 1)) {
    const lists = new AreaLists(inOrder, most)
    const areaOf = ({ location }: Place) =>
      location === null ? 0 : lists.area(listFrom(pointOf(location), exact))
    try {
      return { ranges: locationRanges(table, areaOf, emptyRanges), areas: lists.areas }
    } catch (error) {
      if (exact <= 1 || !(error instanceof ControlError)) throw error
    }
  }
}

/** Orders choices by their distance, for one point after another. */
class ChoiceDistances {
  /** Null for a choice without a location. */
  readonly points: readonly (Point | null)[]
  readonly #farness: readonly number[]
  readonly #distances: Float64Array
  /** The order of the point before: points that follow each other are often near each other, and have about the same order. */
  readonly #order: number[]

  constructor(choices: readonly NearChoice[]) {
    this.points = choices.map(({ location }) => (location === null ? null : pointOf(location)))
    this.#farness = choices.map(({ bias }) => (bias > 0 ? 1 - bias / 100 : 1 / (1 + bias / 100)))
    this.#distances = new Float64Array(choices.length)
    this.#order = choices.map((_, index) => index)
  }

  orderFrom(from: Point): number[] {
    const distances = this.#distances
    for (const [index, point] of this.points.entries()) {
      distances[index] =
        point === null ? Number.POSITIVE_INFINITY : distanceKm(from, point) * this.#farness[index]!
    }
    const order = this.#order
    for (let sorted = 1; sorted < order.length; sorted++) {
      const index = order[sorted]!
      let at = sorted
      for (; at > 0 && this.#isBefore(index, order[at - 1]!); at--) order[at] = order[at - 1]!
      order[at] = index
    }
    return order.slice()
  }

  #isBefore(a: number, b: number): boolean {
    const difference = this.#distances[a]! - this.#distances[b]!
    // Two that are infinitely far have no difference.
    return difference < 0 || (!(difference > 0) && a < b)
  }
}

/** The lists of areas by number: equal ones are one area. */
class AreaLists {
  readonly areas: (readonly number[])[] = []
  readonly #most: number
  /** No more than `#most`. */
  readonly #numbers = new Map<string, number>()

  /** @param first the list of area 0 */
  constructor(first: readonly number[], most: number) {
    this.#most = most
    this.area(first)
  }

  area(choices: readonly number[]): number {
    const key = choices.join()
    let number = this.#numbers.get(key)
    if (number === undefined) {
      if (this.areas.length === this.#most) {
        throw new ControlError('invalid', `a service can tell no more than ${this.#most} areas apart`)
      }
      number = this.areas.push(choices) - 1
      this.#numbers.set(key, number)
    }
    return number
  }
}

/** @param areaOf asked once for each place; a prefix of `byCidr` that holds an address goes before it */
function locationRanges(
  table: LocationTable,
  areaOf: (place: Place) => number,
  byCidr: RangesOfBoth,
): LocationRanges {
  const { places } = table
  const areas = Uint16Array.from({ length: places.length }, (_, number) => areaOf(places.at(number)))
  // The values of `byCidr` are areas plus 1.
  const { ipv4, ipv6 } = overlay(table, byCidr, (place, cidr) => (cidr === 0 ? areas[place]! : cidr - 1))
  return { ipv4: inAreas(ipv4), ipv6: inAreas(ipv6) }
}

const inAreas = <S extends Starts>({ starts, values }: Ranges<S>) => ({
  starts,
  areas: Uint16Array.from(values),
})

/** A point on the unit sphere. */
type Point = readonly [x: number, y: number, z: number]

function pointOf({ latitude, longitude }: Location): Point {
  const radians = Math.PI / 180
  const circle = Math.cos(latitude * radians)
  return [
    circle * Math.cos(longitude * radians),
    circle * Math.sin(longitude * radians),
    Math.sin(latitude * radians),
  ]
}

/** Along the great circle, from the chord: exact for short distances too. */
function distanceKm(a: Point, b: Point): number {
  const [x, y, z] = [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
  const chord = Math.sqrt(x * x + y * y + z * z)
  return 2 * earthRadiusKm * Math.asin(Math.min(1, chord / 2))
}
