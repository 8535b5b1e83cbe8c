/**
 * What a server's autovacuum does, for the embedded database, which has no process for it: without, the room of what was deleted or
 * replaced is never used again, and statements are planned by what tables held once. By the same thresholds: a fifth of a table is
 * garbage, or a tenth of it is new since somebody last looked what is in it.
 */
import { sql } from '../../../schema/drizzle.ts'
import type { Tx } from './transaction.ts'

/** Has what was done last be counted, once its transaction is over: it is counted now and then. */
export async function countAll(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_stat_force_next_flush()`)
}

/** Statements, each of which must stand alone. The quick ones first. */
export async function tidyingStatements(tx: Tx): Promise<string[]> {
  const { rows } = await tx.execute<{ name: string; dead: boolean }>(sql`
    select format('%I.%I', schemaname, s.relname) as name, n_dead_tup > 50 + 0.2 * greatest(reltuples, 0) as dead
    from pg_stat_user_tables s join pg_class on pg_class.oid = relid
    where n_dead_tup > 50 + 0.2 * greatest(reltuples, 0) or n_mod_since_analyze > 50 + 0.1 * greatest(reltuples, 0)
    order by pg_relation_size(relid)`)
  return rows.map(({ name, dead }) => (dead ? `vacuum (analyze) ${name}` : `analyze ${name}`))
}
