import { isDeepStrictEqual } from 'node:util'
import { and, asc, eq, gt } from 'drizzle-orm'
import { services } from '../../../schema/services.ts'
import { zones } from '../../../schema/zones.ts'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { ControlError } from '../model/errors.ts'
import type { Soa, Zone, ZoneHead } from '../model/zone.ts'
import { aliasProblems } from './alias-conflicts.ts'
import { occludedServices, servicesBelowDname } from './dname-conflicts.ts'
import { cnameProblems, pathOfService, rrsetProblems, serviceProblems, throwIfAny } from './name-conflicts.ts'
import { type Replacement, replaceRrsets } from './rrset-replacement.ts'
import { nextSerial, serialAhead } from './serial.ts'
import { findZone } from './services.ts'
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
      const inZone = (index: number) => `rrsets[${index}]`
      throwIfAny(cnameProblems(rrsets, inZone), `zone ${apex} is refused`)
      throwIfAny(await serviceProblems(write.tx, apex, rrsets, inZone), `zone ${apex} is refused`)
      throwIfAny(await occludedServices(write.tx, apex, rrsets, inZone), `zone ${apex} is refused`)
      return replaceRrsets(write, apex, rrsets)
    },
  })
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
  throwIfAny(await aliasProblems(tx, { zone: apex }), `zone ${apex} is refused`)
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
  const parent = await zoneAround(tx, apex)
  if (parent === null) return
  const candidates = await tx.select({ name: services.name }).from(services).where(eq(services.zone, parent))
  const below = candidates.map(({ name }) => name).filter((name) => enclosingHostnames(name).includes(apex))
  await moveServices(write, below, parent, apex)
}

async function handOverServices(write: Write, apex: string): Promise<void> {
  const { tx } = write
  const rows = await tx
    .select({ name: services.name })
    .from(services)
    .where(eq(services.zone, apex))
    .orderBy(asc(services.name))
  const names = rows.map(({ name }) => name)
  if (names.length === 0) return
  const parent = await zoneAround(tx, apex)
  if (parent === null) {
    throw new ControlError(
      'conflict',
      `zone ${apex} has the ${names.length === 1 ? 'service' : 'services'} ${names.join(', ')}`,
      {
        problems: names.map((name) => ({
          path: pathOfService(name),
          message: `would lie in no zone without ${apex}`,
        })),
      },
    )
  }
  throwIfAny(await rrsetProblems(tx, parent, names), `zone ${apex} can't be deleted`)
  throwIfAny(await servicesBelowDname(tx, parent, names), `zone ${apex} can't be deleted`)
  await moveServices(write, names, apex, parent)
  throwIfAny(await aliasProblems(tx, { zone: parent }), `zone ${apex} can't be deleted`)
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

/** The zone that the names of a zone would lie in if it were not there. */
async function zoneAround(tx: Tx, apex: string): Promise<string | null> {
  const [, parent] = enclosingHostnames(apex)
  return apex === '.' || parent === undefined ? null : findZone(tx, parent)
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
