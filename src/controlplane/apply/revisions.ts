/**
 * Earlier revisions: how the configuration was, what each changed, and the way back. The history keeps how parts were before each
 * revision that changed them, so the state of then is what is there now, with those taken back from the newest to the oldest.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Body } from '../document/forms.ts'
import { hideOfMonitor } from '../document/hidden.ts'
import { formatMonitor, parseMonitor } from '../document/monitor.ts'
import { formatPool, parsePool } from '../document/pool.ts'
import { formatService, parseService } from '../document/service.ts'
import { spellingOf } from '../document/written.ts'
import { formatZoneHead, parseRrset, parseZone } from '../document/zone.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import { parseMemberKey } from '../model/member-key.ts'
import type { Rrset, ZoneHead } from '../model/zone.ts'
import {
  readConfiguration,
  readRrsets,
  type StoredConfiguration,
  type StoredRrsets,
} from '../store/configuration.ts'
import type { Author, Database, Tx } from '../store/database.ts'
import { type Former, formerAfter, parseRrsetKey, rrsetHistoryKey } from '../store/history.ts'
import { rrsetBodiesAt } from '../store/rrsets.ts'
import { bodyOf, type Owned, type Stored } from '../store/stored.ts'
import { type Aim, type Applied, applyAim, type Plan, planAim } from './apply.ts'
import { fieldChanges, type PlannedChange } from './plan-view.ts'
import type { PartChange, Target, ZoneChange } from './target.ts'

/** Parts that were another way, by kind and key: their fragments, null for none. Members are in their pools. */
type Parts = Map<string, Body | null>

/** How the configuration was. */
interface Past {
  readonly parts: Parts
  /** Zones that were made anew since: of what they have now, nothing is from before but what is in `parts`. */
  readonly remade: Set<string>
}

export type ShownKind = PlannedChange['kind'] | 'rrset'

/** What a part was and became. */
export interface PartDifference extends Omit<PlannedChange, 'kind' | 'moreFields' | 'owner'> {
  readonly kind: ShownKind
}

const idOf = (kind: string, key: string) => `${kind} ${key}`

/** The parts that were another way at a revision than they are now. Throws `conflict` for one that the history no longer has. */
async function partsAt(tx: Tx, revision: number, stored: StoredConfiguration): Promise<Parts> {
  const past = pastOf(await formerAfter(tx, revision), stored)
  const { rrsets } = await readRrsets(
    tx,
    [...past.remade].filter((apex) => stored.zones.has(apex)),
  )
  for (const [apex, list] of rrsets) forgetOthers(past.parts, apex, list)
  return past.parts
}

function pastOf(former: readonly Former[], stored: StoredConfiguration): Past {
  const past: Past = { parts: new Map(), remade: new Set() }
  for (const each of former) takeBack(past, each, stored)
  return past
}

/** What a zone that was made anew has now, and nothing is known of before, was not there. */
function forgetOthers(parts: Parts, apex: string, rrsets: readonly Rrset[]): void {
  for (const { owner, type } of rrsets) {
    const id = idOf('rrset', rrsetHistoryKey(apex, owner, type))
    if (!parts.has(id)) parts.set(id, null)
  }
}

function takeBack({ parts, remade }: Past, { kind, key, before }: Former, stored: StoredConfiguration): void {
  if (kind !== 'member') {
    parts.set(idOf(kind, key), before)
    if (kind !== 'zone' || before !== null) return
    remade.add(key)
    const inside = idOf('rrset', `${key}\t`)
    for (const id of parts.keys()) if (id.startsWith(inside)) parts.set(id, null)
    return
  }
  const { pool, member } = parseMemberKey(key)
  const id = idOf('pool', pool)
  const body = parts.has(id) ? parts.get(id)! : currentBody(stored.pools.get(pool), formatPool)
  // A pool that is not there any more has been taken back before its members are.
  if (body === null) return
  const { [member]: _, ...others } = (body.members ?? {}) as Record<string, unknown>
  const members = { ...(body.members as object), ...(before === null ? {} : { [member]: before }) }
  parts.set(id, { ...body, members: before === null ? others : members })
}

function currentBody<T>(part: Stored<T> | undefined, format: (value: T) => Body): Body | null {
  return part === undefined ? null : bodyOf(part, format)
}

/** What changed between two revisions. Throws `conflict` when the history no longer has one of them. */
export async function differences(database: Database, from: number, to: number): Promise<PartDifference[]> {
  return database.readMuch(async (tx) => {
    const stored = await readConfiguration(tx)
    const [older, newer] = [Math.min(from, to), Math.max(from, to)]
    const before = await partsAt(tx, older, stored)
    const after = await partsAt(tx, newer, stored)
    const now = await bodiesNow(tx, [...before.keys()], stored)
    const found = [...before].flatMap(([id, was]) => {
      const is = after.has(id) ? after.get(id)! : (now.get(id) ?? null)
      return from <= to ? difference(id, was, is) : difference(id, is, was)
    })
    return found.sort((a, b) => order(a) - order(b) || (a.name < b.name ? -1 : 1))
  })
}

const order = ({ kind }: PartDifference) => ['monitor', 'pool', 'zone', 'rrset', 'service'].indexOf(kind)

function difference(id: string, before: Body | null, after: Body | null): PartDifference[] {
  if (isDeepStrictEqual(before, after)) return []
  const [kind, name] = split(id)
  const hide = (body: Body | null) => (body === null || kind !== 'monitor' ? body : hideOfMonitor(body))
  const action = before === null ? 'add' : after === null ? 'remove' : 'change'
  return [{ kind: kind as ShownKind, name, action, fields: fieldChanges(hide(before), hide(after)) }]
}

function split(id: string): [kind: string, key: string] {
  const at = id.indexOf(' ')
  return [id.slice(0, at), id.slice(at + 1)]
}

async function bodiesNow(tx: Tx, ids: readonly string[], stored: StoredConfiguration): Promise<Parts> {
  const parts: Parts = new Map()
  const rrsets: string[] = []
  for (const id of ids) {
    const [kind, key] = split(id)
    if (kind === 'monitor') parts.set(id, currentBody(stored.monitors.get(key), formatMonitor))
    else if (kind === 'pool') parts.set(id, currentBody(stored.pools.get(key), formatPool))
    else if (kind === 'service') parts.set(id, currentBody(stored.services.get(key), formatService))
    else if (kind === 'zone') parts.set(id, currentBody(stored.zones.get(key), formatZoneHead))
    else rrsets.push(key)
  }
  const found = await rrsetBodiesAt(tx, rrsets.map(parseRrsetKey))
  for (const { apex, owner, type, body } of found) {
    parts.set(idOf('rrset', rrsetHistoryKey(apex, owner, type)), body)
  }
  return parts
}

interface RollbackOptions {
  readonly revision: number
  /** As of `ApplyOptions`. */
  readonly since: number | null
}

/** Tells what returning to a revision would change. */
export function planRollback(database: Database, options: RollbackOptions): Promise<Plan> {
  return planAim(database, (tx) => aimAt(tx, options))
}

/** Makes the configuration what it was at a revision, by a new one. Throws `conflict` when the history no longer has it. */
export async function rollBack(database: Database, by: Author, options: RollbackOptions): Promise<Applied> {
  const zones = await database.readMuch(async (tx) => zonesOf(await formerAfter(tx, options.revision)))
  return applyAim(database, by, (tx) => aimAt(tx, options), [...zones])
}

function zonesOf(former: readonly Former[]): Set<string> {
  return new Set(
    former.flatMap(({ kind, key }) =>
      kind === 'zone' ? [key] : kind === 'rrset' ? [parseRrsetKey(key).apex] : [],
    ),
  )
}

async function aimAt(tx: Tx, { revision, since }: RollbackOptions): Promise<Aim> {
  const former = await formerAfter(tx, revision)
  const zones = zonesOf(former)
  return {
    since,
    zones: (before) => [...zones].filter((apex) => before.zones.has(apex)),
    target: (before, rrsets) => {
      const { parts, remade } = pastOf(former, before)
      for (const apex of remade) forgetOthers(parts, apex, rrsets.get(apex) ?? [])
      return targetAt(parts, before, rrsets)
    },
  }
}

function targetAt(parts: Parts, before: StoredConfiguration, rrsets: StoredRrsets): Target {
  const problems: Problem[] = []
  const changes = <T>(
    kind: string,
    stored: ReadonlyMap<string, Stored<T> & Owned>,
    parse: (name: string, body: unknown, path: string, problems: Problem[]) => T | null,
    format: (value: T) => Body,
  ): PartChange<T>[] =>
    [...parts].flatMap(([id, body]) => {
      const [ofKind, name] = split(id)
      if (ofKind !== kind) return []
      const there = stored.get(name) ?? null
      const value = body === null ? null : parse(name, body, `${kind}s.${name}`, problems)
      const after = value === null ? null : { value, written: spellingOf(body, format(value)) }
      if (there === null && after === null) return []
      const same =
        there !== null &&
        after !== null &&
        isDeepStrictEqual(there.value, after.value) &&
        isDeepStrictEqual(there.written ?? null, after.written)
      return same ? [] : [{ name, before: there, after, owner: there?.owner ?? null }]
    })
  return {
    monitors: changes('monitor', before.monitors, parseMonitor, formatMonitor),
    pools: changes('pool', before.pools, parsePool, formatPool),
    services: changes('service', before.services, parseService, formatService),
    zones: zonesAt(parts, before, rrsets, problems),
    same: 0,
    left: [],
    problems,
  }
}

function zonesAt(
  parts: Parts,
  before: StoredConfiguration,
  rrsets: StoredRrsets,
  problems: Problem[],
): ZoneChange[] {
  const byZone = new Map<string, ZoneChange['rrsets'][number][]>()
  for (const [id, body] of parts) {
    const [kind, key] = split(id)
    if (kind !== 'rrset') continue
    const { apex, owner, type } = parseRrsetKey(key)
    const there = rrsets.get(apex)?.find((rrset) => rrset.owner === owner && rrset.type === type) ?? null
    const after: Rrset | null = body === null ? null : parseRrset(apex, { owner, type }, body, key, problems)
    const list = byZone.get(apex) ?? []
    byZone.set(apex, list)
    if (!isDeepStrictEqual(there, after)) list.push({ before: there, after })
  }
  const apexes = new Set([
    ...byZone.keys(),
    ...[...parts.keys()].flatMap((id) => (id.startsWith('zone ') ? [split(id)[1]] : [])),
  ])
  return [...apexes].flatMap((apex) => {
    const stored = before.zones.get(apex)
    const there = stored === undefined ? null : { ...stored, value: headOf(stored.value) }
    const id = idOf('zone', apex)
    const body = parts.has(id) ? parts.get(id)! : there === null ? null : bodyOf(there, formatZoneHead)
    const zone = body === null ? null : parseZone(apex, { ...body, rrsets: [] }, `zones.${apex}`, problems)
    const after =
      zone === null ? null : { value: headOf(zone), written: spellingOf(body, formatZoneHead(zone)) }
    if (there === null && after === null) return []
    const changed = after === null ? [] : (byZone.get(apex) ?? [])
    const sameHead =
      there !== null &&
      after !== null &&
      isDeepStrictEqual(there.value, after.value) &&
      isDeepStrictEqual(there.written ?? null, after.written)
    return sameHead && changed.length === 0
      ? []
      : [{ name: apex, before: there, after, owner: there?.owner ?? null, rrsets: changed }]
  })
}

const headOf = ({ apex, soa, ttlSeconds }: ZoneHead): ZoneHead => ({ apex, soa, ttlSeconds })

/** Throws `not-found` for a revision that there has not been. */
export function checkRevision(revision: number, current: number): void {
  if (revision >= 0 && revision <= current) return
  throw new ControlError('not-found', `there is no revision ${revision}: the last one is ${current}`)
}
