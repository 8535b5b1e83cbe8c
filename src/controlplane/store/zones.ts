import { isDeepStrictEqual } from 'node:util'
import { and, asc, eq, inArray, sql } from '../../../schema/drizzle.ts'
import { services } from '../../../schema/services.ts'
import { zones } from '../../../schema/zones.ts'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { Whole } from '../document/fields.ts'
import type { Body } from '../document/forms.ts'
import { isMap } from '../document/schema-check.ts'
import { spellingFor, spellingOf } from '../document/written.ts'
import { formatZoneHead, parseZone } from '../document/zone.ts'
import type { ServedKey } from '../model/dnssec.ts'
import type { Soa, Zone, ZoneHead } from '../model/zone.ts'
import type { Breach } from '../rules/breach.ts'
import { absoluteName } from '../rules/owners.ts'
import { aliasBreaches, aliasedServices, placeBreaches } from '../rules/places.ts'
import { placesOf } from '../rules/view.ts'
import { checkKeys } from '../rules/zone-data.ts'
import { followSigning, readActiveKeys, retireKeys } from './dnssec-keys.ts'
import { keepAllRrsets } from './history.ts'
import { aliasBreachesOfZone, loadNeighbourhood, texts, viewAfter } from './neighbourhood.ts'
import { reached } from './reached.ts'
import { throwIfAny, throwIfBroken } from './refusals.ts'
import { type Replacement, replaceRrsets, replaceSome } from './rrset-replacement.ts'
import { nextSerial, raiseSerial, serialAhead } from './serial.ts'
import { signingOf, signingRow } from './signing-columns.ts'
import {
  bodyOf,
  checkCondition,
  checkExists,
  type OnBad,
  type Owned,
  type Page,
  type PageRequest,
  type Put,
  readPage,
  readRows,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'
import { auditZone, keepRrsets } from './zone-history.ts'
import { claimZone, claimZones } from './zone-lock.ts'

/** What there is to a zone besides its RRsets. */
export interface ZoneState extends ZoneHead {
  /** The serial of the SOA, 0..2^32-1. */
  readonly serial: number
  /** Those that it is signed with; only for the publisher, and left out for a zone that is not signed. */
  readonly keys?: readonly ServedKey[]
}

export type StoredZone = Stored<ZoneState> & Owned

type Row = typeof zones.$inferSelect

/** The revision is that of the last change of the head or of any RRset. */
export async function getZoneHead(tx: Tx, apex: string): Promise<StoredZone | null> {
  const [row] = await tx.select().from(zones).where(eq(zones.apex, apex))
  return row === undefined ? null : toStored(row)
}

/** One page in the order of apexes. */
export async function listZones(tx: Tx, request: PageRequest): Promise<Page<StoredZone>> {
  return readPage(
    tx.select().from(zones).$dynamic(),
    { apex: zones.apex },
    request,
    (rows) => rows.map((row) => toStored(row)),
    { where: reached(request.reach, 'zone', zones.apex) },
  )
}

/** The head of every zone, for the publisher. Those that can't be read are told and left out. */
export async function listAllZones(tx: Tx, onBad?: OnBad): Promise<StoredZone[]> {
  const [rows, keys] = await Promise.all([
    tx.select().from(zones).orderBy(asc(zones.apex)),
    readActiveKeys(tx, null),
  ])
  return readable(rows, onBad).map((zone) => withKeys(zone, keys))
}

/** The head of a zone, for the publisher; null when there is none, undefined (which is told) when it can't be read. */
export async function readZoneHead(
  tx: Tx,
  apex: string,
  onBad: OnBad,
): Promise<StoredZone | null | undefined> {
  const [[row], keys] = await Promise.all([
    tx.select().from(zones).where(eq(zones.apex, apex)),
    readActiveKeys(tx, [apex]),
  ])
  if (row === undefined) return null
  const [zone] = readable([row], onBad)
  return zone === undefined ? undefined : withKeys(zone, keys)
}

function withKeys(zone: StoredZone, keys: ReadonlyMap<string, readonly ServedKey[]>): StoredZone {
  const { value } = zone
  return value.dnssec === null ? zone : { ...zone, value: { ...value, keys: keys.get(value.apex) ?? [] } }
}

function readable(rows: readonly Row[], onBad?: OnBad): StoredZone[] {
  return readRows(
    rows,
    ({ apex }) => `the head of zone ${apex}`,
    (row, problems) => {
      const { value, revision, written, owner } = toStored(row)
      const zone = parseZone(row.apex, { ...formatZoneHead(value), rrsets: [] }, '', problems)
      if (zone !== null && zone.apex !== row.apex)
        problems.push({ path: 'apex', message: `must be ${zone.apex}` })
      Serial.parse(row.serial, 'serial', problems)
      if (zone === null || problems.length > 0) return null
      // What was read and not the row, of which a SOA might not be made: one zone without an image holds up all.
      const { apex, soa, ttlSeconds, dnssec } = zone
      return {
        value: { apex, soa, ttlSeconds, dnssec, serial: row.serial },
        revision,
        written: written ?? null,
        owner,
      }
    },
    onBad,
  )
}

const Serial = Whole(0, 4_294_967_295)

/**
 * Creates or replaces a zone and all its RRsets; with a body that does not name any, its head alone. What a GET of a large zone gives has none,
 * and who puts that back means to lose nothing. Only RRsets that differ are written, so the others keep their revision. A new zone takes over the services below its apex from the zone that they lay in. Throws `conflict` for a
 * CNAME beside other data, an A, AAAA or CNAME where a service of the zone is, a zone cut at or above one, or anything
 * where a service is that is answered with a CNAME.
 */
export async function putZone(
  write: Write,
  zone: Zone,
  condition: WriteCondition,
  body: unknown = null,
): Promise<Put> {
  const { rrsets, ...head } = zone
  const { apex } = head
  const { tx } = write
  const [, current, around, inside] = await Promise.all([
    claimZone(tx, apex),
    getZoneHead(tx, apex),
    findAround(tx, apex),
    servicesOf(tx, apex),
  ])
  const begun = beginZone(write, current, head, null, condition, headSpelling(head, body))
  const names = current === null ? await adoptServices(write, apex, around) : inside
  checkRrsets(zone, names)
  const replaced =
    isMap(body) && body.rrsets === undefined
      ? replaceSome(write, apex, [], current === null)
      : await replaceRrsets(write, apex, rrsets, current === null)
  return finishZone(write, begun, 'zone.put', replaced, names.length > 0)
}

/** Throws when RRsets can't stand together, or where the services of their zone are. */
function checkRrsets({ apex, rrsets }: Zone, names: readonly string[]): void {
  const what = `zone ${apex}`
  const pathOfRrset = (index: number) => `rrsets[${index}]`
  const broken = checkKeys(rrsets)
  throwIfAny(
    what,
    broken.map(({ index, message }) => ({ path: pathOfRrset(index), message })),
  )
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

/** A zone whose RRsets are being replaced: how it was (null: not there) and is to be. */
export interface BegunZone {
  readonly current: StoredZone | null
  readonly head: ZoneHead
  readonly written: Body | null
  readonly serial: number
  /** The serial rises even when nothing else changes. */
  readonly behind: boolean
  /** What the row of a zone that is new has. */
  readonly revision: number
}

/**
 * Begins to create or replace a zone, which is locked: a new one is there afterwards, so that RRsets can be. Throws `stale`
 * by the condition.
 *
 * @param current what is there
 * @param fileSerial what a fixed serial becomes, and what the zone's own never falls behind (RFC 1982); null when the head
 *   has it all
 * @param written how the head is spelled; null where that is as we write it
 */
export function beginZone(
  write: Pick<Write, 'tx' | 'revision' | 'send'>,
  current: StoredZone | null,
  zone: ZoneHead,
  fileSerial: number | null,
  condition: WriteCondition,
  written: Body | null = null,
): BegunZone {
  const { tx, revision } = write
  const { apex } = zone
  checkCondition(condition, current, `zone ${apex}`)
  const last = current?.value ?? null
  const fixedSerial = last === null || last.soa.fixedSerial === null ? null : fileSerial
  // A master file does not say whether a zone is signed.
  const dnssec = last?.dnssec ?? null
  const head = fileSerial === null ? zone : { ...zone, dnssec, soa: { ...zone.soa, fixedSerial } }
  const serial = serialAfter(last?.serial ?? null, head.soa, fileSerial)
  if (current === null) write.send(tx.insert(zones).values({ ...toRow(head), written, serial, revision }))
  const behind = last !== null && fileSerial !== null && serialAhead(fileSerial, last.serial)
  return { current, head, written, serial, behind, revision }
}

/**
 * Ends it, once the RRsets are in place. The write fails with `conflict` where they bar a service that is answered with a CNAME.
 *
 * @param served whether there is a service in the zone
 */
export function finishZone(
  write: Write,
  { current, head, written, serial, behind, revision: begun }: BegunZone,
  action: string,
  replaced: Replacement,
  served = true,
): Put {
  const { tx, revision } = write
  const { apex } = head
  const before = current === null ? null : headOf(current.value)
  write.beforeCommit(followSigning(write, before, head))
  if (served) {
    const bar = (breaches: readonly Breach[]) => throwIfBroken(`zone ${apex}`, breaches, () => null)
    write.beforeCommit(aliasBreachesOfZone(tx, apex).then(bar))
  }
  const sameHead =
    current !== null && isDeepStrictEqual(before, head) && isDeepStrictEqual(current.written, written)
  if (sameHead && replaced.changed === 0 && !behind) {
    return { created: false, changed: false, revision: current.revision }
  }
  // The row of a new one says so already, unless others have written since it began.
  if (current !== null || begun !== revision) {
    const row = { ...toRow(head), written, serial, revision }
    write.send(tx.update(zones).set(row).where(eq(zones.apex, apex)))
  }
  write.change('zone', apex)
  const former = current === null ? null : bodyOf(current, formatZoneHead)
  if (!sameHead) write.keep('zone', apex, former, current?.owner ?? null)
  keepRrsets(write, apex, replaced.former)
  auditZone(write, action, apex, former, written ?? formatZoneHead(head), serial, replaced)
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
  const [, current, names] = await Promise.all([
    claimZone(tx, apex),
    getZoneHead(tx, apex),
    servicesOf(tx, apex),
  ])
  checkExists(condition, current, `zone ${apex}`)
  await handOverServices(write, apex, names)
  // What is read of it is read before it is gone.
  write.send(keepAllRrsets(tx, apex, write.revision))
  if (current.value.dnssec !== null) retireKeys(write, [apex])
  write.send(tx.delete(zones).where(eq(zones.apex, apex)))
  write.change('zone', apex)
  const former = bodyOf(current, formatZoneHead)
  write.keep('zone', apex, former, current.owner)
  write.audit('zone.delete', apex, former, null)
}

/** Another node may have had the same idea. */
const renewedLatelyMs = 1_800_000

/**
 * Raises the serials of signed zones, so that every node signs what is due in them. Those of which that was done in the last half hour
 * are left alone, and those that are not signed.
 */
export async function renewZones(write: Write, apexes: readonly string[], now: Date): Promise<void> {
  const { tx } = write
  const [, rows] = await Promise.all([
    claimZones(tx, apexes),
    tx
      .select()
      .from(zones)
      .where(sql`apex = any(${texts(apexes)})`),
  ])
  for (const { apex, signingAlgorithm, renewedAt, serial, fixedSerial } of rows) {
    if (signingAlgorithm === null) continue
    // In a time that is still to come it was by a clock that was set back since, or the clock of another node.
    if (renewedAt !== null && Math.abs(now.getTime() - renewedAt.getTime()) < renewedLatelyMs) continue
    raiseSerial(write, apex, { serial, fixed: fixedSerial !== null, signed: true }, [])
    write.send(tx.update(zones).set({ renewedAt: now }).where(eq(zones.apex, apex)))
  }
}

/** Apex of the zone around a zone; null when there is none. */
export async function findAround(tx: Tx, apex: string): Promise<string | null> {
  const above = aboveOf(apex)
  return above === undefined ? null : findZone(tx, above)
}

function aboveOf(apex: string): string | undefined {
  try {
    return enclosingHostnames(apex)[1]
  } catch {
    // No name at all, which the database refuses.
    return undefined
  }
}

/**
 * Takes the services below a new zone over from the zone around it.
 *
 * @param around the apex of that; null when there is none
 * @returns their names
 */
export async function adoptServices(write: Write, apex: string, around: string | null): Promise<string[]> {
  if (around === null) return []
  const names = await servicesOf(write.tx, around)
  const below = names.filter((name) => enclosingHostnames(name).includes(apex))
  moveServices(write, below, around, apex)
  return below
}

async function handOverServices(write: Write, apex: string, names: readonly string[]): Promise<void> {
  const { tx } = write
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
  moveServices(write, names, apex, view.zoneOf(names[0]!)!)
}

/** Names of the services that lie in a zone. */
export async function servicesOf(tx: Tx, apex: string): Promise<string[]> {
  const rows = await tx
    .select({ name: services.name })
    .from(services)
    .where(eq(services.zone, apex))
    .orderBy(asc(services.name))
  return rows.map(({ name }) => name)
}

/** The services that lie in zones at or above a name, and in which of them each. */
export async function servicesAround(tx: Tx, name: string): Promise<{ name: string; zone: string }[]> {
  return tx
    .select({ name: services.name, zone: services.zone })
    .from(services)
    .where(inArray(services.zone, enclosingHostnames(name)))
    .orderBy(asc(services.name))
}

function moveServices(write: Write, names: readonly string[], from: string, to: string): void {
  if (names.length === 0) return
  const moved = and(inArray(services.name, [...names]), eq(services.zone, from))
  write.send(write.tx.update(services).set({ zone: to }).where(moved))
  for (const name of names) write.change('service', name)
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

function headOf({ apex, soa, ttlSeconds, dnssec }: ZoneState): ZoneHead {
  return { apex, soa, ttlSeconds, dnssec }
}

function toRow({ apex, soa, ttlSeconds, dnssec }: ZoneHead) {
  return { apex, ...soa, ttlSeconds, ...signingRow(dnssec) }
}

/** How the head of a zone is spelled in a fragment that may have its RRsets too; null where that is as we write it. */
export function headSpelling(head: ZoneHead, body: unknown): Body | null {
  if (!isMap(body)) return null
  const { rrsets: _, ...spelled } = body
  return spellingOf(spelled, formatZoneHead(head))
}

function toStored(row: Row): StoredZone {
  const {
    apex,
    ttlSeconds,
    renewedAt: _,
    cachedUntil: __,
    bootstrappedAt: ___,
    serial,
    revision,
    written: kept,
    owner,
    ...rest
  } = row
  const { signing: dnssec, rest: soa } = signingOf(rest)
  const head = { apex, soa, ttlSeconds, dnssec }
  const written = spellingFor(kept, { ...head, rrsets: [] }, (body, problems) =>
    parseZone(apex, body, '', problems),
  )
  return { value: { ...head, serial }, revision, written, owner }
}
