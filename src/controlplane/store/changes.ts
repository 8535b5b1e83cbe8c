import { asc, gt } from 'drizzle-orm'
import { changes } from '../../../schema/journal.ts'
import { currentRevision } from './revision.ts'
import type { ChangeKind, Tx } from './transaction.ts'

export interface Change {
  readonly revision: number
  readonly kind: ChangeKind
  readonly key: string
}

export interface ChangeBatch {
  /** The last revision that the batch covers whole; follow on from it. */
  readonly revision: number
  readonly changes: Change[]
}

/**
 * What changed after `revision`, in order, at most `limit` changes and never part of a revision. Null when that can't
 * be told and everything must be loaded again: the changes were pruned, one revision alone exceeds the limit, or the
 * database is behind `revision` (it was restored from a backup).
 */
export async function changesSince(tx: Tx, revision: number, limit: number): Promise<ChangeBatch | null> {
  const current = await currentRevision(tx)
  if (revision === current) return { revision, changes: [] }
  if (revision > current) return null
  const rows = await tx
    .select()
    .from(changes)
    .where(gt(changes.revision, revision))
    .orderBy(asc(changes.revision), asc(changes.kind), asc(changes.key))
    .limit(limit + 1)
  // Every revision left at least one change, so the next one is there unless it was pruned.
  if (rows[0]?.revision !== revision + 1) return null
  const found = rows as Change[]
  if (found.length <= limit) return { revision: current, changes: found }
  const cut = found.at(-1)!.revision
  const whole = found.filter((change) => change.revision < cut)
  return whole.length === 0 ? null : { revision: cut - 1, changes: whole }
}
