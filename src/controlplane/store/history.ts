/** How the configuration was before: what later revisions have changed. */
import { and, asc, count, eq, gt, inArray, isNull, type SQL, sql } from '../../../schema/drizzle.ts'
import { history, revisions } from '../../../schema/journal.ts'
import type { Body } from '../document/forms.ts'
import { ControlError } from '../model/errors.ts'
import type { Reach } from '../model/reach.ts'
import { historyReached } from './reached.ts'
import { currentRevision } from './revision.ts'
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

/**
 * The first revisions after one that changed the configuration, and not only what operators say of it. At most ten. Null when that
 * can't be told: there is no such revision, or not all after it are known.
 */
export async function changedSince(tx: Tx, revision: number): Promise<Revision[] | null> {
  if (!(await knowsAllAfter(tx, revision))) return null
  return tx
    .select()
    .from(revisions)
    .where(
      sql`${gt(revisions.revision, revision)} and exists (select from ${history} where ${eq(history.revision, revisions.revision)})`,
    )
    .orderBy(asc(revisions.revision))
    .limit(10)
}

async function knowsAllAfter(tx: Tx, revision: number): Promise<boolean> {
  const [current, [known]] = await Promise.all([
    currentRevision(tx),
    tx.select({ count: count() }).from(revisions).where(gt(revisions.revision, revision)),
  ])
  return revision >= 0 && revision <= current && known!.count === current - revision
}

/** What a part of the configuration was before the first revision after some other that changed it. */
export interface Former {
  readonly id: number
  readonly kind: HistoryKind
  /** As `schema/journal.ts` has it. */
  readonly key: string
  readonly before: Body | null
  readonly owner: string | null
}

export interface Formers {
  /** One for each part that has changed. */
  readonly parts: readonly Former[]
  /** Zones that were made since, each with the place of that in the history: what came into them later was not there before. */
  readonly made: ReadonlyMap<string, number>
}

/** What is read back at most: more has changed than anybody takes back in one go. */
const mostFormer = 100_000
const mostFormerOctets = 64 * 1024 * 1024

/** How what has changed after a revision was then. Throws `conflict` when the history does not reach so far, or has too much. */
export async function formerAfter(tx: Tx, revision: number): Promise<Formers> {
  const later = gt(history.revision, revision)
  const [known, [size], [lost], made] = await Promise.all([
    knowsAllAfter(tx, revision),
    tx
      .select({
        parts: sql<string>`count(distinct (${history.kind}, ${history.key}))`,
        octets: sql<string>`coalesce(sum(octet_length(${history.before}::text)), 0)`,
      })
      .from(history)
      .where(later),
    tx.select().from(history).where(and(later, history.lost)).limit(1),
    tx
      .select({ apex: history.key, id: sql<string>`min(${history.id})` })
      .from(history)
      .where(and(later, eq(history.kind, 'zone'), isNull(history.before), sql`not ${history.lost}`))
      .groupBy(history.key),
  ])
  if (!known) throw refusal(`nobody can say any more what revision ${revision} was: the history begins later`)
  if (lost !== undefined) {
    throw refusal(
      `revision ${lost.revision} changed more of ${lost.kind} ${lost.key} than the history keeps, so that what was before can't be told`,
    )
  }
  if (Number(size!.parts) > mostFormer || Number(size!.octets) > mostFormerOctets) {
    throw refusal(`too much has changed since revision ${revision} to be taken back in one go`)
  }
  const { id, kind, key, before, owner } = history
  const parts = await tx
    .selectDistinctOn([kind, key], { id, kind, key, before, owner })
    .from(history)
    .where(later)
    .orderBy(kind, key, id)
  return {
    parts: parts.map((part) => part as Former),
    made: new Map(made.map((zone) => [zone.apex, Number(zone.id)])),
  }
}

const refusal = (message: string) => new ControlError('conflict', message)

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

/** One revision; null when there is none of that number that touches what is reached, or nobody knows of it any more. */
export async function getRevision(tx: Tx, revision: number, reach: Reach | null): Promise<Revision | null> {
  const rows = await tx
    .select()
    .from(revisions)
    .where(and(eq(revisions.revision, revision), touching(reach)))
  const [row] = await withOwnMessages(tx, rows, reach)
  return row ?? null
}

/** Revisions, newest first. */
export async function listRevisions(tx: Tx, request: PageRequest): Promise<Page<Revision>> {
  const query = tx.select().from(revisions).$dynamic()
  const { reach = null } = request
  const read = (rows: Revision[]) => withOwnMessages(tx, rows, reach)
  return readPage(query, { revision: revisions.revision }, request, read, {
    newest: true,
    where: touching(reach),
  })
}

/** Revisions that changed anything that is reached. */
function touching(reach: Reach | null): SQL | undefined {
  if (reach === null) return undefined
  const parts = sql`select from ${history} where ${eq(history.revision, revisions.revision)} and ${historyReached(reach)}`
  return sql`exists (${parts})`
}

/** Why a revision was made may speak of all that it changed, so it is told who reaches all of that. */
async function withOwnMessages(tx: Tx, rows: Revision[], reach: Reach | null): Promise<Revision[]> {
  if (reach === null || rows.length === 0) return rows
  const numbers = rows.map(({ revision }) => revision)
  const wider = await tx
    .selectDistinct({ revision: history.revision })
    .from(history)
    .where(and(inArray(history.revision, numbers), sql`not ${historyReached(reach)}`))
  const beyond = new Set(wider.map(({ revision }) => revision))
  return rows.map((row) => (beyond.has(row.revision) ? { ...row, message: null } : row))
}
