/**
 * Where addresses are, by everything that one or several databases say: a country database may be joined with one of AS
 * numbers. Of what several say, the first counts; and one that puts an address in another country than those before it is
 * not asked for a subdivision or a location there, which would belong to neither.
 */
import { parseAddress } from '../../dataplane/wire/address.ts'
import type { AddressText } from '../model/pool.ts'
import { centreOf } from './countries.ts'
import type { Mmdb, RecordId } from './mmdb.ts'
import { nowhere, type Place, PlaceList, placeKeys, readPlace } from './place.ts'
import {
  emptyRanges,
  ipv4Start,
  ipv6Start,
  newIpv4Starts,
  newIpv6Starts,
  overlay,
  type RangesOfBoth,
  RangeWriter,
  valueAt,
} from './ranges.ts'

/** The values of the ranges are numbers of places. */
export interface LocationTable extends RangesOfBoth {
  readonly places: PlaceList
}

/** Nothing is known of any address. */
export function emptyTable(): LocationTable {
  return { ...emptyRanges, places: new PlaceList().finish() }
}

/**
 * What one database says.
 *
 * @throws DamagedDatabase
 */
export function tableOf(database: Mmdb): LocationTable {
  const places = new PlaceList()
  const numbers = new Map<RecordId, number>([[0, 0]])
  const numberOf = (record: RecordId): number => {
    let number = numbers.get(record)
    if (number === undefined) {
      const fields = database.fields(record, placeKeys)
      number = fields === null ? 0 : places.add(readPlace(fields))
      numbers.set(record, number)
    }
    return number
  }
  const ipv4 = new RangeWriter(newIpv4Starts)
  database.ipv4((start, record) => ipv4.add(start, numberOf(record)))
  const ipv6 = new RangeWriter(newIpv6Starts)
  database.ipv6((high, low, record) => ipv6.add((BigInt(high) << 32n) | BigInt(low), numberOf(record)))
  return { ipv4: ipv4.finish(), ipv6: ipv6.finish(), places: places.finish() }
}

/** What several say, the first before the others. */
export function joinTables(tables: readonly LocationTable[]): LocationTable {
  const [first, ...others] = tables
  if (first === undefined) return emptyTable()
  return others.reduce(joinTwo, first)
}

function joinTwo(a: LocationTable, b: LocationTable): LocationTable {
  const places = new PlaceList()
  /** Numbers by the pair of places; there are no more than ranges. */
  const numbers = new Map<number, number>()
  const join = (inA: number, inB: number): number => {
    const pair = inA * b.places.length + inB
    let number = numbers.get(pair)
    if (number === undefined) {
      number = places.add(joinPlaces(a.places.at(inA), b.places.at(inB)))
      numbers.set(pair, number)
    }
    return number
  }
  return { ...overlay(a, b, join), places: places.finish() }
}

function joinPlaces(a: Place, b: Place): Place {
  const asn = a.asn ?? b.asn
  if (a.country !== null && b.country !== null && a.country !== b.country) return { ...a, asn }
  return {
    continent: a.continent ?? b.continent,
    country: a.country ?? b.country,
    subdivision: a.subdivision ?? b.subdivision,
    asn,
    location: a.location ?? b.location,
  }
}

/** Puts places of which only the country is known in its middle. */
export function withCentres(table: LocationTable): LocationTable {
  const places = new PlaceList()
  const numbers = new Uint32Array(table.places.length)
  for (let number = 0; number < numbers.length; number++) {
    const place = table.places.at(number)
    const centre =
      place.location === null && place.country !== null ? centreOf(place.country) : place.location
    numbers[number] = places.add({ ...place, location: centre })
  }
  return { ...overlay(table, emptyRanges, (number) => numbers[number]!), places: places.finish() }
}

/** Where an address is; `nowhere` also for what is no address. */
export function placeOf(table: LocationTable, address: AddressText): Place {
  const octets = parseAddress(address)
  if (octets === null) return nowhere
  const number =
    octets.length === 4 ? valueAt(table.ipv4, ipv4Start(octets)) : valueAt(table.ipv6, ipv6Start(octets))
  return table.places.at(number)
}
