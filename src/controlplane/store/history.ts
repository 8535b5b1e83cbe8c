/** How the configuration was before: what later revisions have changed. */
import { asc, desc, eq, gt, sql } from '../../../schema/drizzle.ts'
import { history, revisions } from '../../../schema/journal.ts'
import type { Body } from '../document/forms.ts'
import { ControlError } from '../model/errors.ts'
import { type Page, type PageRequest, readPage } from './stored.ts'
import type { HistoryKind, Tx } from './transaction.ts'

/** RRsets of one zone that a change keeps as they were; with more it keeps none of them. */
export const keptRrsets = 50_000

/** The key of an RRset in the history. Names may hold slashes, so a tab stands behind the apex. */
export const rrsetHistoryKey = (apex: string, owner: string, type: string): string =>
  `${apex}\t${owner}/${type}`

/** The fragment of an RRset, of columns of `rrsets`. */
export const rrsetFragment = sql`json_strip_nulls(json_build_object('ttl', ttl_seconds, 'data', to_json(data)))`

/** Keeps all RRsets of a zone that is about to go, if they are not too many. */
export function keepAllRrsets(tx: Tx, apex: string, revision: number): PromiseLike<unknown> {
  return tx.execute(sql`
    with kept as materialized (select owner, type, ttl_seconds, data from rrsets where zone = ${apex} limit ${keptRrsets + 1})
    insert into history (revision, kind, key, before, lost)
    select ${revision}::bigint, 'rrset', ${apex}::text || chr(9) || owner || '/' || type, ${rrsetFragment}, false from kept where (select count(*) from kept) <= ${keptRrsets}
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

/** What a part of the configuration was before a revision that changed it. */
export interface Former {
  readonly kind: HistoryKind
  /** As `schema/journal.ts` has it. */
  readonly key: string
  readonly before: Body | null
}

/** Rows that are read back at most: more has changed than anybody takes back in one go. */
const mostFormer = 100_000

/** Parts as they were before the revisions after one, the newest first. Throws `conflict` when the history does not reach so far. */
export async function formerAfter(tx: Tx, revision: number): Promise<Former[]> {
  const [first] = await tx
    .select({ revision: revisions.revision })
    .from(revisions)
    .orderBy(asc(revisions.revision))
    .limit(1)
  if (first !== undefined && revision < first.revision - 1) {
    throw new ControlError(
      'conflict',
      `the history begins with revision ${first.revision}, so that nobody can say any more what revision ${revision} was`,
    )
  }
  const rows = await tx
    .select()
    .from(history)
    .where(gt(history.revision, revision))
    .orderBy(desc(history.id))
    .limit(mostFormer + 1)
  const lost = rows.find((row) => row.lost)
  if (lost !== undefined) {
    throw new ControlError(
      'conflict',
      `revision ${lost.revision} changed more of ${lost.kind} ${lost.key} than the history keeps, so that what was before can't be told`,
    )
  }
  if (rows.length > mostFormer) {
    throw new ControlError(
      'conflict',
      `more than ${mostFormer} parts have changed since revision ${revision}`,
    )
  }
  return rows.map(({ kind, key, before }) => ({
    kind: kind as HistoryKind,
    key,
    before: before as Body | null,
  }))
}

/** The parts of `rrsetHistoryKey`. An owner may hold slashes, and so may an apex; the type doesn't. */
export function parseRrsetKey(key: string): {
  readonly apex: string
  readonly owner: string
  readonly type: string
} {
  const end = key.lastIndexOf('/')
  const start = key.indexOf('\t')
  return { apex: key.slice(0, start), owner: key.slice(start + 1, end), type: key.slice(end + 1) }
}

/** One revision; null when there is none of that number, or nobody knows of it any more. */
export async function getRevision(tx: Tx, revision: number): Promise<Revision | null> {
  const [row] = await tx.select().from(revisions).where(eq(revisions.revision, revision))
  return row ?? null
}

/** Revisions, newest first. */
export async function listRevisions(tx: Tx, request: PageRequest): Promise<Page<Revision>> {
  const query = tx.select().from(revisions).$dynamic()
  return readPage(query, { revision: revisions.revision }, request, (rows) => rows, { newest: true })
}
