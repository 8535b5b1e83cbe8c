/**
 * The configuration as a whole: read, and changed in many parts at once. What a change must keep is judged by whoever makes it,
 * over all of it; here it is only written, a few statements for thousands of parts.
 */
import { setImmediate as turn } from 'node:timers/promises'
import { eq, sql } from '../../../schema/drizzle.ts'
import { feeds } from '../../../schema/feeds.ts'
import { monitorParts, monitors, pools } from '../../../schema/pools.ts'
import { servicePools, services } from '../../../schema/services.ts'
import { zones } from '../../../schema/zones.ts'
import { formatFeed } from '../document/feed.ts'
import type { Body } from '../document/forms.ts'
import { hideOfFeed, hideOfMonitor } from '../document/hidden.ts'
import { formatMonitor } from '../document/monitor.ts'
import { formatPool } from '../document/pool.ts'
import { formatService } from '../document/service.ts'
import { formatZoneHead } from '../document/zone.ts'
import type { Feed } from '../model/feed.ts'
import { formatMemberKey } from '../model/member-key.ts'
import type { Monitor } from '../model/monitor.ts'
import type { Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { Rrset, ZoneHead } from '../model/zone.ts'
import { retireKeys } from './dnssec-keys.ts'
import { listAllFeeds, type StoredFeed, saveFeeds } from './feeds.ts'
import { keepAllRrsets } from './history.ts'
import { listAllMonitors, type StoredMonitor, saveMonitors } from './monitors.ts'
import { jsonRows, texts } from './neighbourhood.ts'
import { listAllPools, poolRowsOf, type StoredPool, savePools } from './pools.ts'
import { replaceSome } from './rrset-replacement.ts'
import { countAllRrsets, streamRrsetsOf } from './rrsets.ts'
import { listAllServices, type StoredService, saveServices } from './services.ts'
import { bodyOf, type OnBad, type Owned, type Stored } from './stored.ts'
import type { Tx, Write } from './transaction.ts'
import { beginZone, finishZone, listAllZones, type StoredZone } from './zones.ts'

/** Everything but the RRsets of zones, by name. */
export interface StoredConfiguration {
  readonly feeds: ReadonlyMap<string, StoredFeed>
  readonly monitors: ReadonlyMap<string, StoredMonitor>
  readonly pools: ReadonlyMap<string, StoredPool>
  readonly services: ReadonlyMap<string, StoredService>
  readonly zones: ReadonlyMap<string, StoredZone>
}

/** RRsets by the apex of their zone. */
export type StoredRrsets = ReadonlyMap<string, readonly Rrset[]>

/**
 * Reads it. What can't be read of a row is told, and left out or as if it were left out of the fragment; without `onBad` it is thrown
 * as `invalid`.
 */
export async function readConfiguration(tx: Tx, onBad?: OnBad): Promise<StoredConfiguration> {
  const [feeds, monitors, pools, services, zones] = [
    await inTurn(listAllFeeds(tx, onBad)),
    await inTurn(listAllMonitors(tx, onBad)),
    await inTurn(listAllPools(tx, onBad)),
    await inTurn(listAllServices(tx, onBad)),
    await inTurn(listAllZones(tx, onBad)),
  ]
  return {
    feeds: byName(feeds),
    monitors: byName(monitors),
    pools: byName(pools),
    services: byName(services),
    zones: new Map(zones.map((zone) => [zone.value.apex, zone])),
  }
}

/** Lets the thread do other things between two kinds. */
async function inTurn<T>(list: Promise<T>): Promise<T> {
  const found = await list
  await turn()
  return found
}

function byName<T extends Stored<{ readonly name: string }>>(parts: readonly T[]): Map<string, T> {
  return new Map(parts.map((part) => [part.value.name, part]))
}

/** RRsets that the zones may have together which a document changes; larger ones are for `import-zone`, or changed one RRset at a time. */
export const mostDocumentRrsets = 200_000

/** The RRsets of zones; null when they are too many. */
export async function readRrsets(tx: Tx, apexes: readonly string[]): Promise<StoredRrsets | null> {
  if ((await countAllRrsets(tx, apexes)) > mostDocumentRrsets) return null
  const found = new Map<string, Rrset[]>(apexes.map((apex) => [apex, []]))
  for await (const batch of streamRrsetsOf(tx, apexes, rrsetsAtOnce)) {
    for (const { zone, ...rrset } of batch) found.get(zone)!.push(rrset)
  }
  return found
}

/** What there is of RRsets at names, in zones that are known. */
export interface Place {
  readonly zone: string
  readonly owner: string
}

/** Owner and type of the RRsets at places, by zone. */
export async function keysAt(
  tx: Tx,
  places: readonly Place[],
): Promise<ReadonlyMap<string, readonly { readonly owner: string; readonly type: string }[]>> {
  if (places.length === 0) return new Map()
  const { rows } = await tx.execute<{ found: { zone: string; owner: string; type: string }[] }>(sql`
    select ${jsonRows(sql`
      select distinct r.zone, r.owner, r.type
      from json_to_recordset(${JSON.stringify(places)}::json) as p(zone text, owner text)
      join rrsets r on r.zone = p.zone and r.owner = p.owner`)} as found`)
  return Map.groupBy(rows[0]!.found, ({ zone }) => zone)
}

interface Change<T> {
  readonly name: string
  readonly before: (Stored<T> & Owned) | null
  readonly after: { readonly value: T; readonly written: Body | null } | null
  readonly owner: string | null
}

export interface ConfigurationChanges {
  readonly feeds: readonly Change<Feed>[]
  readonly monitors: readonly Change<Monitor>[]
  readonly pools: readonly Change<Pool>[]
  readonly services: readonly Change<Service>[]
  readonly zones: readonly (Omit<Change<ZoneHead>, 'before'> & {
    readonly before: StoredZone | null
    readonly rrsets: readonly { readonly before: Rrset | null; readonly after: Rrset | null }[]
  })[]
}

/**
 * Writes changes that have been judged. What is named comes before what names it, and goes after it.
 *
 * @param zoneOf the apex of the zone that a service lies in once all is done
 * @param moved services that stay as they are and come to lie in another zone
 */
export async function writeConfiguration(
  write: Write,
  changes: ConfigurationChanges,
  zoneOf: (service: string) => string,
  moved: readonly { readonly name: string; readonly from: string }[],
): Promise<void> {
  const put = <T>(parts: readonly Change<T>[]) =>
    parts.flatMap(({ after, ...part }) => (after === null ? [] : [{ ...part, ...after }]))
  const gone = <T extends { readonly after: unknown }>(parts: readonly T[]) =>
    parts.filter(({ after }) => after === null)
  saveFeeds(write, put(changes.feeds))
  saveMonitors(write, put(changes.monitors))
  await write.settled()
  savePools(
    write,
    put(changes.pools),
    await poolRowsOf(
      write.tx,
      put(changes.pools).map(({ name }) => name),
    ),
  )
  await write.settled()
  await putZones(write, changes.zones)
  saveServices(
    write,
    put(changes.services).map((part) => ({ ...part, zone: zoneOf(part.name), isNew: part.before === null })),
  )
  await write.settled()
  moveServices(write, moved, zoneOf)
  deleteServices(write, gone(changes.services))
  deletePools(write, gone(changes.pools))
  for (const zone of gone(changes.zones)) deleteZoneParts(write, zone.name)
  deleteMonitors(write, gone(changes.monitors))
  deleteFeeds(write, gone(changes.feeds))
  setOwners(write, changes)
  note(write, changes)
  await write.settled()
}

/** Zones, or RRsets of zones, that are on their way to the database at once: their statements wait for one round trip together. */
const zonesAtOnce = 100
const rrsetsAtOnce = 2_000

async function putZones(write: Write, changes: ConfigurationChanges['zones']): Promise<void> {
  let [zones, rrsets] = [0, 0]
  for (const zone of changes) {
    if (zone.after === null) continue
    putZoneParts(write, zone)
    zones++
    rrsets += zone.rrsets.length
    if (zones < zonesAtOnce && rrsets < rrsetsAtOnce) await turn()
    else {
      await write.settled()
      zones = rrsets = 0
    }
  }
  await write.settled()
}

function putZoneParts(write: Write, { before, after, rrsets }: ConfigurationChanges['zones'][number]): void {
  const { value, written } = after!
  const begun = beginZone(write, before, value, null, {}, written)
  const replaced = replaceSome(write, value.apex, rrsets, before === null)
  const { changed } = finishZone(write, begun, 'zone.put', replaced, false)
  if (changed) return
  // It comes into somebody's files, and nothing else.
  const body = bodyOf(before!, formatZoneHead)
  write.change('zone', value.apex)
  write.keep('zone', value.apex, body, before!.owner)
  write.audit('zone.put', value.apex, body, body)
}

/** The zone's own row goes last; its RRsets go with it. */
function deleteZoneParts(write: Write, apex: string): void {
  write.send(keepAllRrsets(write.tx, apex, write.revision))
  retireKeys(write, [apex])
  write.send(write.tx.delete(zones).where(eq(zones.apex, apex)))
}

function moveServices(
  write: Write,
  moved: readonly { readonly name: string; readonly from: string }[],
  zoneOf: (service: string) => string,
): void {
  const byZone = Map.groupBy(moved, ({ name }) => zoneOf(name))
  for (const [zone, those] of byZone) {
    const names = those.map(({ name }) => name)
    write.send(
      write.tx
        .update(services)
        .set({ zone })
        .where(sql`name = any(${texts(names)})`),
    )
    write.change('zone', zone)
    for (const { name, from } of those) {
      write.change('service', name)
      write.change('zone', from)
    }
  }
}

type Gone = readonly { readonly name: string }[]

function deleteServices(write: Write, gone: Gone): void {
  if (gone.length === 0) return
  const { tx } = write
  const names = texts(gone.map(({ name }) => name))
  // They may name each other.
  write.send(tx.delete(servicePools).where(sql`service = any(${names})`))
  write.send(tx.delete(services).where(sql`name = any(${names})`))
}

/** What was said and measured of them goes with them. */
function deletePools(write: Write, gone: Gone): void {
  if (gone.length === 0) return
  const { tx } = write
  const names = texts(gone.map(({ name }) => name))
  const freed = tx
    .execute<{ pool: string; member: string }>(
      sql`delete from overrides where pool = any(${names}) returning pool, member`,
    )
    .then(({ rows }) => {
      for (const key of rows) write.change('override', formatMemberKey(key))
    })
  write.beforeCommit(freed)
  write.send(tx.execute(sql`delete from reports where pool = any(${names})`))
  write.send(tx.delete(pools).where(sql`name = any(${names})`))
}

function deleteMonitors(write: Write, gone: Gone): void {
  if (gone.length === 0) return
  const { tx } = write
  const names = texts(gone.map(({ name }) => name))
  write.send(tx.delete(monitorParts).where(sql`composite = any(${names})`))
  write.send(tx.delete(monitors).where(sql`name = any(${names})`))
}

function deleteFeeds(write: Write, gone: Gone): void {
  if (gone.length === 0) return
  const names = texts(gone.map(({ name }) => name))
  write.send(write.tx.delete(feeds).where(sql`name = any(${names})`))
}

function setOwners(write: Write, changes: ConfigurationChanges): void {
  const { tx } = write
  for (const [table, column, parts] of [
    ['feeds', 'name', changes.feeds],
    ['monitors', 'name', changes.monitors],
    ['pools', 'name', changes.pools],
    ['services', 'name', changes.services],
    ['zones', 'apex', changes.zones],
  ] as const) {
    const byOwner = Map.groupBy(
      parts.filter(({ after, before, owner }) => after !== null && (before?.owner ?? null) !== owner),
      ({ owner }) => owner,
    )
    for (const [owner, those] of byOwner) {
      const names = texts(those.map(({ name }) => name))
      write.send(
        tx.execute(
          sql`update ${sql.raw(table)} set owner = ${owner}::text where ${sql.raw(column)} = any(${names})`,
        ),
      )
    }
  }
}

/** Says of each part what it was and is: to the nodes, to the history and in the audit log. */
function note(write: Write, changes: ConfigurationChanges): void {
  const each = <T>(
    kind: 'feed' | 'monitor' | 'pool' | 'service',
    parts: readonly Change<T>[],
    format: (value: T) => Body,
    hide: (body: Body) => Body = (body) => body,
  ) => {
    for (const { name, before, after } of parts) {
      const former = before === null ? null : bodyOf(before, format)
      const next = after === null ? null : bodyOf(after, format)
      write.change(kind, name)
      write.keep(kind, name, former, before?.owner ?? null)
      write.audit(
        `${kind}.${next === null ? 'delete' : 'put'}`,
        name,
        former && hide(former),
        next && hide(next),
      )
    }
  }
  each('feed', changes.feeds, formatFeed, hideOfFeed)
  each('monitor', changes.monitors, formatMonitor, hideOfMonitor)
  each('pool', changes.pools, formatPool)
  each('service', changes.services, formatService)
  for (const { name, before, after } of changes.zones) {
    if (after !== null) continue
    const former = bodyOf(before!, formatZoneHead)
    write.change('zone', name)
    write.keep('zone', name, former, before!.owner)
    write.audit('zone.delete', name, former, null)
  }
}
