/**
 * The rules of services that steer by `geo`: which of their choices clients of a place get. The document calls choices by
 * their names; the model, by their places in the list.
 */
import Type from 'typebox'
import { formatIpv4, formatIpv6, parseAddress } from '../../dataplane/wire/address.ts'
import { parseHostname } from '../../dataplane/wire/name.ts'
import { parsePrefix } from '../../dataplane/wire/prefix.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import { type Choice, continents, type GeoBeyond, type GeoRules, geoBeyonds } from '../model/service.ts'
import { Plain, Words } from './fields.ts'
import { type Entries, type Form, fieldsOf, list, map, type Report, record } from './forms.ts'
import { show } from './schema-check.ts'

const maxChoices = 100
/** Entries of one map. */
const maxRules = 10_000

const Names = list(
  Plain<string>(Type.String({ maxLength: 1024, description: 'the name of an entry of pools' })),
  { minItems: 1, maxItems: maxChoices, description: 'a list of names of entries of pools' },
)

const rules = (what: string) =>
  map(Names, { maxProperties: maxRules, description: `a map from ${what} to names` })

type Kind = Exclude<keyof GeoRules, 'default' | 'beyond'>

/** Rules as they are written: from places in the writer's spelling to names. */
export type GeoNames = Readonly<Record<Kind, Entries<readonly string[]>>> & {
  /** Null: every choice, in order. */
  readonly default: readonly string[] | null
  readonly beyond: GeoBeyond
}

const rule = fieldsOf<GeoNames>()
export const Geo: Form<GeoNames> = record(
  {
    cidr: rule.optional('cidr', rules('prefix'), []),
    asn: rule.optional('asn', rules('AS number'), []),
    subdivision: rule.optional('subdivision', rules('code of ISO 3166-2'), []),
    country: rule.optional('country', rules('code of ISO 3166-1'), []),
    continent: rule.optional('continent', rules('code of a continent'), []),
    default: rule.optional('default', Names, null),
    beyond: rule.optional('beyond', Words(geoBeyonds), 'none'),
  },
  {
    title: 'GeoRules',
    description: 'an object with cidr, asn, subdivision, country, continent, default and beyond',
  },
)

interface KeyKind {
  readonly description: string
  /** The key as the model has it, or null. */
  readonly canonical: (key: string) => string | number | null
  /** The order of keys in canonical form; that of texts when left out. */
  readonly order?: (a: never, b: never) => number
}

const byText = (a: string, b: string) => (a < b ? -1 : 1)

const upper = (pattern: RegExp) => (key: string) =>
  pattern.test(key.toUpperCase()) ? key.toUpperCase() : null

const keyKinds: Readonly<Record<Kind, KeyKind>> = {
  cidr: {
    description: 'a prefix such as 192.0.2.0/24 or 2001:db8::/32, without bits beyond its length',
    canonical: canonicalPrefix,
    order: byPrefix,
  },
  asn: {
    description: 'an AS number from 1 to 4294967295, such as 64500 or AS64500',
    canonical: (key) => {
      const digits = /^(?:AS)?([1-9]\d{0,9})$/i.exec(key)?.[1]
      return digits === undefined || Number(digits) > 0xffff_ffff ? null : Number(digits)
    },
    order: (a: number, b: number) => a - b,
  },
  subdivision: {
    description: 'a code of ISO 3166-2, such as US-CA',
    canonical: upper(/^[A-Z]{2}-[A-Z0-9]{1,3}$/),
  },
  country: {
    description: 'a code of ISO 3166-1 of two letters, such as CH',
    canonical: upper(/^[A-Z]{2}$/),
  },
  continent: {
    description: `one of ${continents.join(', ')}`,
    canonical: (key) => continents.find((code) => code === key.toUpperCase()) ?? null,
  },
}

/** The prefix in canonical form; null for what is none, or has bits beyond its length. */
function canonicalPrefix(key: string): string | null {
  const prefix = /\/0\d/.test(key) ? null : parsePrefix(key)
  if (prefix === null) return null
  const { address, length } = prefix
  const beyond = (octet: number, index: number) =>
    octet & (0xff >> Math.min(8, Math.max(0, length - index * 8)))
  if (address.some((octet, index) => beyond(octet, index) !== 0)) return null
  const text = address.length === 4 ? formatIpv4(address) : formatIpv6(address)
  // What comes as IPv4 never comes as that.
  return text.startsWith('::ffff:') ? null : `${text}/${length}`
}

/** IPv4 first, then by address, a shorter prefix before what is in it. */
function byPrefix(a: string, b: string): number {
  const [left, right] = [a, b].map((prefix) => {
    const [address = '', length = ''] = prefix.split('/')
    return Buffer.from([...(address.includes(':') ? [6] : [4]), ...parseAddress(address)!, Number(length)])
  }) as [Buffer, Buffer]
  return left.compare(right)
}

const kinds = ['cidr', 'asn', 'subdivision', 'country', 'continent'] as const

/** The rules with the places of choices for their names; what is wrong with names and keys is reported. */
export function placesOf(geo: GeoNames, choices: readonly Choice[], report: Report): GeoRules {
  const places = new Map<string, number>()
  for (const [index, { name }] of choices.entries()) {
    if (places.has(name)) report(`${name} is a pool and a service in pools, so the name does not tell which`)
    places.set(name, index)
  }
  const read = (names: readonly string[], ...steps: readonly string[]) =>
    readNames(names, places, (message, index) => report(message, ...steps, index))
  const rules = kinds.map((kind) => [kind, readRules(kind, geo[kind], read, report)])
  const byPlace = geo.default === null ? [...choices.keys()] : read(geo.default, 'default')
  return { ...Object.fromEntries(rules), default: byPlace, beyond: geo.beyond }
}

function readRules(
  kind: Kind,
  entries: Entries<readonly string[]>,
  read: (names: readonly string[], ...steps: readonly string[]) => number[],
  report: Report,
): [string | number, number[]][] {
  const { canonical, description, order = byText } = keyKinds[kind]
  const found = new Map<string | number, number[]>()
  for (const [key, names] of entries) {
    const value = canonical(key)
    if (value === null) report(`must be ${description}, not ${show(key)}`, kind, key)
    else if (found.has(value)) report(`${value} is there twice`, kind, key)
    const choices = read(names, kind, key)
    if (value !== null) found.set(value, choices)
  }
  return [...found].sort(([a], [b]) => order(a as never, b as never))
}

function readNames(
  names: readonly string[],
  places: ReadonlyMap<string, number>,
  report: (message: string, index: number) => void,
): number[] {
  const found: number[] = []
  for (const [index, name] of names.entries()) {
    const place = places.get(name) ?? places.get(hostnameOf(name))
    if (place === undefined) report(`${show(name)} is not in pools`, index)
    else if (found.includes(place)) report(`${name} is named twice`, index)
    else found.push(place)
  }
  return found
}

/** A service in canonical form; anything else as it is. */
function hostnameOf(name: string): string {
  try {
    return parseHostname(name)
  } catch (error) {
    if (error instanceof TextError) return name
    throw error
  }
}

/** The rules with the names of choices for their places. */
export function namesOf(geo: GeoRules, choices: readonly Choice[]): GeoNames {
  const names = (places: readonly number[]) => places.map((place) => choices[place]!.name)
  const rules = kinds.map((kind) => [kind, geo[kind].map(([key, places]) => [String(key), names(places)])])
  const isWhole =
    geo.default.length === choices.length && geo.default.every((place, index) => place === index)
  return {
    ...Object.fromEntries(rules),
    default: isWhole ? null : names(geo.default),
    beyond: geo.beyond,
  }
}
