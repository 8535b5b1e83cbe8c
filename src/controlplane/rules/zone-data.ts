/**
 * Rules on a zone's data that need more than one RR to judge. Single fields are judged by the grammar of their type
 * (`wire/rdata.ts`). Pure, over text that has been parsed already: owners relative to the apex, in lower case.
 *
 * A master file of a million RRs is judged by sets, in the database (`store/zone-staging.ts`); what it says of a broken rule
 * comes from here.
 */
import { rrHeadLength } from '../../dataplane/wire/constants.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { parseRdata, rdataIdentity } from '../../dataplane/wire/rdata.ts'
import { namesAbove } from './owners.ts'

/** What stands at a name: enough for the rules between RRsets. */
export interface RrsetKey {
  readonly owner: string
  readonly type: string
}

export interface CheckedRrset extends RrsetKey {
  readonly data: readonly string[]
}

interface ZoneProblem {
  /** The place of the RRset in the list of them. */
  readonly index: number
  readonly message: string
}

/** An RRset must fit a message over TCP beside header, question and OPT. */
export const maxRrsetOctets = 65_000

/** Types of which a name has one RR at the most. */
export const singleTypes = ['CNAME', 'DNAME'] as const

/** The CNAME itself, the two types of DNSSEC that go with any other, and the key of who updates the name (RFC 4035 section 2.5). */
export const typesBesideCname = ['CNAME', 'RRSIG', 'NSEC', 'KEY'] as const

/** Why an RRset is refused, said of it. */
export const because = {
  single: (type: string) =>
    `a name has one ${type} at the most (${type === 'CNAME' ? 'RFC 2181 section 10.1' : 'RFC 6672 section 2.4'})`,
  tooLarge: (octets: number) => `${octets} octets don't fit a message, the most is ${maxRrsetOctets}`,
  besideCname: (types: readonly string[]) =>
    `the name also has ${types.join(', ')}, and a CNAME stands alone (RFC 1034 section 3.6.2)`,
  dnameAtCut: 'the name has NS too, and a DNAME belongs to the zone below such a cut (RFC 6672 section 2.3)',
  belowDname: (above: string) => `${above} has a DNAME, below which nothing can be (RFC 6672 section 2.3)`,
}

/** Rules that one RRset must keep whatever else the zone holds. */
export function checkRrset(apex: string, rrset: CheckedRrset): string[] {
  const { owner, type, data } = rrset
  const problems = checkKey(rrset)
  if (type === 'SOA') problems.push(`the SOA is the zone's own field "soa"`)
  if (singleTypes.some((single) => single === type) && data.length > 1) problems.push(because.single(type))
  if (distinct(type, data) < data.length) problems.push('the same RR stands there twice')
  const origin = hostnameToWire(apex)
  const octets = data.reduce((sum, text) => sum + rrHeadLength + parseRdata(type, text, origin).length, 0)
  if (octets > maxRrsetOctets) problems.push(because.tooLarge(octets))
  return problems.map((message) => `${owner} ${type}: ${message}`)
}

/** How many RRs these texts are. */
function distinct(type: string, data: readonly string[]): number {
  return data.length === 1 ? 1 : new Set(data.map((text) => rdataIdentity(type, text))).size
}

/** Rules on what an RRset is, whatever is in it. */
function checkKey({ owner, type }: RrsetKey): string[] {
  if (type === 'CNAME' && owner === '@')
    return ["the apex has SOA and NS, so it can't be a CNAME (RFC 1034 section 3.6.2)"]
  // RFC 4592 section 4.2: what a wildcard cut would mean is not defined.
  if (type === 'NS' && (owner === '*' || owner.startsWith('*.'))) return ["a wildcard can't be a zone cut"]
  return []
}

/** Every rule that the whole zone must keep. Empty when it is sound. */
export function checkZone(zone: {
  readonly apex: string
  readonly rrsets: readonly CheckedRrset[]
}): ZoneProblem[] {
  const seen = new Set<string>()
  const alone = zone.rrsets.flatMap((rrset, index) => {
    const messages = checkRrset(zone.apex, rrset)
    const key = `${rrset.owner} ${rrset.type}`
    if (seen.has(key)) messages.push(`${key}: this RRset stands there twice`)
    seen.add(key)
    return messages.map((message) => ({ index, message }))
  })
  return [...alone, ...checkTogether(zone.rrsets)]
}

/** Rules that show without the data: of a whole zone, or of one RRset and those at its name, above it and below it. */
export function checkKeys(rrsets: readonly RrsetKey[]): ZoneProblem[] {
  const alone = rrsets.flatMap((rrset, index) =>
    checkKey(rrset).map((message) => ({ index, message: `${rrset.owner} ${rrset.type}: ${message}` })),
  )
  return [...alone, ...checkTogether(rrsets)]
}

/** Rules between the RRsets of a zone, without those on each alone. */
export function checkTogether(rrsets: readonly RrsetKey[]): ZoneProblem[] {
  const byOwner = Map.groupBy(rrsets, ({ owner }) => owner)
  const hasDname = new Set(rrsets.filter(({ type }) => type === 'DNAME').map(({ owner }) => owner))
  return rrsets.flatMap(({ owner, type }, index) => {
    const messages: string[] = []
    const here = byOwner.get(owner)!.map((rrset) => rrset.type)
    const others = type === 'CNAME' ? here.filter((other) => !standsBesideCname(other)) : []
    if (others.length > 0) messages.push(because.besideCname([...new Set(others)].sort()))
    if (type === 'DNAME' && owner !== '@' && here.includes('NS')) messages.push(because.dnameAtCut)
    const above = hasDname.size === 0 ? undefined : namesAbove(owner).find((name) => hasDname.has(name))
    if (above !== undefined) messages.push(because.belowDname(above))
    return messages.map((message) => ({ index, message: `${owner} ${type}: ${message}` }))
  })
}

function standsBesideCname(type: string): boolean {
  return typesBesideCname.some((other) => other === type)
}
