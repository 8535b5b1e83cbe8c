/**
 * What the rules need to know about a change: the part of the configuration around it, loaded by one statement of plain
 * look-ups by index, and then judged in memory by `rules/`.
 *
 * Services name services, so ways are followed by recursive parts, each from a few names and over one index. What Postgres
 * guesses about a recursive part multiplies when another one builds on it, and a guess above 100,000 makes a server compile
 * the statement (JIT), for seconds where it takes a millisecond. So none builds on another here, and a test watches the
 * guesses about every statement of the store.
 *
 * Rejected: turning JIT off for the daemon's connections. A start-up option does not pass every connection pooler, a SET
 * fails on engines that don't know the setting, and what a server wastes time on would stay hidden.
 */
import { type SQL, sql } from 'drizzle-orm'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import type { Choice } from '../model/service.ts'
import type { Breach } from '../rules/breach.ts'
import { namesAbove, relativeOwner } from '../rules/owners.ts'
import { aliasBreaches, aliasedServices } from '../rules/places.ts'
import {
  type ConfigurationView,
  type MonitorView,
  type PoolView,
  placesOf,
  type ServiceView,
  viewOf,
  type ZoneView,
} from '../rules/view.ts'
import type { Tx } from './transaction.ts'

/** What a change concerns. */
export interface Concern {
  /** Services whose ways are followed to their ends, they themselves included. */
  readonly inward?: readonly string[]
  /** Services that lead to this one, directly or by others, and it itself. */
  readonly outward?: string
  /** Services that a pool may answer, directly, as a fallback or by other services. */
  readonly answeredBy?: string
  /** Pools, besides those that any of these services name. */
  readonly pools?: readonly string[]
  /** Monitors, with all that they judge by. */
  readonly monitors?: readonly string[]
  /** Monitors that judge by this one, directly or by others, and it itself. */
  readonly judgedBy?: string
  /** Names of which the zones around are asked: what they have there, and DNAMEs above. */
  readonly places?: readonly string[]
}

/** A part of the configuration; see `viewOf`. */
export interface Neighbourhood {
  readonly monitors: readonly MonitorView[]
  readonly pools: readonly PoolView[]
  readonly services: readonly ServiceView[]
  readonly zones: readonly ZoneView[]
}

export async function loadNeighbourhood(tx: Tx, concern: Concern): Promise<Neighbourhood> {
  const { rows } = await tx.execute<Loaded>(sql`
    select ${monitorsAround(concern)} as monitors, ${servicesAround(concern)} as around,
      ${zonesAround(concern.places ?? [])} as places`)
  const { monitors, around, places } = rows[0]!
  const choices = Map.groupBy(around.choices, ({ service }) => service)
  const rrsets = Map.groupBy(places.rrsets, ({ zone }) => zone)
  return {
    monitors,
    pools: around.pools,
    services: around.services.map((service) => ({ ...service, choices: choices.get(service.name) ?? [] })),
    zones: places.zones.map((apex) => ({ apex, rrsets: rrsets.get(apex) ?? [] })),
  }
}

/** What the rules see once services and pools are what a change makes them. */
export function viewAfter(
  { monitors, pools, services, zones }: Neighbourhood,
  change: { readonly monitor?: MonitorView; readonly pool?: PoolView; readonly service?: ServiceView },
  placed: readonly string[] = [],
): ConfigurationView {
  const put = <T extends { readonly name: string }>(items: readonly T[], item: T | undefined) =>
    item === undefined ? items : [...items.filter(({ name }) => name !== item.name), item]
  const parts = {
    monitors: put(monitors, change.monitor),
    pools: put(pools, change.pool),
    services: put(services, change.service),
    zones,
  }
  return viewOf(parts, placed)
}

/**
 * Services that may be answered with a CNAME once a change is done, and can't be where they stand. Looks at their zones
 * only when there are any.
 *
 * @param names all that the view holds without
 */
export async function aliasBreachesAfter(
  tx: Tx,
  view: Pick<ConfigurationView, 'pools' | 'services'>,
  names: Iterable<string> = view.services.keys(),
): Promise<Breach[]> {
  const aliased = aliasedServices(view, names)
  if (aliased.size === 0) return []
  const places = [...aliased.keys()]
  const { zones } = await loadNeighbourhood(tx, { places })
  return aliasBreaches(placesOf(zones, places), aliased)
}

/** The same of services of one zone, whose data changed. */
export async function aliasBreachesOfZone(tx: Tx, apex: string): Promise<Breach[]> {
  const owner = sql`case when s.zone = '.' then s.name else left(s.name, length(s.name) - length(s.zone) - 1) end`
  const { rows } = await tx.execute<{ name: string }>(sql`
    select s.name from services s
    where s.zone = ${apex} and exists (select from pools where hosts = 'cname')
      and (s.name = s.zone or exists (select from rrsets r where r.zone = s.zone and r.owner = ${owner}))
    order by s.name`)
  return aliasBreachesOf(
    tx,
    rows.map(({ name }) => name),
  )
}

export async function aliasBreachesOf(tx: Tx, names: readonly string[]): Promise<Breach[]> {
  if (names.length === 0) return []
  return aliasBreachesAfter(tx, viewAfter(await loadNeighbourhood(tx, { inward: names }), {}), names)
}

interface Loaded extends Record<string, unknown> {
  readonly monitors: readonly MonitorView[]
  readonly around: {
    readonly pools: readonly PoolView[]
    readonly services: readonly Omit<ServiceView, 'choices'>[]
    readonly choices: readonly (Choice & { readonly service: string })[]
  }
  readonly places: {
    readonly zones: readonly string[]
    readonly rrsets: readonly { readonly zone: string; readonly owner: string; readonly type: string }[]
  }
}

/** Rows as a JSON array, so that one statement brings several kinds of them. */
export const jsonRows = (query: SQL): SQL => sql`(select coalesce(json_agg(r), '[]') from (${query}) r)`

export const texts = (values: readonly string[]): SQL => sql`${sql.param([...values])}::text[]`

function monitorsAround({ monitors = [], judgedBy }: Concern): SQL {
  return sql`(
    with recursive parts(name) as (
      select name collate "C" from unnest(${texts(monitors)}) as start(name)
      union
      select mp.monitor from parts p join monitor_parts mp on mp.composite = p.name
    ),
    judges(name) as (
      select name collate "C" from unnest(${texts(judgedBy === undefined ? [] : [judgedBy])}) as start(name)
      union
      select mp.composite from judges j join monitor_parts mp on mp.monitor = j.name
    )
    select ${jsonRows(sql`
      select m.name, m.type, coalesce(json_agg(mp.monitor) filter (where mp.monitor is not null), '[]') as monitors
      from monitors m left join monitor_parts mp on mp.composite = m.name
      where m.name in (select name from parts union all select name from judges)
      group by m.name`)}
  )`
}

function servicesAround({ inward = [], outward, answeredBy, pools = [] }: Concern): SQL {
  const outermost =
    answeredBy === undefined
      ? sql`select name from unnest(${texts(outward === undefined ? [] : [outward])}) as start(name)`
      : sql`
        select sp.service from service_pools sp where sp.pool = ${answeredBy}
        union select sp.service from pools p join service_pools sp on sp.pool = p.name where p.fallback = ${answeredBy}
        union select s.name from services s where s.fallback = ${answeredBy}`
  return sql`(
    with recursive inner_ones(name) as (
      select name collate "C" from unnest(${texts(inward)}) as start(name)
      union
      select sp.nested from inner_ones i join service_pools sp on sp.service = i.name where sp.nested is not null
    ),
    outer_ones(name) as (
      select name collate "C" from (${outermost}) as start(name)
      union
      select sp.service from outer_ones o join service_pools sp on sp.nested = o.name
    ),
    found as (
      select s.name, s.steer, s.fallback from services s
      where s.name in (select name from inner_ones union all select name from outer_ones)
    ),
    choices as (select sp.* from service_pools sp where sp.service in (select name from found)),
    named(name) as (
      select pool from choices where pool is not null
      union select fallback from found where fallback is not null
      union select name collate "C" from unnest(${texts(pools)}) as more(name)
    ),
    directly as (
      select p.name, p.monitor, p.hosts, p.fallback, p.settings -> 'location' as location
      from pools p where p.name in (select name from named)
    ),
    instead as (
      select p.name, p.monitor, p.hosts, p.fallback, p.settings -> 'location' as location
      from pools p where p.name in (select fallback from directly)
    )
    select json_build_object(
      'services', ${jsonRows(sql`select * from found`)},
      'choices', ${jsonRows(sql`
        select service, case when pool is null then 'service' else 'pool' end as kind, coalesce(pool, nested) as name,
          weight, bias, case when latitude is null then null else
            json_build_object('latitude', latitude, 'longitude', longitude) end as location
        from choices order by service, position`)},
      'pools', ${jsonRows(sql`
        select * from directly union all select * from instead where name not in (select name from directly)`)}
    ))`
}

/** The zones that lie around names, and what stands there; where a name lies in several, the rules take the innermost. */
function zonesAround(names: readonly string[]): SQL {
  const pairs = names.flatMap((name) =>
    enclosingHostnames(name).flatMap((zone) => {
      const owner = relativeOwner(name, zone)
      const above = namesAbove(owner).map((each) => ({ zone, owner: each, type: 'DNAME' }))
      return [{ zone, owner, type: null }, ...above]
    }),
  )
  const apexes = new Set(pairs.map(({ zone }) => zone))
  return sql`(
    select json_build_object(
      'zones', (select coalesce(json_agg(z.apex), '[]') from zones z where z.apex = any(${texts([...apexes])})),
      'rrsets', ${jsonRows(sql`
        select distinct r.zone, r.owner, r.type
        from json_to_recordset(${JSON.stringify(pairs)}::json) as w(zone text, owner text, type text)
        join rrsets r on r.zone = w.zone and r.owner = w.owner and (w.type is null or r.type = w.type)
        order by r.zone, r.owner, r.type`)}
    ))`
}
