/**
 * Places: what a database says of an address, whatever its schema, and the list of the distinct ones. There may be hundreds
 * of thousands, so a list is columns, not objects.
 */
import type { Location } from '../model/pool.ts'
import { continents } from '../model/service.ts'
import { continentOf } from './countries.ts'
import type { Fields, Scalar, Wanted } from './mmdb-values.ts'

/** Null is what is not known. */
export interface Place {
  /** One of `continents`. */
  readonly continent: string | null
  /** ISO 3166-1 alpha-2. */
  readonly country: string | null
  /** ISO 3166-2, such as `US-CA`. */
  readonly subdivision: string | null
  readonly asn: number | null
  readonly location: Location | null
}

export const nowhere: Place = {
  continent: null,
  country: null,
  subdivision: null,
  asn: null,
  location: null,
}

/**
 * The keys that hold a place: those of GeoLite2, GeoIP2 and DB-IP, those of ip-location-db, and those of IPinfo (which has
 * texts only).
 */
export const placeKeys: Wanted = {
  continent: { code: {} },
  country: { iso_code: {} },
  subdivisions: { iso_code: {} },
  location: { latitude: {}, longitude: {} },
  autonomous_system_number: {},
  traits: { autonomous_system_number: {} },
  continent_code: {},
  country_code: {},
  state1: {},
  latitude: {},
  longitude: {},
  lat: {},
  lng: {},
  asn: {},
}

/**
 * The place in a record. Where a network is registered (`registered_country`) says nothing about where it is, and does not
 * count. `state1` of ip-location-db counts where it is a code; mostly it is a name.
 */
export function readPlace(record: Fields): Place {
  const country = countryCode(inside(record.country, 'iso_code') ?? record.country_code ?? record.country)
  const continent = text(inside(record.continent, 'code') ?? record.continent_code)?.toUpperCase() ?? ''
  return {
    continent: isContinent(continent) ? continent : country === null ? null : continentOf(country),
    country,
    subdivision: subdivisionCode(country, inside(record.subdivisions, 'iso_code') ?? record.state1),
    asn: asNumber(
      record.autonomous_system_number ?? inside(record.traits, 'autonomous_system_number') ?? record.asn,
    ),
    location: locationOf(
      inside(record.location, 'latitude') ?? record.latitude ?? record.lat,
      inside(record.location, 'longitude') ?? record.longitude ?? record.lng,
    ),
  }
}

type Value = Scalar | Fields | undefined

/** What a map has at a key. */
function inside(value: Value, key: string): Value {
  return typeof value === 'object' ? value[key] : undefined
}

const text = (value: Value) => (typeof value === 'string' ? value : null)
const isContinent = (code: string) => (continents as readonly string[]).includes(code)

function countryCode(value: Value): string | null {
  const code = text(value)?.toUpperCase() ?? ''
  // ZZ is the unknown country, by custom.
  return /^[A-Z]{2}$/.test(code) && code !== 'ZZ' ? code : null
}

function subdivisionCode(country: string | null, value: Value): string | null {
  const code = text(value) ?? ''
  if (country === null || !/^([A-Z]{2}-)?[A-Z0-9]{1,3}$/.test(code)) return null
  return code.includes('-') ? code : `${country}-${code}`
}

function asNumber(value: Value): number | null {
  const asn = typeof value === 'string' ? Number(value.replace(/^AS(?=\d)/i, '') || Number.NaN) : value
  return typeof asn === 'number' && Number.isInteger(asn) && asn > 0 && asn < 2 ** 32 ? asn : null
}

function locationOf(latitudeValue: Value, longitudeValue: Value): Location | null {
  const latitude = degrees(latitudeValue, 90)
  const longitude = degrees(longitudeValue, 180)
  if (latitude === null || longitude === null) return null
  // Not the Gulf of Guinea, but how some databases say that they do not know.
  return latitude === 0 && longitude === 0 ? null : { latitude, longitude }
}

function degrees(value: Value, most: number): number | null {
  const number = typeof value === 'string' && value !== '' ? Number(value) : value
  return typeof number === 'number' && Math.abs(number) <= most ? number : null
}

/** Distinct places by number; place 0 is `nowhere`. */
export class PlaceList {
  #length = 0
  /** Codes of continents, countries and subdivisions, which the columns have by number; 0 is null. */
  readonly #codes: string[] = ['']
  readonly #codeNumbers = new Map<string, number>()
  #columns = columnsOf(64)
  /** Numbers by everything that a place has; dropped by `finish`. */
  #numbers = new Map<string, number>()

  constructor() {
    this.add(nowhere)
  }

  get length(): number {
    return this.#length
  }

  /** @returns the place's number, that of an equal one when there is one */
  add(place: Place): number {
    const { continent, country, subdivision, asn, location } = place
    const key = `${continent} ${country} ${subdivision} ${asn} ${location?.latitude} ${location?.longitude}`
    const known = this.#numbers.get(key)
    if (known !== undefined) return known
    if (this.#length === this.#columns.asn.length) this.#grow()
    const number = this.#length++
    const columns = this.#columns
    columns.continent[number] = this.#codeNumber(continent)
    columns.country[number] = this.#codeNumber(country)
    columns.subdivision[number] = this.#codeNumber(subdivision)
    columns.asn[number] = asn ?? 0
    columns.latitude[number] = location?.latitude ?? Number.NaN
    columns.longitude[number] = location?.longitude ?? Number.NaN
    this.#numbers.set(key, number)
    return number
  }

  at(number: number): Place {
    const columns = this.#columns
    const latitude = columns.latitude[number]!
    return {
      continent: this.#codes[columns.continent[number]!] || null,
      country: this.#codes[columns.country[number]!] || null,
      subdivision: this.#codes[columns.subdivision[number]!] || null,
      asn: columns.asn[number]! || null,
      location: Number.isNaN(latitude) ? null : { latitude, longitude: columns.longitude[number]! },
    }
  }

  /** Frees what only adding needs: a place that is added later may be in the list twice. */
  finish(): this {
    this.#numbers = new Map()
    return this
  }

  #codeNumber(code: string | null): number {
    if (code === null) return 0
    let number = this.#codeNumbers.get(code)
    if (number === undefined) {
      number = this.#codes.push(code) - 1
      this.#codeNumbers.set(code, number)
    }
    return number
  }

  #grow(): void {
    const grown = columnsOf(this.#length * 2)
    for (const key of Object.keys(grown) as (keyof typeof grown)[]) grown[key].set(this.#columns[key])
    this.#columns = grown
  }
}

const columnsOf = (length: number) => ({
  continent: new Uint32Array(length),
  country: new Uint32Array(length),
  subdivision: new Uint32Array(length),
  asn: new Uint32Array(length),
  /** Degrees in single precision, which is a metre or two; NaN without a location. */
  latitude: new Float32Array(length),
  longitude: new Float32Array(length),
})
