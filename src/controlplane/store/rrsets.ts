import { isDeepStrictEqual } from 'node:util'
import { and, asc, count, eq, type SQL, sql } from 'drizzle-orm'
import { rrsets } from '../../../schema/zones.ts'
import type { Rrset } from '../model/zone.ts'
import { aliasProblems } from './alias-conflicts.ts'
import { fetchRows } from './cursor.ts'
import { dnameProblems } from './dname-conflicts.ts'
import { cnameProblems, serviceProblems, throwIfAny } from './name-conflicts.ts'
import { absoluteName } from './names.ts'
import { raiseSerial, readSerial } from './serial.ts'
import {
  checkCondition,
  checkExists,
  decodeCursor,
  type Page,
  type PageRequest,
  type Put,
  pageOf,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'

/** Null when the zone, the owner or the type is not there. */
export async function getRrset(
  tx: Tx,
  apex: string,
  owner: string,
  type: string,
): Promise<Stored<Rrset> | null> {
  const [row] = await tx
    .select()
    .from(rrsets)
    .where(and(atOwner(apex, owner), eq(rrsets.type, type)))
  return row === undefined ? null : toStored(row)
}

/** One page in the order of owner and type. */
export async function listRrsets(tx: Tx, apex: string, request: PageRequest): Promise<Page<Stored<Rrset>>> {
  const after = decodeCursor(request.cursor, 'string', 'string')
  const rows = await readAfter(tx, apex, after, request.limit + 1)
  return pageOf(rows, request.limit, toStored, (row) => [row.owner, row.type])
}

/** RRsets of one zone as the database packed them, for whoever compiles them; nobody on the way reads them. */
export interface PackedRrsets {
  readonly apex: string
  /** JSON: an array of `[owner, type, ttlSeconds | null, [data, ...]]` in any order. */
  readonly text: string
}

/**
 * The RRsets of a zone, or of all zones, `batch` at a time: a zone's come one after another, zones in the order of their
 * apexes. Packed by the database, so that a million rows cost the thread that fetches them a few hundred strings.
 *
 * @param apex null for all
 */
export async function* streamPacked(
  tx: Tx,
  apex: string | null,
  batch: number,
): AsyncGenerator<PackedRrsets[]> {
  const wanted = apex === null ? sql`true` : sql`zone = ${apex}`
  let after: SQL = sql`true`
  for (;;) {
    const { rows } = await tx.execute<PackedRow>(sql`
      with page as materialized (
        select zone, owner, type, ttl_seconds, data from rrsets where ${wanted} and ${after}
        order by zone, owner, type limit ${batch}
      ), last as (
        select owner, type from page order by zone desc, owner desc, type desc limit 1
      )
      select zone as apex, json_agg(json_build_array(owner, type, ttl_seconds, data))::text as text,
        count(*)::int as count, (select owner from last) as last_owner, (select type from last) as last_type
      from page group by zone order by zone`)
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows.map((row) => ({ apex: row.apex, text: row.text }))
    if (rows.reduce((sum, { count }) => sum + count, 0) < batch) return
    after = sql`(zone, owner, type) > (${last.apex}, ${last.last_owner}, ${last.last_type})`
  }
}

type PackedRow = { apex: string; text: string; count: number; last_owner: string; last_type: string }

/** The RRsets of some owners of a zone, packed as `streamPacked` does. */
export async function packedAt(tx: Tx, apex: string, owners: readonly string[]): Promise<string> {
  const { rows } = await tx.execute<{ text: string }>(sql`
    select coalesce(json_agg(json_build_array(owner, type, ttl_seconds, data)), '[]')::text as text
    from rrsets where zone = ${apex} and owner = any(${sql.param([...owners])}::text[])`)
  return rows[0]!.text
}

/** All RRsets of a zone, ordered by owner and type, `batch` at a time. */
export async function* streamRrsets(tx: Tx, apex: string, batch: number): AsyncGenerator<Rrset[]> {
  yield* fetchRows<{ owner: string; type: string; ttlSeconds: number | null; data: string[] }>(
    tx,
    sql`
    select owner, type, ttl_seconds as "ttlSeconds", data from rrsets where zone = ${apex}
    order by owner, type`,
    batch,
  )
}

export async function countRrsets(tx: Tx, apex: string): Promise<number> {
  const [row] = await tx.select({ count: count() }).from(rrsets).where(eq(rrsets.zone, apex))
  return row!.count
}

/**
 * Creates or replaces one RRset, and gives its zone the next serial. Throws `not-found` without the zone, `conflict`
 * for a CNAME beside other data, data below a DNAME, an A, AAAA or CNAME where a service is, or any type where a
 * service is that is answered with a CNAME.
 */
export async function putRrset(
  write: Write,
  apex: string,
  rrset: Rrset,
  condition: WriteCondition,
): Promise<Put> {
  const { tx, revision } = write
  const { owner, type } = rrset
  const serial = await readSerial(tx, apex)
  const neighbours = (await tx.select().from(rrsets).where(atOwner(apex, owner))).map(toStored)
  const current = neighbours.find(({ value }) => value.type === type) ?? null
  checkCondition(condition, current, describe(apex, owner, type))
  if (current !== null && isDeepStrictEqual(current.value, rrset)) {
    return { created: false, changed: false, revision: current.revision }
  }
  const others = neighbours.map(({ value }) => value).filter((value) => value.type !== type)
  const problems = [
    ...cnameProblems([...others, rrset], itself),
    ...(await dnameProblems(tx, apex, rrset, others)),
    ...(await serviceProblems(tx, apex, [rrset], itself)),
  ]
  throwIfAny(problems, `${describe(apex, owner, type)} is refused`)
  const row = { ...rrset, data: [...rrset.data], zone: apex, revision }
  await tx
    .insert(rrsets)
    .values(row)
    .onConflictDoUpdate({ target: [rrsets.zone, rrsets.owner, rrsets.type], set: row })
  throwIfAny(
    await aliasProblems(tx, { service: absoluteName(owner, apex) }),
    `${describe(apex, owner, type)} is refused`,
  )
  await raiseSerial(write, apex, serial, [owner])
  write.audit('rrset.put', `${apex}/${owner}/${type}`, current?.value, rrset)
  return { created: current === null, changed: true, revision }
}

export async function deleteRrset(
  write: Write,
  apex: string,
  owner: string,
  type: string,
  condition: WriteCondition,
): Promise<void> {
  const serial = await readSerial(write.tx, apex)
  const current = await getRrset(write.tx, apex, owner, type)
  checkExists(condition, current, describe(apex, owner, type))
  await write.tx.delete(rrsets).where(and(atOwner(apex, owner), eq(rrsets.type, type)))
  await raiseSerial(write, apex, serial, [owner])
  write.audit('rrset.delete', `${apex}/${owner}/${type}`, current.value, null)
}

/** The path of a problem with the RRset that the request is about. */
const itself = () => ''

const describe = (apex: string, owner: string, type: string) => `RRset ${owner} ${type} of zone ${apex}`

const atOwner = (apex: string, owner: string): SQL | undefined =>
  and(eq(rrsets.zone, apex), eq(rrsets.owner, owner))

async function readAfter(
  tx: Tx,
  apex: string,
  after: readonly [string, string] | null,
  limit: number,
): Promise<Row[]> {
  return tx
    .select()
    .from(rrsets)
    .where(
      and(
        eq(rrsets.zone, apex),
        after === null ? undefined : sql`(${rrsets.owner}, ${rrsets.type}) > (${after[0]}, ${after[1]})`,
      ),
    )
    .orderBy(asc(rrsets.owner), asc(rrsets.type))
    .limit(limit)
}

type Row = typeof rrsets.$inferSelect

function toStored({ owner, type, ttlSeconds, data, revision }: Row): Stored<Rrset> {
  return { value: { owner, type, ttlSeconds, data }, revision }
}
