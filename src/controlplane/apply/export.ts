/** The configuration as a document, as it was written. */
import type { Catalog } from '../catalog/catalog.ts'
import { spellingOfPart } from '../catalog/spellings.ts'
import { formatVersion } from '../document/document.ts'
import { formatFeed } from '../document/feed.ts'
import type { Body } from '../document/forms.ts'
import { formatMonitor } from '../document/monitor.ts'
import { formatPool } from '../document/pool.ts'
import { formatService } from '../document/service.ts'
import { formatZoneHead, formatZoneRrset } from '../document/zone.ts'
import { type Reach, type ReachKind, within } from '../model/reach.ts'
import type { Rrset } from '../model/zone.ts'
import { readConfiguration, readRrsets, type StoredConfiguration } from '../store/configuration.ts'
import type { Tx } from '../store/database.ts'
import { bodyOf, type Owned, type Stored } from '../store/stored.ts'

export interface ExportOptions {
  /** Only what belongs to the files of this owner; null for everything. */
  readonly owner: string | null
  /** Whether zones come with their RRsets. */
  readonly rrsets: boolean
  /** Only what whoever asks reaches; null or left out for everything. */
  readonly reach?: Reach | null
}

/** Null when there are too many RRsets. Empty kinds are left out. */
export async function exportDocument(
  tx: Tx,
  { owner, rrsets, reach = null }: ExportOptions,
): Promise<Body | null> {
  const all = await readConfiguration(tx)
  const stored = {
    feeds: reachedOf(all.feeds, reach, 'feed'),
    monitors: reachedOf(all.monitors, reach, 'monitor'),
    pools: reachedOf(all.pools, reach, 'pool'),
    services: reachedOf(all.services, reach, 'service'),
    zones: reachedOf(all.zones, reach, 'zone'),
  }
  const isWanted = (part: Owned) => owner === null || part.owner === owner
  const apexes = [...stored.zones].flatMap(([apex, zone]) => (isWanted(zone) ? [apex] : []))
  const found = rrsets ? await readRrsets(tx, apexes) : undefined
  if (found === null) return null
  return {
    version: formatVersion,
    ...(owner === null ? {} : { owner }),
    ...kind('feeds', stored.feeds, isWanted, formatFeed),
    ...kind('monitors', stored.monitors, isWanted, formatMonitor),
    ...kind('pools', stored.pools, isWanted, formatPool),
    ...kind('services', stored.services, isWanted, formatService),
    ...zonesOf(stored, apexes, (apex) => found?.get(apex)?.map(formatZoneRrset)),
  }
}

/** The parts of a kind whose names are reached. */
export function reachedOf<T>(
  parts: ReadonlyMap<string, T>,
  reach: Reach | null,
  kind: ReachKind,
): ReadonlyMap<string, T> {
  const isReached = within(reach, kind)
  return reach === null ? parts : new Map([...parts].filter(([name]) => isReached(name)))
}

/** The same out of memory, where nobody knows whose parts are. @param rrsetsOf null when there is no image of the zone */
export function rememberedDocument(
  { feeds, monitors, pools, services, zones }: Remembered,
  rrsetsOf: ((apex: string) => Iterable<Rrset> | null) | null,
): Body {
  const each = <T extends object>(
    name: string,
    parts: ReadonlyMap<string, T>,
    bodyOf: (part: T) => Body,
  ): Body =>
    parts.size === 0
      ? {}
      : { [name]: Object.fromEntries(Array.from(parts, ([key, part]) => [key, bodyOf(part)])) }
  return {
    version: formatVersion,
    ...each('feeds', feeds, (feed) => spellingOfPart(feed) ?? formatFeed(feed)),
    ...each('monitors', monitors, (monitor) => spellingOfPart(monitor) ?? formatMonitor(monitor)),
    ...each('pools', pools, (pool) => spellingOfPart(pool) ?? formatPool(pool)),
    ...each('services', services, (service) => spellingOfPart(service) ?? formatService(service)),
    ...each('zones', zones, (zone) => ({
      ...(spellingOfPart(zone) ?? formatZoneHead(zone)),
      ...(rrsetsOf === null ? {} : { rrsets: Array.from(rrsetsOf(zone.apex) ?? [], formatZoneRrset) }),
    })),
  }
}

type Remembered = Pick<Catalog, 'feeds' | 'monitors' | 'pools' | 'services' | 'zones'>

function kind<T>(
  name: string,
  parts: ReadonlyMap<string, Stored<T> & Owned>,
  isWanted: (part: Owned) => boolean,
  format: (value: T) => Body,
): Body {
  const wanted = [...parts].filter(([, part]) => isWanted(part))
  if (wanted.length === 0) return {}
  return { [name]: Object.fromEntries(wanted.map(([each, part]) => [each, bodyOf(part, format)])) }
}

function zonesOf(
  { zones }: Pick<StoredConfiguration, 'zones'>,
  apexes: readonly string[],
  rrsetsOf: (apex: string) => readonly Body[] | undefined,
): Body {
  if (apexes.length === 0) return {}
  const bodies = apexes.map((apex) => {
    const rrsets = rrsetsOf(apex)
    return [
      apex,
      { ...bodyOf(zones.get(apex)!, formatZoneHead), ...(rrsets === undefined ? {} : { rrsets }) },
    ]
  })
  return { zones: Object.fromEntries(bodies) }
}
