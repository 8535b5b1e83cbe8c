/**
 * Rules on a zone's data that need more than one RR to judge. Single fields are judged by the grammar of their type
 * (`wire/rdata.ts`). Pure, over text that has been parsed already: owners relative to the apex, in lower case.
 */
import { enclosingHostnames, hostnameToWire } from '../wire/name.ts'
import { parseRdata } from '../wire/rdata.ts'

export interface CheckedRrset {
  readonly owner: string
  readonly type: string
  readonly data: readonly string[]
}

export interface ZoneProblem {
  /** Such as `rrsets[3]`. */
  readonly path: string
  readonly message: string
}

/** An RRset must fit a message over TCP beside header, question and OPT. */
const maxRrsetOctets = 65_000

/** Rules that one RRset must keep whatever else the zone holds. */
export function checkRrset(apex: string, rrset: CheckedRrset): string[] {
  const { owner, type, data } = rrset
  const problems: string[] = []
  const what = `${owner} ${type}`
  if (type === 'SOA') problems.push(`${what}: the SOA is the zone's own field "soa"`)
  if (type === 'CNAME' && data.length > 1)
    problems.push(`${what}: a name has one CNAME at the most (RFC 2181 section 10.1)`)
  if (type === 'DNAME' && data.length > 1)
    problems.push(`${what}: a name has one DNAME at the most (RFC 6672 section 2.4)`)
  if (type === 'CNAME' && owner === '@')
    problems.push(`${what}: the apex has SOA and NS, so it can't be a CNAME (RFC 1034 section 3.6.2)`)
  // RFC 4592 section 4.2: what a wildcard cut would mean is not defined.
  if (type === 'NS' && isWildcard(owner)) problems.push(`${what}: a wildcard can't be a zone cut`)
  if (new Set(data).size < data.length) problems.push(`${what}: the same RR stands there twice`)
  const origin = hostnameToWire(apex)
  const octets = data.reduce((sum, text) => sum + 12 + parseRdata(type, text, origin).length, 0)
  if (octets > maxRrsetOctets)
    problems.push(`${what}: ${octets} octets don't fit a message, the most is ${maxRrsetOctets}`)
  return problems
}

/** Every rule that the whole zone must keep. Empty when it is sound. */
export function checkZone(zone: {
  readonly apex: string
  readonly rrsets: readonly CheckedRrset[]
}): ZoneProblem[] {
  const problems: ZoneProblem[] = []
  const typesByOwner = new Map<string, Set<string>>()
  for (const [index, rrset] of zone.rrsets.entries()) {
    const path = `rrsets[${index}]`
    for (const message of checkRrset(zone.apex, rrset)) problems.push({ path, message })
    const types = typesByOwner.get(rrset.owner) ?? new Set()
    typesByOwner.set(rrset.owner, types)
    if (types.has(rrset.type))
      problems.push({ path, message: `${rrset.owner} ${rrset.type}: this RRset stands there twice` })
    types.add(rrset.type)
  }
  const aliased = new Set(zone.rrsets.filter(({ type }) => type === 'DNAME').map(({ owner }) => owner))
  for (const [index, { owner, type }] of zone.rrsets.entries()) {
    const path = `rrsets[${index}]`
    const others = [...typesByOwner.get(owner)!].filter((other) => !standsBesideCname(other))
    if (type === 'CNAME' && others.length > 0) {
      problems.push({
        path,
        message: `${owner} CNAME: the name also has ${others.join(', ')}, and a CNAME stands alone (RFC 1034 section 3.6.2)`,
      })
    }
    if (type === 'DNAME' && owner !== '@' && typesByOwner.get(owner)!.has('NS')) {
      problems.push({ path, message: `${owner} DNAME: ${dnameAtCut}` })
    }
    const above = aliased.size === 0 ? undefined : namesAbove(owner).find((name) => aliased.has(name))
    if (above !== undefined) {
      problems.push({ path, message: `${owner} ${type}: ${above} has a DNAME, below which nothing can be` })
    }
  }
  return problems
}

/** RFC 6672 section 2.3. */
export const dnameAtCut = 'the name has NS too, and a DNAME belongs to the zone below such a cut'

/** The CNAME itself, and the two types of DNSSEC that go with any other (RFC 4034 sections 3 and 4). */
export function standsBesideCname(type: string): boolean {
  return type === 'CNAME' || type === 'RRSIG' || type === 'NSEC'
}

/** Owners, relative to the apex as `owner` is, that it lies below: no data may be below a DNAME (RFC 6672 section 2.3). */
export function namesAbove(owner: string): string[] {
  if (owner === '@') return []
  return enclosingHostnames(owner)
    .slice(1)
    .map((name) => (name === '.' ? '@' : name))
}

function isWildcard(owner: string): boolean {
  return owner === '*' || owner.startsWith('*.')
}
