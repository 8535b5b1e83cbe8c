/**
 * The record of events.
 *
 * Ids are drawn when a row is inserted and seen when its transaction commits, so with two transactions open a later id can
 * be seen before an earlier one, and who follows by the last id that it saw would miss the earlier one for good. So
 * whoever appends holds a lock from before the first id is drawn until the commit is visible: ids become visible in their
 * order. Appending is short and a few times a second for each node; the wait is that of one commit.
 *
 * Rejected: reading a window of ids again and again. How wide it must be depends on the longest transaction, which
 * nothing bounds but a timeout, and ids that were drawn by a transaction that failed look just like late ones.
 */
import { and, asc, desc, eq, gt, gte, isNull, lt, or, sql } from '../../../schema/drizzle.ts'
import { events } from '../../../schema/events.ts'
import { isMap } from '../document/schema-check.ts'
import type { Event, EventFilter, StoredEvent } from '../model/event.ts'
import { eventsLock, takeLocks } from './lock-rows.ts'
import { reached } from './reached.ts'
import { type Page, type PageRequest, readPage, statementJson } from './stored.ts'
import type { Tx } from './transaction.ts'

/**
 * Adds events, in their order. Let it be the last thing that a transaction does: from here to its end no other node can
 * append.
 */
export async function appendEvents(tx: Tx, added: readonly Event[]): Promise<void> {
  if (added.length === 0) return
  const rows = added.map(toRow)
  await tx.execute(takeLocks([eventsLock]))
  await tx.execute(sql`
    insert into events (kind, node, pool, service, member, from_state, to_state, reason, detail, at)
    select kind, node, pool, service, member, "from", "to", reason, detail, at
    from json_to_recordset(${statementJson(rows)}::json)
      as e(position int, kind text, node text, pool text, service text, member text, "from" text, "to" text, reason text, detail jsonb,
        at timestamptz)
    order by position`)
}

export interface EventQuery extends EventFilter, PageRequest {
  /** At or after. */
  readonly since?: Date | undefined
  /** Before. */
  readonly until?: Date | undefined
}

/** Newest first. */
export async function listEvents(tx: Tx, query: EventQuery): Promise<Page<StoredEvent>> {
  const { pool, service, since, until, reach } = query
  const where = and(
    ...(['kind', 'member', 'node'] as const).map((field) =>
      query[field] === undefined ? undefined : eq(events[field], query[field]),
    ),
    service === undefined ? undefined : or(eq(events.service, service), moves('services', service)),
    pool === undefined ? undefined : or(eq(events.pool, pool), isAnsweredBy(pool), moves('pools', pool)),
    since === undefined ? undefined : gte(events.at, since),
    until === undefined ? undefined : lt(events.at, until),
    reach === null || reach === undefined
      ? undefined
      : or(
          reached(reach, 'service', events.service),
          and(isNull(events.service), reached(reach, 'pool', events.pool)),
          and(eq(events.kind, 'feed'), reached(reach, 'feed', sql`(${events.detail} ->> 'feed')`)),
        ),
  )
  const all = tx.select().from(events).$dynamic()
  return readPage(all, { id: events.id }, query, (rows) => rows.map(toEvent), { where, newest: true })
}

/** Of a service: whether the pool answers for it, or did before. */
const isAnsweredBy = (pool: string) =>
  and(
    eq(events.kind, 'service'),
    sql`(${events.detail} -> 'pools' || (${events.detail} -> 'before')) ? ${pool}::text`,
  )

/** Of a gradual change: whether it concerns a service or a pool. */
const moves = (what: 'services' | 'pools', name: string) =>
  and(eq(events.kind, 'gradual'), sql`${events.detail} -> ${sql.raw(`'${what}'`)} ? ${name}::text`)

/** The events that follow `id`, oldest first. Whoever goes on after the last of them misses none. */
export async function eventsAfter(tx: Tx, id: number, limit: number): Promise<StoredEvent[]> {
  const rows = await tx.select().from(events).where(gt(events.id, id)).orderBy(asc(events.id)).limit(limit)
  return rows.map(toEvent)
}

/** 0 when there is none. */
export async function latestEventId(tx: Tx): Promise<number> {
  const [row] = await tx.select({ id: events.id }).from(events).orderBy(desc(events.id)).limit(1)
  return row?.id ?? 0
}

/** The id after which everything that was seen at `at` or later comes: the latest, when there is nothing such. */
export async function eventIdBefore(tx: Tx, at: Date): Promise<number> {
  const [row] = await tx
    .select({ first: sql<string | null>`min(${events.id})` })
    .from(events)
    .where(gte(events.at, at))
  const first = row?.first ?? null
  return first === null ? latestEventId(tx) : Number(first) - 1
}

const columns = ['kind', 'node', 'pool', 'service', 'member', 'from', 'to', 'reason', 'at']

function toRow(event: Event, position: number): object {
  const entries = Object.entries(event)
  const detail = Object.fromEntries(entries.filter(([name]) => !columns.includes(name)))
  return { ...Object.fromEntries(entries.filter(([name]) => columns.includes(name))), detail, position }
}

/** Rows fit their kind: the table checks it. What stands in `detail` beyond that may be anything, and is told as far as it can be. */
function toEvent({ detail, reason, at, ...fields }: typeof events.$inferSelect): StoredEvent {
  const rest = isMap(detail) ? detail : {}
  const said = Object.entries({ ...rest, ...fields, reason }).filter(([, value]) => value !== null)
  return {
    ...Object.fromEntries(said.filter(([name]) => !times.includes(name))),
    ...timesIn(rest),
    at,
  } as StoredEvent
}

/** What of a detail is a time. */
const times: readonly string[] = ['until', 'notAfter']

function timesIn(detail: Readonly<Record<string, unknown>>): Readonly<Record<string, Date>> {
  const read = times.flatMap((name): [string, Date][] => {
    const value = detail[name]
    const date = typeof value === 'string' ? new Date(value) : null
    return date === null || Number.isNaN(date.getTime()) ? [] : [[name, date]]
  })
  return Object.fromEntries(read)
}
