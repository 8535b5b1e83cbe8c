import { isDeepStrictEqual } from 'node:util'
import { and, count, eq, type SQL, sql } from '../../../schema/drizzle.ts'
import { rrsets } from '../../../schema/zones.ts'
import type { Body } from '../document/forms.ts'
import { spellingFor, spellingOf } from '../document/written.ts'
import { formatRrset, parseRrset } from '../document/zone.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import type { Rrset } from '../model/zone.ts'
import type { Breach } from '../rules/breach.ts'
import { absoluteName, namesAbove } from '../rules/owners.ts'
import { placeBreaches, typesThatHide } from '../rules/places.ts'
import { isMadeBySigning, madeBySigning } from '../rules/signing.ts'
import { placesOf } from '../rules/view.ts'
import { checkKeys } from '../rules/zone-data.ts'
import { fetchRows } from './cursor.ts'
import { rrsetHistoryKey } from './history.ts'
import { aliasBreachesOf, jsonRows, texts } from './neighbourhood.ts'
import { throwIfAny, throwIfBroken } from './refusals.ts'
import { raiseSerial, type SerialState } from './serial.ts'
import {
  bodyOf,
  checkCondition,
  checkExists,
  type Page,
  type PageRequest,
  type Put,
  readPage,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'
import { tryZone, ZoneTaken } from './zone-lock.ts'

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
  return row === undefined ? null : toStored(apex, row)
}

/** One page in the order of owner and type. */
export async function listRrsets(tx: Tx, apex: string, request: PageRequest): Promise<Page<Stored<Rrset>>> {
  const { owner, type, zone } = rrsets
  const query = tx.select().from(rrsets).$dynamic()
  return readPage(query, { owner, type }, request, (rows) => rows.map((row) => toStored(apex, row)), {
    where: eq(zone, apex),
  })
}

/** RRsets of one zone as the database packed them, for whoever compiles them; nobody on the way reads them. */
export interface PackedRrsets {
  readonly apex: string
  /** JSON: an array of `[owner, type, ttlSeconds | null, [data, ...]]` in any order. */
  readonly text: string
}

/** What zones tell parents of other zones (`signals.ts`), as RRsets of theirs. */
const signalRows = sql`
  select s.zone, s.owner, d.type collate "C" as type, s.ttl_seconds, d.data from dnssec_signals s
  cross join lateral (values ('CDS', s.cds), ('CDNSKEY', s.cdnskey)) as d(type, data) where s.zone is not null`

/**
 * The RRsets of a zone, or of all zones, signals included, `batch` at a time: a zone's come one after another, zones in the order of their
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
        select * from (
          (select zone, owner, type, ttl_seconds, data from rrsets where ${wanted} and ${after}
          order by zone, owner, type limit ${batch})
          union all (select * from (${signalRows}) s where ${wanted} and ${after} order by zone, owner, type limit ${batch})
        ) merged order by zone, owner, type limit ${batch}
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
  if (owners.length === 0) return '[]'
  const { rows } = await tx.execute<{ text: string }>(sql`
    select coalesce(json_agg(json_build_array(owner, type, ttl_seconds, data)), '[]')::text as text
    from (
      select owner, type, ttl_seconds, data from rrsets where zone = ${apex} and owner = any(${texts(owners)})
      union all select owner, type, ttl_seconds, data from (${signalRows}) s where zone = ${apex} and owner = any(${texts(owners)})
    ) r`)
  return rows[0]!.text
}

/** All RRsets of a zone, ordered by owner and type, `batch` at a time. */
export async function* streamRrsets(tx: Tx, apex: string, batch: number): AsyncGenerator<Rrset[]> {
  yield* fetchRows<Rrset>(
    tx,
    sql`
    select owner, type, ttl_seconds as "ttlSeconds", data from rrsets where zone = ${apex}
    order by owner, type`,
    batch,
  )
}

/** All RRsets of zones, each zone's one after another in the order of owner and type, `batch` at a time. */
export async function* streamRrsetsOf(
  tx: Tx,
  apexes: readonly string[],
  batch: number,
): AsyncGenerator<(Rrset & { zone: string })[]> {
  yield* fetchRows<Rrset & { zone: string }>(
    tx,
    sql`
    select zone, owner, type, ttl_seconds as "ttlSeconds", data from rrsets where zone = any(${texts(apexes)})
    order by zone, owner, type`,
    batch,
  )
}

/** All RRsets of a zone in the order of owner and type, or none when it has more than `most`. */
export async function listFewRrsets(tx: Tx, apex: string, most: number): Promise<Rrset[]> {
  const { zone, owner, type, ttlSeconds, data } = rrsets
  const few = sql`(select count(*) from rrsets where zone = ${apex}) <= ${most}`
  return tx
    .select({ owner, type, ttlSeconds, data })
    .from(rrsets)
    .where(and(eq(zone, apex), few))
    .orderBy(owner, type)
}

/** The fragments of RRsets that there are. */
export async function rrsetBodiesAt(
  tx: Tx,
  keys: readonly { readonly apex: string; readonly owner: string; readonly type: string }[],
): Promise<{ readonly apex: string; readonly owner: string; readonly type: string; readonly body: Body }[]> {
  if (keys.length === 0) return []
  const { rows } = await tx.execute<Row & Record<string, unknown>>(sql`
    select r.zone, r.owner, r.type, r.ttl_seconds as "ttlSeconds", r.data, r.written, r.revision
    from json_to_recordset(${JSON.stringify(keys)}::json) as k(apex text, owner text, type text)
    join rrsets r on r.zone = k.apex and r.owner = k.owner and r.type = k.type`)
  return rows.map((row) => {
    return {
      apex: row.zone,
      owner: row.owner,
      type: row.type,
      body: bodyOf(toStored(row.zone, row), formatRrset),
    }
  })
}

/** How many RRsets zones have together. */
export async function countAllRrsets(tx: Tx, apexes: readonly string[]): Promise<number> {
  const [row] = await tx
    .select({ count: count() })
    .from(rrsets)
    .where(sql`${rrsets.zone} = any(${texts(apexes)})`)
  return row!.count
}

/** What a zone takes along when it goes. */
export interface GoingRrsets {
  readonly count: number
  /** The first of them, such as `www A`. */
  readonly first: readonly string[]
}

/** The RRsets of zones: how many, and the first `most` of each. */
export async function rrsetsGoing(
  tx: Tx,
  apexes: readonly string[],
  most = 20,
): Promise<ReadonlyMap<string, GoingRrsets>> {
  if (apexes.length === 0) return new Map()
  const { rows } = await tx.execute<{ apex: string; count: number; first: string[] }>(sql`
    select z.apex, (select count(*)::int from rrsets r where r.zone = z.apex) as count,
      array(select r.owner || ' ' || r.type from rrsets r where r.zone = z.apex
        order by r.owner, r.type limit ${most}) as first
    from unnest(${texts(apexes)}) as z(apex)`)
  return new Map(rows.map(({ apex, ...rest }) => [apex, rest]))
}

export async function countRrsets(tx: Tx, apex: string): Promise<number> {
  const [row] = await tx.select({ count: count() }).from(rrsets).where(eq(rrsets.zone, apex))
  return row!.count
}

/**
 * Creates or replaces one RRset, and gives its zone the next serial. Throws `not-found` without the zone, `conflict`
 * for a CNAME beside other data, data below a DNAME, an A, AAAA or CNAME where a service is, a zone cut at or above one,
 * or any type where a service is that is answered with a CNAME.
 */
export async function putRrset(
  write: Write,
  apex: string,
  rrset: Rrset,
  condition: WriteCondition,
  body: unknown = null,
): Promise<Put> {
  const { tx } = write
  const { owner, type } = rrset
  const what = describe(apex, owner, type)
  const around = await loadAround(tx, apex, owner, type)
  const current = around.here.find(({ value }) => value.type === type) ?? null
  checkCondition(condition, current, what)
  const written = spellingOf(body, formatRrset(rrset))
  const same = current !== null && isDeepStrictEqual(current.value, rrset)
  if (same && isDeepStrictEqual(current.written, written)) {
    return { created: false, changed: false, revision: current.revision }
  }
  checkRrset(apex, rrset, around)
  const { revision } = write
  const row = { ...rrset, data: [...rrset.data], zone: apex, written, revision }
  const target = [rrsets.zone, rrsets.owner, rrsets.type]
  write.send(tx.insert(rrsets).values(row).onConflictDoUpdate({ target, set: row }))
  const name = absoluteName(owner, apex)
  if (around.services.includes(name)) {
    const bar = (breaches: readonly Breach[]) => throwIfBroken(what, breaches, insideRrset(apex, rrset))
    write.beforeCommit(aliasBreachesOf(tx, [name]).then(bar))
  }
  raiseSerial(write, apex, around.serial, [owner])
  followedBySignals(write, apex, owner, type)
  const former = current === null ? null : bodyOf(current, formatRrset)
  write.keep('rrset', rrsetHistoryKey(apex, owner, type), former)
  write.audit('rrset.put', `${apex}/${owner}/${type}`, former, written ?? formatRrset(rrset))
  return { created: current === null, changed: true, revision }
}

export async function deleteRrset(
  write: Write,
  apex: string,
  owner: string,
  type: string,
  condition: WriteCondition,
): Promise<void> {
  const { serial, here } = await loadAround(write.tx, apex, owner, null)
  const current = here.find(({ value }) => value.type === type) ?? null
  checkExists(condition, current, describe(apex, owner, type))
  write.send(write.tx.delete(rrsets).where(and(atOwner(apex, owner), eq(rrsets.type, type))))
  raiseSerial(write, apex, serial, [owner])
  followedBySignals(write, apex, owner, type)
  const former = bodyOf(current, formatRrset)
  write.keep('rrset', rrsetHistoryKey(apex, owner, type), former)
  write.audit('rrset.delete', `${apex}/${owner}/${type}`, former, null)
}

/** An RRset that names servers, or hides what lies below it or beside it. */
function followedBySignals(write: Write, apex: string, owner: string, type: string): void {
  if (owner === '@' && type === 'NS') write.concernsSignals({ child: apex })
  else if (type === 'CNAME' || typesThatHide.some((each) => each === type))
    write.concernsSignals({ place: absoluteName(owner, apex) })
}

/** What is around an RRset that is to be changed. */
interface Around {
  readonly serial: SerialState
  /** At its owner. */
  readonly here: readonly Stored<Rrset>[]
  /** DNAMEs above it and, when it is to be one, the first RRset below it. */
  readonly apart: readonly Rrset[]
  /** The service at its name and, when it is to be a DNAME or a zone cut, those below it. */
  readonly services: readonly string[]
}

interface AroundRow extends Record<string, unknown>, Pick<Around, 'apart' | 'services'> {
  readonly free: boolean
  readonly serial: SerialState | null
  readonly here: readonly Omit<Row, 'zone'>[]
}

/**
 * Claims the zone too. Throws `not-found` without it.
 *
 * @param type of the RRset; null when it is to go
 */
function loadAround(tx: Tx, apex: string, owner: string, type: string | null): Promise<Around> {
  return findAround(tx, apex, owner, type, tryZone(apex))
}

/** What an RRset is judged beside, itself included; as `loadAround`, and claims nothing. */
export function rrsetsAround(
  tx: Tx,
  apex: string,
  owner: string,
  type: string | null,
): Promise<Pick<Around, 'here' | 'apart'>> {
  return findAround(tx, apex, owner, type, sql`true`)
}

async function findAround(
  tx: Tx,
  apex: string,
  owner: string,
  type: string | null,
  isFree: SQL,
): Promise<Around> {
  const isDname = type === 'DNAME'
  const hides = typesThatHide.some((each) => each === type)
  const name = absoluteName(owner, apex)
  const below = name === '.' ? '' : `.${name}`
  const { rows } = await tx.execute<AroundRow>(sql`
    select ${isFree} as free,
      (select json_build_object('serial', serial, 'fixed', fixed_serial is not null,
        'signed', signing_algorithm is not null) from zones where apex = ${apex}) as serial,
      ${jsonRows(sql`
        select owner, type, ttl_seconds as "ttlSeconds", data, written, revision from rrsets where zone = ${apex} and owner = ${owner}`)} as here,
      ${jsonRows(sql`
        select owner, type, ttl_seconds as "ttlSeconds", data from rrsets
        where zone = ${apex} and owner = any(${texts(namesAbove(owner))}) and type = 'DNAME'
        union all (
          select owner, type, ttl_seconds as "ttlSeconds", data from rrsets where ${isDname} and zone = ${apex} and ${liesBelow(owner)} order by owner, type limit 1
        )`)} as apart,
      (
        select coalesce(json_agg(name), '[]') from services
        where zone = ${apex} and (name = ${name} or (${hides} and right(name, ${below.length}::int) = ${below}))
      ) as services`)
  const { free, serial, here, apart, services } = rows[0]!
  if (!free) throw new ZoneTaken(apex)
  if (serial === null) throw new ControlError('not-found', `zone ${apex} does not exist`)
  return { serial, here: here.map((row) => toStored(apex, row)), apart, services }
}

/** Rows of owners below `owner`: its text behind a dot at the end, and that dot not an escaped one. */
function liesBelow(owner: string): SQL {
  if (owner === '@') return sql`owner <> '@'`
  const suffix = `.${owner}`
  return sql`right(owner, ${suffix.length}::int) = ${suffix}
    and left(owner, -${suffix.length}::int) ~ ${'^([^\\\\]|\\\\.)+$'}`
}

/** Throws when an RRset can't stand beside what is around it. */
function checkRrset(apex: string, rrset: Rrset, { here, apart, services, serial }: Around): void {
  const what = describe(apex, rrset.owner, rrset.type)
  if (serial.signed && isMadeBySigning(rrset.type)) {
    throwIfAny(what, [{ path: '', message: madeBySigning(rrset.owner, rrset.type) }])
  }
  const others = here.map(({ value }) => value).filter(({ type }) => type !== rrset.type)
  const together = [rrset, ...others, ...apart]
  throwIfAny(
    what,
    checkKeys(together).map(({ message }) => ({ path: '', message })),
  )
  const places = placesOf([{ apex, rrsets: together }], services)
  throwIfBroken(
    what,
    services.flatMap((name) => placeBreaches(places, name)),
    insideRrset(apex, rrset),
  )
}

const insideRrset = (apex: string, { owner, type }: Rrset) => {
  const name = absoluteName(owner, apex)
  return ({ rrset }: Breach) => (rrset?.name === name && rrset.type === type ? '' : null)
}

const describe = (apex: string, owner: string, type: string) => `RRset ${owner} ${type} of zone ${apex}`

const atOwner = (apex: string, owner: string): SQL | undefined =>
  and(eq(rrsets.zone, apex), eq(rrsets.owner, owner))

type Row = typeof rrsets.$inferSelect

function toStored(apex: string, row: Omit<Row, 'zone'>): Stored<Rrset> {
  const { owner, type, ttlSeconds, data, written, revision } = row
  const value = { owner, type, ttlSeconds, data }
  const parse = (body: Body, problems: Problem[]) => parseRrset(apex, { owner, type }, body, '', problems)
  return { value, revision, written: spellingFor(written, value, parse) }
}
