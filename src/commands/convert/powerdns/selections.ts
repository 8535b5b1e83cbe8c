/** Functions of LUA records that choose among addresses, as pools. What they say of health becomes monitors. */
import { isIP } from 'node:net'
import type { Location } from '../../../controlplane/model/pool.ts'
import { type Body, type Draft, type Place, putNamed } from '../draft.ts'
import { type LuaValue, NotCarried } from './lua.ts'

/** The types whose answers are chosen here. */
export const luaTypes = ['A', 'AAAA', 'CNAME'] as const
export type LuaType = (typeof luaTypes)[number]

/** What a record is about. */
export interface Subject {
  /** What its pools are named for. */
  readonly name: string
  readonly type: LuaType
  readonly place: Place
}

/** Pools in their order of preference; with places, the nearest goes first. */
export interface Selected {
  readonly pools: readonly string[]
  readonly locations: readonly Location[] | null
  /** Served when all of them are down; null for what pools do themselves. */
  readonly fallback: string | null
}

/** Where an address is; null when nobody knows. */
export type Locate = (address: string) => Location | null

/** What PowerDNS has for what a record leaves out; `lua-health-checks-interval` is the first. */
const intervalSeconds = 5
const timeoutSeconds = 2

/** Clients are told apart by their whole address, as PowerDNS does. */
const wholeAddress = { ipv4: 32, ipv6: 128 }
const maxWeight = 65_535

interface Member {
  readonly target: string
  readonly weight: number
}

export class Selections {
  readonly #draft: Draft
  readonly #locate: Locate | null

  constructor(draft: Draft, locate: Locate | null) {
    this.#draft = draft
    this.#locate = locate
  }

  /** @throws NotCarried */
  select(value: LuaValue, subject: Subject): Selected {
    const literal = literalOf(value)
    if (literal !== null) return this.#one(subject, { select: 'all' }, even(literal))
    if (value.kind !== 'call')
      throw new NotCarried('what it returns is neither addresses nor a function that is known here')
    const [first, second, third] = value.arguments
    switch (value.name) {
      case 'pickrandom':
        return this.#one(subject, { select: 'weighted' }, even(textsOf(first)))
      case 'pickrandomsample':
        return this.#one(subject, { select: 'weighted', answers: numberOf(first) }, even(textsOf(second)))
      case 'pickhashed':
        return this.#one(subject, { select: 'hash', hashPrefix: wholeAddress }, even(textsOf(first)))
      case 'pickwrandom':
        return this.#one(subject, { select: 'weighted' }, weightedOf(first))
      case 'pickwhashed':
      case 'pickchashed':
        return this.#one(subject, { select: 'hash', hashPrefix: wholeAddress }, weightedOf(first))
      case 'pickclosest':
        return { ...this.#closest(subject, {}, even(textsOf(first))), fallback: null }
      case 'ifportup': {
        const port = numberOf(first)
        return this.#ifUp(subject, second, third, (timing) => ({ type: 'tcp', port, ...timing }))
      }
      case 'ifurlup': {
        const url = textOf(first)
        return this.#ifUp(subject, second, third, (timing, options) =>
          this.#urlMonitor(subject, url, timing, options),
        )
      }
    }
    throw new NotCarried(`the function ${value.name} is not known here`)
  }

  #one(subject: Subject, settings: Body, members: readonly Member[]): Selected {
    return { pools: [this.#pool(subject, settings, members)], locations: null, fallback: null }
  }

  /** Addresses that are watched: those of the first set that has one up, else any of all of them. */
  #ifUp(
    subject: Subject,
    addresses: LuaValue | undefined,
    given: LuaValue | undefined,
    monitorOf: (timing: Body, options: ReadonlyMap<string, string>) => Body,
  ): Selected {
    const options = optionsOf(given)
    const sets = setsOf(addresses)
    const selector = options.get('selector') ?? 'random'
    const backup = options.get('backupSelector') ?? 'random'
    const monitor = this.#draft.monitor(
      subject.name,
      monitorOf(this.#timing(subject, options), options),
      subject.place,
    )
    const all = even([...new Set(sets.flat())])
    if (selector === 'pickclosest') {
      if (sets.length > 1)
        throw new NotCarried('pickclosest among several sets of addresses is not known here')
      const fallback =
        backup === 'pickclosest' ? null : this.#pool(named(subject, 'all-down'), selectionOf(backup), all)
      return { ...this.#closest(subject, { monitor }, all), fallback }
    }
    const settings = { monitor, ...selectionOf(selector) }
    const isPlain = sets.length === 1 && backup === selector
    const fallback = isPlain ? null : this.#pool(named(subject, 'all-down'), selectionOf(backup), all)
    const pools = sets.map((set, index) => {
      const isLast = index === sets.length - 1
      const whenAllDown = isPlain ? { whenAllDown: 'serve-all' } : { whenAllDown: 'fallback', fallback }
      const own = sets.length === 1 ? subject : named(subject, String(index + 1))
      return this.#pool(own, { ...settings, ...(isLast ? whenAllDown : {}) }, even(set))
    })
    return { pools, locations: null, fallback: null }
  }

  /** A pool for each place: the service chooses the nearest of them. */
  #closest(subject: Subject, settings: Body, members: readonly Member[]): Omit<Selected, 'fallback'> {
    if (this.#locate === null) {
      throw new NotCarried(
        'where its addresses are stands in the location data of PowerDNS: give them with --locations FILE.mmdb',
      )
    }
    const byPlace = new Map<string, { readonly location: Location; readonly members: Member[] }>()
    for (const member of members) {
      const location = this.#locate(member.target)
      if (location === null) throw new NotCarried(`the location data do not know where ${member.target} is`)
      const key = `${location.latitude} ${location.longitude}`
      const there = byPlace.get(key) ?? { location, members: [] }
      there.members.push(member)
      byPlace.set(key, there)
    }
    const places = [...byPlace.values()]
    return {
      pools: places.map((place) => this.#pool(subject, { ...settings, select: 'weighted' }, place.members)),
      locations: places.map(({ location }) => location),
    }
  }

  #pool({ name, type, place }: Subject, settings: Body, members: readonly Member[]): string {
    const family = { A: 4, AAAA: 6, CNAME: 0 }[type]
    const written: Body = {}
    const most = Math.max(...members.map(({ weight }) => weight))
    for (const [index, { target, weight }] of members.entries()) {
      if (isIP(target) !== family)
        throw new NotCarried(
          `${JSON.stringify(target)} is no ${type === 'CNAME' ? 'name' : 'address'} for ${type}`,
        )
      const share = most <= maxWeight ? weight : Math.round((weight * maxWeight) / most)
      const body = family === 0 ? { host: target } : { address: target }
      putNamed(written, `m${index + 1}`, { ...body, ...(settings.select === 'all' ? {} : { weight: share }) })
    }
    if (members.length === 0) throw new NotCarried('its list of addresses is empty')
    const hosts = family === 0 ? { hosts: 'cname' } : {}
    return this.#draft.pool(name, { ...settings, ...hosts, members: written }, place)
  }

  #timing({ name, place }: Subject, options: ReadonlyMap<string, string>): Body {
    for (const option of ['source', 'byteslimit', 'failOnIncompleteCheck'])
      if (options.has(option))
        this.#draft.leftOut(place, `${name}: ${option}`, 'monitors have no such setting here')
    for (const option of options.keys())
      if (!knownOptions.includes(option))
        this.#draft.leftOut(place, `${name}: ${option}`, 'the option is not known here')
    const seconds = (option: string, otherwise: number) =>
      wholeNumber(option, options.get(option) ?? String(otherwise))
    const interval = Math.max(1, seconds('interval', intervalSeconds))
    return {
      interval: `${interval}s`,
      timeout: `${Math.min(interval, Math.max(1, seconds('timeout', timeoutSeconds)))}s`,
      rise: 1,
      fall: Math.max(1, seconds('minimumFailures', 1)),
    }
  }

  #urlMonitor(
    { name, place }: Subject,
    text: string,
    timing: Body,
    options: ReadonlyMap<string, string>,
  ): Body {
    const url = URL.canParse(text) ? new URL(text) : null
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new NotCarried(`${JSON.stringify(text)} is no URL of http or https`)
    const isTls = url.protocol === 'https:'
    if (isTls)
      this.#draft.differs(
        place,
        `${name}: ${text}`,
        'PowerDNS does not verify certificates, and monitors here do: see "tls" of monitors',
      )
    const match = options.get('stringmatch')
    const agent = options.get('useragent')
    const code = wholeNumber('httpcode', options.get('httpcode') ?? '200')
    return {
      type: isTls ? 'https' : 'http',
      port: url.port === '' ? (isTls ? 443 : 80) : Number(url.port),
      path: `${url.pathname}${url.search}`,
      host: url.host,
      ...(agent === undefined ? {} : { headers: { 'user-agent': agent } }),
      expect: { codes: [code], ...(match === undefined ? {} : { body: match }) },
      followRedirects: 10,
      ...timing,
    }
  }
}

const knownOptions: readonly string[] = [
  'selector',
  'backupSelector',
  'stringmatch',
  'useragent',
  'timeout',
  'interval',
  'httpcode',
  'minimumFailures',
  'source',
  'byteslimit',
  'failOnIncompleteCheck',
]

function selectionOf(selector: string): Body {
  if (selector === 'random') return { select: 'weighted' }
  if (selector === 'all') return { select: 'all' }
  if (selector === 'hashed') return { select: 'hash', hashPrefix: wholeAddress }
  throw new NotCarried(`the selector ${JSON.stringify(selector)} is not known here`)
}

const named = (subject: Subject, suffix: string): Subject => ({
  ...subject,
  name: `${subject.name}-${suffix}`,
})

function wholeNumber(what: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new NotCarried(`${what} must be a whole number, not ${JSON.stringify(text)}`)
}

const even = (targets: readonly string[]): Member[] => targets.map((target) => ({ target, weight: 1 }))

/** Functions that choose one of a list. */
const pickingOne = ['pickrandom', 'pickhashed', 'pickclosest']

/** What is there without any choice: a text, a table of texts, `all{...}`, one of one; null for anything else. */
export function literalOf(value: LuaValue): string[] | null {
  if (value.kind === 'string') return [value.text]
  if (value.kind === 'table') return textsOf(value)
  if (value.kind !== 'call' || value.arguments.length !== 1) return null
  if (value.name === 'all') return textsOf(value.arguments[0])
  const texts = pickingOne.includes(value.name) ? textsOf(value.arguments[0]) : []
  return texts.length === 1 ? texts : null
}

/** @throws NotCarried */
export function textsOf(value: LuaValue | undefined): string[] {
  if (value?.kind === 'string') return [value.text]
  if (value?.kind !== 'table' || value.fields.size > 0) throw new NotCarried('a list of texts is expected')
  return value.items.map(textOf)
}

function textOf(value: LuaValue | undefined): string {
  if (value?.kind === 'string') return value.text
  if (value?.kind === 'number') return String(value.value)
  throw new NotCarried('a text is expected')
}

function numberOf(value: LuaValue | undefined): number {
  if (value?.kind === 'number') return value.value
  return wholeNumber('a number', textOf(value))
}

function weightedOf(value: LuaValue | undefined): Member[] {
  if (value?.kind !== 'table') throw new NotCarried('a list of { weight, address } is expected')
  return value.items.map((item) => {
    if (item.kind !== 'table' || item.items.length !== 2)
      throw new NotCarried('each of its items must be { weight, address }')
    return { weight: numberOf(item.items[0]), target: textOf(item.items[1]) }
  })
}

/** One set of addresses, or several of which the first that has one up is taken. */
function setsOf(value: LuaValue | undefined): string[][] {
  if (value?.kind === 'table' && value.items.some(({ kind }) => kind === 'table'))
    return value.items.map(textsOf)
  return [textsOf(value)]
}

function optionsOf(value: LuaValue | undefined): Map<string, string> {
  if (value === undefined) return new Map()
  if (value.kind !== 'table' || value.items.length > 0) throw new NotCarried('a table of options is expected')
  return new Map(
    [...value.fields].map(([name, option]) => [name, option.kind === 'word' ? option.text : textOf(option)]),
  )
}
