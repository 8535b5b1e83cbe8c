/**
 * What the rules need to know about a change: the part of the configuration around it, loaded by plain look-ups by
 * index, most often in one statement, and then judged in memory by `rules/`.
 *
 * What Postgres guesses about a statement must stay small: above 100,000 it compiles it (JIT), for seconds where it takes a
 * millisecond. Guesses about recursive parts multiply, most of all in tables without statistics, so ways from service to
 * service are followed step by step, which are few. A test watches the guesses about every statement of the store.
 *
 * Rejected: turning JIT off for the daemon's connections. A start-up option does not pass every connection pooler, a SET
 * fails on engines that don't know the setting, and what a server wastes time on would stay hidden.
 */
import { type SQL, sql } from '../../../schema/drizzle.ts'
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import type { Choice } from '../model/service.ts'
import type { Breach } from '../rules/breach.ts'
import type { FeedView } from '../rules/feeds.ts'
import { nestedIn } from '../rules/graph.ts'
import { namesAbove, relativeOwner } from '../rules/owners.ts'
import { aliasBreaches, aliasedServices, typesThatHide } from '../rules/places.ts'
import {
  type ConfigurationView,
  type MonitorView,
  type Parts,
  type PoolView,
  placesOf,
  type ServiceView,
  viewOf,
} from '../rules/view.ts'
import type { Tx } from './transaction.ts'

/** What a change concerns. */
interface Concern {
  /** Services whose ways are followed to their ends, they themselves included. */
  readonly inward?: readonly string[]
  /** Services that lead to this one, directly or by others. */
  readonly outward?: string
  /** Services that a pool may answer, directly, as a fallback or by other services. */
  readonly answeredBy?: string
  /** Pools, besides those that any of these services name. */
  readonly pools?: readonly string[]
  /** Feeds, with their columns; along with them come the names of all others. */
  readonly feeds?: readonly string[]
  /** Monitors, with all that they judge by. */
  readonly monitors?: readonly string[]
  /** Monitors that judge by this one, directly or by others, and it itself. */
  readonly judgedBy?: string
  /** Names of which the zones around are asked: what they have there, and DNAMEs and zone cuts above. */
  readonly places?: readonly string[]
}

/** One round trip, and one more for each further service on the longest way and for pools that only such services name. */
export async function loadNeighbourhood(tx: Tx, concern: Concern): Promise<Parts> {
  const { inward = [], outward, answeredBy, pools: named = [], places: names = [] } = concern
  const outer = outward === undefined ? [] : [outward]
  const { feeds, monitors, step, pools, places } = await readRow<Loaded>(
    tx,
    sql`${feedsNamed(concern)} as feeds, ${monitorsAround(concern)} as monitors, ${stepOf(inward, outer, answeredBy)} as step,
      ${poolsNamed(named)} as pools, ${zonesAround(names)} as places`,
  )
  const services = await followServices(tx, step, inward, outer)
  // Of those that others fall back to alone, their own fallbacks are not here yet.
  const known = new Set(named)
  const missing = services
    .flatMap(({ choices, fallback }) => [
      ...choices.flatMap(({ kind, name }) => (kind === 'pool' ? [name] : [])),
      ...(fallback === null ? [] : [fallback]),
    ])
    .filter((name) => !known.has(name))
  const more =
    missing.length === 0
      ? []
      : (await readRow<Pick<Loaded, 'pools'>>(tx, sql`${poolsNamed(missing)} as pools`)).pools
  const rrsets = Map.groupBy(places.rrsets, ({ zone }) => zone)
  return {
    feeds,
    monitors,
    pools: [...pools, ...more],
    services,
    zones: places.zones.map((apex) => ({ apex, rrsets: rrsets.get(apex) ?? [] })),
  }
}

/** Ways from services inward to their ends, and outward to whoever leads to them, a step at a time from the first one on. */
async function followServices(
  tx: Tx,
  first: Step,
  inward: readonly string[],
  outward: readonly string[],
): Promise<ServiceView[]> {
  const found = new Map<string, ServiceView>()
  const [inner, outer] = [new Set(inward), new Set(outward)]
  for (let step = first; ; ) {
    const choices = Map.groupBy(step.choices, ({ service }) => service)
    for (const head of step.services) found.set(head.name, { ...head, choices: choices.get(head.name) ?? [] })
    const within = step.services.flatMap(({ name }) => (inner.has(name) ? nestedIn(found.get(name)!) : []))
    const below = [...new Set(within)].filter((name) => !inner.has(name))
    const above = step.namers.filter((name) => !outer.has(name))
    if (below.length === 0 && above.length === 0) return [...found.values()]
    for (const name of below) inner.add(name)
    for (const name of above) outer.add(name)
    step = (await readRow<{ step: Step }>(tx, sql`${stepOf([...below, ...above], above)} as step`)).step
  }
}

async function readRow<R>(tx: Tx, columns: SQL): Promise<R> {
  const { rows } = await tx.execute(sql`select ${columns}`)
  return rows[0] as R
}

/** What the rules see once services and pools are what a change makes them. */
export function viewAfter(
  { feeds, monitors, pools, services, zones }: Parts,
  change: { readonly monitor?: MonitorView; readonly pool?: PoolView; readonly service?: ServiceView },
  placed: readonly string[] = [],
): ConfigurationView {
  const put = <T extends { readonly name: string }>(items: readonly T[], item: T | undefined) =>
    item === undefined ? items : [...items.filter(({ name }) => name !== item.name), item]
  const parts = {
    feeds,
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

/** Some services, and who names some. */
interface Step {
  readonly services: readonly Omit<ServiceView, 'choices'>[]
  readonly choices: readonly (Choice & { readonly service: string })[]
  readonly namers: readonly string[]
}

interface Loaded {
  readonly feeds: readonly FeedView[]
  readonly monitors: readonly MonitorView[]
  readonly step: Step
  readonly pools: readonly PoolView[]
  readonly places: {
    readonly zones: readonly string[]
    readonly rrsets: readonly { readonly zone: string; readonly owner: string; readonly type: string }[]
  }
}

/** Rows as a JSON array, so that one statement brings several kinds of them. */
export const jsonRows = (query: SQL): SQL => sql`(select coalesce(json_agg(r), '[]') from (${query}) r)`

/** The fields of a `Choice`, from rows of `service_pools`. */
export const choiceColumns = sql.raw(`case when pool is null then 'service' else 'pool' end as kind,
  coalesce(pool, nested) as name, weight, bias, case when latitude is null then null else
    json_build_object('latitude', latitude, 'longitude', longitude) end as location`)

export const texts = (values: readonly string[]): SQL => sql`${sql.param([...values])}::text[]`

/** Few at most, so all are read: what somebody mistyped may be any of them. */
function feedsNamed({ feeds: names = [] }: Concern): SQL {
  const columns = sql`select coalesce(json_agg(json_build_object('name', c)), '[]') from json_object_keys(settings -> 'columns') as c`
  return jsonRows(sql`
    select name, case when name = any(${texts(names)}) and json_typeof(settings -> 'columns') = 'object' then (${columns}) else '[]' end as columns
    from feeds where ${names.length > 0}::boolean`)
}

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

/** @param answeredBy a pool, of which those that name it are meant too */
function stepOf(names: readonly string[], named: readonly string[], answeredBy?: string): SQL {
  const byPool = sql`
    union select service from service_pools where pool = ${answeredBy}
    union select sp.service from pools p join service_pools sp on sp.pool = p.name where p.fallback = ${answeredBy}
    union select name from services where fallback = ${answeredBy}`
  return sql`json_build_object(
    'services', ${jsonRows(sql`select name, steer, fallback from services where name = any(${texts(names)})`)},
    'choices', ${jsonRows(sql`
      select service, ${choiceColumns} from service_pools where service = any(${texts(names)}) order by service, position`)},
    'namers', (select coalesce(json_agg(service), '[]') from (
      select service from service_pools where nested = any(${texts(named)}) ${answeredBy === undefined ? sql`` : byPool}
    ) as n)
  )`
}

/** Pools, and what they fall back to. */
function poolsNamed(names: readonly string[]): SQL {
  const columns = sql`name, monitor, hosts, fallback, settings -> 'location' as location, settings -> 'capacity' as capacity`
  return sql`(
    with directly as (select ${columns} from pools where name = any(${texts(names)}))
    select ${jsonRows(sql`
      select * from directly
      union all
      select ${columns} from pools
      where name in (select fallback from directly) and name not in (select name from directly)`)}
  )`
}

/** The zones that lie around names, and what stands there; where a name lies in several, the rules take the innermost. */
function zonesAround(names: readonly string[]): SQL {
  const pairs = names.flatMap((name) =>
    enclosingHostnames(name).flatMap((zone) => {
      const owner = relativeOwner(name, zone)
      const above = namesAbove(owner).flatMap((each) =>
        typesThatHide.map((type) => ({ zone, owner: each, type })),
      )
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
