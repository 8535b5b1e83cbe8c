/**
 * Zones from master files: the RRs come in batches, in any order, and there may be more of them than fit the memory. So
 * they go into a table, and everything that needs more than one RR happens there, by set: bringing RRsets
 * together, checking them, and making the zone what they are.
 *
 * ## Order
 * All of it belongs to one `Database.writeStaged`: `openStaging`, `stageRrs` as often as there are batches, `gatherRrsets`,
 * the checks, `replaceByStaged` and `closeStaging` before the revision lock, so that whatever grows with the file holds up
 * nobody but those who write the same zone; `putStagedZone` behind it. What a transaction stages it deletes before it
 * commits, so the tables look empty to everybody else, and need no key that tells imports apart.
 *
 * ## The tables
 * Rejected: temporary tables. The daemon's role may not create any where it has been given no more than it needs
 * (deploy/postgres/roles.sql).
 *
 * They have no statistics to rely on: they are full only while nobody looks. With those of an empty table Postgres
 * joins a million rows with a million in a nested loop, so the transaction forbids that where there is another way.
 */
import { type SQL, sql } from '../../../schema/drizzle.ts'
import type { Soa } from '../model/zone.ts'
import { absoluteName } from '../rules/owners.ts'
import { placeBreaches, because as placeRefused, typesOfServices } from '../rules/places.ts'
import { placesOf } from '../rules/view.ts'
import { maxRrsetOctets, because as rrsetRefused, singleTypes, typesBesideCname } from '../rules/zone-data.ts'
import { keptRrsets, rrsetFragment } from './history.ts'
import { loadNeighbourhood } from './neighbourhood.ts'
import { throwIfBroken } from './refusals.ts'
import { currentRevision } from './revision.ts'
import { auditedNames, type Replacement } from './rrset-replacement.ts'
import type { Put, WriteCondition } from './stored.ts'
import type { Tx, Write } from './transaction.ts'
import { lockZones } from './zone-lock.ts'
import type { ZoneWarning } from './zone-warnings.ts'
import {
  adoptServices,
  type BegunZone,
  beginZone,
  findAround,
  findZone,
  finishZone,
  getZoneHead,
  servicesOf,
} from './zones.ts'

/** One RR, never an SOA, and where it stands in its file. */
export interface StagedRr {
  readonly line: number
  readonly column: number
  /** Relative to the apex and in lower case, `@` for the apex itself. */
  readonly owner: string
  readonly type: string
  readonly ttlSeconds: number
  /** Canonical RDATA, the text that all spellings of the RR share (null: this one), and the octets of its wire form. */
  readonly data: string
  readonly identity: string | null
  readonly octets: number
}

/** Something about an RR of the file. */
export interface StagedFinding {
  readonly line: number
  readonly column: number
  readonly owner: string
  readonly type: string
  readonly message: string
}

/** What a file says of the zone besides its RRsets. */
export interface StagedZone {
  readonly apex: string
  /** The SOA, whose `fixedSerial` doesn't count: whether the serial is fixed stays as it is. */
  readonly soa: Soa
  readonly serial: number
  readonly ttlSeconds: number
}

/** What statements need that join staged rows; the others want the index of their table. */
const joinsBySet = sql`set local enable_nestloop = off`
const joinsByIndex = sql`set local enable_nestloop = on`

export async function openStaging(tx: Tx): Promise<void> {
  // Sorting a million rows in the 4 MB of the default takes twice as long.
  await tx.execute(sql`set local work_mem = '64MB'`)
  await tx.execute(joinsBySet)
}

/** What tells an RR from others of its owner and type. */
const identityOf = (rr: SQL): SQL => sql`coalesce(${rr}.identity, ${rr}.data)`

/** Leaves the tables as they were, empty. */
export async function closeStaging(tx: Tx): Promise<void> {
  await tx.execute(sql`delete from staged_rrs`)
  await tx.execute(sql`delete from staged_rrsets`)
}

/**
 * Some thousands at a time: they travel as one parameter.
 *
 * @param before RRs that were staged before these
 */
export async function stageRrs(tx: Tx, rrs: readonly StagedRr[], before: number): Promise<void> {
  await tx.execute(sql`
    insert into staged_rrs (id, line, "column", owner, type, ttl_seconds, data, identity, octets)
    select ${before}::bigint + nth, line, "column", owner, type, "ttlSeconds", data, identity, octets
    from rows from (json_to_recordset(${JSON.stringify(rrs)}::json)
      as (line int, "column" int, owner text, type text, "ttlSeconds" int, data text, identity text, octets int))
      with ordinality as r(line, "column", owner, type, "ttlSeconds", data, identity, octets, nth)`)
}

/**
 * Brings the RRs together to RRsets. An RRset has the TTL of its first RR, and the same RR twice is one; the warnings
 * say where that made a difference.
 *
 * @param most findings of each kind
 */
export async function gatherRrsets(tx: Tx, most: number): Promise<StagedFinding[]> {
  await tx.execute(sql`
    insert into staged_rrsets (owner, type, first_id, ttl_seconds, data, octets)
    select owner, type, min(id), (array_agg(ttl_seconds order by id))[1], array_agg(data order by id), sum(octets + 12)
    from staged_rrs group by owner, type`)
  const twice = await findings<number>(
    tx,
    sql`
    select line, "column", owner, type, first_line as about from (
      select r.*, row_number() over same as nth, first_value(r.line) over same as first_line
      from staged_rrs r join staged_rrsets s using (owner, type) where cardinality(s.data) > 1
      window same as (partition by r.owner, r.type, ${identityOf(sql`r`)} order by r.id)
    ) as numbered where nth > 1`,
    most,
    ({ about }) => `the same RR stands there already, in line ${about}`,
  )
  if (twice.length > 0) {
    await tx.execute(sql`
      with repeating as (
        select distinct owner, type from staged_rrs r group by owner, type, ${identityOf(sql`r`)} having count(*) > 1
      ), once as (
        select distinct on (owner, type, ${identityOf(sql`r`)}) owner, type, id, data, octets
        from repeating join staged_rrs r using (owner, type)
        order by owner, type, ${identityOf(sql`r`)}, id
      ), gathered as (
        select owner, type, array_agg(data order by id) as data, sum(octets + 12) as octets from once group by owner, type
      )
      update staged_rrsets s set data = g.data, octets = g.octets
      from gathered g where g.owner = s.owner and g.type = s.type`)
  }
  const ttls = await findings<readonly [number, number]>(
    tx,
    sql`
    select line, "column", r.owner, r.type, array[r.ttl_seconds, s.ttl_seconds] as about
    from staged_rrs r join staged_rrsets s using (owner, type)
    where cardinality(s.data) > 1 and r.ttl_seconds <> s.ttl_seconds`,
    most,
    ({ about: [ttl, first] }) =>
      `TTL ${ttl} is not taken: an RRset has one TTL, and that of its first RR is ${first} (RFC 2181 section 5.2)`,
  )
  return [...twice, ...ttls]
}

/** Every rule that is broken by RRs together, at most `most` of each rule. Services are told by `serviceFindings`. */
export async function stagedProblems(tx: Tx, most: number): Promise<StagedFinding[]> {
  const single = sql`
    select r.line, r."column", r.owner, r.type from staged_rrs r join staged_rrsets s using (owner, type)
    join staged_rrs f on f.id = s.first_id
    where s.type in ${singleTypes} and cardinality(s.data) > 1 and ${identityOf(sql`r`)} <> ${identityOf(sql`f`)}`
  const alone = sql`
    select r.line, r."column", r.owner, r.type, array_agg(o.type order by o.type) as about
    from staged_rrsets s
    join staged_rrsets o on o.owner = s.owner and o.type not in ${typesBesideCname}
    join staged_rrs r on r.id = s.first_id
    where s.type = 'CNAME' group by r.line, r."column", r.owner, r.type`
  const size = sql`
    select r.line, r."column", r.owner, r.type, s.octets::int as about
    from staged_rrsets s join staged_rrs r on r.id = s.first_id where s.octets > ${maxRrsetOctets}::int`
  const atCut = sql`
    select r.line, r."column", r.owner, r.type
    from staged_rrsets s
    join staged_rrsets o on o.owner = s.owner and o.type = 'NS'
    join staged_rrs r on r.id = s.first_id
    where s.type = 'DNAME' and s.owner <> '@'`
  const found = [
    ...(await findings(tx, single, most, ({ type }) => rrsetRefused.single(type))),
    ...(await findings<readonly string[]>(tx, alone, most, ({ about }) => rrsetRefused.besideCname(about))),
    ...(await findings<number>(tx, size, most, ({ about }) => rrsetRefused.tooLarge(about))),
    ...(await findings(tx, atCut, most, () => rrsetRefused.dnameAtCut)),
  ]
  const hasDname = await tx.execute(sql`select 1 from staged_rrsets where type = 'DNAME' limit 1`)
  if (hasDname.rows.length === 0) return found
  const below = await findings<string>(tx, belowDname, most, ({ about }) => rrsetRefused.belowDname(about))
  return [...found, ...below]
}

const belowDname = sql`
  select r.line, r."column", r.owner, r.type, d.owner as about
  from staged_rrsets s
  join lateral ${ancestorsOf(sql`s.owner`)} as a on true
  join staged_rrsets d on d.owner = a.name and d.type = 'DNAME'
  join staged_rrs r on r.id = s.first_id`

/** RRs that stand where a service is, and the names of the services that were judged. The zone need not exist yet. */
export async function serviceFindings(
  tx: Tx,
  apex: string,
  most: number,
): Promise<{ readonly judged: ReadonlySet<string>; readonly found: StagedFinding[] }> {
  const zone = await findZone(tx, apex)
  if (zone === null) return { judged: new Set(), found: [] }
  const judged = new Set(await servicesOf(tx, zone))
  const suffix = apex === '.' ? '' : `.${apex}`
  const inside = sql`(
    select name,
      case when name = ${apex} then '@' else left(name, length(name) - ${suffix.length}::int) end collate "C" as owner
    from services
    where zone = ${zone} and (name = ${apex} or right(name, ${suffix.length}::int) = ${suffix})
  )`
  const taken = sql`
    select r.line, r."column", r.owner, r.type, v.name as about
    from ${inside} as v
    join staged_rrsets s on s.owner = v.owner and s.type in ${typesOfServices}
    join staged_rrs r on r.id = s.first_id`
  const below = sql`
    select r.line, r."column", r.owner, r.type, v.name as about
    from ${inside} as v
    join lateral ${ancestorsOf(sql`v.owner`)} as a on true
    join staged_rrsets s on s.owner = a.name and s.type = 'DNAME'
    join staged_rrs r on r.id = s.first_id`
  const delegated = sql`
    select r.line, r."column", r.owner, r.type, v.name as about
    from ${inside} as v
    join lateral (select v.owner as name union all select name from ${ancestorsOf(sql`v.owner`)} as above) as a on true
    join staged_rrsets s on s.owner = a.name and s.type = 'NS' and s.owner <> '@'
    join staged_rrs r on r.id = s.first_id`
  const found = [
    ...(await findings<string>(tx, taken, most, ({ about, type }) => placeRefused.taken(about, type))),
    ...(await findings<string>(tx, delegated, most, ({ about, owner }) =>
      placeRefused.delegated(about, absoluteName(owner, apex)),
    )),
    ...(await findings<string>(tx, below, most, ({ about, owner }) =>
      placeRefused.belowDname(about, absoluteName(owner, apex)),
    )),
  ]
  return { judged, found }
}

/**
 * A subquery of one column, `name`: the names that an owner lies below, the apex included, as owners. The owner and what
 * comes out are relative to the apex, `@` for the apex itself, which lies below nothing. `namesAbove`, by set.
 */
function ancestorsOf(owner: SQL): SQL {
  // A label that ends with a backslash of its own is no label: the dot behind it is escaped.
  const escapesDot = String.raw`(^|[^\\])(\\\\)*\\$`
  return sql`(
    select array_to_string(labels[i:], '.') as name
    from (select string_to_array(${owner}, '.') as labels) as split, generate_series(2, cardinality(labels)) as i
    where labels[i - 1] !~ ${escapesDot}
    union all
    select '@' where ${owner} <> '@'
  )`
}

/** A zone whose RRsets are those of its file, but for what needs the revision lock. */
export interface StagedReplacement {
  readonly begun: BegunZone
  readonly replaced: Replacement
}

/**
 * Locks the zone and makes its RRsets what was staged. Only those that differ are written: the order of RRs in an RRset is no
 * difference, nor is a TTL that is inherited on one side. The serial: a fixed one becomes the file's; our own rises as
 * ever, and is never behind the file's. Throws `stale` by the condition.
 *
 * Their revision is the next one as it is now. Until the import has the revision lock others may take that, so it may be
 * less than the import's. Yet no RRset of this zone had it before, which is what an ETag needs.
 */
export async function replaceByStaged(
  tx: Tx,
  { apex, soa, serial, ttlSeconds }: StagedZone,
  condition: WriteCondition,
): Promise<StagedReplacement> {
  await lockZones(tx, [apex])
  const revision = (await currentRevision(tx)) + 1
  const sent: PromiseLike<unknown>[] = []
  const begun = beginZone(
    { tx, revision, send: (statement) => void sent.push(statement) },
    await getZoneHead(tx, apex),
    { apex, soa, ttlSeconds, dnssec: null },
    serial,
    condition,
  )
  await Promise.all(sent)
  const replaced = await replaceRows(tx, apex, ttlSeconds, revision, begun.current === null)
  await tx.execute(joinsByIndex)
  return { begun, replaced }
}

/**
 * Makes a zone what was staged, its RRsets being there. Throws `conflict` for a service that came in the way.
 *
 * @param judged services that `serviceFindings` looked at
 */
export async function putStagedZone(
  write: Write,
  { begun, replaced }: StagedReplacement,
  judged: ReadonlySet<string>,
): Promise<Put> {
  const { tx } = write
  const { apex } = begun.head
  if (begun.current === null) await adoptServices(write, apex, await findAround(write.tx, apex))
  const names = (await servicesOf(tx, apex)).filter((name) => !judged.has(name))
  if (names.length > 0) {
    const { zones } = await loadNeighbourhood(tx, { places: names })
    const view = placesOf(zones, names)
    throwIfBroken(
      `zone ${apex}`,
      names.flatMap((name) => placeBreaches(view, name)),
      () => null,
    )
  }
  const put = finishZone(write, begun, 'zone.import', replaced)
  write.send(
    tx.execute(
      sql`update history set revision = ${write.revision}::bigint where revision = ${stagedRevision}`,
    ),
  )
  return put
}

/** What rows of the history have until the revision is known; nobody else ever sees one. */
const stagedRevision = -1

/** Where in the file the RRs stand that warnings are about; line 1 for one that is about what is not there. */
export async function placeWarnings(tx: Tx, warnings: readonly ZoneWarning[]): Promise<StagedFinding[]> {
  await tx.execute(joinsBySet)
  const { rows } = await tx.execute<StagedFinding & Record<string, unknown>>(sql`
    select coalesce(min(r.line), 1) as line, coalesce(min(r."column"), 1) as "column", w.owner, w.type, w.message
    from json_to_recordset(${JSON.stringify(warnings)}::json) as w(owner text, type text, data text, message text)
    left join staged_rrs r on r.owner = w.owner and r.type = w.type and r.data = w.data
    group by w.owner, w.type, w.data, w.message`)
  await tx.execute(joinsByIndex)
  return rows
}

async function replaceRows(
  tx: Tx,
  apex: string,
  zoneTtl: number,
  revision: number,
  isNew: boolean,
): Promise<Replacement> {
  const touching = (statement: SQL, returning: SQL) => affected(tx, apex, statement, returning, isNew)
  const deleted = await touching(
    sql`
    delete from rrsets r where r.zone = ${apex}
      and not exists (select from staged_rrsets s where s.owner = r.owner and s.type = r.type)`,
    sql`r.ttl_seconds, r.data`,
  )
  const updated = await touching(
    sql`
    update rrsets r set ttl_seconds = nullif(s.ttl_seconds, ${zoneTtl}::int), data = s.data, written = null, revision = ${revision}::bigint
    from staged_rrsets s join rrsets o on o.zone = ${apex} and o.owner = s.owner and o.type = s.type
    where r.zone = ${apex} and r.owner = s.owner and r.type = s.type and not (
      coalesce(r.ttl_seconds, ${zoneTtl}::int) = s.ttl_seconds and cardinality(r.data) = cardinality(s.data)
      and (r.data = s.data or (r.data @> s.data and s.data @> r.data))
    )`,
    sql`o.ttl_seconds, o.data`,
  )
  const inserted = await touching(
    sql`
    insert into rrsets as r (zone, owner, type, ttl_seconds, data, revision)
    select ${apex}::text, owner, type, nullif(ttl_seconds, ${zoneTtl}::int), data, ${revision}::bigint
    from staged_rrsets s
    where not exists (select from rrsets o where o.zone = ${apex} and o.owner = s.owner and o.type = s.type)
    order by owner, type`,
    sql`null::int as ttl_seconds, null::text[] as data`,
  )
  const isKept = [deleted, updated, inserted].every(({ kept }) => kept)
  return {
    former: isKept ? 'written' : null,
    few: [],
    changed: deleted.count + updated.count + inserted.count,
    put: [...updated.names, ...inserted.names].slice(0, auditedNames),
    deleted: deleted.names,
  }
}

/**
 * Runs a statement on `rrsets r`, and keeps in the history how the rows were, unless they are too many or the zone is new.
 *
 * @param before what it returns of a row as it was: `ttl_seconds` and `data`
 * @returns how many rows it touched, the names of the first of them, and whether the history has all that it should
 */
async function affected(
  tx: Tx,
  apex: string,
  statement: SQL,
  before: SQL,
  isNew: boolean,
): Promise<{ count: number; names: string[]; kept: boolean }> {
  const { rows } = await tx.execute<{ count: string; names: string[] | null }>(sql`
    with touched as (${statement} returning r.owner, r.type, ${before}), kept as (
      insert into history (revision, kind, key, before)
      select ${stagedRevision}, 'rrset', ${apex}::text || chr(9) || owner || '/' || type,
        case when data is null then null else ${rrsetFragment} end
      from touched where not ${isNew}::boolean and (select count(*) from touched) <= ${keptRrsets}::int
    )
    select (select count(*) from touched) as count, (
      select array_agg(name) from (
        select owner || ' ' || type as name from touched order by owner, type limit ${auditedNames}::int
      ) as first
    ) as names`)
  const [row] = rows
  const count = Number(row!.count)
  return { count, names: row!.names ?? [], kept: isNew || count <= keptRrsets }
}

/** The first RRs that a query finds, and what is to be said of each. */
async function findings<About>(
  tx: Tx,
  query: SQL,
  most: number,
  messageOf: (found: Omit<StagedFinding, 'message'> & { readonly about: About }) => string,
): Promise<StagedFinding[]> {
  const { rows } = await tx.execute<
    Omit<StagedFinding, 'message'> & { about: About } & Record<string, unknown>
  >(sql`select * from (${query}) as found order by line, "column" limit ${most}::int`)
  return rows.map(({ about, ...place }) => ({ ...place, message: messageOf({ ...place, about }) }))
}
