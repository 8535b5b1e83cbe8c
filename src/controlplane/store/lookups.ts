import { desc } from '../../../schema/drizzle.ts'
import { lookups } from '../../../schema/journal.ts'
import type { Lookup } from '../model/observation.ts'
import type { Tx } from './transaction.ts'

/** Adds a lookup to the history. */
export async function saveLookup(tx: Tx, lookup: Lookup): Promise<void> {
  // A link-local client comes with the zone of its interface, which no inet holds.
  const clientIp = lookup.clientIp.replace(/%.*$/, '')
  await tx.insert(lookups).values({ ...lookup, clientIp, addresses: [...lookup.addresses] })
}

/** The last lookups, newest first. */
export async function recentLookups(tx: Tx, limit: number): Promise<Lookup[]> {
  const rows = await tx.select().from(lookups).orderBy(desc(lookups.id)).limit(limit)
  return rows.map(({ id: _, ...lookup }) => lookup)
}
