import type pg from 'pg'
import { configRevision } from '../../../schema/journal.ts'
import { ControlError } from '../model/errors.ts'
import type { Tx } from './transaction.ts'

/** The revision of the configuration that this transaction sees; 0 before the first write. */
export async function currentRevision(tx: Tx): Promise<number> {
  const [row] = await tx.select({ revision: configRevision.revision }).from(configRevision)
  return row?.revision ?? 0
}

/** Serialises writers, and those who migrate. */
export const lockRevision = 'select revision from config_revision for update'

/** What `lockRevision` told, as the last but one of several statements in one message: an array, which pg's types don't know. */
export function lockedRevision(results: unknown): number {
  const last = (results as pg.QueryResult<{ revision: string }>[]).at(-2)
  return Number(last!.rows[0]!.revision)
}

/**
 * Throws `conflict` for the first revision of a database that is known to have had others.
 *
 * @param expected 0 when it is not known of any
 */
export function throwIfEmptied(revision: number, expected: number): void {
  if (revision > 1 || expected === 0) return
  const way = 'restore it, or say that it is meant to be empty by POST /v1/database/accept-empty'
  throw new ControlError(
    'conflict',
    `the database is empty, though revision ${expected} of it is served: ${way}`,
  )
}
