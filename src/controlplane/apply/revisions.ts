/**
 * Earlier revisions: how the configuration was, what each changed, and the way back. The history keeps how parts were before each
 * revision that changed them, so the state of then is what is there now, with those taken back from the newest to the oldest.
 */
import { isDeepStrictEqual } from 'node:util'
import { formatFeed, parseFeed } from '../document/feed.ts'
import type { Body } from '../document/forms.ts'
import { hideOf } from '../document/hidden.ts'
import { formatMonitor, parseMonitor } from '../document/monitor.ts'
import { formatPool, parsePool } from '../document/pool.ts'
import { formatService, parseService } from '../document/service.ts'
import { spellingOf } from '../document/written.ts'
import { formatZoneHead, parseRrset, parseZone } from '../document/zone.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import { parseMemberKey } from '../model/member-key.ts'
import { type Reach, within } from '../model/reach.ts'
import type { ZoneHead } from '../model/zone.ts'
import {
  readConfiguration,
  readRrsets,
  type StoredConfiguration,
  type StoredRrsets,
} from '../store/configuration.ts'
import type { Author, Database, Tx } from '../store/database.ts'
import { type Former, type Formers, formerAfter, parseRrsetKey, rrsetHistoryKey } from '../store/history.ts'
import { rrsetBodiesAt } from '../store/rrsets.ts'
import { bodyOf, type Owned, type Stored } from '../store/stored.ts'
import { type Aim, type Applied, applyAim, type Plan, planAim } from './apply.ts'
import { fieldChanges, type PlannedChange } from './plan-view.ts'
import { type PartChange, saysTheSame, type Target, type ZoneChange } from './target.ts'

/** Parts that were another way, by kind and key. Members are in their pools. */
type Parts = Map<string, Part>

interface Part {
  /** The fragment; null for what was not there. */
  readonly body: Body | null
  readonly owner: string | null
}

const absent: Part = { body: null, owner: null }

export type ShownKind = PlannedChange['kind'] | 'rrset'

/** What a part was and became. */
export interface PartDifference
  extends Omit<PlannedChange, 'kind' | 'moreFields' | 'owner' | 'rrsets' | 'rows'> {
  readonly kind: ShownKind
  /** Of an RRset: what its name is made of. */
  readonly rrset?: { readonly zone: string; readonly owner: string; readonly type: string }
}

const idOf = (kind: string, key: string) => `${kind} ${key}`

/** The parts that were another way at a revision than they are now. Throws `conflict` for one that the history no longer has. */
async function partsAt(tx: Tx, revision: number, stored: StoredConfiguration): Promise<Parts> {
  const formers = await formerAfter(tx, revision)
  const made = [...formers.made.keys()].filter((apex) => stored.zones.has(apex))
  const rrsets = await readRrsets(tx, made)
  if (rrsets === null)
    throw new ControlError('conflict', 'the zones that were made since have too many RRsets')
  return partsOf(formers, stored, rrsets)
}

/** @param rrsets of the zones that were made since */
function partsOf(
  { parts: formers, made }: Formers,
  stored: StoredConfiguration,
  rrsets: StoredRrsets,
): Parts {
  const parts: Parts = new Map()
  const pools = new Map<string, number>()
  const members: Former[] = []
  for (const former of formers) {
    const { id, kind, key, before: body, owner } = former
    if (kind === 'member') members.push(former)
    else if (kind === 'rrset' && id > (made.get(parseRrsetKey(key).apex) ?? Infinity)) {
      // It came into a zone that was not there.
      parts.set(idOf(kind, key), absent)
    } else {
      parts.set(idOf(kind, key), { body, owner })
      if (kind === 'pool') pools.set(key, id)
    }
  }
  // What was done to a member after its pool was put is in what that put replaced, or came later.
  for (const former of members.toSorted((a, b) => b.id - a.id)) {
    if (former.id < (pools.get(parseMemberKey(former.key).pool) ?? Infinity))
      takeBackMember(parts, former, stored)
  }
  for (const apex of made.keys()) {
    for (const { owner, type } of rrsets.get(apex) ?? []) {
      const id = idOf('rrset', rrsetHistoryKey(apex, owner, type))
      if (!parts.has(id)) parts.set(id, absent)
    }
  }
  return parts
}

function takeBackMember(parts: Parts, { key, before }: Former, stored: StoredConfiguration): void {
  const { pool, member } = parseMemberKey(key)
  const id = idOf('pool', pool)
  const now = stored.pools.get(pool)
  const { body, owner } = parts.get(id) ?? { body: currentBody(now, formatPool), owner: now?.owner ?? null }
  // The pool was not there either.
  if (body === null) return
  const { [member]: _, ...others } = (body.members ?? {}) as Record<string, unknown>
  const members = before === null ? others : { ...(body.members as object), [member]: before }
  parts.set(id, { body: { ...body, members }, owner })
}

function currentBody<T>(part: Stored<T> | undefined, format: (value: T) => Body): Body | null {
  return part === undefined ? null : bodyOf(part, format)
}

/** What changed between two revisions, of what is reached. Throws `conflict` when the history no longer has one of them. */
export async function differences(
  database: Database,
  from: number,
  to: number,
  reach: Reach | null = null,
): Promise<PartDifference[]> {
  return database.readMuch(async (tx) => {
    const stored = await readConfiguration(tx, () => {})
    const [older, newer] = [Math.min(from, to), Math.max(from, to)]
    const before = await partsAt(tx, older, stored)
    const after = await partsAt(tx, newer, stored)
    const now = await bodiesNow(tx, [...before.keys()], stored)
    const found = [...before].flatMap(([id, was]) => {
      const is = after.get(id) ?? now.get(id) ?? absent
      return from <= to ? difference(id, was.body, is.body) : difference(id, is.body, was.body)
    })
    return found
      .filter((part) => isReached(part, reach))
      .sort((a, b) => orderOf(a) - orderOf(b) || (a.name < b.name ? -1 : 1))
  })
}

function isReached({ kind, name, rrset }: PartDifference, reach: Reach | null): boolean {
  if (kind === 'rrset') return within(reach, 'zone')(rrset!.zone)
  return within(reach, kind)(name)
}

/** What is named stands before what names it, as in plans. */
export const orderOf = ({ kind }: Pick<PartDifference, 'kind'>): number =>
  ['feed', 'monitor', 'pool', 'zone', 'rrset', 'service'].indexOf(kind)

function difference(id: string, before: Body | null, after: Body | null): PartDifference[] {
  if (isDeepStrictEqual(before, after)) return []
  const [kind, name] = split(id)
  const hide = (body: Body | null) => body && hideOf(kind, body)
  const action = before === null ? 'add' : after === null ? 'remove' : 'change'
  const fields = fieldChanges(hide(before), hide(after))
  return [{ kind: kind as ShownKind, ...namesOf(kind, name), action, fields }]
}

/** In the history an RRset has a key of its own; it is told as in the audit log. */
function namesOf(kind: string, name: string): Pick<PartDifference, 'name' | 'rrset'> {
  if (kind !== 'rrset') return { name }
  const { apex, owner, type } = parseRrsetKey(name)
  return { name: `${apex}/${owner}/${type}`, rrset: { zone: apex, owner, type } }
}

function split(id: string): [kind: string, key: string] {
  const at = id.indexOf(' ')
  return [id.slice(0, at), id.slice(at + 1)]
}

async function bodiesNow(tx: Tx, ids: readonly string[], stored: StoredConfiguration): Promise<Parts> {
  const parts: Parts = new Map()
  const rrsets: string[] = []
  const put = (id: string, body: Body | null) => parts.set(id, { body, owner: null })
  for (const id of ids) {
    const [kind, key] = split(id)
    if (kind === 'feed') put(id, currentBody(stored.feeds.get(key), formatFeed))
    else if (kind === 'monitor') put(id, currentBody(stored.monitors.get(key), formatMonitor))
    else if (kind === 'pool') put(id, currentBody(stored.pools.get(key), formatPool))
    else if (kind === 'service') put(id, currentBody(stored.services.get(key), formatService))
    else if (kind === 'zone') put(id, currentBody(stored.zones.get(key), formatZoneHead))
    else rrsets.push(key)
  }
  const found = await rrsetBodiesAt(tx, rrsets.map(parseRrsetKey))
  for (const { apex, owner, type, body } of found) {
    put(idOf('rrset', rrsetHistoryKey(apex, owner, type)), body)
  }
  return parts
}

interface RollbackOptions {
  readonly revision: number
  /** As of `ApplyOptions`. */
  readonly since: number | null
  readonly reach?: Reach | null
}

/** Tells what returning to a revision would change. */
export function planRollback(database: Database, options: RollbackOptions): Promise<Plan> {
  return planAim(database, (tx) => aimAt(tx, options))
}

/** Makes the configuration what it was at a revision, by a new one. Throws `conflict` when the history no longer has it. */
export function rollBack(database: Database, by: Author, options: RollbackOptions): Promise<Applied> {
  return applyAim(database, by, (tx) => aimAt(tx, options))
}

async function aimAt(tx: Tx, { revision, since, reach = null }: RollbackOptions): Promise<Aim> {
  const formers = await formerAfter(tx, revision)
  const zones = new Set([
    ...formers.made.keys(),
    ...formers.parts.flatMap(({ kind, key }) => (kind === 'rrset' ? [parseRrsetKey(key).apex] : [])),
  ])
  return {
    since,
    reach,
    readRrsets: (read, before) =>
      readRrsets(
        read,
        [...zones].filter((apex) => before.zones.has(apex)),
      ),
    target: (before, rrsets) => targetAt(partsOf(formers, before, rrsets), before, rrsets),
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
    [...parts].flatMap(([id, { body, owner }]) => {
      const [ofKind, name] = split(id)
      if (ofKind !== kind) return []
      const there = stored.get(name) ?? null
      const value = body === null ? null : parse(name, body, `${kind}s.${name}`, problems)
      const after = value === null ? null : { value, written: spellingOf(body, format(value)) }
      if (there === null && after === null) return []
      const same = there !== null && after !== null && saysTheSame(there, after)
      return same ? [] : [{ name, before: there, after, owner: there === null ? owner : there.owner }]
    })
  return {
    feeds: changes('feed', before.feeds, parseFeed, formatFeed),
    monitors: changes('monitor', before.monitors, parseMonitor, formatMonitor),
    pools: changes('pool', before.pools, parsePool, formatPool),
    services: changes('service', before.services, parseService, formatService),
    zones: zonesAt(parts, before, rrsets, problems),
    same: 0,
    left: [],
    leftCount: 0,
    problems,
  }
}

function zonesAt(
  parts: Parts,
  before: StoredConfiguration,
  rrsets: StoredRrsets,
  problems: Problem[],
): ZoneChange[] {
  const there = new Map(
    Array.from(rrsets).flatMap(([apex, list]) =>
      list.map((rrset) => [rrsetHistoryKey(apex, rrset.owner, rrset.type), rrset] as const),
    ),
  )
  const byZone = new Map<string, ZoneChange['rrsets'][number][]>()
  const apexes = new Set<string>()
  for (const [id, { body }] of parts) {
    const [kind, key] = split(id)
    if (kind === 'zone') apexes.add(key)
    if (kind !== 'rrset') continue
    const { apex, owner, type } = parseRrsetKey(key)
    apexes.add(apex)
    const now = there.get(key) ?? null
    const after = body === null ? null : parseRrset(apex, { owner, type }, body, key, problems)
    const list = byZone.get(apex) ?? []
    byZone.set(apex, list)
    if (!isDeepStrictEqual(now, after)) list.push({ before: now, after })
  }
  return [...apexes].flatMap((apex) => zoneAt(apex, parts, before, byZone.get(apex) ?? [], problems))
}

function zoneAt(
  apex: string,
  parts: Parts,
  before: StoredConfiguration,
  rrsets: ZoneChange['rrsets'],
  problems: Problem[],
): ZoneChange[] {
  const there = before.zones.get(apex) ?? null
  const part = parts.get(idOf('zone', apex))
  const body = part === undefined ? currentBody(there ?? undefined, formatZoneHead) : part.body
  const zone = body === null ? null : parseZone(apex, { ...body, rrsets: [] }, `zones.${apex}`, problems)
  const after =
    zone === null ? null : { value: headOf(zone), written: spellingOf(body, formatZoneHead(zone)) }
  if (there === null && after === null) return []
  const changed = after === null ? [] : rrsets
  const sameHead =
    there !== null && after !== null && saysTheSame({ ...there, value: headOf(there.value) }, after)
  if (sameHead && changed.length === 0) return []
  const owner = there === null ? (part?.owner ?? null) : there.owner
  return [{ name: apex, before: there, after, owner, rrsets: changed }]
}

const headOf = ({ apex, soa, ttlSeconds, dnssec }: ZoneHead): ZoneHead => ({ apex, soa, ttlSeconds, dnssec })

/** Throws `not-found` for a revision that there has not been. */
export function checkRevision(revision: number, current: number): void {
  if (revision >= 0 && revision <= current) return
  throw new ControlError('not-found', `there is no revision ${revision}: the last one is ${current}`)
}
