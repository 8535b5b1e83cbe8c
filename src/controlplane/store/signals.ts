/**
 * Signals of signed zones for their parents (`model/signal.ts`): kept right by every write that may change one, in its own transaction, so that
 * no node ever serves others than the zone's own CDS.
 *
 *     what is written                             what is looked at
 *     a zone, its head, its keys or its NS        its own signals
 *     a zone that comes, goes, or gets signed     those under servers that lie in it
 *     a cut, DNAME or CNAME in a zone             those that stand in it: one that it would hide or stand beside is refused
 *
 * A signal that changes raises the serial of the zone that it stands in, as an edit of that owner does; it is compiled and signed like other
 * RRsets (`rrsets.ts` packs it among them), and no part of the document. A row is kept for each server that can't tell too: so that it is found
 * when its zone comes, and `pooldns dnssec status` can say why.
 */
import { isDeepStrictEqual } from 'node:util'
import { dnssecSignals } from '../../../schema/dnssec-signals.ts'
import { and, eq, isNotNull, isNull, or, type SQL, sql } from '../../../schema/drizzle.ts'
import { zones } from '../../../schema/zones.ts'
import { enclosingHostnames, hostnameToWire, parseHostname } from '../../dataplane/wire/name.ts'
import { TextError } from '../../dataplane/wire/text-error.ts'
import { keyTtlSeconds } from '../model/dnssec.ts'
import { ControlError } from '../model/errors.ts'
import { obstacleWords, type Signal, type SignalObstacle, signalName } from '../model/signal.ts'
import { namesAbove, relativeOwner } from '../rules/owners.ts'
import { batches } from './batches.ts'
import { readActiveKeys } from './dnssec-keys.ts'
import { texts } from './neighbourhood.ts'
import { raiseSerial } from './serial.ts'
import type { ConcernedSignals, Tx, Write } from './transaction.ts'
import { claimZone, ZoneTaken } from './zone-lock.ts'

type Row = typeof dnssecSignals.$inferSelect

/** Zones that one write follows up: it holds up all other writes meanwhile. */
export const overdueAtOnce = 100

/** Rows in one statement. */
const batchSize = 1_000

/** The signals of a zone, by the names of its servers. */
export async function listSignals(tx: Tx, child: string): Promise<Signal[]> {
  const { server, name, zone, obstacle } = dnssecSignals
  return tx
    .select({ server, name, zone, obstacle })
    .from(dnssecSignals)
    .where(eq(dnssecSignals.child, child))
    .orderBy(server)
}

/** Zones that tell their parents by signals now. */
export async function signallingZones(
  tx: Tx,
): Promise<{ apex: string; parentServers: string[]; propagationSeconds: number }[]> {
  const { child, zone } = dnssecSignals
  return tx
    .selectDistinct({
      apex: zones.apex,
      parentServers: zones.signingParentServers,
      propagationSeconds: zones.signingPropagationSeconds,
    })
    .from(dnssecSignals)
    .innerJoin(zones, eq(zones.apex, child))
    .where(isNotNull(zone))
}

/**
 * Zones whose signals were left for later, or that were signed before there were any, in the order of their apexes.
 *
 * @param after only those behind this apex
 * @param most so many at the most
 */
export async function overdueSignals(tx: Tx, after = '', most = overdueAtOnce): Promise<string[]> {
  const { rows } = await tx.execute<{ apex: string }>(sql`
    with overdue as (
      select child as apex from dnssec_signals where stale
      union select z.apex from zones z join rrsets r on r.zone = z.apex and r.owner = '@' and r.type = 'NS'
      where z.signing_algorithm is not null and z.signing_bootstrap and z.bootstrapped_at is null
        and not exists (select from dnssec_signals s where s.child = z.apex)
        and not exists (select from dnssec_rollovers o where o.apex = z.apex and o.goal = 'unsigned')
    )
    select apex from overdue where apex collate "C" > ${after} order by apex collate "C" limit ${most}`)
  return rows.map(({ apex }) => apex)
}

/** Ends the signals of a zone whose parent has a DS: they have done what they were for (RFC 9615 section 5.1). */
export async function endSignals(write: Write, apex: string): Promise<void> {
  await claimZone(write.tx, apex)
  const isOpen = and(eq(zones.apex, apex), isNull(zones.bootstrappedAt), isNotNull(zones.signingAlgorithm))
  write.send(write.tx.update(zones).set({ bootstrappedAt: new Date() }).where(isOpen))
  write.concernsSignals({ child: apex })
  write.audit('dnssec.bootstrapped', apex, null, null)
  write.say(`zone ${apex}: its parent has a DS, and the signals for it end`)
}

/**
 * Has the signals follow what a write has changed, at its end. Throws `conflict` where one would be hidden, and `ZoneTaken` for a write that can
 * wait for a zone.
 *
 * @param waits whether it can; else what concerns that zone is left for later
 */
export async function followSignals(write: Write, waits: boolean): Promise<void> {
  const { signals } = write
  const { zones: changed, children: own, places } = signals
  if (changed.length + own.length + places.length === 0) return
  // A look may be what has the zone signed.
  await Promise.all([write.held(), write.checked()])
  if (!write.mayHaveKeys) return
  await write.settled()
  const children = await concerned(write.tx, signals)
  if (children.length === 0) return
  const before = await rowsOf(write.tx, children)
  const { rows: after, unreadable } = await wantedOf(write, children)
  const known = before.filter(({ child }) => !unreadable.has(child))
  await replace(write, differences(known, after), waits)
}

/** Apexes of the zones whose signals may be others. */
async function concerned(tx: Tx, { zones: changed, children, places }: ConcernedSignals): Promise<string[]> {
  const own = [...changed, ...children]
  const standing = { zones: changed, places, ranges: changed.map((apex) => [pathOf(apex), endOf(apex)]) }
  const { rows } = await tx.execute<{ apex: string }>(sql`
    with zone as materialized (select json_array_elements_text(${JSON.stringify(standing.zones)}::json) as apex),
      place as materialized (select json_array_elements_text(${JSON.stringify(standing.places)}::json) as name),
      range as materialized (
        select r ->> 0 as first, r ->> 1 as behind from json_array_elements(${JSON.stringify(standing.ranges)}::json) as r
      )
    select z.apex from unnest(${texts(own)}) as o(apex) join zones z on z.apex = o.apex where z.signing_algorithm is not null
    union select s.child from unnest(${texts(own)}) as o(apex) join dnssec_signals s on s.child = o.apex
    union select s.child from zone join dnssec_signals s on s.zone = zone.apex
    union select s.child from range join dnssec_signals s on s.server_path >= range.first and s.server_path < range.behind
    union select s.child from place join dnssec_signals s on s.name = place.name or right(s.name, length(place.name) + 1) = '.' || place.name`)
  return rows.map(({ apex }) => apex)
}

/** Labels from the root on. Of a zone for signals alone, those of the server: what lies below it has that for its beginning. */
function pathOf(apex: string): string {
  const [, server] = /(?:^|\.)_signal\.(.+)$/.exec(apex) ?? []
  const name = server ?? apex
  return name === '.' ? '' : name.split('.').reverse().join('.').concat('.')
}

/** Behind all that begin with the path. `/` comes next to the dot. */
const endOf = (apex: string) => pathOf(apex).replace(/\.$/, '/') || '\u{10ffff}'

async function rowsOf(tx: Tx, children: readonly string[]): Promise<Row[]> {
  const { rows } = await tx.execute<Row & Record<string, unknown>>(sql`
    select s.child, s.server, s.server_path as "serverPath", s.name, s.zone, s.owner, s.obstacle, s.ttl_seconds as "ttlSeconds",
      s.cds, s.cdnskey, s.stale
    from unnest(${texts(children)}) as c(apex) join dnssec_signals s on s.child = c.apex`)
  return rows
}

/**
 * What the rows of zones are to be. Of a zone whose rows or keys somebody broke by SQL that can't be said: its signals stay as they are, as
 * what is served of the zone does, and a write of the zone that they stand in is not refused for it.
 */
async function wantedOf(
  write: Write,
  children: readonly string[],
): Promise<{ readonly rows: Row[]; readonly unreadable: ReadonlySet<string> }> {
  const { tx, keys: maker } = write
  const [found, keys] = await Promise.all([
    tx.execute<{ apex: string; max_ttl: number; foreign: string[]; data: string[] }>(sql`
      select z.apex, z.signing_max_ttl_seconds as max_ttl, z.signing_foreign_keys as foreign, r.data
      from unnest(${texts(children)}) as c(apex) join zones z on z.apex = c.apex
      cross join lateral (select data from rrsets where zone = z.apex and owner = '@' and type = 'NS' limit 1) r
      where z.signing_algorithm is not null and z.signing_bootstrap and z.bootstrapped_at is null`),
    readActiveKeys(tx, children),
  ])
  const unreadable = new Set<string>()
  const parentData = (child: string, foreign: readonly string[]) => {
    try {
      return maker.parentData(child, keys.get(child) ?? [], foreign)
    } catch (error) {
      if (error instanceof ControlError) throw error
      unreadable.add(child)
      return null
    }
  }
  const unplaced = found.rows.flatMap(({ apex: child, max_ttl, foreign, data }) => {
    const said = parentData(child, foreign)
    if (said === null || said.cds.length === 0) return []
    const { cds, cdnskey } = said
    return serversOf(data).map((server): Row => {
      const name = signalName(child, server)
      const obstacle = obstacleOf(child, server)
      const whole = { child, server, serverPath: pathOf(server), name, cds: [...cds], cdnskey: [...cdnskey] }
      const ttlSeconds = Math.min(keyTtlSeconds, max_ttl)
      return { ...whole, ttlSeconds, zone: null, owner: null, obstacle, stale: false }
    })
  })
  return { rows: await place(tx, unplaced), unreadable }
}

/** What keeps a server from telling of a zone, whatever is served here; null when nothing does. */
function obstacleOf(child: string, server: string): SignalObstacle | null {
  if (child === '.' || server === child || server.endsWith(`.${child}`)) return 'in-domain'
  try {
    hostnameToWire(signalName(child, server))
    return null
  } catch (error) {
    if (error instanceof TextError) return 'too-long'
    throw error
  }
}

/** Names of servers that can be written as they are. */
function serversOf(data: readonly string[]): string[] {
  const names = data.flatMap((text) => {
    try {
      return parseHostname(text)
    } catch (error) {
      if (error instanceof TextError) return []
      throw error
    }
  })
  return [...new Set(names)].filter((name) => name !== '.' && !name.includes('\\'))
}

/** Says of each where it stands, or why it can't. */
async function place(tx: Tx, rows: readonly Row[]): Promise<Row[]> {
  const enclosing = new Map(
    rows.filter(({ obstacle }) => obstacle === null).map(({ name }) => [name, enclosingHostnames(name)]),
  )
  const candidates = [...new Set([...enclosing.values()].flat())]
  if (candidates.length === 0) return [...rows]
  const { rows: found } = await tx.execute<{ apex: string; signed: boolean }>(sql`
    select apex, signing_algorithm is not null as signed from zones where apex = any(${texts(candidates)})`)
  const served = new Map(found.map(({ apex, signed }) => [apex, signed]))
  const placed = rows.map((row): Row => {
    const zone = enclosing.get(row.name)?.find((apex) => served.has(apex))
    if (row.obstacle !== null) return row
    if (zone === undefined) return { ...row, obstacle: 'no-zone' }
    if (!served.get(zone)) return { ...row, obstacle: 'unsigned' }
    return zone === row.name
      ? { ...row, obstacle: 'taken' }
      : { ...row, zone, owner: relativeOwner(row.name, zone) }
  })
  const taken = await takenAmong(tx, placed)
  return placed.map((row) =>
    taken.has(row.name) ? { ...row, zone: null, owner: null, obstacle: 'taken' } : row,
  )
}

/** Names of signals that other contents of their zones hide, or do not stand beside. */
async function takenAmong(tx: Tx, rows: readonly Row[]): Promise<ReadonlySet<string>> {
  const standing = rows.flatMap(({ zone, owner, name }) =>
    zone === null || owner === null ? [] : [{ zone, owner, name, above: namesAbove(owner) }],
  )
  if (standing.length === 0) return new Set()
  const looked = new Map(
    standing.flatMap(({ zone, owner, above }) =>
      [owner, ...above].map((each) => [`${zone} ${each}`, { zone, owner: each }] as const),
    ),
  )
  const [{ rows: found }, { rows: services }] = await Promise.all([
    tx.execute<{ zone: string; owner: string; type: string }>(sql`
      select r.zone, r.owner, r.type from json_to_recordset(${JSON.stringify([...looked.values()])}::json) as l(zone text, owner text)
      join rrsets r on r.zone = l.zone and r.owner = l.owner
      where r.type in ('CNAME', 'CDS', 'CDNSKEY', 'DNAME') or (r.type = 'NS' and r.owner <> '@')`),
    tx.execute<{ name: string }>(
      sql`select name from services where name = any(${texts(standing.map(({ name }) => name))})`,
    ),
  ])
  const there = new Set(found.map(({ zone, owner, type }) => `${zone} ${owner} ${type}`))
  const taken = new Set(services.map(({ name }) => name))
  for (const { zone, owner, name, above } of standing) {
    const isBeside = ['CNAME', 'CDS', 'CDNSKEY', 'NS'].some((type) => there.has(`${zone} ${owner} ${type}`))
    const isBelow = above.some((each) => ['NS', 'DNAME'].some((type) => there.has(`${zone} ${each} ${type}`)))
    if (isBeside || isBelow) taken.add(name)
  }
  return taken
}

/** A row as it was and is to be; null where there is none. */
interface Difference {
  readonly before: Row | null
  readonly after: Row | null
}

function differences(before: readonly Row[], after: readonly Row[]): Difference[] {
  const keyOf = ({ child, server }: Row) => `${child} ${server}`
  const was = new Map(before.map((row) => [keyOf(row), row]))
  const is = new Map(after.map((row) => [keyOf(row), row]))
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((key) => {
    const pair = { before: was.get(key) ?? null, after: is.get(key) ?? null }
    return isDeepStrictEqual(pair.before, pair.after) ? [] : [pair]
  })
}

/** Writes what differs, and has the zones that it stands in follow. */
async function replace(write: Write, pairs: readonly Difference[], waits: boolean): Promise<void> {
  const standing = pairs.flatMap(({ before, after }) => [before, after]).filter((row) => row?.zone != null)
  const touched = Map.groupBy(standing as Row[], ({ zone }) => zone!)
  const free = await changeable(write, [...touched.keys()], waits)
  const isFree = (row: Row | null) => row === null || row.zone === null || free.has(row.zone)
  const [now, later] = [
    pairs.filter((pair) => isBoth(pair, isFree)),
    pairs.filter((pair) => !isBoth(pair, isFree)),
  ]
  for (const { before, after } of now) demandNotTaken(before, after, free)
  const rows = now.flatMap(({ after }) => after ?? [])
  const gone = now.flatMap(({ before, after }) => (after === null && before !== null ? [before] : []))
  const stale = later.flatMap(({ before }) => before ?? [])
  const unplaced = later.flatMap(({ before, after }) =>
    before === null && after !== null
      ? [{ ...after, zone: null, owner: null, obstacle: 'no-zone' as const, stale: true }]
      : [],
  )
  const { tx } = write
  for (const batch of batches([...rows, ...unplaced], batchSize)) write.send(save(tx, batch))
  for (const batch of batches(gone, batchSize)) write.send(tx.delete(dnssecSignals).where(among(batch)))
  for (const batch of batches(stale, batchSize))
    write.send(tx.update(dnssecSignals).set({ stale: true }).where(among(batch)))
  for (const [apex, serial] of free) {
    const owners = new Set<string>()
    for (const { before, after } of now) {
      if (isSame(before, after)) continue
      for (const row of [before, after]) if (row?.zone === apex) owners.add(row.owner!)
    }
    if (owners.size === 0) continue
    if (serial === null) write.change('zone', apex, [...owners])
    else raiseSerial(write, apex, serial, [...owners])
  }
}

const isBoth = ({ before, after }: Difference, is: (row: Row | null) => boolean) => is(before) && is(after)

/** Whether what is served of it is the same. */
function isSame(before: Row | null, after: Row | null): boolean {
  const served = (row: Row | null) =>
    row?.zone == null ? null : [row.zone, row.owner, row.ttlSeconds, row.cds, row.cdnskey]
  return isDeepStrictEqual(served(before), served(after))
}

/** @throws ControlError `conflict` when what was written hides a signal, or stands where it does */
function demandNotTaken(
  before: Row | null,
  after: Row | null,
  zonesThere: ReadonlyMap<string, unknown>,
): void {
  if (before?.zone == null || after?.obstacle !== 'taken' || !zonesThere.has(before.zone)) return
  const { child, name, zone } = before
  throw new ControlError(
    'conflict',
    `zone ${zone} has CDS and CDNSKEY at ${name}, by which the parent of zone ${child} is to take that for signed (RFC 9615): ` +
      `${obstacleWords.taken}. Write it once that parent has its DS, or have zone ${child} say bootstrap: false ` +
      `("pooldns dnssec enable ${child} --bootstrap off")`,
  )
}

/** Of zones, those that can be changed now, with their serials: null where this write has raised that already, or there is no such zone. */
async function changeable(
  write: Write,
  apexes: readonly string[],
  waits: boolean,
): Promise<ReadonlyMap<string, Parameters<typeof raiseSerial>[2] | null>> {
  const { tx } = write
  const free = new Map<string, Parameters<typeof raiseSerial>[2] | null>()
  for (const apex of apexes) {
    if (write.hasChanged(apex)) free.set(apex, null)
    else {
      try {
        await claimZone(tx, apex)
      } catch (error) {
        if (!waits && error instanceof ZoneTaken) continue
        throw error
      }
      const [row] = await tx.select().from(zones).where(eq(zones.apex, apex))
      const serial = row && {
        serial: row.serial,
        fixed: row.fixedSerial !== null,
        signed: row.signingAlgorithm !== null,
      }
      free.set(apex, serial ?? null)
    }
  }
  return free
}

function save(tx: Tx, rows: readonly Row[]): PromiseLike<unknown> {
  const of = (column: string) => sql.raw(`excluded.${column}`)
  return tx
    .insert(dnssecSignals)
    .values([...rows])
    .onConflictDoUpdate({
      target: [dnssecSignals.child, dnssecSignals.server],
      set: {
        zone: of('zone'),
        owner: of('owner'),
        obstacle: of('obstacle'),
        ttlSeconds: of('ttl_seconds'),
        cds: of('cds'),
        cdnskey: of('cdnskey'),
        stale: of('stale'),
      },
    })
}

const among = (rows: readonly Row[]): SQL | undefined =>
  or(
    ...rows.map(({ child, server }) => and(eq(dnssecSignals.child, child), eq(dnssecSignals.server, server))),
  )
