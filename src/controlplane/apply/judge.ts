/** Whether the configuration that a target comes to keeps the rules. What broke one before is not held against the change. */

import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { joinPath, splitPath } from '../document/path.ts'
import { crossBreaches, type JudgedConfiguration, toProblem } from '../document/references.ts'
import type { Problem } from '../model/errors.ts'
import type { ZoneHead } from '../model/zone.ts'
import { lostColumns } from '../rules/feeds.ts'
import { namesAbove, relativeOwner } from '../rules/owners.ts'
import { aliasedServices } from '../rules/places.ts'
import { isMadeBySigning, madeBySigning } from '../rules/signing.ts'
import { placesOf, viewOf } from '../rules/view.ts'
import { checkKeys, type RrsetKey } from '../rules/zone-data.ts'
import { keysAt, type Place, type StoredConfiguration, type StoredRrsets } from '../store/configuration.ts'
import type { Tx } from '../store/database.ts'
import { breachesOfSigning, listMadeBySigning } from '../store/dnssec-keys.ts'
import { feedsWithRows } from '../store/feeds.ts'
import type { PartChange, Target } from './target.ts'

export interface Judged {
  /** By the paths of a document. */
  readonly problems: readonly Problem[]
  /** The apex of the zone that a service lies in once all is done; null when there is none. */
  zoneOf(service: string): string | null
  /** Services that stay as they are and come to lie in another zone. */
  readonly moved: readonly { readonly name: string; readonly from: string }[]
}

/** @param rrsets of the zones that change and were there */
export async function judgeTarget(
  tx: Tx,
  stored: StoredConfiguration,
  rrsets: StoredRrsets,
  target: Target,
): Promise<Judged> {
  const before = partsOf(stored)
  const after = {
    feeds: [...applied(stored.feeds, target.feeds).values()],
    monitors: [...applied(stored.monitors, target.monitors).values()],
    pools: [...applied(stored.pools, target.pools).values()],
    services: [...applied(stored.services, target.services).values()],
  }
  const apexes = [...applied<ZoneHead>(stored.zones, target.zones).keys()]
  const { zoneOf } = placesOf(
    apexes.map((apex) => ({ apex, rrsets: [] })),
    [],
  )
  const names = after.services.map(({ name }) => name)
  const moved = names.flatMap((name) => {
    const from = stored.services.get(name)?.zone
    return from === undefined || from === zoneOf(name) ? [] : [{ name, from }]
  })
  const keys = keysAfter(rrsets, target)
  const placed = concerned(after, target, zoneOf, moved, keys)
  const around = await keysAt(tx, placesAround(placed, zoneOf, keys))
  const zones = apexes.map((apex) => ({ apex, rrsets: keys.get(apex) ?? around.get(apex) ?? [] }))
  const lost = await columnsLost(tx, target)
  const signing = await signingProblems(tx, target)
  const problems = crossBreaches({ ...after, zones }, placed).map(toProblem)
  return {
    problems: [
      ...lost,
      ...zoneProblems(keys),
      ...signing,
      ...newOnes(problems, { ...before, zones }).map((problem) => withCause(problem, target)),
    ],
    zoneOf,
    moved: moved.filter(({ name }) => !target.services.some((change) => change.name === name)),
  }
}

function partsOf({ feeds, monitors, pools, services }: StoredConfiguration) {
  const values = <T>(parts: ReadonlyMap<string, { readonly value: T }>) =>
    Array.from(parts.values(), ({ value }) => value)
  return {
    feeds: values(feeds),
    monitors: values(monitors),
    pools: values(pools),
    services: values(services),
  }
}

/** The parts of one kind once changes are made. */
function applied<T>(
  stored: ReadonlyMap<string, { readonly value: T }>,
  changes: readonly Pick<PartChange<T>, 'name' | 'after'>[],
): Map<string, T> {
  const parts = new Map(Array.from(stored, ([name, { value }]) => [name, value]))
  for (const { name, after } of changes) {
    if (after === null) parts.delete(name)
    else parts.set(name, after.value)
  }
  return parts
}

type Keys = ReadonlyMap<string, readonly RrsetKey[]>

/** What the zones that change have then. */
function keysAfter(rrsets: StoredRrsets, target: Target): Keys {
  return new Map(
    target.zones.flatMap((zone) => {
      if (zone.after === null) return []
      const keys = new Map<string, RrsetKey>()
      const idOf = ({ owner, type }: RrsetKey) => `${owner} ${type}`
      for (const key of rrsets.get(zone.name) ?? []) keys.set(idOf(key), key)
      for (const { before, after } of zone.rrsets) {
        if (after === null) keys.delete(idOf(before!))
        else keys.set(idOf(after), after)
      }
      return [[zone.name, [...keys.values()]] as const]
    }),
  )
}

/** Services of which it must be judged whether they may be where they are. */
function concerned(
  after: Omit<JudgedConfiguration, 'zones'>,
  target: Target,
  zoneOf: (name: string) => string | null,
  moved: readonly { readonly name: string }[],
  keys: Keys,
): string[] {
  const changed = new Set([...target.services, ...moved].map(({ name }) => name))
  const view = viewOf({ ...after, zones: [] }, [])
  const aliases = aliasedServices(view, view.services.keys())
  return after.services.flatMap(({ name }) => {
    const apex = zoneOf(name)
    return changed.has(name) || aliases.has(name) || (apex !== null && keys.has(apex)) ? [name] : []
  })
}

/** Where a zone that does not change may have what is in the way of services. */
function placesAround(
  names: readonly string[],
  zoneOf: (name: string) => string | null,
  keys: Keys,
): Place[] {
  return names.flatMap((name) => {
    const zone = zoneOf(name)
    if (zone === null || keys.has(zone)) return []
    const owner = relativeOwner(name, zone)
    return [owner, ...namesAbove(owner)].map((each) => ({ zone, owner: each }))
  })
}

/** Columns that would go from feeds that have rows. */
async function columnsLost(tx: Tx, { feeds }: Target): Promise<Problem[]> {
  const found = feeds.flatMap(({ name, before, after }) =>
    before === null || after === null
      ? []
      : lostColumns(before.value, after.value).map(({ at, message }) => ({ name, at, message })),
  )
  const filled = await feedsWithRows(tx, [...new Set(found.map(({ name }) => name))])
  return found
    .filter(({ name }) => filled.has(name))
    .map(({ name, at, message }) => ({ path: joinPath('feeds', name, ...at), message }))
}

function zoneProblems(keys: Keys): Problem[] {
  return Array.from(keys).flatMap(([apex, rrsets]) =>
    checkKeys(rrsets).map(({ message }) => ({ path: joinPath('zones', apex, 'rrsets'), message })),
  )
}

/** What its zones can't become, signed or not: it is refused when it is written, too, and is to be known before. */
async function signingProblems(tx: Tx, { zones }: Target): Promise<Problem[]> {
  const staying = zones.flatMap(({ name, before, after, rrsets }) => {
    if (after === null) return []
    return [{ apex: name, was: before?.value.dnssec ?? null, is: after.value.dnssec, rrsets }]
  })
  const breaches = await breachesOfSigning(tx, staying)
  const signed = staying.filter(({ is }) => is !== null)
  const begun = signed.flatMap(({ apex, was }) => (was === null ? [apex] : []))
  const there = Map.groupBy(await listMadeBySigning(tx, begun), ({ zone }) => zone)
  return [
    ...breaches.map(({ apex, at, message }) => ({ path: joinPath('zones', apex, ...at), message })),
    ...signed.flatMap(({ apex, rrsets }) => {
      const goes = ({ owner, type }: RrsetKey) =>
        rrsets.some(({ before }) => before?.owner === owner && before.type === type)
      const stays = (there.get(apex) ?? []).filter((key) => !goes(key))
      const comes = rrsets.flatMap(({ after }) =>
        after !== null && isMadeBySigning(after.type) ? [after] : [],
      )
      const path = joinPath('zones', apex, 'rrsets')
      return [...stays, ...comes].map(({ owner, type }) => ({ path, message: madeBySigning(owner, type) }))
    }),
  ]
}

/** A service that stays and loses its zone says by what. */
function withCause(problem: Problem, { zones }: Target): Problem {
  const [kind, service] = splitPath(problem.path)
  if (kind !== 'services' || !problem.message.endsWith('lies in no zone')) return problem
  const names = new Set(enclosingHostnames(String(service)))
  const gone = zones.find(({ name, after }) => after === null && names.has(name))
  if (gone === undefined) return problem
  return { ...problem, message: `${problem.message}, for zone ${gone.name} is to go` }
}

/** Those that were not there before. */
function newOnes(problems: readonly Problem[], before: JudgedConfiguration): readonly Problem[] {
  if (problems.length === 0) return problems
  const old = new Set(crossBreaches(before, []).map(toProblem).map(textOf))
  return problems.filter((problem) => !old.has(textOf(problem)))
}

const textOf = ({ path, message }: Problem) => `${path} ${message}`
