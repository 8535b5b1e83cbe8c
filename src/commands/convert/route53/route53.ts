/** Route 53: JSON of `aws route53 list-resource-record-sets` and, for health checks, `list-health-checks`. */
import { UsageError } from '../../../config.ts'
import { formatSeconds } from '../../../controlplane/document/duration.ts'
import { relativeOwner } from '../../../controlplane/rules/owners.ts'
import { type Body, Draft } from '../draft.ts'
import { Input } from '../input.ts'
import { Checks } from './checks.ts'
import { type Choice, nameOfChoice, Policies, type Steered } from './policies.ts'
import { ExportReader, type RecordSet } from './records.ts'

/** Aliases of aliases that are followed. */
const maxAliases = 10

/** Types that a service answers with. */
const chosenTypes = ['A', 'AAAA', 'CNAME']

/** @throws Error with all that is wrong with the files */
export async function convertRoute53(files: readonly string[]): Promise<Draft> {
  const draft = new Draft()
  const input = new Input()
  const reader = new ExportReader(draft, input)
  for (const file of files) await reader.add(file)
  const { sets, checks } = reader.found
  const apexes = sets.filter(({ type }) => type === 'SOA')
  if (apexes.length === 0 && sets.length > 0)
    input.problem(sets[0]!.place, 'there is no SOA, so which zone it is does not show')
  input.end()
  if (sets.length === 0)
    throw new UsageError(
      'there are no record sets: give the output of "aws route53 list-resource-record-sets"',
    )
  const watching = new Checks(draft, checks)
  for (const soa of apexes) {
    const isInside = ({ name }: RecordSet) => name === soa.name || name.endsWith(`.${soa.name}`)
    // Of a zone inside of another one, the longest apex has a name.
    const own = sets.filter(
      (set) =>
        isInside(set) &&
        !apexes.some(
          (other) =>
            other.name.length > soa.name.length &&
            (set.name === other.name || set.name.endsWith(`.${other.name}`)),
        ),
    )
    new ZoneOfSets(draft, watching, soa, own).add()
  }
  const outside = sets.filter(
    ({ name }) => !apexes.some((soa) => name === soa.name || name.endsWith(`.${soa.name}`)),
  )
  for (const { name, type, place } of outside)
    draft.leftOut(place, `${name} ${type}`, 'it lies in no zone of these files')
  watching.tellUnused()
  return draft
}

class ZoneOfSets {
  readonly #draft: Draft
  readonly #soa: RecordSet
  /** By `name type`. */
  readonly #sets: ReadonlyMap<string, readonly RecordSet[]>
  readonly #policies: Policies
  /** Pools of names outside, which A and AAAA share. */
  readonly #outside = new Map<string, string>()

  constructor(draft: Draft, checks: Checks, soa: RecordSet, sets: readonly RecordSet[]) {
    this.#draft = draft
    this.#soa = soa
    this.#sets = Map.groupBy(sets, ({ name, type }) => `${name} ${type}`)
    this.#policies = new Policies(draft, checks, (set) => this.#aliasOf(set))
  }

  add(): void {
    const { name, data, ttlSeconds, place } = this.#soa
    const absolute = (text: string | undefined) => text && absoluteData('NS', text)
    const [mname, rname, , refresh, retry, expire, minimum] = (data[0] ?? '').split(/\s+/)
    const seconds = (text: string | undefined) => (text === undefined ? text : Number(text))
    const rrsets: Body[] = []
    const soa = {
      mname: absolute(mname),
      rname: absolute(rname),
      refresh: seconds(refresh),
      retry: seconds(retry),
      expire: seconds(expire),
      minimum: seconds(minimum),
    }
    this.#draft.zone(name, { soa, ttl: formatSeconds(ttlSeconds), rrsets }, place)
    this.#draft.differs(
      place,
      `${name} SOA`,
      'it names the servers of AWS, as the NS of the zone do: put yours in their place',
    )
    const byName = Map.groupBy(this.#sets.values(), ([first]) => first!.name)
    for (const groups of byName.values()) {
      const chosen = groups.filter(([first]) => chosenTypes.includes(first!.type))
      const isService = chosen.some((sets) => sets.some((set) => this.#isChosen(set)))
      for (const sets of groups) if (!isService || !chosen.includes(sets)) this.#addPlain(rrsets, sets)
      if (isService) this.#addService(chosen)
    }
  }

  #isChosen(set: RecordSet): boolean {
    return set.policy !== 'simple' || this.#sourceOf(set) === null
  }

  /** The set whose data a simple one has: its own, or that which its alias leads to. Null when that is none. */
  #sourceOf(set: RecordSet, way = 0): RecordSet | null {
    if (set.policy !== 'simple' || way > maxAliases) return null
    if (set.alias === null) return set
    const sets = this.#sets.get(`${set.alias.slice(0, -1)} ${set.type}`)
    return sets?.length === 1 ? this.#sourceOf(sets[0]!, way + 1) : null
  }

  /** An RRset as it is, or of which an alias says that it is that of another name. */
  #addPlain(rrsets: Body[], sets: readonly RecordSet[]): void {
    const [set] = sets
    const { name, type, alias, place } = set!
    if (type === 'SOA') return
    if (sets.length > 1 || set!.policy !== 'simple') {
      this.#draft.leftOut(
        place,
        `${name} ${type} (${set!.policy})`,
        `only ${chosenTypes.join(', ')} are chosen among here`,
      )
      return
    }
    const source = this.#sourceOf(set!)
    if (source === null) {
      this.#draft.leftOut(place, `${name} ${type}`, `its alias ${alias} has no plain ${type} in these files`)
      return
    }
    if (alias !== null) this.#tellCopied(set!)
    const ttl = source.ttlSeconds === this.#soa.ttlSeconds ? {} : { ttl: formatSeconds(source.ttlSeconds) }
    rrsets.push({
      name: relativeOwner(name, this.#soa.name),
      type,
      ...ttl,
      data: source.data.map((data) => absoluteData(type, data)),
    })
  }

  #tellCopied({ name, type, alias, place }: RecordSet): void {
    this.#draft.differs(
      place,
      `${name} ${type}`,
      `the data of ${alias} are copied: a change there has to be made here too`,
    )
  }

  #addService(groups: readonly (readonly RecordSet[])[]): void {
    const { name, place } = groups[0]![0]!
    if (name.startsWith('*')) {
      this.#draft.leftOut(place, name, 'a service has a name of its own here, and no wildcard')
      return
    }
    let joined: Steered | null = null
    const plain: Choice[] = []
    for (const sets of groups) {
      const steered = this.#policies.steered(sets)
      if (steered === null) continue
      const isPlain = steered.steer === 'failover' && sets[0]!.policy !== 'failover'
      const both: Steered | null = isPlain || joined === null ? null : join(joined, steered)
      if (isPlain) plain.push(...steered.choices)
      else if (joined === null) joined = steered
      else if (both !== null) joined = both
      else
        this.#draft.leftOut(
          sets[0]!.place,
          `${name} ${sets[0]!.type}`,
          'another type of this name is chosen in another way, and a service has one',
        )
    }
    const body = serviceOf(joined, plain)
    if (body === null) return
    const ttl = Math.min(...groups.flat().map(({ ttlSeconds }) => ttlSeconds))
    if (groups.flat().some(({ ttlSeconds }) => ttlSeconds !== ttl))
      this.#draft.differs(
        place,
        name,
        `its sets have several TTLs, and a service has one: the shortest, ${ttl}`,
      )
    this.#draft.service(name, { ttl: formatSeconds(ttl), ...body, whenAllDown: 'serve-all' }, place)
  }

  #aliasOf(set: RecordSet): Choice | null {
    const { alias, type, name, place, fields } = set
    const target = alias!.slice(0, -1)
    const there = [...this.#sets.values()]
      .flat()
      .filter((other) => other.name === target && chosenTypes.includes(other.type))
    if (there.some((other) => this.#isChosen(other))) return { service: target }
    const plain = this.#sourceOf({ ...set, policy: 'simple' })
    if (plain !== null) {
      this.#tellCopied(set)
      const members = Object.fromEntries(plain.data.map((address, index) => [`m${index + 1}`, { address }]))
      return { pool: this.#draft.pool(`${name}-${type.toLowerCase()}-alias`, { members }, place) }
    }
    const isOurs = target === this.#soa.name || target.endsWith(`.${this.#soa.name}`)
    if (isOurs) return null
    const { EvaluateTargetHealth } = fields.AliasTarget as Body
    const health = EvaluateTargetHealth === true ? ', and its health is not evaluated' : ''
    this.#draft.differs(
      place,
      `${name} ${type}`,
      `the addresses of ${alias}, of both families, are looked up by resolvers${health}`,
    )
    let pool = this.#outside.get(`${name} ${alias}`)
    if (pool === undefined) {
      pool = this.#draft.pool(`${name}-alias`, { members: { alias: { host: alias } } }, place)
      this.#outside.set(`${name} ${alias}`, pool)
    }
    return { pool }
  }
}

/** Where a name stands in RDATA, counted from the end; Route 53 takes one without a final dot for absolute. */
const namesAtEnd: ReadonlySet<string> = new Set(['CNAME', 'DNAME', 'MX', 'NAPTR', 'NS', 'PTR', 'SRV'])
const namesAtSecond: ReadonlySet<string> = new Set(['SVCB', 'HTTPS'])

function absoluteData(type: string, data: string): string {
  if (namesAtEnd.has(type)) return /[^.\s]$/.test(data) ? `${data}.` : data
  return namesAtSecond.has(type) ? data.replace(/^(\s*\d+\s+\S*[^.\s])(?=\s|$)/, '$1.') : data
}

/** Both together; null when one service can't choose in both ways. */
function join(a: Steered, b: Steered): Steered | null {
  if (a.steer !== b.steer) return null
  const choices = [
    ...a.choices,
    ...b.choices.filter((choice) => !a.choices.some((one) => nameOfChoice(one) === nameOfChoice(choice))),
  ]
  if (a.geo === null || b.geo === null) return { steer: a.steer, choices, geo: null }
  const { geo: own } = a
  if (own.size !== b.geo.size || [...b.geo.keys()].some((key) => !own.has(key))) return null
  const geo = new Map([...own].map(([key, names]) => [key, [...new Set([...names, ...b.geo!.get(key)!])]]))
  return { steer: a.steer, choices, geo }
}

/** @param plain what all clients get, of types that choose nothing */
function serviceOf(joined: Steered | null, plain: readonly Choice[]): Body | null {
  const written = (choices: readonly Choice[]) => {
    const seen = new Map(choices.map((choice) => [nameOfChoice(choice), choice]))
    return Array.from(seen.values(), (choice) =>
      Object.keys(choice).length === 1 && choice.pool !== undefined ? choice.pool : choice,
    )
  }
  if (joined === null) return plain.length === 0 ? null : { steer: 'failover', pools: written(plain) }
  const { steer, choices, geo } = joined
  const pools = written([...choices, ...plain])
  if (geo === null) return { steer, pools }
  const rules: Record<string, Body> = {}
  let usual: readonly string[] = []
  for (const [key, names] of geo) {
    const list = [...new Set([...names, ...plain.map(nameOfChoice)])]
    const [kind = '', code] = key.split(' ')
    if (code === undefined) usual = list
    else rules[kind] = { ...rules[kind], [code]: list }
  }
  return { steer, pools, geo: { ...rules, default: usual } }
}
