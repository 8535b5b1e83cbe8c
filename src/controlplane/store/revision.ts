import type pg from 'pg'
import { configRevision } from '../../../schema/journal.ts'
import type { Tx } from './transaction.ts'

/** The revision of the configuration that this transaction sees; 0 before the first write. */
export async function currentRevision(tx: Tx): Promise<number> {
  const [row] = await tx.select({ revision: configRevision.revision }).from(configRevision)
  return row?.revision ?? 0
}

/** Serialises writers. */
export const lockRevision = 'select revision from config_revision for update'

/** What `lockRevision` told, as the last of several statements in one message: an array of results, which pg's types don't know. */
export function lockedRevision(results: unknown): number {
  const last = [results as pg.QueryResult<{ revision: string }>].flat().at(-1)
  return Number(last!.rows[0]!.revision)
}
