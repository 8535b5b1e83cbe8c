import { desc, lt } from 'drizzle-orm'
import { auditLog } from '../../../schema/journal.ts'
import { decodeCursor, type Page, type PageRequest, pageOf } from './stored.ts'
import type { Tx } from './transaction.ts'

/** Who did what. `before` and `after` are the resource as it was and is, in terms of the model; null for none. */
export interface AuditEntry {
  readonly at: Date
  readonly actor: string
  /** Resource and verb, such as `pool.put` or `override.delete`. */
  readonly action: string
  readonly key: string
  readonly before: unknown
  readonly after: unknown
  /** The revision that the entry came with. */
  readonly revision: number
}

/** The audit log, newest first. */
export async function listAudit(tx: Tx, { limit, cursor }: PageRequest): Promise<Page<AuditEntry>> {
  const after = decodeCursor(cursor, 'number')
  const rows = await tx
    .select()
    .from(auditLog)
    .where(after === null ? undefined : lt(auditLog.id, after[0]))
    .orderBy(desc(auditLog.id))
    .limit(limit + 1)
  return pageOf(
    rows,
    limit,
    ({ id: _, ...entry }) => entry,
    (row) => [row.id],
  )
}
