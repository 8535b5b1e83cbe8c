import { sql } from '../../../schema/drizzle.ts'
import type { Tx } from './transaction.ts'
import { pruneWaiting } from './webhook-waiting.ts'

/**
 * What the tables that only grow are cut back to, in rows (revisions for `changes`). Between two prunings they hold
 * as much more as that time brings. Numbers: half a year of a busy installation's events and audit entries, and far
 * more revisions than a node can miss without loading everything again anyway.
 *
 * The audit log is kept by time as well: nothing of it goes before its time is up, however many entries there are, or whoever
 * wants to hide one would only have to write fifty thousand others. Older ones stay while they are among so many. What bounds
 * it is what those with the scope `write` change in that time; an entry has 128 KiB of resources at most.
 *
 * The history goes by whole revisions, and what is told of them goes with it: whatever revision is listed can be returned to.
 */
const retention = {
  events: 100_000,
  auditLog: 50_000,
  changes: 10_000,
  lookups: 1_000,
  history: 200_000,
  /** Of gradual changes those that ended. */
  gradual: 1_000,
} as const

/** Deletes what is beyond `limits`. Call it hourly, in `Database.record`. Cheap when there is nothing to do. */
export async function prune(
  tx: Tx,
  limits: { readonly [K in keyof typeof retention]: number } = retention,
): Promise<void> {
  await cut(tx, 'events', limits.events)
  await tx.execute(sql`select prune_audit_log(${limits.auditLog}::bigint)`)
  await cut(tx, 'lookups', limits.lookups)
  await pruneWaiting(tx)
  // Until then a list says what became of them.
  await tx.execute(sql`delete from tokens where expires_at < now() - interval '30 days'`)
  await tx.execute(sql`
    with newest as materialized (select coalesce(max(revision), 0) as revision from revisions),
    last as materialized (
      select max(revision) as revision from (
        (select revision from history order by id desc offset ${limits.history} limit 1)
        union all (select revision from revisions order by revision desc offset ${limits.history} limit 1)
      ) as beyond where revision < (select revision from newest)
    ), cut as (
      delete from history where revision <= (select revision from last)
    )
    delete from revisions where revision <= (select revision from last)`)
  await tx.execute(sql`
    delete from gradual_changes where id in (
      select id from gradual_changes where ended_at is not null order by id desc offset ${limits.gradual})`)
  await tx.execute(sql`
    delete from changes where revision <= (select revision from config_revision) - ${limits.changes}::bigint`)
}

async function cut(tx: Tx, table: string, rows: number): Promise<void> {
  const name = sql.identifier(table)
  await tx.execute(sql`
    delete from ${name} where id <= (select id from ${name} order by id desc offset ${rows} limit 1)`)
}
