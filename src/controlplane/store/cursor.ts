import { type SQL, sql } from '../../../schema/drizzle.ts'
import type { Tx } from './transaction.ts'

/** So that two cursors of one transaction are never one. */
let opened = 0

/**
 * The rows of a query, `batch` at a time, by a cursor of the server: it plans and, where it must, sorts once. Bounded
 * memory, here and there. Asking for each batch by the key of the last one costs a plan a batch, and a bad one reads the
 * whole table for each, which is what Postgres does to a table that was filled since its statistics were made.
 */
export async function* fetchRows<Row>(tx: Tx, query: SQL, batch: number): AsyncGenerator<Row[]> {
  const cursor = sql.raw(`rows_${++opened}`)
  const declared = tx.execute(sql`declare ${cursor} no scroll cursor for ${query}`).then(() => {})
  let failed = false
  try {
    for (;;) {
      failed = true
      const [fetched] = await Promise.all([
        tx.execute(sql`fetch ${sql.raw(String(batch))} from ${cursor}`),
        declared,
      ])
      const rows = fetched.rows as Row[]
      failed = false
      if (rows.length > 0) yield rows
      if (rows.length < batch) return
    }
  } finally {
    // A failed transaction takes nothing but its rollback.
    if (!failed) tx.execute(sql`close ${cursor}`).then(undefined, () => {})
  }
}
