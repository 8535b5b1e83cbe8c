/** Reads the settings of a revision: everything of the configuration but the zones' RRsets. */

import { Catalog, type CatalogParts, type CatalogService } from '../catalog/catalog.ts'
import { spelled } from '../catalog/spellings.ts'
import { type Births, birthKeys } from '../model/births.ts'
import { ControlError } from '../model/errors.ts'
import { formatMemberKey, parseMemberKey } from '../model/member-key.ts'
import type { MemberPattern } from '../model/override-index.ts'
import type { Pool } from '../model/pool.ts'
import { type BirthScope, readBirths } from '../store/births.ts'
import { type Change, type ChangeBatch, stampOf } from '../store/changes.ts'
import type { Tx } from '../store/database.ts'
import { getFeed, listAllFeeds } from '../store/feeds.ts'
import { getMonitor, listAllMonitors } from '../store/monitors.ts'
import { listOverrides } from '../store/overrides.ts'
import { getPool, listAllPools } from '../store/pools.ts'
import { currentRevision } from '../store/revision.ts'
import { getService, listAllServices, type StoredService } from '../store/services.ts'
import type { OnBad } from '../store/stored.ts'
import { getWebhook, listAllWebhooks } from '../store/webhooks.ts'
import { listAllZones, readZoneHead } from '../store/zones.ts'
import type { BadRows, RowKind } from './bad-rows.ts'
import type { SchemaPart, SchemaParts } from './schema-parts.ts'

/** Zones by apex, each with the owners that changed; null says that anything may have. */
export type Touched = ReadonlyMap<string, readonly string[] | null>

/** What some changes made of the settings. */
export interface ChangedSettings {
  readonly catalog: Catalog
  readonly services: ReadonlySet<string>
  readonly pools: ReadonlySet<string>
  /** The zones whose images are to follow. */
  readonly touched: Touched
  /** The revisions that touched them. */
  readonly touchedBy: readonly (readonly [apex: string, revision: number])[]
}

/** What settings are read with. */
export interface Reading {
  readonly onBad: OnBad
  readonly bad: BadRows
  readonly parts: SchemaParts
}

/**
 * @param lastGood what stays of what can't be read; null for nothing
 * @throws ControlError `unavailable` when the schema is such that something can't be read at all, and there is no last good
 */
export async function readAllSettings(
  tx: Tx,
  { onBad, bad, parts }: Reading,
  lastGood: Pick<Catalog, RowKinds | 'overrides' | 'births'> | null,
): Promise<Catalog> {
  const revision = await currentRevision(tx)
  const found = new Map<string, string>()
  const noting: OnBad = (message, what) => {
    onBad(message, what)
    found.set(what, message)
  }
  const part = <T>(name: SchemaPart, read: () => Promise<T>, good: T | undefined) =>
    readOr(parts, name, read, () => {
      if (good !== undefined) return good
      throw new ControlError(
        'unavailable',
        `the schema of the database is a newer one, and its ${name} can't be read`,
      )
    })
  const all = <T extends { readonly name: string }>(
    list: (tx: Tx, onBad: OnBad) => Promise<readonly Found<T>[]>,
  ) => {
    return async (): Promise<ReadonlyMap<string, T>> => byName(await list(tx, noting))
  }
  const everyZone = async (): Promise<Catalog['zones']> =>
    new Map((await listAllZones(tx, noting)).map((zone) => [zone.value.apex, partOf(zone)]))
  const everyService = async (): Promise<Catalog['services']> =>
    byName((await listAllServices(tx, noting)).map(placed))
  const everything = { pools: null, services: null, feeds: null, webhooks: null }
  const [stamp, feeds, monitors, pools, services, zones, overrides, webhooks, births] = await Promise.all([
    stampOf(tx, revision),
    part('feeds', all(listAllFeeds), lastGood?.feeds),
    part('monitors', all(listAllMonitors), lastGood?.monitors),
    part('pools', all(listAllPools), lastGood?.pools),
    part('services', everyService, lastGood?.services),
    part('zones', everyZone, lastGood?.zones),
    part('overrides', () => readOverrides(tx, noting), lastGood?.overrides),
    part('webhooks', all(listAllWebhooks), lastGood?.webhooks),
    part('births', () => readBirths(tx, everything), lastGood?.births),
  ])
  const read = { feeds, monitors, pools, services, zones, webhooks }
  const settings = lastGood === null || found.size === 0 ? read : withLastGood(read, lastGood, found)
  bad.rereadAll(found)
  return new Catalog({ revision, stamp, ...settings, overrides, births })
}

interface Found<T> {
  readonly value: T
  readonly written?: Record<string, unknown> | null
}

/** A part of the settings, or what stands for it when its schema is another one. */
async function readOr<T>(
  parts: SchemaParts,
  part: SchemaPart,
  read: () => Promise<T>,
  otherwise: () => T,
): Promise<T> {
  const found = await parts.read(part, read)
  return found === undefined ? otherwise() : found
}

type RowKinds = 'feeds' | 'monitors' | 'pools' | 'services' | 'zones' | 'webhooks'

/** Settings with the last good in the place of what can't be read. */
function withLastGood(
  read: Pick<Catalog, RowKinds>,
  lastGood: Pick<Catalog, RowKinds>,
  found: ReadonlyMap<string, string>,
): Pick<Catalog, RowKinds> {
  const lookIn = <T>(kind: RowKind, now: ReadonlyMap<string, T>, good: ReadonlyMap<string, T>) => {
    const kept = [...good].filter(([name]) => isBad(kind, name, found))
    return kept.length === 0 ? now : new Map([...now, ...kept])
  }
  const pools = new Map(read.pools)
  for (const [name, pool] of pools) pools.set(name, poolWithLastGood(pool, lastGood.pools.get(name), found))
  return {
    feeds: lookIn('feed', read.feeds, lastGood.feeds),
    monitors: lookIn('monitor', read.monitors, lastGood.monitors),
    pools,
    services: lookIn('service', read.services, lastGood.services),
    zones: lookIn('zone', read.zones, lastGood.zones),
    webhooks: lookIn('webhook', read.webhooks, lastGood.webhooks),
  }
}

function isBad(kind: RowKind, name: string, found: ReadonlyMap<string, string>): boolean {
  const row = `${kind} ${name}`
  return ['', 'the settings of ', 'the head of ', 'the override of '].some((part) => found.has(part + row))
}

/** A pool of what could be read of it: settings that can't be, and members that can't be, are those of before. */
function poolWithLastGood(pool: Pool, before: Pool | undefined, found: ReadonlyMap<string, string>): Pool {
  if (before === undefined) return pool
  const lost = before.members.filter(({ name }) => found.has(`member ${pool.name}/${name}`))
  const members = [...pool.members, ...lost]
  if (isBad('pool', pool.name, found)) return { ...before, members }
  return lost.length === 0 ? pool : { ...pool, members }
}

export async function readChangedSettings(
  tx: Tx,
  before: Catalog,
  { revision, stamp, changes }: ChangeBatch,
  reading: Reading,
): Promise<ChangedSettings> {
  const { parts } = reading
  // What nothing changed is not asked for, so it is not known whether it could be read.
  const part = async <T>(name: SchemaPart, isTouched: boolean, read: () => Promise<T>, before: T) =>
    isTouched ? readOr(parts, name, read, () => before) : before
  const keys = (kind: Change['kind']) =>
    new Set(changes.filter((change) => change.kind === kind).map(({ key }) => key))
  const changed = keys('service')
  const changedServices = () =>
    patch(
      before.services,
      changed,
      lastGood(reading, 'service', before.services, (name, noting) =>
        getService(tx, name, noting).then((stored) => stored && placed(stored)),
      ),
    )
  const placedServices = (moved: boolean) => {
    const read = moved ? () => readServices(tx, before, reading) : changedServices
    return part('services', moved || changed.size > 0, read, before.services)
  }
  const bornServices = (moved: boolean) => {
    // With a zone, services may have come of which no change says so.
    const others = { pools: keys('pool'), feeds: keys('feed'), webhooks: keys('webhook') }
    const scope = { ...others, services: moved ? null : changed }
    const isTouched = moved || changed.size > 0 || Object.values(others).some(({ size }) => size > 0)
    return part('births', isTouched, () => patchBirths(tx, before, scope), before.births)
  }
  const entries = <T>(
    name: SchemaPart,
    kind: RowKind,
    of: ReadonlyMap<string, T>,
    get: (tx: Tx, name: string, noting: OnBad) => Promise<Read<T>>,
  ) =>
    part(
      name,
      keys(kind).size > 0,
      () =>
        patch(
          of,
          keys(kind),
          lastGood(reading, kind, of, (key, noting) => get(tx, key, noting)),
        ),
      of,
    )
  // Asked for together, as each question by itself would take a round trip.
  const heads = entries('zones', 'zone', before.zones, readZoneHead)
  const touched = [...keys('zone')]
  // One that was not there has come, most likely.
  const moving = touched.every((apex) => before.zones.has(apex))
    ? touched.length > 0 && heads.then((zones) => isOtherSet(before.zones, zones))
    : Promise.resolve(true)
  const [zones, feeds, monitors, pools, services, overrides, webhooks, births] = await Promise.all([
    heads,
    entries('feeds', 'feed', before.feeds, getFeed),
    entries('monitors', 'monitor', before.monitors, getMonitor),
    part(
      'pools',
      keys('pool').size > 0,
      () => patch(before.pools, keys('pool'), (name) => readPool(tx, name, before, reading)),
      before.pools,
    ),
    moving === false ? placedServices(false) : moving.then(placedServices),
    part(
      'overrides',
      keys('override').size + keys('pool').size > 0,
      () => rereadOverrides(tx, reading),
      before.overrides,
    ),
    entries('webhooks', 'webhook', before.webhooks, getWebhook),
    moving === false ? bornServices(false) : moving.then(bornServices),
  ])
  const settings = { zones, feeds, monitors, pools, services, overrides, webhooks, births }
  const catalog = new Catalog({ revision, stamp, ...settings })
  // A pool's change may take overrides along with its members; another monitor may know less of them than the one before.
  const touchedPools = new Set([
    ...keys('pool'),
    ...catalog.poolsJudgedBy(keys('monitor')),
    ...catalog.poolsMatching(Array.from(keys('override'), parseMemberKey)),
  ])
  return { catalog, services: changed, pools: touchedPools, ...zonesToFollow(before, catalog, changes) }
}

/** The members that changes let come back. */
export function failBacksOf(changes: readonly Change[]): MemberPattern[] {
  return changes.flatMap(({ kind, key }) => (kind === 'fail-back' ? [parseMemberKey(key)] : []))
}

export function touchedZones(changes: readonly Change[]): Map<string, readonly string[] | null> {
  const touched = new Map<string, readonly string[] | null>()
  for (const { kind, key, owners } of changes) {
    if (kind === 'zone') touched.set(key, joinOwners(touched.get(key), owners))
  }
  return touched
}

/** Owners that changed at either time. @param before undefined for none */
export function joinOwners(
  before: readonly string[] | null | undefined,
  owners: readonly string[] | null,
): readonly string[] | null {
  return owners === null || before === null ? null : [...new Set([...(before ?? []), ...owners])]
}

/** Parts touched zones into those that changed together: in one revision, or each with another one that did. */
export function changedTogether({
  touched,
  touchedBy,
}: Pick<ChangedSettings, 'touched' | 'touchedBy'>): Touched[] {
  const groups = new Map<string, ReadonlySet<string>>()
  for (const pairs of Map.groupBy(touchedBy, ([, revision]) => revision).values()) {
    const group = new Set(pairs.flatMap(([apex]) => [...(groups.get(apex) ?? [apex])]))
    for (const apex of group) groups.set(apex, group)
  }
  return Array.from(new Set(groups.values()), (group) => {
    return new Map(Array.from(group, (apex) => [apex, touched.get(apex) ?? null]))
  })
}

/** Zones that changed, and those that gained or lost a service: their images name them. */
function zonesToFollow(
  before: Catalog,
  after: Catalog,
  changes: readonly Change[],
): Pick<ChangedSettings, 'touched' | 'touchedBy'> {
  const touched = touchedZones(changes)
  const touchedBy = changes.flatMap(({ kind, key, revision }) =>
    kind === 'zone' ? [[key, revision] as const] : [],
  )
  for (const name of new Set([...before.services.keys(), ...after.services.keys()])) {
    const [from, to] = [before.services.get(name)?.zone, after.services.get(name)?.zone]
    if (from === to) continue
    const by = changes.filter(({ kind, key }) => kind === 'service' && key === name)
    // A service that was read along with others may be ahead of its change.
    const revisions = by.length === 0 ? [after.revision] : by.map(({ revision }) => revision)
    for (const apex of [from, to]) {
      if (apex === undefined) continue
      if (!touched.has(apex)) touched.set(apex, [])
      for (const revision of revisions) touchedBy.push([apex, revision])
    }
  }
  return { touched, touchedBy }
}

/** Whether zones came or went. */
const isOtherSet = (before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>) =>
  after.size !== before.size || [...after.keys()].some((apex) => !before.has(apex))

type Read<T> = Found<T> | null | undefined

/** Reads an entry; undefined, which leaves it as it was, when its row can't be read and there was one before. */
function lastGood<T>(
  { onBad, bad }: Reading,
  kind: RowKind,
  before: ReadonlyMap<string, T>,
  read: (name: string, noting: OnBad) => Promise<Read<T>>,
): (name: string) => Promise<Read<T>> {
  return async (name) => {
    const found = new Map<string, string>()
    const entry = await read(name, (message, what) => {
      onBad(message, what)
      found.set(what, message)
    })
    bad.reread(kind, name, found)
    return found.size > 0 && before.has(name) ? undefined : entry
  }
}

async function readPool(
  tx: Tx,
  name: string,
  { pools }: Catalog,
  { onBad, bad }: Reading,
): Promise<Read<Pool>> {
  const found = new Map<string, string>()
  const stored = await getPool(tx, name, (message, what) => {
    onBad(message, what)
    found.set(what, message)
  })
  bad.reread('pool', name, found)
  return stored && { value: poolWithLastGood(partOf(stored), pools.get(name), found) }
}

/** A copy of `before` with the entries of `keys` read anew; null takes one out, undefined leaves it as it was. */
async function patch<T>(
  before: ReadonlyMap<string, T>,
  keys: ReadonlySet<string>,
  read: (key: string) => Promise<{ readonly value: T } | null | undefined>,
): Promise<ReadonlyMap<string, T>> {
  if (keys.size === 0) return before
  const after = new Map(before)
  const answers = await Promise.all(Array.from(keys, async (key) => [key, await read(key)] as const))
  for (const [key, found] of answers) {
    if (found === undefined) continue
    if (found === null) after.delete(key)
    else after.set(key, partOf(found))
  }
  return after
}

/** A copy of the births of `before` with those in scope read anew. */
async function patchBirths(tx: Tx, { births, pools }: Catalog, scope: BirthScope): Promise<Births> {
  const after = new Map(births)
  for (const name of scope.pools ?? []) {
    after.delete(birthKeys.pool(name))
    for (const { name: member } of pools.get(name)?.members ?? [])
      after.delete(birthKeys.member({ pool: name, member }))
  }
  for (const name of scope.services ?? []) after.delete(birthKeys.service(name))
  for (const name of scope.feeds ?? []) after.delete(birthKeys.feed(name))
  for (const name of scope.webhooks ?? []) after.delete(birthKeys.webhook(name))
  for (const [key, born] of await readBirths(tx, scope)) after.set(key, born)
  return after
}

async function readServices(
  tx: Tx,
  before: Catalog,
  { onBad, bad }: Reading,
): Promise<ReadonlyMap<string, CatalogService>> {
  const found = new Map<string, string>()
  const services = byName(
    (
      await listAllServices(tx, (message, what) => {
        onBad(message, what)
        found.set(what, message)
      })
    ).map(placed),
  )
  for (const name of new Set([...services.keys(), ...before.services.keys()])) {
    const ofName = new Map([...found].filter(([what]) => isBad('service', name, new Map([[what, '']]))))
    bad.reread('service', name, ofName)
    if (ofName.size > 0 && before.services.has(name)) services.set(name, before.services.get(name)!)
  }
  return services
}

async function readOverrides(tx: Tx, onBad: OnBad): Promise<CatalogParts['overrides']> {
  return new Map((await listOverrides(tx, onBad)).map((override) => [formatMemberKey(override), override]))
}

/** The same, where it is told which can't be read until they can be. */
async function rereadOverrides(tx: Tx, { onBad, bad }: Reading): Promise<CatalogParts['overrides']> {
  const found = new Map<string, string>()
  const overrides = await readOverrides(tx, (message, what) => {
    onBad(message, what)
    found.set(what, message)
  })
  bad.rereadOverrides(found)
  return overrides
}

/** A stored service as the catalog has it, with its zone and the operator's word. */
function placed({ value, zone, override, written }: StoredService): { readonly value: CatalogService } {
  return { value: spelled({ ...value, zone, override }, written) }
}

function byName<T extends { readonly name: string }>(stored: readonly Found<T>[]): Map<string, T> {
  return new Map(stored.map((each) => [each.value.name, partOf(each)]))
}

/** The value of what is stored, which keeps how it is written. */
function partOf<T>({ value, written }: Found<T>): T {
  return typeof value === 'object' && value !== null ? spelled(value, written) : value
}
