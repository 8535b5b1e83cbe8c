import { asc, eq, gt } from '../../../schema/drizzle.ts'
import { changes } from '../../../schema/journal.ts'
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
 * does; it came to that revision by `other` changes; or it is `empty`, as one that was made anew.
 */
export const historyBreaks = ['back', 'other', 'empty'] as const
export type HistoryBreak = (typeof historyBreaks)[number]

/** Whether a database still has a revision in its history; null when it has, as far as can be told. */
export async function historyBreak(
  tx: Tx,
  { revision, stamp }: { readonly revision: number; readonly stamp: string | null },
): Promise<HistoryBreak | null> {
  if (revision <= 0) return null
  const [current, there] = await Promise.all([currentRevision(tx), stampOf(tx, revision)])
  if (current < revision) return current === 0 ? 'empty' : 'back'
  return stamp !== null && there !== null && there !== stamp ? 'other' : null
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
