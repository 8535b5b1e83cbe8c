/** How the configuration was before: what later revisions have changed. */
import { asc, eq, gt, sql } from '../../../schema/drizzle.ts'
import { history, revisions } from '../../../schema/journal.ts'
import type { Tx } from './transaction.ts'

/** RRsets of one zone that a change keeps as they were; with more it keeps none of them. */
export const keptRrsets = 50_000

/** The key of an RRset in the history. Owners may hold slashes, types don't. */
export const rrsetHistoryKey = (apex: string, owner: string, type: string): string =>
  `${apex}/${owner}/${type}`

/** The fragment of an RRset, of columns of `rrsets`. */
export const rrsetFragment = sql`json_strip_nulls(json_build_object('ttl', ttl_seconds, 'data', to_json(data)))`

/** Keeps all RRsets of a zone that is about to go, if they are not too many. */
export function keepAllRrsets(tx: Tx, apex: string, revision: number): PromiseLike<unknown> {
  return tx.execute(sql`
    with kept as materialized (select owner, type, ttl_seconds, data from rrsets where zone = ${apex} limit ${keptRrsets + 1})
    insert into history (revision, kind, key, before, lost)
    select ${revision}::bigint, 'rrset', ${apex}::text || '/' || owner || '/' || type, ${rrsetFragment}, false from kept where (select count(*) from kept) <= ${keptRrsets}
    union all
    select ${revision}::bigint, 'zone', ${apex}::text, null, true where (select count(*) from kept) > ${keptRrsets}`)
}

/** Who made a revision, by what, and why. */
export type Revision = typeof revisions.$inferSelect

/** The first revisions after one that changed the configuration, and not only what operators say of it. At most ten. */
export async function changedSince(tx: Tx, revision: number): Promise<Revision[]> {
  return tx
    .select()
    .from(revisions)
    .where(
      sql`${gt(revisions.revision, revision)} and exists (select from ${history} where ${eq(history.revision, revisions.revision)})`,
    )
    .orderBy(asc(revisions.revision))
    .limit(10)
}
