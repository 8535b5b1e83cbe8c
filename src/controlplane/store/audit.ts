import { auditLog } from '../../../schema/journal.ts'
import { hideOf } from '../document/hidden.ts'
import { isMap } from '../document/schema-check.ts'
import { auditReached } from './reached.ts'
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
  const reach = request.reach ?? undefined
  return readPage(
    query,
    { id: auditLog.id },
    request,
    (rows) => rows.map(({ id: _, keepUntil: __, ...entry }) => shown(entry)),
    { newest: true, where: reach && auditReached(reach, auditLog.action, auditLog.key) },
  )
}

/** Entries of versions that wrote everything down are shown like those of this one. */
function shown(entry: AuditEntry): AuditEntry {
  // One that somebody made by SQL may have none.
  const [kind = ''] = ((entry.action as string | null) ?? '').split('.')
  const side = (value: unknown) => (isMap(value) ? hideOf(kind, value) : value)
  return { ...entry, before: side(entry.before), after: side(entry.after) }
}
