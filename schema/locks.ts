import { integer, pgTable } from './drizzle.ts'

/**
 * Rows for transactions to lock, where what they lock for has no row of its own: by number, which `store/lock-rows.ts` gives out. The
 * migration that makes the table writes all of them, and nobody writes another.
 */
export const lockRows = pgTable('lock_rows', { id: integer('id').primaryKey() })
