/**
 * An authoritative resolver as RFC 1034 section 4.3.2 tells it, over plain objects: what `respond` is held against on
 * random zones. Slow on purpose; it shares no code with the data plane. Names are texts in lower case without the final
 * dot, the root is the empty text.
 */

export interface ReferenceZone {
  readonly apex: string
  /** RDATA texts by type by owner. Every RRset has the TTL `rrsetTtl`. */
  readonly rrsets: ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>
  readonly services: ReadonlyMap<string, ReferencePlan>
  /** RDATA of the SOA, at the apex. */
  readonly soa: string
}

export interface ReferencePlan {
  readonly servfail: boolean
  readonly a: readonly string[]
  readonly aaaa: readonly string[]
}

export interface ReferenceAnswer {
  readonly rcode: number
  readonly authoritative: boolean
  readonly answer: string[]
  readonly authority: string[]
  readonly additional: string[]
}

export const rrsetTtl = 300
export const negativeTtl = 60
export const memberTtl = 30
const longestChain = 8
const rcodes = { noerror: 0, servfail: 2, nxdomain: 3, refused: 5 }

/** Types in the order of their numbers, since ANY is answered with the first. */
const typeOrder = ['A', 'NS', 'CNAME', 'SOA', 'MX', 'TXT', 'AAAA', 'SRV', 'DS']

const parent = (name: string) => (name.includes('.') ? name.slice(name.indexOf('.') + 1) : '')
const isAtOrBelow = (name: string, apex: string) => apex === '' || name === apex || name.endsWith(`.${apex}`)
const depth = (name: string) => (name === '' ? 0 : name.split('.').length)
const line = (owner: string, ttl: number, type: string, data: string) =>
  `${owner === '' ? '.' : owner} ${ttl} ${type} ${data}`

export function resolveByReference(
  zones: readonly ReferenceZone[],
  qname: string,
  qtype: string,
): ReferenceAnswer {
  const result = { answer: [] as string[], authority: [] as string[], additional: [] as string[] }
  const done = (rcode: number, authoritative: boolean) => ({ rcode, authoritative, ...result })
  const visited = new Set<string>()
  for (let name = qname; ; ) {
    const zone = zoneOf(zones, name, qtype)
    if (zone === undefined) {
      return visited.size === 0 ? done(rcodes.refused, false) : done(rcodes.noerror, true)
    }
    const negative = () => {
      result.authority.push(line(zone.apex, negativeTtl, 'SOA', zone.soa))
    }
    const found = descend(zone, name, qtype)
    if (found.cut !== null) {
      const targets = typesAt(zone, found.cut).get('NS')!
      result.authority.push(...targets.map((target) => line(found.cut!, rrsetTtl, 'NS', target)))
      result.additional.push(...addressesOf(zone, targets))
      return done(rcodes.noerror, visited.size > 0)
    }
    if (found.source === null) {
      negative()
      return done(rcodes.nxdomain, true)
    }
    const types = typesAt(zone, found.source)
    const plan = zone.services.get(found.source)
    const present = typeOrder.filter((type) => types.has(type))
    if (
      plan !== undefined &&
      (qtype === 'A' || qtype === 'AAAA' || (qtype === 'ANY' && present.length === 0))
    ) {
      if (plan.servfail) return done(rcodes.servfail, true)
      const type = qtype === 'AAAA' || (qtype === 'ANY' && plan.a.length === 0) ? 'AAAA' : 'A'
      const members = type === 'A' ? plan.a : plan.aaaa
      if (members.length === 0) negative()
      result.answer.push(...members.map((address) => line(name, memberTtl, type, address)))
      return done(rcodes.noerror, true)
    }
    const type = qtype === 'ANY' ? present[0] : qtype
    const data = type === undefined ? undefined : types.get(type)
    if (type !== undefined && data !== undefined) {
      result.answer.push(...data.map((text) => line(name, rrsetTtl, type, text)))
      if (type === 'NS' || type === 'MX' || type === 'SRV') {
        result.additional.push(
          ...addressesOf(
            zone,
            data.map((text) => text.split(' ').at(-1)!),
          ),
        )
      }
      return done(rcodes.noerror, true)
    }
    const alias = types.get('CNAME')?.[0]
    if (alias === undefined) {
      negative()
      return done(rcodes.noerror, true)
    }
    const link = `${found.source} of ${zone.apex} for ${name}`
    if (visited.has(link)) return done(rcodes.noerror, true)
    visited.add(link)
    result.answer.push(line(name, rrsetTtl, 'CNAME', alias))
    if (visited.size === longestChain) return done(rcodes.noerror, true)
    name = alias === '.' ? '' : alias
  }
}

/** The deepest zone that holds the name; for DS the one above a name that is an apex, when there is one. */
function zoneOf(zones: readonly ReferenceZone[], name: string, qtype: string): ReferenceZone | undefined {
  const holding = (below: string) =>
    zones.filter(({ apex }) => isAtOrBelow(below, apex)).sort((a, b) => depth(b.apex) - depth(a.apex))[0]
  return (qtype === 'DS' && name !== '' ? holding(parent(name)) : undefined) ?? holding(name)
}

function typesAt(zone: ReferenceZone, name: string): ReadonlyMap<string, readonly string[]> {
  const types = new Map(zone.rrsets.get(name) ?? [])
  if (name === zone.apex) types.set('SOA', [zone.soa])
  return types
}

/** Step 3: matches label by label from the apex down. */
function descend(
  zone: ReferenceZone,
  name: string,
  qtype: string,
): { cut: string | null; source: string | null } {
  const owners = [zone.apex, ...zone.rrsets.keys(), ...zone.services.keys()]
  const exists = (node: string) => owners.some((owner) => isAtOrBelow(owner, node))
  const path: string[] = []
  for (let node = name; node !== zone.apex; node = parent(node)) path.unshift(node)
  let encloser = zone.apex
  for (const node of path) {
    if (!exists(node)) {
      const wildcard = encloser === '' ? '*' : `*.${encloser}`
      return { cut: null, source: exists(wildcard) ? wildcard : null }
    }
    if (typesAt(zone, node).has('NS') && !(node === name && qtype === 'DS'))
      return { cut: node, source: null }
    encloser = node
  }
  return { cut: null, source: encloser }
}

/** A and AAAA that this zone has for names, its own or a wildcard's, each name once. */
function addressesOf(zone: ReferenceZone, names: readonly string[]): string[] {
  return [...new Set(names)].flatMap((text) => {
    const name = text === '.' ? '' : text
    const types = zone.rrsets.get(standIn(zone, name))
    return ['A', 'AAAA'].flatMap((type) =>
      (types?.get(type) ?? []).map((data) => line(name, rrsetTtl, type, data)),
    )
  })
}

/** The owner that speaks for a name whatever cuts there are: its own, or the wildcard below its closest encloser. */
function standIn(zone: ReferenceZone, name: string): string {
  if (!isAtOrBelow(name, zone.apex)) return name
  const owners = [zone.apex, ...zone.rrsets.keys(), ...zone.services.keys()]
  let encloser = name
  while (!owners.some((owner) => isAtOrBelow(owner, encloser))) encloser = parent(encloser)
  return encloser === name ? name : encloser === '' ? '*' : `*.${encloser}`
}
