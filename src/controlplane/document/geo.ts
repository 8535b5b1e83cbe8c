/**
 * The rules of services that steer by `geo`: which of their choices clients of a place get. The document calls choices by
 * their names; the model, by their places in the list.
 */
import Type from 'typebox'
import { formatIpv4, formatIpv6, parseAddress } from '../../dataplane/wire/address.ts'
import { parseHostname } from '../../dataplane/wire/name.ts'
import { parsePrefix } from '../../dataplane/wire/prefix.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import type { Problem } from '../model/errors.ts'
import type { Choice, GeoRules } from '../model/service.ts'
import { continents } from '../model/service.ts'
import { Plain } from './fields.ts'
import type { Entries, Form } from './forms.ts'
import { fieldsOf, list, map, record } from './forms.ts'
import { joinPath } from './path.ts'
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

type Kind = Exclude<keyof GeoRules, 'default'>

/** Rules as they are written: from places in the writer's spelling to names. */
export type GeoNames = Readonly<Record<Kind, Entries<readonly string[]>>> & {
  /** Null: every choice, in order. */
  readonly default: readonly string[] | null
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
  },
  { description: 'an object with cidr, asn, subdivision, country, continent and default' },
)

interface KeyKind {
  readonly description: string
  /** The key as the model has it, or null. */
  readonly canonical: (key: string) => string | number | null
  /** The order of keys in canonical form. */
  readonly order: (a: never, b: never) => number
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
    order: byText,
  },
  country: {
    description: 'a code of ISO 3166-1 of two letters, such as CH',
    canonical: upper(/^[A-Z]{2}$/),
    order: byText,
  },
  continent: {
    description: `one of ${continents.join(', ')}`,
    canonical: (key) => continents.find((code) => code === key.toUpperCase()) ?? null,
    order: byText,
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

/** The rules with the places of choices for their names; what is wrong with names and keys is reported. */
export function placesOf(
  geo: GeoNames,
  choices: readonly Choice[],
  path: string,
  problems: Problem[],
): GeoRules {
  const places = new Map<string, number>()
  for (const [index, { name }] of choices.entries()) {
    const message = `${name} is a pool and a service in pools, so the name does not tell which`
    if (places.has(name)) problems.push({ path, message })
    places.set(name, index)
  }
  const read = (names: readonly string[], at: string) => readNames(names, places, at, problems)
  const readKind = (kind: Kind) => readRules(kind, geo[kind], joinPath(path, kind), read, problems)
  return {
    cidr: readKind('cidr') as GeoRules['cidr'],
    asn: readKind('asn') as GeoRules['asn'],
    subdivision: readKind('subdivision') as GeoRules['subdivision'],
    country: readKind('country') as GeoRules['country'],
    continent: readKind('continent') as GeoRules['continent'],
    default: geo.default === null ? [...choices.keys()] : read(geo.default, joinPath(path, 'default')),
  }
}

function readRules(
  kind: Kind,
  entries: Entries<readonly string[]>,
  path: string,
  read: (names: readonly string[], at: string) => number[],
  problems: Problem[],
): [string | number, number[]][] {
  const { canonical, description, order } = keyKinds[kind]
  const found = new Map<string | number, number[]>()
  for (const [key, names] of entries) {
    const at = joinPath(path, key)
    const value = canonical(key)
    if (value === null) problems.push({ path: at, message: `must be ${description}, not ${show(key)}` })
    else if (found.has(value)) problems.push({ path: at, message: `${value} is there twice` })
    const choices = read(names, at)
    if (value !== null) found.set(value, choices)
  }
  return [...found].sort(([a], [b]) => order(a as never, b as never))
}

function readNames(
  names: readonly string[],
  places: ReadonlyMap<string, number>,
  path: string,
  problems: Problem[],
): number[] {
  const found: number[] = []
  for (const [index, name] of names.entries()) {
    const place = places.get(name) ?? places.get(hostnameOf(name))
    const message =
      place === undefined
        ? `${show(name)} is not in pools`
        : found.includes(place)
          ? `${name} is named twice`
          : null
    if (message === null) found.push(place!)
    else problems.push({ path: joinPath(path, index), message })
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
  const entries = (kind: Kind) => geo[kind].map(([key, places]) => [String(key), names(places)] as const)
  const isWhole =
    geo.default.length === choices.length && geo.default.every((place, index) => place === index)
  return {
    cidr: entries('cidr'),
    asn: entries('asn'),
    subdivision: entries('subdivision'),
    country: entries('country'),
    continent: entries('continent'),
    default: isWhole ? null : names(geo.default),
  }
}
