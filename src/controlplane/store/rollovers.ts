/**
 * Rollovers of zones' keys, as they are stored: each step is one revision, in which the keys and what the zone says of its signing follow.
 * Rows are read and written under the revision lock, so whoever moves a rollover moves the one that there is.
 *
 *     begun      the keys that go are `outgoing`, those that come (made now) `incoming`, and the zone says what it will be signed with
 *     done       `incoming` keys are `active`, `outgoing` ones `retired`
 *     cancelled  the other way around, and the zone says again what it said before
 */
import { dnssecKeys, dnssecRollovers } from '../../../schema/dnssec-keys.ts'
import { and, asc, eq, inArray, notInArray, sql } from '../../../schema/drizzle.ts'
import { zones } from '../../../schema/zones.ts'
import { formatZoneHead } from '../document/zone.ts'
import type { KeyLayout, KeyRole, KeyState, SigningAlgorithm, ZoneSigning } from '../model/dnssec.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import {
  type Rollover,
  type RolloverGoal,
  type RolloverScope,
  rolloverGoals,
  rolloverSteps,
  type ZoneRollover,
} from '../model/rollover.ts'
import { demandAllHeard } from '../model/silence.ts'
import { listKeys, rolesOf } from './dnssec-keys.ts'
import { listSigningNodes } from './fleet.ts'
import { raiseSerial } from './serial.ts'
import { signingOf, signingRow } from './signing-columns.ts'
import { bodyOf, checkExists, type OnBad, readRows, type WriteCondition } from './stored.ts'
import type { Tx, Write } from './transaction.ts'
import { claimZone } from './zone-lock.ts'
import { getZoneHead, type StoredZone } from './zones.ts'

/** Retired keys of a zone that are kept when others come. */
const mostRetired = 8

/** What is wanted of a rollover. Left out: as it is. */
export interface WantedRollover {
  readonly goal: RolloverGoal
  /** Which keys: left out, all. */
  readonly role?: KeyRole
  readonly algorithm?: SigningAlgorithm
  readonly keys?: KeyLayout
}

/** A rollover, and what its times are made of. */
export interface OpenRollover {
  readonly rollover: ZoneRollover
  readonly signing: ZoneSigning
  /** UNIX milliseconds. */
  readonly cachedUntil: number
  /** By the clock of the database. */
  readonly nowMs: number
}

type Row = typeof dnssecRollovers.$inferSelect

export async function getRollover(tx: Tx, apex: string): Promise<OpenRollover | null> {
  return (await openRollovers(tx, apex))[0] ?? null
}

/**
 * Those that are under way, in the order of apexes. Throws `invalid` for a row that can't be read; with `onBad`, that is told, and it is
 * left out.
 *
 * @param apex of the one that is asked for; null for all
 */
export async function openRollovers(tx: Tx, apex: string | null, onBad?: OnBad): Promise<OpenRollover[]> {
  const rows = await tx
    .select({
      rollover: dnssecRollovers,
      zone: zones,
      nowMs: sql<number>`(extract(epoch from clock_timestamp()) * 1000)::double precision`,
    })
    .from(dnssecRollovers)
    .innerJoin(zones, eq(zones.apex, dnssecRollovers.apex))
    .where(apex === null ? undefined : eq(dnssecRollovers.apex, apex))
    .orderBy(asc(dnssecRollovers.apex))
  return readRows(
    rows.filter(({ zone }) => signingOf(zone).signing !== null),
    ({ zone }) => `the rollover of zone ${zone.apex}`,
    ({ rollover, zone, nowMs }, problems) => {
      checkRow(rollover, zone.cachedUntil, problems)
      const cachedUntil = zone.cachedUntil?.getTime() ?? 0
      const signing = signingOf(zone).signing!
      return problems.length > 0 ? null : { rollover: toRollover(rollover), signing, cachedUntil, nowMs }
    },
    onBad,
  )
}

/** What goes on by a time that is none would never go on, or at once. */
function checkRow(row: Row, cachedUntil: Date | null, problems: Problem[]): void {
  const { goal, step, startedAt, stepSince, countedFrom } = row
  const words = { goal: rolloverGoals.includes(goal), step: rolloverSteps.includes(step) }
  for (const [path, isOne] of Object.entries(words)) if (!isOne) problems.push({ path, message: 'is none' })
  const times = {
    started_at: startedAt,
    step_since: stepSince,
    counted_from: countedFrom,
    cached_until: cachedUntil,
  }
  for (const [path, time] of Object.entries(times))
    if (time !== null && Number.isNaN(time.getTime())) problems.push({ path, message: 'is no time' })
}

/** Begins one. Throws `conflict` when there is one already, a node is silent, or what is wanted does not fit the zone. @param begin what its first step is */
export async function startRollover(
  write: Write,
  apex: string,
  wanted: WantedRollover,
  condition: WriteCondition,
  begin: (scope: RolloverScope, nowMs: number) => Rollover,
): Promise<void> {
  const { tx } = write
  const [, zone, open, now, nodes] = await Promise.all([
    claimZone(tx, apex),
    getZoneHead(tx, apex),
    getRollover(tx, apex),
    databaseNow(tx),
    listSigningNodes(tx),
  ])
  checkExists(condition, zone, `zone ${apex}`)
  const { dnssec: was } = zone.value
  if (was === null) throw refusal(apex, 'is not signed')
  if (open !== null) throw refusal(apex, 'has a rollover under way: wait for its end, or cancel it')
  demandAllHeard(nodes, apex, "can't have its keys rolled over")
  const { algorithm = was.algorithm, keys = was.keys } = wanted
  const is = { ...was, algorithm, keys }
  const changes = algorithm !== was.algorithm || keys !== was.keys
  if (algorithm !== was.algorithm && was.foreignKeys.length > 0)
    throw refusal(
      apex,
      'has keys of others in foreignKeys, who would go on by the former algorithm: take those out before, and list their new keys afterwards',
    )
  const roles = rolesOf(was).filter((role) => wanted.role === undefined || role === wanted.role)
  if (roles.length === 0)
    throw refusal(apex, `has no ${wanted.role}: its keys are ${rolesOf(was).join(' and ')}`)
  if (changes && roles.length < rolesOf(was).length)
    throw refusal(apex, 'changes its algorithm, or which keys it has, with all keys at once')
  const isKeys = wanted.goal === 'keys'
  const rollover = begin(
    {
      goal: wanted.goal,
      entry: !isKeys || roles.some((role) => role !== 'zsk'),
      data: isKeys && roles.some((role) => role !== 'ksk'),
      algorithm: algorithm !== was.algorithm,
    },
    now,
  )
  if (isKeys) await bringKeys(write, apex, roles, changes ? rolesOf(is) : roles, algorithm)
  const row = {
    ...toRow(rollover),
    apex,
    startedAt: new Date(now),
    parentSays: null,
    revision: write.revision,
  }
  write.send(tx.insert(dnssecRollovers).values(row))
  saySigning(write, zone, is)
  write.audit('dnssec.roll', apex, null, { ...wanted, step: rollover.step })
  write.say(`zone ${apex}: a rollover begins, ${rollover.step}`)
}

async function bringKeys(
  write: Write,
  apex: string,
  goes: readonly KeyRole[],
  comes: readonly KeyRole[],
  algorithm: SigningAlgorithm,
): Promise<void> {
  const { tx } = write
  const since = new Date()
  const retired = (await listKeys(tx, apex)).filter(({ state }) => state === 'retired')
  const kept = retired.slice(0, mostRetired).map(({ publicKey }) => publicKey)
  const isOld = and(eq(dnssecKeys.apex, apex), eq(dnssecKeys.state, 'retired'))
  write.send(tx.delete(dnssecKeys).where(and(isOld, notInArray(dnssecKeys.publicKey, kept))))
  const going = and(
    eq(dnssecKeys.apex, apex),
    eq(dnssecKeys.state, 'active'),
    inArray(dnssecKeys.role, [...goes]),
  )
  write.send(tx.update(dnssecKeys).set({ state: 'outgoing', since }).where(going))
  for (const role of comes) {
    const key = write.keys.make(apex, algorithm, role, false)
    write.send(tx.insert(dnssecKeys).values({ apex, ...key, role, state: 'incoming', since }))
  }
}

/** What becomes of a rollover. */
export type Moved =
  | { readonly to: 'step'; readonly rollover: Rollover }
  | { readonly to: 'done' | 'cancelled' }
  | { readonly to: 'refused'; readonly reason: string }

/** What was done: null when there was nothing to move. */
export interface RolloverNews {
  readonly before: ZoneRollover
  readonly to: 'step' | 'done' | 'cancelled'
  /** Null at its end. */
  readonly after: Rollover | null
  /** Its end is to have the zone signed no more. */
  readonly endsSigning: boolean
}

/**
 * Moves the rollover of a zone. What is served changes with its step alone: the rest is noted, and no revision.
 *
 * @param seen the step that what happened belongs to, by its revision: in another one nothing is done; null for any
 * @param move what it becomes
 * @param parentSays what was seen at the parent; null: as before
 */
export async function changeRollover(
  write: Write,
  apex: string,
  seen: number | null,
  move: (open: OpenRollover) => Moved,
  parentSays: string | null = null,
): Promise<RolloverNews | null> {
  const { tx } = write
  const [, zone, open] = await Promise.all([
    claimZone(tx, apex),
    getZoneHead(tx, apex),
    getRollover(tx, apex),
  ])
  if (zone === null || open === null || (seen !== null && open.rollover.revision !== seen)) return null
  const { rollover: before } = open
  const moved = move(open)
  if (moved.to === 'refused') throw refusal(apex, `can't do that: ${moved.reason}`)
  const own = eq(dnssecRollovers.apex, apex)
  if (moved.to === 'step') {
    const { rollover } = moved
    const isNew = rollover.step !== before.step || rollover.reverting !== before.reverting
    const row = {
      ...toRow(rollover),
      parentSays: parentSays ?? before.parentSays,
      revision: isNew ? write.revision : before.revision,
    }
    write.send(tx.update(dnssecRollovers).set(row).where(own))
    if (isNew) {
      touch(write, zone)
      write.audit('dnssec.roll', apex, stepOf(before), stepOf(rollover))
      write.say(`zone ${apex}: its rollover goes on, ${rollover.step}`)
    }
    return { before, to: 'step', after: rollover, endsSigning: false }
  }
  write.send(tx.delete(dnssecRollovers).where(own))
  write.audit('dnssec.roll', apex, stepOf(before), { step: moved.to })
  const endsSigning = moved.to === 'done' && before.goal === 'unsigned'
  if (!endsSigning) await settleKeys(write, zone, moved.to)
  write.say(`zone ${apex}: its rollover is ${moved.to}`)
  return { before, to: moved.to, after: null, endsSigning }
}

async function settleKeys(write: Write, zone: StoredZone, to: 'done' | 'cancelled'): Promise<void> {
  const { tx } = write
  const { apex, dnssec } = zone.value
  const keys = await listKeys(tx, apex)
  const stays: KeyState = to === 'done' ? 'incoming' : 'outgoing'
  const since = new Date()
  const set = (from: KeyState, state: KeyState) =>
    write.send(
      tx
        .update(dnssecKeys)
        .set({ state, since })
        .where(and(eq(dnssecKeys.apex, apex), eq(dnssecKeys.state, from))),
    )
  set(stays === 'incoming' ? 'outgoing' : 'incoming', 'retired')
  set(stays, 'active')
  const left = keys.filter(({ state }) => state === 'active' || state === stays)
  const layout: KeyLayout = left.some(({ role }) => role === 'zsk') ? 'split' : 'csk'
  saySigning(write, zone, { ...dnssec!, algorithm: left[0]!.algorithm, keys: layout })
}

/** Has a zone say how it is signed, in a new revision. */
function saySigning(write: Write, zone: StoredZone, is: ZoneSigning): void {
  const { apex, dnssec } = zone.value
  if (dnssec!.algorithm !== is.algorithm || dnssec!.keys !== is.keys) {
    // What was written spells the algorithm of before.
    const row = { ...signingRow(is), written: null }
    write.send(write.tx.update(zones).set(row).where(eq(zones.apex, apex)))
    write.keep('zone', apex, bodyOf(zone, formatZoneHead), zone.owner)
  }
  touch(write, zone)
}

function touch(write: Write, { value: { apex, serial, soa } }: StoredZone): void {
  raiseSerial(write, apex, { serial, fixed: soa.fixedSerial !== null, signed: true }, [])
  // Every signature may change.
  write.change('zone', apex)
}

async function databaseNow(tx: Tx): Promise<number> {
  const { rows } = await tx.execute<{ now: number }>(
    sql`select (extract(epoch from clock_timestamp()) * 1000)::double precision as now`,
  )
  return Math.round(rows[0]!.now)
}

const stepOf = ({ step, reverting }: Rollover) => ({ step, ...(reverting ? { reverting } : {}) })

const refusal = (apex: string, why: string) => new ControlError('conflict', `zone ${apex} ${why}`)

function toRollover(row: Row): ZoneRollover {
  const { startedAt, stepSince, countedFrom, ...rest } = row
  return {
    ...rest,
    startedAt: startedAt.getTime(),
    stepSince: stepSince.getTime(),
    countedFrom: countedFrom?.getTime() ?? null,
  }
}

function toRow(rollover: Rollover) {
  const { goal, entry, data, algorithm, step, reverting, confirmed, parentTtlSeconds } = rollover
  const { stepSince, countedFrom } = rollover
  return {
    ...{ goal, entry, data, algorithm, step, reverting, confirmed, parentTtlSeconds },
    stepSince: new Date(stepSince),
    countedFrom: countedFrom === null ? null : new Date(countedFrom),
  }
}
