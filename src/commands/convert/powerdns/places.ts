/**
 * Conditions of LUA records on where a client is, as the rules of a service that steers by `geo`. PowerDNS takes the first condition that
 * holds; here what is more exact goes first. A record in which that is not the same is not carried over.
 */
import { continentOf } from '../../../controlplane/location/countries.ts'
import { parseAddress } from '../../../dataplane/wire/address.ts'
import { parsePrefix, prefixHolds } from '../../../dataplane/wire/prefix.ts'
import { type LuaBranch, type LuaValue, NotCarried } from './lua.ts'
import { textsOf } from './selections.ts'

/** From the most exact. */
export const placeKinds = ['cidr', 'asn', 'subdivision', 'country', 'continent'] as const
export type PlaceKind = (typeof placeKinds)[number]

export interface PlaceRule {
  readonly kind: PlaceKind
  readonly key: string
  /** Which of the branches its clients get. */
  readonly branch: number
}

export interface PlacedBranches {
  readonly rules: readonly PlaceRule[]
  /** What is returned, by branch. */
  readonly results: readonly LuaValue[]
  /** The branch of everybody else. */
  readonly usual: number
}

/** Rules of one record. */
const maxRules = 10_000

/** @throws NotCarried */
export function placedBranches(branches: readonly LuaBranch[]): PlacedBranches {
  const usual = branches.findIndex(({ condition }) => condition === null)
  if (usual < 0) throw new NotCarried('clients that no condition holds for get nothing')
  const rules: PlaceRule[] = []
  for (const [branch, { condition }] of branches.entries()) {
    if (condition === null) continue
    for (const place of placesOf(condition)) add(rules, { ...place, branch })
  }
  return { rules, results: branches.map(({ result }) => result), usual }
}

/** `view`: networks and what each of them gets. */
export function viewBranches(value: LuaValue | undefined): PlacedBranches {
  if (value?.kind !== 'table') throw new NotCarried('view takes a list of networks and addresses')
  const rules: PlaceRule[] = []
  const results: LuaValue[] = []
  let usual = -1
  for (const [branch, item] of value.items.entries()) {
    const [networks, addresses] = item.kind === 'table' ? item.items : []
    if (networks === undefined || addresses === undefined)
      throw new NotCarried('view takes pairs of networks and addresses')
    results.push({ kind: 'call', name: 'pickrandom', arguments: [addresses] })
    for (const key of textsOf(networks)) {
      if (/^(?:0\.0\.0\.0|::)\/0$/.test(key)) usual = usual < 0 ? branch : usual
      else if (usual < 0) add(rules, { kind: 'cidr', key, branch })
    }
  }
  if (usual < 0) throw new NotCarried('clients of no network in view get SERVFAIL: give 0.0.0.0/0 something')
  return { rules, results, usual }
}

type PlaceOf = Omit<PlaceRule, 'branch'>

function placesOf(condition: LuaValue): PlaceOf[] {
  if (condition.kind === 'or') return [...placesOf(condition.left), ...placesOf(condition.right)]
  if (condition.kind === 'and') return subdivisions(condition.left, condition.right)
  if (condition.kind !== 'call') throw new NotCarried('a condition is expected, such as country("CH")')
  const texts = textsOf(condition.arguments[0])
  switch (condition.name) {
    case 'country':
      return texts.map((key) => ({ kind: 'country', key: key.toUpperCase() }))
    case 'continent':
      return texts.map((key) => ({ kind: 'continent', key: key.toUpperCase() }))
    case 'asnum':
      return texts.map((key) => ({ kind: 'asn', key }))
    case 'netmask':
      return texts.map((key) => ({ kind: 'cidr', key }))
    case 'region':
      throw new NotCarried('region alone does not tell of which country: say country(...) and region(...)')
  }
  throw new NotCarried(`the condition ${condition.name} is not known here`)
}

/** `country('US') and region('CA')` is the subdivision US-CA. */
function subdivisions(left: LuaValue, right: LuaValue): PlaceOf[] {
  const calls = [left, right].flatMap((value) => (value.kind === 'call' ? [value] : []))
  const find = (name: string) => calls.find((call) => call.name === name)
  const [country, region] = [find('country'), find('region')]
  if (country === undefined || region === undefined)
    throw new NotCarried('of conditions with "and" only country(...) and region(...) is known here')
  const regions = textsOf(region.arguments[0])
  return textsOf(country.arguments[0]).flatMap((code) =>
    regions.map((inner): PlaceOf => ({ kind: 'subdivision', key: `${code}-${inner}`.toUpperCase() })),
  )
}

function add(rules: PlaceRule[], rule: PlaceRule): void {
  if (rules.length >= maxRules) throw new NotCarried(`it has more than ${maxRules} conditions`)
  const earlier = rules.filter(({ branch }) => branch < rule.branch)
  // Of two for one place the first holds.
  if (rules.some(({ kind, key }) => kind === rule.kind && key === rule.key)) return
  const before = earlier.find((other) => goesFirst(other, rule))
  if (before !== undefined) {
    throw new NotCarried(
      `${before.kind} ${before.key} stands before ${rule.kind} ${rule.key}, which is more exact and goes first here`,
    )
  }
  rules.push(rule)
}

/** Whether a client may be of both, and would get the second here though the first is asked before it. */
function goesFirst(first: PlaceRule, second: PlaceRule): boolean {
  const [a, b] = [placeKinds.indexOf(first.kind), placeKinds.indexOf(second.kind)]
  if (first.kind === 'cidr' && second.kind === 'cidr') return isWithin(second.key, first.key)
  if (b >= a) return false
  const countryOf = ({ kind, key }: PlaceRule) =>
    kind === 'country' ? key : kind === 'subdivision' ? key.slice(0, 2) : null
  const country = countryOf(second)
  // Networks and AS numbers may be anywhere.
  if (country === null) return true
  return first.kind === 'continent' ? continentOf(country) === first.key : countryOf(first) === country
}

function isWithin(inner: string, outer: string): boolean {
  const [a, b] = [parsed(inner), parsed(outer)]
  return a.length > b.length && prefixHolds(b, a.address, a.address.length)
}

function parsed(text: string) {
  const address = parseAddress(text)
  const prefix = address === null ? parsePrefix(text) : { address, length: address.length * 8 }
  if (prefix === null) throw new NotCarried(`${JSON.stringify(text)} is no network`)
  return prefix
}

/** As the document has it: an address stands for itself alone. */
export function prefixText(key: string): string {
  const address = parseAddress(key)
  return address === null ? key : `${key}/${address.length * 8}`
}
