/**
 * Rows of feeds: written by the batch, read by entity and time.
 *
 * A row that comes again changes nothing; one with other values takes the place of the row of its entity and instant, as a whole.
 * Beside the rows, `feed_latest` has the newest of each entity, so that "latest" reads as many rows as there are entities, and a
 * node that steers by them reads what has changed since it looked last (`latestAfter`). For that, changes of a feed are counted, and
 * whoever counts holds the row of the store to the end of its transaction: they become visible in their order.
 */
import { type SQL, sql } from '../../../schema/drizzle.ts'
import type { FeedRow } from '../model/feed-row.ts'
import { firstMicros, formatInstant, lastMicros } from '../model/instant.ts'
import {
  type FeedStore,
  firstInstant,
  instantSql,
  type KnownFeed,
  lastInstant,
  rowsOf,
} from './feed-stores.ts'
import { texts } from './neighbourhood.ts'
import { numbersIn, rowText, valuesText } from './row-text.ts'
import { eachText } from './session.ts'
import { type OnBad, readRows as readable } from './stored.ts'
import type { Tx } from './transaction.ts'

/** What came of a batch. */
export interface PutRows {
  /** Rows that were new, or another one's. */
  readonly changed: number
}

/** Of rows of one entity and instant the last one counts. */
export function withoutRepeats(rows: readonly FeedRow[]): readonly FeedRow[] {
  const byKey = new Map(rows.map((row) => [`${row.micros} ${row.entity}`, row]))
  return byKey.size === rows.length ? rows : [...byKey.values()]
}

/** Puts the values of a feed's columns where its store has them. */
export function placing(store: FeedStore, { value }: KnownFeed): (values: FeedRow['values']) => string {
  const places = store.columns.map((name) => value.columns.findIndex((column) => column.name === name))
  return (values) => {
    let text = '{'
    for (let at = 0; at < places.length; at++) {
      const number = values[places[at]!]
      text += `${at === 0 ? '' : ','}${number === null || number === undefined ? 'NULL' : number}`
    }
    return `${text}}`
  }
}

/**
 * Writes rows, no two of which are of one entity and instant, into the parts that there must be. Small batches: what waits behind
 * them for the same rows waits for all of them.
 *
 * @param now by which it is told what is ahead of its time
 */
export async function putRows(
  tx: Tx,
  store: FeedStore,
  feed: KnownFeed,
  rows: readonly FeedRow[],
  now: Date,
): Promise<PutRows> {
  const place = placing(store, feed)
  const entities = texts(rows.map(({ entity }) => entity))
  const instants = texts(rows.map(({ micros }) => formatInstant(micros)))
  const values = texts(rows.map((row) => place(row.values)))
  const given = sql`
    select id_entity, time_instant::timestamptz as time_instant, v::double precision[] as "values"
    from unnest(${entities}, ${instants}, ${values}) as g(id_entity, time_instant, v)`
  return putGiven(tx, store, feed, given, rows, now)
}

/**
 * The same, of rows that a query gives.
 *
 * @param rows the same ones
 */
export async function putGiven(
  tx: Tx,
  store: FeedStore,
  feed: KnownFeed,
  given: SQL,
  rows: readonly FeedRow[],
  now: Date,
): Promise<PutRows> {
  // In one order, whoever writes, so that no two wait for each other.
  const { rows: parts } = await tx.execute<{ part: string; changed: string }>(sql`
    with put as (
      insert into ${rowsOf(store)} as r (id_entity, time_instant, "values")
      select id_entity, time_instant, "values" from (${given}) as g order by 1, 2
      on conflict (id_entity, time_instant) do update set "values" = excluded."values"
      where r."values" is distinct from excluded."values"
      returning time_instant
    )
    select p.id as part, count(*) as changed
    from put join feed_parts p on p.store = ${store.id}::integer and put.time_instant >= p.since and put.time_instant < p.until
    group by p.id`)
  if (parts.length === 0) return { changed: 0 }
  await count(tx, store, feed, parts, rows, now.getTime() * 1000 + mostAheadMicros)
  return { changed: parts.reduce((sum, { changed }) => sum + Number(changed), 0) }
}

/**
 * What is later than this from now is ahead of its time: it came from a clock or a zone that was wrong, and is the newest until one that
 * is not comes. Else it would be so until its time has come.
 */
const mostAheadMicros = 60_000_000

/** Counts the change, and has the newest rows where they are found at once. @param soonMicros from then on they are ahead of their time */
async function count(
  tx: Tx,
  store: FeedStore,
  feed: KnownFeed,
  parts: readonly { readonly part: string; readonly changed: string }[],
  rows: readonly FeedRow[],
  soonMicros: number,
): Promise<void> {
  const newest = newestOf(rows, soonMicros)
  const soon = instantSql(soonMicros)
  const place = placing(store, feed)
  const entities = texts(newest.map(({ entity }) => entity))
  const instants = texts(newest.map(({ micros }) => formatInstant(micros)))
  const values = texts(newest.map((row) => place(row.values)))
  await tx.execute(sql`
    with counted as (
      update feed_stores set change = change + 1 where id = ${store.id}::integer returning change
    ), filled as (
      update feed_parts p set rows = p.rows + f.changed
      from json_to_recordset(${JSON.stringify(parts)}::json) as f(part bigint, changed bigint)
      where p.id = f.part and exists (select from counted)
    )
    insert into feed_latest as l (store, id_entity, time_instant, "values", change)
    select ${store.id}::integer, g.id_entity, g.time_instant::timestamptz, g.v::double precision[], counted.change
    from counted, unnest(${entities}, ${instants}, ${values}) as g(id_entity, time_instant, v)
    on conflict (store, id_entity) do update
    set time_instant = excluded.time_instant, "values" = excluded."values", change = excluded.change
    where case when (l.time_instant > ${soon}) = (excluded.time_instant > ${soon}) then l.time_instant < excluded.time_instant
        else l.time_instant > ${soon} end
      or (l.time_instant = excluded.time_instant and l."values" is distinct from excluded."values")`)
}

function newestOf(rows: readonly FeedRow[], soonMicros: number): readonly FeedRow[] {
  const newest = new Map<string, FeedRow>()
  for (const row of rows) {
    const other = newest.get(row.entity)
    if (other === undefined || isNewer(row, other, soonMicros)) newest.set(row.entity, row)
  }
  return [...newest.values()]
}

function isNewer({ micros }: FeedRow, { micros: other }: FeedRow, soonMicros: number): boolean {
  return micros > soonMicros === other > soonMicros ? micros > other : other > soonMicros
}

/** Where a list goes on: behind the row of this entity and instant. */
export interface RowKey {
  readonly entity: string
  readonly micros: number
}

export interface RowQuery {
  /** Of these alone; of all when left out. */
  readonly entities?: readonly string[] | undefined
  readonly fromMicros?: number | undefined
  /** Before. */
  readonly toMicros?: number | undefined
  readonly after?: RowKey | null | undefined
  /** At least 1. */
  readonly limit: number
}

/**
 * Rows in the order of entities (by octets) and times.
 *
 * @param each gets the text of each (`row-text.ts`), as do those below
 */
export function readRows(
  tx: Tx,
  store: FeedStore,
  feed: KnownFeed,
  query: RowQuery,
  each: (row: string) => void,
): Promise<void> {
  const rows = sql`
    select ${rowText(sql`time_instant`, valuesOf(store, feed))} from ${rowsOf(store)}
    where ${conditions(query)}
    order by id_entity, time_instant limit ${query.limit}::bigint`
  return eachText(tx, rows, each)
}

/** The newest row of each entity, in the order of entities. */
export function readLatest(
  tx: Tx,
  store: FeedStore,
  feed: KnownFeed,
  { after, ...query }: RowQuery,
  each: (row: string) => void,
): Promise<void> {
  const behind = after == null ? sql`` : sql`and id_entity > ${after.entity}`
  const rows = sql`
    select ${rowText(sql`time_instant`, valuesOf(store, feed))} from feed_latest
    where store = ${store.id}::integer and ${conditions(query)} ${behind}
    order by id_entity limit ${query.limit}::bigint`
  return eachText(tx, rows, each)
}

/** The values of a row in the order of the feed's columns; the last ones may be missing. */
function valuesOf(store: FeedStore, { value }: KnownFeed): SQL {
  const places = value.columns.map(({ name }) => store.columns.indexOf(name))
  if (places.every((place, nth) => place === nth) && places.length === store.columns.length)
    return sql`"values"`
  return sql`array[${sql.join(places.map(valueAt), sql`, `)}]`
}

function valueAt(place: number): SQL {
  return sql.raw(place === -1 ? 'null::double precision' : `"values"[${place + 1}]`)
}

/** What `readSteps` has of each column. */
export const aggregates = ['avg', 'min', 'max'] as const

/**
 * Rows by stretches of `stepMicros`, counted from 1970: the stretch's beginning, and of each column the average, least and greatest
 * of what is known, in the order of the feed's columns.
 */
export function readSteps(
  tx: Tx,
  store: FeedStore,
  feed: KnownFeed,
  { after, ...query }: RowQuery & { readonly stepMicros: number },
  each: (row: string) => void,
): Promise<void> {
  // As text: parameters would make it another expression wherever it stands.
  const width = sql.raw(`interval '${Math.round(query.stepMicros)} microseconds'`)
  const bin = sql`date_bin(${width}, time_instant, timestamptz 'epoch')`
  const places = feed.value.columns.map(({ name }) => store.columns.indexOf(name))
  const values = places.flatMap((place) => aggregates.map((word) => sql`${sql.raw(word)}(${valueAt(place)})`))
  const behind =
    after == null
      ? sql``
      : sql`and (id_entity, time_instant) >= (${after.entity}, ${instantSql(after.micros + query.stepMicros)})`
  const rows = sql`
    select ${rowText(bin, sql`array[${sql.join(values, sql`, `)}]`)}
    from ${rowsOf(store)} where ${conditions(query)} ${behind}
    group by id_entity, ${bin} order by id_entity, ${bin} limit ${query.limit}::bigint`
  return eachText(tx, rows, each)
}

function conditions({ entities, fromMicros, toMicros, after }: Omit<RowQuery, 'limit'>): SQL {
  // Beyond that is what somebody made by SQL.
  const all = [sql`time_instant >= ${firstInstant} and time_instant < ${lastInstant}`]
  const [entity] = entities ?? []
  if (entities?.length === 1) all.push(sql`id_entity = ${entity}`)
  else if (entities !== undefined) all.push(sql`id_entity = any(${texts(entities)})`)
  if (fromMicros !== undefined) all.push(sql`time_instant >= ${instantSql(fromMicros)}`)
  if (toMicros !== undefined) all.push(sql`time_instant < ${instantSql(toMicros)}`)
  if (after != null) {
    const key = sql`(${after.entity}, ${instantSql(after.micros)})`
    // Of one entity by time alone, by which parts are left out.
    all.push(
      entities?.length === 1 && entity === after.entity
        ? sql`time_instant > ${instantSql(after.micros)}`
        : sql`(id_entity, time_instant) > ${key}`,
    )
  }
  return sql.join(all, sql` and `)
}

/** The newest row of an entity, for who steers by it. */
export interface LatestRow {
  readonly feed: string
  readonly entity: string
  readonly at: Date
  /** By columns; those that are not known are left out. */
  readonly values: ReadonlyMap<string, number>
}

export interface LatestChanges {
  readonly rows: readonly LatestRow[]
  /** By feed: ask for what comes after it. Another `store` than before: what was known of that feed is worth nothing any more. */
  readonly seen: ReadonlyMap<string, LatestMark>
}

/** How far a feed was read. */
export interface LatestMark {
  readonly store: number
  readonly change: number
}

/**
 * The newest rows of entities that have changed since somebody looked.
 *
 * @param wanted entities by feed; no more are read than these
 * @param seen of a feed that is not in it everything is read
 * @param onBad told of rows that can't be read, which are left out
 */
export async function latestAfter(
  tx: Tx,
  wanted: ReadonlyMap<string, readonly string[]>,
  seen: ReadonlyMap<string, LatestMark>,
  onBad: OnBad = () => {},
): Promise<LatestChanges> {
  if (wanted.size === 0) return { rows: [], seen: new Map() }
  const asked = Array.from(wanted, ([feed, entities]) => ({ feed, entities, ...seen.get(feed) }))
  const { rows } = await tx.execute<{
    feed: string
    store: number
    columns: string[]
    change: string
    e: string | null
    ms: number | null
    v: string | null
  }>(sql`
    select s.feed, s.id as store, s.columns, s.change, l.id_entity as e,
      extract(epoch from l.time_instant)::double precision * 1000 as ms, ${valuesText(sql`l."values"`)} as v
    from json_to_recordset(${JSON.stringify(asked)}::json) as a(feed text, entities json, store int, change bigint)
    join feed_stores s on s.feed = a.feed and (s.born = 0 or exists (select from feeds f where f.name = s.feed and f.born = s.born))
    left join feed_latest l on l.store = s.id and (a.store is distinct from s.id or l.change > a.change)
      and l.id_entity in (select json_array_elements_text(a.entities))`)
  const marks = new Map(rows.map(({ feed, store, change }) => [feed, { store, change: Number(change) }]))
  const found = readable(
    rows.filter(({ e }) => e !== null),
    ({ feed, e }) => `the newest row of ${e} of feed ${feed}`,
    ({ feed, columns, e, ms, v }, problems) => {
      if (ms! * 1000 >= firstMicros && ms! * 1000 < lastMicros)
        return { feed, entity: e!, at: new Date(ms!), values: knownOf(columns, v!) }
      problems.push({ path: 'time_instant', message: 'is not from 1700 to 2254' })
      return null
    },
    onBad,
  )
  return { rows: found, seen: marks }
}

function knownOf(columns: readonly string[], text: string): ReadonlyMap<string, number> {
  const numbers = numbersIn(text)
  return new Map(
    columns.flatMap((name, nth): [string, number][] => {
      const number = numbers[nth] ?? null
      return number === null ? [] : [[name, number]]
    }),
  )
}
