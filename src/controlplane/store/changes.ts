import { asc, eq, gt } from '../../../schema/drizzle.ts'
import { changes, configRevision } from '../../../schema/journal.ts'
import { type Identity, isForeign } from './identity.ts'
import { currentRevision } from './revision.ts'
import type { ChangeKind, Tx } from './transaction.ts'

export interface Change {
  readonly revision: number
  readonly kind: ChangeKind
  readonly key: string
  /** Owners whose RRsets are, with the serial, all that changed in a zone; null when that is not known. */
  readonly owners: readonly string[] | null
}

export interface ChangeBatch {
  /** The last revision that the batch covers whole; follow on from it. */
  readonly revision: number
  /** The stamp of that revision; see `stampOf`. */
  readonly stamp: string | null
  /** Whether there is no later one. */
  readonly isLast: boolean
  readonly changes: Change[]
}

/**
 * What changed after `revision`, in order, at most `limit` changes and never part of a revision. Null when that can't
 * be told and everything must be loaded again: the changes were pruned, one revision alone exceeds the limit, or the
 * database is behind `revision` (it was restored from a backup).
 */
export async function changesSince(tx: Tx, revision: number, limit: number): Promise<ChangeBatch | null> {
  const [current, rows] = await Promise.all([
    currentRevision(tx),
    tx
      .select()
      .from(changes)
      .where(gt(changes.revision, revision))
      .orderBy(asc(changes.revision), asc(changes.kind), asc(changes.key))
      .limit(limit + 1),
  ])
  if (revision === current) return { revision, stamp: null, isLast: true, changes: [] }
  // Every revision left at least one change, so the next one is there unless it was pruned.
  if (revision > current || rows[0]?.revision !== revision + 1) return null
  const cut = rows.length <= limit ? current + 1 : rows.at(-1)!.revision
  const whole = rows.filter((row) => row.revision < cut)
  if (whole.length === 0) return null
  const found = whole.map(({ stamp: _, ...change }) => change as Change)
  return { revision: cut - 1, stamp: whole.at(-1)!.stamp, isLast: cut > current, changes: found }
}

/**
 * Why what a database holds is not what came of a revision that a node has seen: it went `back` before that, as a restored backup
 * does; it came to that revision by `other` changes; it is `empty`, as one that was made anew; or it is a `foreign` one, made anew and
 * written to by others.
 */
export const historyBreaks = ['back', 'other', 'empty', 'foreign'] as const
export type HistoryBreak = (typeof historyBreaks)[number]

/** Those in which a node goes on with what it has, until somebody says that the database is meant. */
export const isRefused = (found: HistoryBreak | undefined) => found === 'empty' || found === 'foreign'

/** What is known of a revision. */
interface KnownRevision {
  readonly revision: number
  readonly stamp: string | null
}

/** Where a database stands, and what it has as the stamp of a revision that is known. */
interface Standing extends Identity {
  readonly current: number
  readonly stamp: string | null
}

/**
 * Whether a database still has a revision in its history; null when it has, as far as can be told.
 *
 * @param database the id of the one that the revision was read from; null when it is not known
 */
export async function historyBreak(
  tx: Tx,
  known: KnownRevision,
  database: string | null,
): Promise<{ readonly found: HistoryBreak | null; readonly database: string | null }> {
  const [row, stamp] = await Promise.all([
    tx.select().from(configRevision),
    known.revision <= 0 ? null : stampOf(tx, known.revision),
  ])
  const { revision: current = 0, databaseId: id = null, replaces = [] } = row[0] ?? {}
  return { found: breakOf({ current, id, replaces, stamp }, known, database), database: id }
}

/** Whether a database is at that revision, of its own history: there is nothing to be read then. One round trip, and none of drizzle's work. */
export async function isStillAt(
  glances: Glances,
  known: KnownRevision,
  database: string | null,
): Promise<boolean> {
  const rows = await glances.glance<StandingRow>(standingAt(known.revision))
  const { revision = 0, database_id: id = null, replaces = [], stamp = null } = rows[0] ?? {}
  const current = Number(revision)
  return current === known.revision && breakOf({ current, id, replaces, stamp }, known, database) === null
}

/** Who runs one statement in a transaction of its own. */
interface Glances {
  glance<Row extends object>(statement: string): Promise<Row[]>
}

interface StandingRow {
  readonly revision: string
  readonly database_id: string | null
  readonly replaces: readonly string[]
  readonly stamp: string | null
}

const standingAt = (revision: number) =>
  `select revision, database_id, replaces, (select stamp from changes where revision = ${BigInt(revision)} limit 1) as stamp from config_revision`

function breakOf(
  { current, id, replaces, stamp }: Standing,
  known: KnownRevision,
  database: string | null,
): HistoryBreak | null {
  if (known.revision <= 0) return null
  if (current === 0) return 'empty'
  if (isForeign({ id, replaces }, database)) return 'foreign'
  if (current < known.revision) return 'back'
  const isOther =
    (database !== null && id !== database) ||
    (known.stamp !== null && stamp !== null && stamp !== known.stamp)
  return isOther ? 'other' : null
}

/** Stamps of the revisions after one, as far as they are there. Bounded by what is kept of the change feed. */
export async function stampsAfter(tx: Tx, revision: number): Promise<Map<number, string | null>> {
  const rows = await tx
    .selectDistinct({ revision: changes.revision, stamp: changes.stamp })
    .from(changes)
    .where(gt(changes.revision, revision))
  return new Map(rows.map((row) => [row.revision, row.stamp]))
}

/**
 * What tells a revision from another one of the same number, which a database that was restored from a backup may come to;
 * null when that can't be told any more.
 */
export async function stampOf(tx: Tx, revision: number): Promise<string | null> {
  const [row] = await tx
    .select({ stamp: changes.stamp })
    .from(changes)
    .where(eq(changes.revision, revision))
    .limit(1)
  return row?.stamp ?? null
}
