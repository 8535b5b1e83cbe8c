import { configRevision } from '../../../schema/journal.ts'
import type { Tx } from './transaction.ts'

/** The revision of the configuration that this transaction sees; 0 before the first write. */
export async function currentRevision(tx: Tx): Promise<number> {
  const [row] = await tx.select({ revision: configRevision.revision }).from(configRevision)
  return row?.revision ?? 0
}
