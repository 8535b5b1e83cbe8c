/**
 * Where the rows of feeds are kept: a table for each feed, and its parts (`feed-layout.ts`). Both are made when rows come that need
 * them, and dropped by `feed-retention.ts`, all by functions of the database, since the daemon's role may make no tables.
 *
 * A feed is known by what it was declared as (`born`): one that is dropped and declared anew begins with nothing.
 */
import { and, asc, eq, type SQL, sql } from '../../../schema/drizzle.ts'
import { feedParts, feedStores } from '../../../schema/feed-rows.ts'
import { ControlError } from '../model/errors.ts'
import type { Feed } from '../model/feed.ts'
import { type LaidPart, missingParts, mostParts, type Wanted } from './feed-layout.ts'
import type { Tx } from './transaction.ts'

/** A feed, and what tells it from others that have had its name; 0 for one that is built in. */
export interface KnownFeed {
  readonly id: number
  readonly value: Pick<Feed, 'name' | 'columns' | 'retention'>
}

export interface FeedStore {
  readonly id: number
  /** In the order in which rows have them. */
  readonly columns: readonly string[]
}

/** The table of a store's rows. */
export function rowsOf({ id }: Pick<FeedStore, 'id'>): SQL {
  return sql.raw(`feed_rows_${Number(id)}`)
}

const fields = { id: feedStores.id, columns: feedStores.columns }
const isOf = ({ id, value }: KnownFeed) => and(eq(feedStores.feed, value.name), eq(feedStores.born, id))

/** Null while no row has come. */
export async function findStore(tx: Tx, feed: KnownFeed): Promise<FeedStore | null> {
  const [store] = await tx.select(fields).from(feedStores).where(isOf(feed))
  return store ?? null
}

/** As `findStore`, and it is not dropped before the transaction ends. */
export async function holdStore(tx: Tx, feed: KnownFeed): Promise<FeedStore | null> {
  const [store] = await tx.select(fields).from(feedStores).where(isOf(feed)).for('key share')
  return store ?? null
}

/** Whether a store has a place for each column. */
export function isWide({ columns }: FeedStore, { value }: KnownFeed): boolean {
  return value.columns.every(({ name }) => columns.includes(name))
}

/**
 * The parts of a store, in the order of time. Bounded by `mostParts`. Whoever makes parts by SQL may make them without an end, and rows of
 * `feed_parts` without a table, which are told of by `badParts`: nothing can be written there.
 */
export async function listParts(tx: Tx, { id }: FeedStore): Promise<(LaidPart & { readonly id: number })[]> {
  const micros = (column: typeof feedParts.since) =>
    sql<string>`(extract(epoch from least(greatest(${column}, ${firstInstant}), ${lastInstant})) * 1000000)::bigint`
  const rows = await tx
    .select({
      id: feedParts.id,
      since: micros(feedParts.since),
      until: micros(feedParts.until),
      rows: feedParts.rows,
    })
    .from(feedParts)
    .where(and(eq(feedParts.store, id), hasTable))
    .orderBy(asc(feedParts.since))
  return rows.map(({ since, until, ...part }) => ({ ...part, since: Number(since), until: Number(until) }))
}

const hasTable = sql`to_regclass('feed_rows_' || ${feedParts.store} || '_' || ${feedParts.id}) is not null`

/** Rows of `feed_parts` that have no table, which no write of ours leaves, in words. Bound: a hundred. */
export async function badParts(tx: Tx): Promise<string[]> {
  const { rows } = await tx.execute<{ id: string; feed: string | null }>(sql`
    select ${feedParts.id} as id, s.feed from feed_parts left join feed_stores s on s.id = feed_parts.store
    where not ${hasTable} order by 1 limit 100`)
  return rows.map(
    ({ id, feed }) =>
      `part ${id} of ${feed === null ? 'a feed that there is no more' : `feed ${feed}`} in the database can't be used: it has no table`,
  )
}

/**
 * Makes what is missing of a store for rows of these instants, in a transaction of its own: whoever else needs it waits for its
 * end. Throws `conflict` when it would take too many parts.
 */
export async function prepareStore(
  tx: Tx,
  feed: KnownFeed,
  wanted: Omit<Wanted, 'retention'>,
): Promise<void> {
  const { value } = feed
  const names = value.columns.map(({ name }) => name)
  await tx
    .insert(feedStores)
    .values({ feed: value.name, born: feed.id, columns: names })
    .onConflictDoNothing()
  const [store] = await tx.select(fields).from(feedStores).where(isOf(feed)).for('update')
  const added = names.filter((name) => !store!.columns.includes(name))
  if (added.length > 0) {
    await tx
      .update(feedStores)
      .set({ columns: [...store!.columns, ...added] })
      .where(eq(feedStores.id, store!.id))
  }
  await tx.execute(sql`select make_feed_rows(${store!.id}::integer)`)
  const parts = await listParts(tx, store!)
  const missing = missingParts(parts, { ...wanted, retention: value.retention })
  if (parts.length + missing.length > mostParts) {
    throw new ControlError(
      'conflict',
      `the rows of feed ${value.name} would lie in ${parts.length + missing.length} stretches of time, and no feed has more than ${mostParts}: ` +
        'have it keep less (retention.age), or load rows of another time into another feed',
    )
  }
  for (const { since, until } of missing) {
    await tx.execute(
      sql`select make_feed_part(${store!.id}::integer, ${instantSql(since)}, ${instantSql(until)})`,
    )
  }
}

/** No row that was taken lies before it, */
export const firstInstant = sql`'1700-01-01Z'::timestamptz`
/** or behind it. */
export const lastInstant = sql`'2255-01-01Z'::timestamptz`

/** Microseconds since 1970 as an instant. */
export function instantSql(micros: number): SQL {
  return sql`(timestamptz 'epoch' + ${micros}::double precision * interval '1 microsecond')`
}

/** The stores of feeds that are there no more; nothing asks for their rows. Those of what is built in stay. */
export async function abandonedStores(tx: Tx): Promise<Pick<FeedStore, 'id'>[]> {
  const { rows } = await tx.execute<{ id: number }>(sql`
    select id from feed_stores s
    where s.born <> 0 and not exists (select from feeds f where f.name = s.feed and f.born = s.born)`)
  return rows
}

export async function dropStore(tx: Tx, { id }: Pick<FeedStore, 'id'>): Promise<void> {
  await tx.execute(sql`select drop_feed_rows(${id}::integer)`)
}

export async function dropPart(tx: Tx, id: number): Promise<void> {
  await tx.execute(sql`select drop_feed_part(${id}::bigint)`)
}
