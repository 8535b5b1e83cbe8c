/**
 * What is allowed in a zone and yet most likely a mistake: names that lead to an alias or nowhere, and what `rr-doubts.ts` says
 * of single RRs. Looked for when a zone or an RRset is written; nothing is ever refused for it.
 *
 * The RRs that lead somewhere stream by, and what stands at the names that they lead to is looked up for many of them at
 * once. Rejected: one statement that joins the table with itself. In a zone that was just written there are no
 * statistics of it, and what Postgres then chooses took minutes.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { type SQL, sql } from '../../../schema/drizzle.ts'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { doubtedTypes } from '../../dataplane/wire/rdata.ts'
import type { Rrset } from '../model/zone.ts'
import { absoluteName, namesAbove, relativeOwner } from '../rules/owners.ts'
import { hostTypes, policyTypes, rrDoubts, typesAtCut, typesOfApex } from '../rules/rr-doubts.ts'
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
  /** Whether the owner is a zone cut. */
  readonly cut: boolean
}

/** One that leads to a name of its zone. */
interface Lead extends Rr {
  /** Relative to the apex. */
  readonly target: string
  /** The names that the target lies below, the apex among them. */
  readonly above: readonly string[]
}

const batchSize = 2_000

const withoutNs: ZoneWarning = { owner: '@', type: 'NS', data: '', message: 'the zone has no NS at its apex' }

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
 * - single RRs that `rrDoubts` has something to say of.
 *
 * @param most of them
 */
export async function zoneWarnings(tx: Tx, apex: string, most: number): Promise<ZoneWarning[]> {
  const found: ZoneWarning[] = []
  const apexNs = await tx.execute(
    sql`select 1 from rrsets where zone = ${apex} and owner = '@' and type = 'NS'`,
  )
  if (apexNs.rows.length === 0) {
    found.push(withoutNs)
  }
  for await (const rrs of streamRrs(tx, apex)) {
    found.push(...(await warningsOf(apex, rrs, storedTypes(tx))))
    if (found.length >= most) break
  }
  return found.slice(0, most)
}

/**
 * The same of a zone that is at hand, which is or will be what the transaction has of it: only what services stand at the names that
 * its RRs lead to is asked for. A statement of its own for each question took half of what a small zone cost.
 */
export async function givenWarnings(
  tx: Tx,
  apex: string,
  rrsets: readonly Pick<Rrset, 'owner' | 'type' | 'data'>[],
  most: number,
): Promise<ZoneWarning[]> {
  const byOwner = Map.groupBy(rrsets, ({ owner }) => owner)
  const has = (owner: string, type: string) =>
    byOwner.get(owner)?.some((rrset) => rrset.type === type) === true
  const found: ZoneWarning[] = has('@', 'NS') ? [] : [withoutNs]
  const sorted = rrsets.toSorted((a, b) => compare(a.owner, b.owner) || compare(a.type, b.type))
  const find = async (apex: string, leads: readonly Lead[]) => {
    const owners = ownersOf(leads)
    const here = [...owners].flatMap((owner) => byOwner.get(owner) ?? [])
    const rows = here.filter(({ type }) => looked.includes(type))
    return typesByOwner([...rows, ...(await servicesAt(tx, apex, owners))])
  }
  for (let at = 0; at < sorted.length && found.length < most; at += batchSize) {
    const rrs = sorted
      .slice(at, at + batchSize)
      .flatMap((rrset) => rrsOf({ ...rrset, cut: rrset.owner !== '@' && has(rrset.owner, 'NS') }))
    found.push(...(await warningsOf(apex, rrs, find)))
    // Others have their turn between two batches.
    if (at + batchSize < sorted.length) await turn()
  }
  return found.slice(0, most)
}

/** By code units, as the database compares keys. */
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

/** The same of the RRs at one name. */
export async function ownerWarnings(
  tx: Tx,
  apex: string,
  owner: string,
  most: number,
): Promise<ZoneWarning[]> {
  const { rows } = await tx.execute<RrsetRow>(doubtful(apex, sql`owner = ${owner}`))
  return (await warningsOf(apex, rows.flatMap(rrsOf), storedTypes(tx))).slice(0, most)
}

/** What stands at the targets of leads and at the names above them. */
type FindTypes = (apex: string, leads: readonly Lead[]) => Promise<TypesByOwner>

async function warningsOf(apex: string, rrs: readonly Rr[], find: FindTypes): Promise<ZoneWarning[]> {
  const leads = new Map(rrs.flatMap((rr) => leadOf(rr, apex)))
  const types = leads.size === 0 ? new Map() : await find(apex, [...leads.values()])
  return rrs.flatMap((rr) => {
    const lead = leads.get(rr)
    const led = lead === undefined ? null : judge(lead, types)
    const { owner, type, data } = rr
    return [...(led === null ? [] : [led]), ...rrDoubts(apex, rr)].map((message) => ({
      owner,
      type,
      data,
      message,
    }))
  })
}

interface RrsetRow extends Record<string, unknown> {
  readonly owner: string
  readonly type: string
  readonly data: readonly string[]
  readonly cut: boolean
}

async function* streamRrs(tx: Tx, apex: string): AsyncGenerator<Rr[]> {
  for await (const batch of fetchRows<RrsetRow>(tx, doubtful(apex, sql`true`), batchSize)) {
    yield batch.flatMap(rrsOf)
  }
}

const rrsOf = ({ owner, type, data, cut }: RrsetRow): Rr[] =>
  data.map((text) => ({ owner, type, data: text, cut }))

/**
 * RRsets that there may be something to say of, in the order of owner and type. What stands here of `rrDoubts` lets more pass
 * than it says something of, so that of a million RRsets few travel.
 */
function doubtful(apex: string, wanted: SQL): SQL {
  const all = sql`array_to_string(data, ' ')`
  const types = [...doubtedTypes, ...typesOfApex, 'DS']
  // Of a zone of delegations nearly all RRs lead out of it.
  const leads = apex === '.' ? sql`true` : sql`position(${`${apex}.`} in lower(${all})) > 0`
  // In a zone of one label that is no mistake.
  const repeats = apex.includes('.')
    ? sql`owner = ${apex} or right(owner, ${apex.length + 1}::int) = ${`.${apex}`}
        or position(${`${apex}.${apex}.`} in lower(${all})) > 0`
    : sql`false`
  return sql`
    select owner, type, data, cut from (
      select owner, type, data, owner <> '@' and bool_or(type = 'NS') over (partition by owner) as cut
      from rrsets where zone = ${apex} and ${wanted}
    ) as r
    where type in ${types}
      or (type in ${leadingTypes} and ${leads})
      or (type in ('A', 'AAAA') and ${all} ~ ${String.raw`(^| )(0\.|127\.|169\.254\.|2[2-5]\d\.|:|f[ef]|100:|64:ff9b:|2002:)`})
      or (type in ${policyTypes} and ${all} ~* 'v=spf1')
      or (type in ${hostTypes} and position('\\' in ${all}) > 0)
      or (cut and type not in ${typesAtCut})
      or ${repeats}
    order by owner, type`
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
const storedTypes =
  (tx: Tx): FindTypes =>
  async (apex, leads) => {
    const owners = ownersOf(leads)
    const [{ rows }, services] = await Promise.all([
      tx.execute<{ owner: string; type: string }>(sql`
        select owner, type from rrsets
        where zone = ${apex} and type in ${looked} and owner in (select json_array_elements_text(${JSON.stringify([...owners])}::json))`),
      servicesAt(tx, apex, owners),
    ])
    return typesByOwner([...rows, ...services])
  }

function ownersOf(leads: readonly Lead[]): ReadonlySet<string> {
  return new Set(leads.flatMap(({ target, above }) => [target, ...above, ...above.map(wildcardBelow)]))
}

const typesByOwner = (rows: readonly { readonly owner: string; readonly type: string }[]): TypesByOwner =>
  Map.groupBy(rows, ({ owner }) => owner)

async function servicesAt(tx: Tx, apex: string, owners: ReadonlySet<string>) {
  const names = JSON.stringify(Array.from(owners, (owner) => absoluteName(owner, apex)))
  const services = await tx.execute<{ name: string }>(sql`
    select name from services
    where zone in ${enclosingHostnames(apex)} and name in (select json_array_elements_text(${names}::json))`)
  return services.rows.map(({ name }) => ({ owner: relativeOwner(name, apex), type: 'A' }))
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
