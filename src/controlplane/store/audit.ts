import { auditLog } from '../../../schema/journal.ts'
import { type Page, type PageRequest, readPage } from './stored.ts'
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
export async function listAudit(tx: Tx, request: PageRequest): Promise<Page<AuditEntry>> {
  const query = tx.select().from(auditLog).$dynamic()
  return readPage(query, { id: auditLog.id }, request, ({ id: _, ...entry }) => entry, { newest: true })
}
