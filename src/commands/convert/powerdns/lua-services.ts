/**
 * The LUA records of one name as a service. A, AAAA and CNAME are records of their own in PowerDNS; a service has one way to choose, but
 * passes over pools that have nothing of the family that is asked for. So the pools of all records stand in one service, one record's behind
 * the other's.
 */
import { formatSeconds } from '../../../controlplane/document/duration.ts'
import type { Location } from '../../../controlplane/model/pool.ts'
import { relativeOwner } from '../../../controlplane/rules/owners.ts'
import type { Body, Draft } from '../draft.ts'
import type { OwnRr } from '../zone-source.ts'
import { type LuaBranch, type LuaValue, NotCarried, parseLua } from './lua.ts'
import { type PlacedBranches, placedBranches, placeKinds, prefixText, viewBranches } from './places.ts'
import {
  type LuaType,
  literalOf,
  luaTypes,
  type Selected,
  type Selections,
  type Subject,
} from './selections.ts'

/** What a record comes to. */
type Answer =
  | { readonly kind: 'plain'; readonly selected: Selected }
  | { readonly kind: 'placed'; readonly branches: PlacedBranches; readonly selected: readonly Selected[] }

interface LuaRecord {
  readonly rr: OwnRr
  readonly type: LuaType
  readonly branches: readonly LuaBranch[]
}

/** Puts the LUA records of one owner into the draft. */
export function addLuaOwner(draft: Draft, selections: Selections, apex: string, rrs: readonly OwnRr[]): void {
  const records = rrs.flatMap((rr) => readRecord(draft, rr) ?? [])
  const [first] = records
  if (first === undefined) return
  const name = first.rr.owner
  if (records.every(({ branches }) => literalBranch(branches) !== null)) {
    for (const record of records) addRrset(draft, apex, record)
    return
  }
  if (name.startsWith('*')) {
    for (const { rr } of records) leftOut(draft, rr, 'a service has a name of its own here, and no wildcard')
    return
  }
  const answers = records.flatMap((record) => {
    const answer = attempt(draft, record.rr, () => answerOf(selections, record, records.length > 1))
    return answer === null ? [] : [{ ...record, answer }]
  })
  const service = new Joining(draft)
  for (const { rr, answer } of answers) service.add(rr, answer)
  const body = service.body()
  if (body === null) return
  const ttl = first.rr.ttlSeconds
  for (const { rr } of answers)
    if (rr.ttlSeconds !== ttl)
      draft.differs(
        rr.place,
        `${name}: TTL ${rr.ttlSeconds}`,
        `a service has one, and that of its first record is ${ttl}`,
      )
  draft.service(name, { ttl: formatSeconds(ttl), ...body }, first.rr.place)
}

function leftOut(draft: Draft, { owner, place, tokens }: OwnRr, why: string): void {
  const code = tokens.map(({ text }) => text).join(' ')
  draft.leftOut(place, `${owner} LUA ${code.length > 100 ? `${code.slice(0, 97)}...` : code}`, why)
}

/** What `work` gives; null, and told, when it can't be carried over. */
function attempt<T>(draft: Draft, rr: OwnRr, work: () => T): T | null {
  try {
    return work()
  } catch (error) {
    if (!(error instanceof NotCarried)) throw error
    leftOut(draft, rr, error.message)
    return null
  }
}

/** `LUA A "code" "more of it"`. */
function readRecord(draft: Draft, rr: OwnRr): LuaRecord | null {
  const [typeToken, ...code] = rr.tokens
  const type = luaTypes.find((known) => known === typeToken?.text.toUpperCase())
  return attempt(draft, rr, () => {
    if (type === undefined) throw new NotCarried(`only ${luaTypes.join(', ')} are chosen here`)
    // Strings of one record are parts of one text (RFC 1035 section 5.1 for the escapes).
    const text = code.map((token) => token.text.replace(/\\(\d{3}|.)/gs, escapedText)).join(' ')
    if (text.trim() === '') throw new NotCarried('it has no code')
    return { rr, type, branches: parseLua(text) }
  })
}

function escapedText(_: string, escaped: string): string {
  return /^\d{3}$/.test(escaped) ? String.fromCharCode(Number(escaped) & 0xff) : escaped
}

/** The data of a record that chooses nothing. */
function literalBranch([only, ...others]: readonly LuaBranch[]): readonly string[] | null {
  if (only === undefined || only.condition !== null || others.length > 0) return null
  try {
    return literalOf(only.result)
  } catch (error) {
    if (error instanceof NotCarried) return null
    throw error
  }
}

function addRrset(draft: Draft, apex: string, { rr, type, branches }: LuaRecord): void {
  const zone = draft.parts.zones.get(apex)
  if (zone === undefined) return
  const rrsets = zone.body.rrsets as Body[]
  rrsets.push({
    name: relativeOwner(rr.owner, apex),
    type,
    ttl: formatSeconds(rr.ttlSeconds),
    data: literalBranch(branches)!,
  })
}

/** @param several records stand at the name, so that pools are named for their type too */
function answerOf(selections: Selections, { rr, type, branches }: LuaRecord, several: boolean): Answer {
  const subject = (suffix = ''): Subject => {
    return { name: `${rr.owner}${several ? `-${type.toLowerCase()}` : ''}${suffix}`, type, place: rr.place }
  }
  const [first] = branches
  if (first === undefined) throw new NotCarried('it returns nothing')
  const placed = placedOf(branches, first.result)
  if (placed === null) return { kind: 'plain', selected: selections.select(first.result, subject()) }
  const selected = placed.results.map((result, index) => selections.select(result, subject(`-${index + 1}`)))
  if (selected.some(({ locations, fallback }) => locations !== null || fallback !== null))
    throw new NotCarried('pickclosest under a condition is not known here')
  return { kind: 'placed', branches: placed, selected }
}

/** Null for a record that is the same for all clients. */
function placedOf(branches: readonly LuaBranch[], result: LuaValue): PlacedBranches | null {
  if (branches.length > 1 || branches[0]!.condition !== null) return placedBranches(branches)
  return result.kind === 'call' && result.name === 'view' ? viewBranches(result.arguments[0]) : null
}

/** Records of one name, put together to one service. */
class Joining {
  readonly #draft: Draft
  readonly #types = new Set<string>()
  readonly #plain: string[] = []
  readonly #nearest: { pool: string; location: Location }[] = []
  readonly #placed: { branches: PlacedBranches; selected: readonly Selected[] }[] = []
  #fallback: string | null = null

  constructor(draft: Draft) {
    this.#draft = draft
  }

  add(rr: OwnRr, answer: Answer): void {
    const type = rr.tokens[0]!.text.toUpperCase()
    const why = this.#whyNot(type, answer)
    if (why !== null) {
      leftOut(this.#draft, rr, why)
      return
    }
    this.#types.add(type)
    if (answer.kind === 'placed') this.#placed.push(answer)
    if (answer.kind !== 'plain') return
    const { pools, locations, fallback } = answer.selected
    if (locations === null) this.#plain.push(...pools)
    else this.#nearest.push(...pools.map((pool, index) => ({ pool, location: locations[index]! })))
    this.#fallback ??= fallback
  }

  #whyNot(type: string, answer: Answer): string | null {
    const others = [...this.#types]
    if (others.includes(type)) return `another LUA record gives the ${type} of this name already`
    if (others.length > 0 && (type === 'CNAME' || others.includes('CNAME')))
      return 'a CNAME stands alone at its name (RFC 1034 section 3.6.2)'
    const isNearest = answer.kind === 'plain' && answer.selected.locations !== null
    const clashes = isNearest
      ? this.#plain.length > 0 || this.#placed.length > 0
      : this.#nearest.length > 0 || (answer.kind === 'placed' && !this.#fits(answer.branches))
    return clashes ? 'another record of this name chooses in another way, and a service has one' : null
  }

  #fits({ rules, usual }: PlacedBranches): boolean {
    const same = (other: PlacedBranches) =>
      JSON.stringify([other.rules, other.usual]) === JSON.stringify([rules, usual])
    return this.#placed.every(({ branches }) => same(branches))
  }

  body(): Body | null {
    const whenAllDown =
      this.#fallback === null
        ? { whenAllDown: 'serve-all' }
        : { whenAllDown: 'fallback', fallback: this.#fallback }
    if (this.#nearest.length > 0) return { steer: 'nearest', pools: this.#nearest, ...whenAllDown }
    const [placed] = this.#placed
    if (placed === undefined)
      return this.#plain.length === 0 ? null : { steer: 'failover', pools: this.#plain, ...whenAllDown }
    const poolsOf = (branch: number) => [
      ...this.#placed.flatMap(({ selected }) => selected[branch]!.pools),
      ...this.#plain,
    ]
    const { rules, usual, results } = placed.branches
    const maps = placeKinds.flatMap((kind) => {
      const own = rules.filter((rule) => rule.kind === kind)
      const keyOf = (key: string) => (kind === 'cidr' ? prefixText(key) : key)
      return own.length === 0
        ? []
        : [[kind, Object.fromEntries(own.map(({ key, branch }) => [keyOf(key), poolsOf(branch)]))]]
    })
    const pools = [...new Set(results.flatMap((_, branch) => poolsOf(branch)))]
    return {
      steer: 'geo',
      pools,
      geo: { ...Object.fromEntries(maps), default: poolsOf(usual) },
      ...whenAllDown,
    }
  }
}
