import { isDeepStrictEqual } from 'node:util'
import { and, asc, eq, gt, inArray } from 'drizzle-orm'
import { services } from '../../../schema/services.ts'
import { zones } from '../../../schema/zones.ts'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import type { Rrset, Soa, Zone, ZoneHead } from '../model/zone.ts'
import { absoluteName } from '../rules/owners.ts'
import { aliasBreaches, aliasedServices, placeBreaches } from '../rules/places.ts'
import { placesOf } from '../rules/view.ts'
import { checkKeys } from '../rules/zone-data.ts'
import { aliasBreachesOfZone, loadNeighbourhood, viewAfter } from './neighbourhood.ts'
import { throwIfAny, throwIfBroken } from './refusals.ts'
import { type Replacement, replaceRrsets } from './rrset-replacement.ts'
import { nextSerial, serialAhead } from './serial.ts'
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

/** What there is to a zone besides its RRsets. */
export interface ZoneState extends ZoneHead {
  /** Of the SOA, 0..2^32-1. */
  readonly serial: number
}

type Row = typeof zones.$inferSelect

/** The revision is that of the last change of the head or of any RRset. */
export async function getZoneHead(tx: Tx, apex: string): Promise<Stored<ZoneState> | null> {
  const [row] = await tx.select().from(zones).where(eq(zones.apex, apex))
  return row === undefined ? null : toStored(row)
}

/** One page in the order of apexes. */
export async function listZones(tx: Tx, { limit, cursor }: PageRequest): Promise<Page<Stored<ZoneState>>> {
  const after = decodeCursor(cursor, 'string')
  const rows = await tx
    .select()
    .from(zones)
    .where(after === null ? undefined : gt(zones.apex, after[0]))
    .orderBy(asc(zones.apex))
    .limit(limit + 1)
  return pageOf(rows, limit, toStored, (row) => [row.apex])
}

/** The head of every zone, for the publisher. */
export async function listAllZones(tx: Tx): Promise<Stored<ZoneState>[]> {
  return (await tx.select().from(zones).orderBy(asc(zones.apex))).map(toStored)
}

/**
 * Creates or replaces a zone and all its RRsets. Only RRsets that differ are written, so the others keep their
 * revision. A new zone takes over the services below its apex from the zone that they lay in. Throws `conflict` for a
 * CNAME beside other data, an A, AAAA or CNAME where a service of the zone is, or anything where a service is that is
 * answered with a CNAME.
 */
export async function putZone(write: Write, zone: Zone, condition: WriteCondition): Promise<Put> {
  const { rrsets, ...head } = zone
  const { apex } = head
  return replaceZone(write, apex, condition, 'zone.put', {
    head: () => head,
    serialFloor: null,
    replaceRrsets: async () => {
      await checkRrsets(write.tx, apex, rrsets)
      return replaceRrsets(write, apex, rrsets)
    },
  })
}

/** Throws when RRsets can't stand together, or where the services of their zone are. */
async function checkRrsets(tx: Tx, apex: string, rrsets: readonly Rrset[]): Promise<void> {
  const what = `zone ${apex}`
  const pathOfRrset = (index: number) => `rrsets[${index}]`
  const broken = checkKeys(rrsets)
  throwIfAny(
    what,
    broken.map(({ index, message }) => ({ path: pathOfRrset(index), message })),
  )
  const names = await servicesOf(tx, apex)
  const places = placesOf([{ apex, rrsets }], names)
  throwIfBroken(
    what,
    names.flatMap((name) => placeBreaches(places, name)),
    ({ rrset }) => {
      const index = rrsets.findIndex(
        ({ owner, type }) => type === rrset?.type && absoluteName(owner, apex) === rrset.name,
      )
      return index < 0 ? null : pathOfRrset(index)
    },
  )
}

/** What a zone is to become. */
export interface ZoneContents {
  /** The head, once it is known how the zone stands now (null: not there yet). */
  head(current: ZoneState | null): ZoneHead
  /** The zone's own serial never falls behind this one (RFC 1982); null for no such wish. */
  readonly serialFloor: number | null
  /** Makes the RRsets what they are to be, the head being there. Throws `conflict` for what may not stand there. */
  replaceRrsets(head: ZoneHead): Promise<Replacement>
}

/** Creates or replaces a zone, wherever its RRsets come from. See `putZone`. */
export async function replaceZone(
  write: Write,
  apex: string,
  condition: WriteCondition,
  action: string,
  contents: ZoneContents,
): Promise<Put> {
  const { tx, revision } = write
  const current = await getZoneHead(tx, apex)
  checkCondition(condition, current, `zone ${apex}`)
  const head = contents.head(current?.value ?? null)
  const before = current === null ? null : headOf(current.value)
  const last = current?.value.serial ?? null
  const serial = serialAfter(last, head.soa, contents.serialFloor)
  if (current === null) {
    await tx.insert(zones).values({ ...toRow(head), serial, revision })
    await adoptServices(write, apex)
  }
  const replaced = await contents.replaceRrsets(head)
  throwIfBroken(`zone ${apex}`, await aliasBreachesOfZone(tx, apex), () => null)
  const behind = last !== null && contents.serialFloor !== null && serialAhead(contents.serialFloor, last)
  if (current !== null && replaced.changed === 0 && !behind && isDeepStrictEqual(before, head)) {
    return { created: false, changed: false, revision: current.revision }
  }
  if (current !== null) {
    await tx
      .update(zones)
      .set({ ...toRow(head), serial, revision })
      .where(eq(zones.apex, apex))
  }
  write.change('zone', apex)
  write.audit(action, apex, before, { ...head, serial, rrsets: replaced })
  return { created: current === null, changed: true, revision }
}

function serialAfter(last: number | null, soa: Soa, floor: number | null): number {
  if (soa.fixedSerial !== null) return soa.fixedSerial
  const next = nextSerial(last, Date.now() / 1000)
  return floor !== null && serialAhead(floor, next) ? floor : next
}

/**
 * Deletes a zone and its RRsets. Services in it move to the zone around it; without one that is a `conflict` that
 * names them, and so is data of the zone around it at their names.
 */
export async function deleteZone(write: Write, apex: string, condition: WriteCondition): Promise<void> {
  const { tx } = write
  const current = await getZoneHead(tx, apex)
  checkExists(condition, current, `zone ${apex}`)
  await handOverServices(write, apex)
  await tx.delete(zones).where(eq(zones.apex, apex))
  write.change('zone', apex)
  write.audit('zone.delete', apex, current.value, null)
}

async function adoptServices(write: Write, apex: string): Promise<void> {
  const { tx } = write
  const [, above] = enclosingHostnames(apex)
  const parent = above === undefined ? null : await findZone(tx, above)
  if (parent === null) return
  const below = (await servicesOf(tx, parent)).filter((name) => enclosingHostnames(name).includes(apex))
  await moveServices(write, below, parent, apex)
}

async function handOverServices(write: Write, apex: string): Promise<void> {
  const { tx } = write
  const names = await servicesOf(tx, apex)
  if (names.length === 0) return
  const around = await loadNeighbourhood(tx, { inward: names, places: names })
  const zones = around.zones.filter((zone) => zone.apex !== apex)
  const view = viewAfter({ ...around, zones }, {}, names)
  const breaches = [
    ...names.flatMap((name) => placeBreaches(view, name)),
    ...aliasBreaches(view, aliasedServices(view, names)),
  ]
  throwIfBroken(
    `deleting zone ${apex}`,
    breaches.map((breach) => ({ ...breach, code: 'conflict' })),
    () => null,
  )
  await moveServices(write, names, apex, view.zoneOf(names[0]!)!)
}

/** Names of the services that lie in a zone. */
async function servicesOf(tx: Tx, apex: string): Promise<string[]> {
  const rows = await tx
    .select({ name: services.name })
    .from(services)
    .where(eq(services.zone, apex))
    .orderBy(asc(services.name))
  return rows.map(({ name }) => name)
}

async function moveServices(write: Write, names: readonly string[], from: string, to: string): Promise<void> {
  if (names.length === 0) return
  for (const name of names) {
    await write.tx
      .update(services)
      .set({ zone: to })
      .where(and(eq(services.name, name), eq(services.zone, from)))
    write.change('service', name)
  }
  write.change('zone', from)
  write.change('zone', to)
}

/** Apex of the zone that a name lies in, by the longest match; null when there is none. */
export async function findZone(tx: Tx, name: string): Promise<string | null> {
  const candidates = enclosingHostnames(name)
  const rows = await tx.select({ apex: zones.apex }).from(zones).where(inArray(zones.apex, candidates))
  const found = new Set(rows.map((row) => row.apex))
  return candidates.find((apex) => found.has(apex)) ?? null
}

function headOf({ apex, soa, ttlSeconds }: ZoneState): ZoneHead {
  return { apex, soa, ttlSeconds }
}

function toRow({ apex, soa, ttlSeconds }: ZoneHead) {
  return { apex, ...soa, ttlSeconds }
}

function toStored({ apex, ttlSeconds, serial, revision, ...soa }: Row): Stored<ZoneState> {
  return { value: { apex, soa, ttlSeconds, serial }, revision }
}
