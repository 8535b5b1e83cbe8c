/** Whose turn it is to read a feed from where it comes, and what came of it. */
import { inArray, sql } from '../../../schema/drizzle.ts'
import { feedSources } from '../../../schema/feeds.ts'
import type { Tx } from './transaction.ts'

/** A feed by its identity, a digest of what is asked, and how often. */
export interface Turn {
  readonly feed: number
  readonly source: string
  readonly everyMs: number
}

export interface Claim {
  readonly feed: number
  /** Whether it is ours; else another server has taken it. */
  readonly won: boolean
  /** To the next turn. */
  readonly dueInMs: number
}

/**
 * Takes the turns that are due, and those that are due later than one that is taken now. Feeds that there are no more are left out.
 *
 * `now()` is when the transaction began. Another server may have taken a turn since, while this one waited for its row: that is due later by that, and not
 * because it comes less often.
 */
export async function claimTurns(tx: Tx, turns: readonly Turn[], node: string): Promise<Claim[]> {
  if (turns.length === 0) return []
  const asked = sql`
    select w.feed, w.source, now() + w."everyMs" * interval '1 millisecond' as next
    from json_to_recordset(${JSON.stringify(turns)}::json) as w(feed bigint, source text, "everyMs" double precision)
    join feeds f on f.born = w.feed`
  const { rows } = await tx.execute<{ feed: string; won: boolean; due: number | null }>(sql`
    with asked as (${asked}), won as (
      insert into feed_sources as s (feed, due_at, source, node)
      select feed, next, source, ${node}::text from asked order by feed
      on conflict (feed) do update set due_at = excluded.due_at, source = excluded.source, node = excluded.node
      where s.due_at <= now() or s.source <> excluded.source or s.due_at > excluded.due_at + (clock_timestamp() - now())
      returning feed
    )
    select asked.feed, won.feed is not null as won,
      extract(epoch from coalesce(case when won.feed is null then s.due_at end, asked.next) - now())::double precision * 1000 as due
    from asked left join won on won.feed = asked.feed left join feed_sources s on s.feed = asked.feed`)
  return rows.map(({ feed, won, due }) => ({ feed: Number(feed), won, dueInMs: Math.max(0, due ?? 0) }))
}

/** What came of a turn. */
export interface TurnResult {
  /** Null: it failed. */
  readonly rows: number | null
  readonly leftOut: number
  readonly reason: string | null
}

/** Notes what came of a turn. @returns whether turns failed before; null when the feed is there no more */
export async function noteTurn(
  tx: Tx,
  feed: number,
  { rows, leftOut, reason }: TurnResult,
): Promise<boolean | null> {
  const failingSince = rows === null ? sql`coalesce(s.failing_since, now())` : sql`null`
  const { rows: found } = await tx.execute<{ failed: boolean }>(sql`
    with before as (select feed, failing_since from feed_sources where feed = ${feed}::bigint for update)
    update feed_sources s set asked_at = now(), rows = ${rows}::integer, left_out = ${leftOut}::integer,
      reason = ${reason}::text, failing_since = ${failingSince}
    from before where s.feed = before.feed
    returning before.failing_since is not null as failed`)
  return found[0]?.failed ?? null
}

/** What came of the last turn of a feed. */
export type SourceState = typeof feedSources.$inferSelect

/** By feed; of one that nobody has taken a turn of there is none. */
export async function readSourceStates(
  tx: Tx,
  ids: readonly number[],
): Promise<ReadonlyMap<number, SourceState>> {
  if (ids.length === 0) return new Map()
  const rows = await tx
    .select()
    .from(feedSources)
    .where(inArray(feedSources.feed, [...ids]))
  return new Map(rows.map((row) => [row.feed, row]))
}
