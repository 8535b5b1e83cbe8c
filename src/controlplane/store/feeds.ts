/** What feeds are declared. Their rows are in `feed-rows.ts`: they are no configuration, and no revision is made of them. */
import { isDeepStrictEqual } from 'node:util'
import { asc, eq, sql } from '../../../schema/drizzle.ts'
import { feeds } from '../../../schema/feeds.ts'
import { formatFeed, parseFeed } from '../document/feed.ts'
import type { Body } from '../document/forms.ts'
import { hideOfFeed } from '../document/hidden.ts'
import { joinPath } from '../document/path.ts'
import { spellingFor, spellingOf } from '../document/written.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import { type Feed, mostFeeds } from '../model/feed.ts'
import { lostColumns } from '../rules/feeds.ts'
import { texts } from './neighbourhood.ts'
import { reached } from './reached.ts'
import { findColumnUsers, findUsers, throwIfAny, throwIfUsed } from './refusals.ts'
import {
  checkCondition,
  checkExists,
  type OnBad,
  type Owned,
  type Page,
  type PageRequest,
  type Put,
  readPage,
  readSettings,
  type Stored,
  type WriteCondition,
} from './stored.ts'
import type { Tx, Write } from './transaction.ts'

export interface StoredFeed extends Stored<Feed>, Owned {
  /** What its rows know it by. Another feed that gets its name later has another one. */
  readonly id: number
}

/** Throws `invalid` for a row that can't be read; with `onBad`, that is told, and there is no such feed. */
export async function getFeed(tx: Tx, name: string, onBad?: OnBad): Promise<StoredFeed | null> {
  const row = await readRow(tx, name)
  return row === null ? null : (readable([row], onBad)[0] ?? null)
}

/** One page in the order of names. Throws `invalid` for a row that can't be read. */
export async function listFeeds(tx: Tx, request: PageRequest): Promise<Page<StoredFeed>> {
  return readPage(
    tx.select().from(feeds).$dynamic(),
    { name: feeds.name },
    request,
    (rows) => rows.map((row) => readable([row])[0]!),
    { where: reached(request.reach, 'feed', feeds.name) },
  )
}

/** Of all feeds, in their order. */
export async function feedNames(tx: Tx): Promise<string[]> {
  const rows = await tx.select({ name: feeds.name }).from(feeds).orderBy(asc(feeds.name))
  return rows.map(({ name }) => name)
}

/** Every feed. With `onBad`, those that can't be read are left out; else they are `invalid`. */
export async function listAllFeeds(tx: Tx, onBad?: OnBad): Promise<StoredFeed[]> {
  return readable(await tx.select().from(feeds).orderBy(asc(feeds.name)), onBad)
}

/** Creates or replaces a feed, also one that can't be read. Throws `conflict` when there are as many as there may be, or a column would go that somebody uses. */
export async function putFeed(
  write: Write,
  feed: Feed,
  condition: WriteCondition,
  body: unknown = null,
): Promise<Put> {
  const { tx } = write
  const { name } = feed
  const [row, count, hasRows] = await Promise.all([readRow(tx, name), tx.$count(feeds), holdsRows(tx, name)])
  checkCondition(condition, row, `feed ${name}`)
  const current = row === null ? null : parseRow(row, [])
  const written = spellingOf(body, formatFeed(feed))
  if (
    row !== null &&
    current !== null &&
    isDeepStrictEqual(current, feed) &&
    isDeepStrictEqual(spellingIn(row, current), written)
  ) {
    return { created: false, changed: false, revision: row.revision }
  }
  const kept = new Set(feed.columns.map((column) => column.name))
  const gone = (current?.columns ?? []).flatMap((column) => (kept.has(column.name) ? [] : [column.name]))
  throwIfUsed('column', `${gone.join(', ')} of feed ${name}`, await findColumnUsers(tx, name, gone))
  if (row === null && count >= mostFeeds) {
    throw new ControlError(
      'conflict',
      `feed ${name} is refused: there are ${count} feeds, and no more than that may be`,
    )
  }
  if (current !== null && hasRows) {
    const lost = lostColumns(current, feed).map(({ at, message }) => ({ path: joinPath('', ...at), message }))
    throwIfAny(`feed ${name}`, lost)
  }
  const { revision } = write
  saveFeeds(write, [{ value: feed, written }])
  write.change('feed', name)
  const former = row === null ? null : rowBody(row)
  write.keep('feed', name, former, row?.owner ?? null)
  write.audit('feed.put', name, former && hideOfFeed(former), hideOfFeed(written ?? formatFeed(feed)))
  return { created: row === null, changed: true, revision }
}

/** Throws `conflict` with one problem for each monitor and pool that uses it. */
export async function deleteFeed(write: Write, name: string, condition: WriteCondition): Promise<void> {
  const { tx } = write
  const [row, users] = await Promise.all([readRow(tx, name), findUsers(tx, 'feed', name)])
  checkExists(condition, row, `feed ${name}`)
  throwIfUsed('feed', name, users)
  write.send(tx.delete(feeds).where(eq(feeds.name, name)))
  write.change('feed', name)
  const former = rowBody(row)
  write.keep('feed', name, former, row.owner)
  write.audit('feed.delete', name, hideOfFeed(former), null)
}

/** Inserts or replaces feeds. One that is there keeps its rows. */
export function saveFeeds(
  write: Write,
  wanted: readonly { readonly value: Feed; readonly written: Body | null }[],
): void {
  if (wanted.length === 0) return
  const { tx, revision } = write
  const rows = wanted.map(({ value, written }) => {
    const { name } = value
    const settings = formatFeed(value)
    // What could not be read again must not be written.
    readable([{ name, settings, written, owner: null, revision, born: 0 }])
    return { name, settings, written }
  })
  const saved = tx.execute(sql`
    insert into feeds (name, settings, written, revision)
    select name, settings, written, ${revision}::bigint
    from json_to_recordset(${JSON.stringify(rows)}::json) as r(name text, settings json, written json)
    on conflict (name) do update
    set settings = excluded.settings, written = excluded.written, revision = excluded.revision`)
  write.send(saved)
}

/** Which of some feeds have rows. */
export async function feedsWithRows(tx: Tx, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set()
  const { rows } = await tx.execute<{ name: string }>(sql`
    select f.name from feeds f where f.name = any(${texts(names)}) and exists (
      select from feed_stores s join feed_latest l on l.store = s.id where s.feed = f.name and s.born = f.born)`)
  return new Set(rows.map(({ name }) => name))
}

/** About how many rows some feeds have: one that took the place of another counts for both. Of those that there are. */
export async function rowsOfFeeds(tx: Tx, names: readonly string[]): Promise<ReadonlyMap<string, number>> {
  if (names.length === 0) return new Map()
  const { rows } = await tx.execute<{ name: string; rows: string }>(sql`
    select f.name, coalesce(sum(p.rows), 0) as rows from feeds f
    left join feed_stores s on s.feed = f.name and s.born = f.born left join feed_parts p on p.store = s.id
    where f.name = any(${texts(names)}) group by f.name`)
  return new Map(rows.map(({ name, rows: count }) => [name, Number(count)]))
}

const holdsRows = async (tx: Tx, name: string) => (await feedsWithRows(tx, [name])).has(name)

type Row = typeof feeds.$inferSelect

async function readRow(tx: Tx, name: string): Promise<Row | null> {
  const [row] = await tx.select().from(feeds).where(eq(feeds.name, name))
  return row ?? null
}

function readable(rows: readonly Row[], onBad?: OnBad): StoredFeed[] {
  return rows.flatMap((row) => {
    const value = readSettings(`feed ${row.name}`, (problems) => parseRow(row, problems), onBad)
    if (value === null) return []
    const { revision, owner, born } = row
    return [{ value, revision, written: spellingIn(row, value), owner, id: born }]
  })
}

const spellingIn = (row: Pick<Row, 'name' | 'written'>, feed: Feed): Body | null =>
  spellingFor(row.written, feed, (body, problems) => parseFeed(row.name, body, '', problems))

/** The fragment of a row, whether it can be read or not. */
function rowBody(row: Row): Body {
  const feed = parseRow(row, [])
  return feed === null ? (row.settings as Body) : (spellingIn(row, feed) ?? formatFeed(feed))
}

function parseRow({ name, settings }: Pick<Row, 'name' | 'settings'>, problems: Problem[]): Feed | null {
  return parseFeed(name, settings, '', problems)
}
