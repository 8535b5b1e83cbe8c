/** What is said of the signing of a zone: read, begun, and ended. The keys follow (`dnssec-keys.ts`). */

import { dnssecRollovers } from '../../../schema/dnssec-keys.ts'
import { eq, sql } from '../../../schema/drizzle.ts'
import { zones } from '../../../schema/zones.ts'
import { rootName } from '../../dataplane/wire/name.ts'
import { parseRdata } from '../../dataplane/wire/rdata.ts'
import { formatZoneHead } from '../document/zone.ts'
import type { ZoneKey, ZoneSigning } from '../model/dnssec.ts'
import { ControlError } from '../model/errors.ts'
import type { SigningNode } from '../model/observation.ts'
import type { Signal } from '../model/signal.ts'
import { relativeOwner } from '../rules/owners.ts'
import { listKeys, retireKeys } from './dnssec-keys.ts'
import { listSigningNodes } from './fleet.ts'
import { getRollover, type OpenRollover } from './rollovers.ts'
import { replaceSome } from './rrset-replacement.ts'
import { raiseSerial } from './serial.ts'
import { listSignals } from './signals.ts'
import { signingRow } from './signing-columns.ts'
import { bodyOf, checkExists, type Put, type Stored, type WriteCondition } from './stored.ts'
import type { Tx, Write } from './transaction.ts'
import { claimZone } from './zone-lock.ts'
import { beginZone, findAround, finishZone, getZoneHead } from './zones.ts'

/** How a zone is signed, and all keys that it has, the newest first. */
export interface SigningState {
  readonly apex: string
  readonly dnssec: ZoneSigning | null
  /** Null: none is under way. */
  readonly rollover: OpenRollover | null
  /** The nodes that are to serve its step; none without one. */
  readonly nodes: readonly SigningNode[]
  readonly keys: readonly ZoneKey[]
  readonly signals: readonly Signal[]
  /** When its parent was seen to have a DS, so that it needs no signals any more; null before. */
  readonly bootstrappedAt: Date | null
}

/** Null without the zone. The revision is that of the zone. */
export async function getSigning(tx: Tx, apex: string): Promise<Stored<SigningState> | null> {
  const [zone, keys, rollover, signals, [row]] = await Promise.all([
    getZoneHead(tx, apex),
    listKeys(tx, apex),
    getRollover(tx, apex),
    listSignals(tx, apex),
    tx.select({ at: zones.bootstrappedAt }).from(zones).where(eq(zones.apex, apex)),
  ])
  if (zone === null) return null
  const bootstrappedAt = row?.at ?? null
  const { value, revision } = zone
  const nodes = rollover === null ? [] : await listSigningNodes(tx)
  return { value: { apex, dnssec: value.dnssec, rollover, nodes, keys, signals, bootstrappedAt }, revision }
}

/** Has a zone signed. Throws as `followSigning` does, and `not-found` without the zone. */
export async function putSigning(
  write: Write,
  apex: string,
  dnssec: ZoneSigning | null,
  condition: WriteCondition,
): Promise<Put> {
  const [, current] = await Promise.all([claimZone(write.tx, apex), getZoneHead(write.tx, apex)])
  checkExists(condition, current, `zone ${apex}`)
  const { soa, ttlSeconds } = current.value
  const begun = beginZone(write, current, { apex, soa, ttlSeconds, dnssec }, null, condition)
  return finishZone(write, begun, 'zone.put', replaceSome(write, apex, [], false))
}

/** Has a zone signed no more. Whoever asks for it has asked the parent before. */
export async function endSigning(
  write: Write,
  apex: string,
  condition: WriteCondition,
  force = false,
): Promise<void> {
  const { tx } = write
  const [, current, open] = await Promise.all([
    claimZone(tx, apex),
    getZoneHead(tx, apex),
    getRollover(tx, apex),
  ])
  checkExists(condition, current, `zone ${apex}`)
  if (current.value.dnssec === null) return
  if (!force) demandNoRollover(apex, open)
  write.send(tx.delete(dnssecRollovers).where(eq(dnssecRollovers.apex, apex)))
  const former = bodyOf(current, formatZoneHead)
  const after = formatZoneHead({ ...current.value, dnssec: null })
  const row = { ...signingRow(null), written: null, renewedAt: null, cachedUntil: null, bootstrappedAt: null }
  write.send(tx.update(zones).set(row).where(eq(zones.apex, apex)))
  raiseSerial(
    write,
    apex,
    { serial: current.value.serial, fixed: current.value.soa.fixedSerial !== null, signed: false },
    [],
  )
  // All of it changes.
  write.change('zone', apex)
  retireKeys(write, [apex])
  write.keep('zone', apex, former, current.owner)
  write.audit('zone.put', apex, former, after)
}

/** @throws ControlError `conflict` in the middle of a rollover, whatever the parent has by then */
export function demandNoRollover(apex: string, open: OpenRollover | null): void {
  if (open === null) return
  const words = `zone ${apex} stays signed: a rollover of its keys is under way, in step ${open.rollover.step}`
  throw new ControlError(
    'conflict',
    `${words}. Wait for its end, or cancel it by "pooldns dnssec roll ${apex} --cancel"`,
  )
}

/** What a zone of ours has of DS for a zone below it; null when the zone around it is not ours. */
export async function ownParentRecords(
  tx: Tx,
  apex: string,
): Promise<{
  readonly apex: string
  /** RDATA. */
  readonly records: readonly Uint8Array[]
  readonly ttlSeconds: number | null
} | null> {
  const around = await findAround(tx, apex)
  if (around === null) return null
  const { rows } = await tx.execute<{ data: string[]; ttl: number }>(sql`
    select r.data, coalesce(r.ttl_seconds, z.ttl_seconds) as ttl from rrsets r join zones z on z.apex = r.zone
    where r.zone = ${around} and r.owner = ${relativeOwner(apex, around)} and r.type = 'DS'`)
  const records = rows.flatMap(({ data }) => data.map((text) => parseRdata('DS', text, rootName)))
  return { apex: around, records, ttlSeconds: rows[0]?.ttl ?? null }
}

/** How many DS a zone of ours has for a zone below it; null when the zone around it is not ours. */
export async function ownParentDs(tx: Tx, apex: string): Promise<number | null> {
  const around = await findAround(tx, apex)
  if (around === null) return null
  const { rows } = await tx.execute<{ count: number }>(sql`
    select coalesce(sum(cardinality(data)), 0)::int as count from rrsets
    where zone = ${around} and owner = ${relativeOwner(apex, around)} and type = 'DS'`)
  return rows[0]!.count
}
