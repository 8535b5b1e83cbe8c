import { type SQL, sql } from 'drizzle-orm'
import type { Tx } from './transaction.ts'

/**
 * Who names whom around a name: the ways that lead to it and those that lead on from it, each name with all that it names.
 *
 * @param edges a query of rows of `outer_name`, who names, and `inner_name`, who is named
 */
export async function edgesAround(tx: Tx, name: string, edges: SQL): Promise<Map<string, string[]>> {
  // Each union drops what it has found before, so circles end and a name that many lead to is looked at once.
  const { rows } = await tx.execute<{ outer_name: string; inner_name: string }>(sql`
    with recursive edges as not materialized (${edges}),
    below(name) as (
      select ${name}::text collate "C" union
      select e.inner_name from below join edges e on e.outer_name = below.name
    ),
    above(name) as (
      select ${name}::text collate "C" union
      select e.outer_name from above join edges e on e.inner_name = above.name
    )
    select distinct e.outer_name, e.inner_name from edges e
    where e.outer_name in (select name from below union select name from above)
    order by e.outer_name, e.inner_name`)
  const graph = new Map<string, string[]>()
  for (const { outer_name: outer, inner_name: inner } of rows) {
    const named = graph.get(outer)
    if (named === undefined) graph.set(outer, [inner])
    else named.push(inner)
  }
  return graph
}
