/**
 * What is allowed in a zone and yet most likely a mistake: names that lead to an alias or nowhere, and digests of a length
 * that their kind does not have. Looked for when a whole zone is written; nothing is ever refused for it.
 *
 * The RRs that lead somewhere stream by, and what stands at the names that they lead to is looked up for many of them at
 * once. Rejected: one statement that joins the table with itself. In a zone that was just written there are no
 * statistics of it, and what Postgres then chooses took minutes.
 */
import { sql } from 'drizzle-orm'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { doubtedTypes, rdataDoubt } from '../../dataplane/wire/rdata.ts'
import { absoluteName, namesAbove, relativeOwner } from '../rules/owners.ts'
import { fetchRows } from './cursor.ts'
import type { Tx } from './transaction.ts'

export interface ZoneWarning {
  /** Relative to the apex. */
  readonly owner: string
  readonly type: string
  /** The RR of the RRset, canonical; empty when it is about an RRset that is not there. */
  readonly data: string
  readonly message: string
}

/** An RR that there may be something to say about. */
interface Rr {
  readonly owner: string
  readonly type: string
  readonly data: string
}

/** One that leads to a name of its zone. */
interface Lead extends Rr {
  /** Relative to the apex. */
  readonly target: string
  /** The names that the target lies below, the apex among them. */
  readonly above: readonly string[]
}

const batchSize = 2_000

/** Types whose RDATA ends with a name that a client will ask for. */
const leadingTypes = ['NS', 'MX', 'SRV']

/** What stands at a name, as far as it matters to those who lead there. */
const looked = ['A', 'AAAA', 'CNAME', 'NS']

/**
 * The warnings of a zone as it stands in this transaction, in the order of owner, type and data:
 * - an apex without NS;
 * - NS, MX or SRV that lead to a CNAME of the zone (RFC 2181 section 10.3, RFC 2782);
 * - NS, MX or SRV that lead to a name of the zone that has no address; for an NS that leads into what it delegates, that
 *   is missing glue. Names below another zone cut are the affair of that zone, and a wildcard may give an address;
 * - DS, TLSA, SSHFP and their like with a digest that is not as long as its kind.
 *
 * @param most of them
 */
export async function zoneWarnings(tx: Tx, apex: string, most: number): Promise<ZoneWarning[]> {
  const found: ZoneWarning[] = []
  const apexNs = await tx.execute(
    sql`select 1 from rrsets where zone = ${apex} and owner = '@' and type = 'NS'`,
  )
  if (apexNs.rows.length === 0) {
    found.push({ owner: '@', type: 'NS', data: '', message: 'the zone has no NS at its apex' })
  }
  for await (const rrs of streamRrs(tx, apex)) {
    const leads = new Map(rrs.flatMap((rr) => leadOf(rr, apex)))
    const types = leads.size === 0 ? new Map() : await lookUp(tx, apex, [...leads.values()])
    for (const rr of rrs) {
      const lead = leads.get(rr)
      const message = lead === undefined ? rdataDoubt(rr.type, rr.data) : judge(lead, types)
      if (message === null) continue
      if (found.length === most) return found
      found.push({ ...rr, message })
    }
  }
  return found
}

async function* streamRrs(tx: Tx, apex: string): AsyncGenerator<Rr[]> {
  const rows = fetchRows<{ owner: string; type: string; data: string[] }>(
    tx,
    sql`
    select owner, type, data from rrsets
    where zone = ${apex} and type in ${[...leadingTypes, ...doubtedTypes]} order by owner, type`,
    batchSize,
  )
  for await (const batch of rows) {
    yield batch.flatMap(({ owner, type, data }) => data.map((text) => ({ owner, type, data: text })))
  }
}

/** Pairs an RR with where it leads; nothing for one that leads nowhere, or out of the zone. */
function leadOf(rr: Rr, apex: string): [Rr, Lead][] {
  if (!leadingTypes.includes(rr.type)) return []
  const target = targetOf(rr.data, apex)
  return target === null ? [] : [[rr, { ...rr, target, above: namesAbove(target) }]]
}

/** The name at the end of RDATA, relative to the apex; null when it is not in the zone. */
function targetOf(data: string, apex: string): string | null {
  const absolute = data.slice(data.lastIndexOf(' ') + 1).toLowerCase()
  // The root as a target says that there is no such host (RFC 7505, RFC 2782).
  if (absolute === '.') return null
  const name = absolute.slice(0, -1)
  return apex === '.' || name === apex || name.endsWith(`.${apex}`) ? relativeOwner(name, apex) : null
}

type TypesByOwner = ReadonlyMap<string, readonly { readonly type: string }[]>

/**
 * What stands at the targets and at the names above them; a service counts as an address, also one that a new zone is yet
 * to take over from the zone around it.
 */
async function lookUp(tx: Tx, apex: string, leads: readonly Lead[]): Promise<TypesByOwner> {
  const owners = new Set(
    leads.flatMap(({ target, above }) => [target, ...above, ...above.map(wildcardBelow)]),
  )
  const { rows } = await tx.execute<{ owner: string; type: string }>(sql`
    select owner, type from rrsets
    where zone = ${apex} and type in ${looked} and owner in (select json_array_elements_text(${JSON.stringify([...owners])}::json))`)
  const names = JSON.stringify(Array.from(owners, (owner) => absoluteName(owner, apex)))
  const services = await tx.execute<{ name: string }>(sql`
    select name from services
    where zone in ${enclosingHostnames(apex)} and name in (select json_array_elements_text(${names}::json))`)
  const addresses = services.rows.map(({ name }) => ({ owner: relativeOwner(name, apex), type: 'A' }))
  return Map.groupBy([...rows, ...addresses], ({ owner }) => owner)
}

const wildcardBelow = (name: string) => (name === '@' ? '*' : `*.${name}`)

/** What is odd about where an RR leads; null when nothing is. */
function judge({ owner, type, target, above }: Lead, types: TypesByOwner): string | null {
  const what = type === 'NS' ? 'the name server' : type === 'MX' ? 'the mail server' : 'the target'
  const has = (name: string, ...wanted: string[]) =>
    types.get(name)?.some(({ type }) => wanted.includes(type))
  if (has(target, 'CNAME')) return `${what} ${target} is a CNAME, and must not be one (RFC 2181 section 10.3)`
  if (has(target, 'A', 'AAAA')) return null
  const enclosing = [target, ...above]
  if (type === 'NS' && owner !== '@' && enclosing.includes(owner)) {
    return `${what} ${target} lies in what is delegated, and its glue is missing: there is no A or AAAA`
  }
  const delegated = enclosing.some((name) => name !== '@' && has(name, 'NS'))
  const covered = above.some((name) => has(wildcardBelow(name), 'A', 'AAAA'))
  return delegated || covered ? null : `${what} ${target} has no address in this zone`
}
