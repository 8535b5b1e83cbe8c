import { auditLog } from '../../../schema/journal.ts'
import { type Page, type PageRequest, readPage } from './stored.ts'
import type { Deed, Tx } from './transaction.ts'

/** Who did what, and when. */
export interface AuditEntry extends Deed {
  readonly at: Date
  readonly actor: string
  /** The revision that the entry came with. */
  readonly revision: number
}

/** The audit log, newest first. */
export async function listAudit(tx: Tx, request: PageRequest): Promise<Page<AuditEntry>> {
  const query = tx.select().from(auditLog).$dynamic()
  return readPage(query, { id: auditLog.id }, request, ({ id: _, ...entry }) => entry, { newest: true })
}
