import { sql } from 'drizzle-orm'
import { noLocation } from '../document/references.ts'
import type { Problem } from '../model/errors.ts'
import { mostProblems, pathOfService } from './name-conflicts.ts'
import type { Tx } from './transaction.ts'

/**
 * Services that choose the nearest of their pools and know of no place, neither of an entry nor of its pool. One look at
 * the rows as they are after a change of a service or of a pool.
 */
export async function distanceProblems(
  tx: Tx,
  scope: { readonly service: string } | { readonly pool: string },
): Promise<Problem[]> {
  const concerned =
    'service' in scope
      ? sql`s.name = ${scope.service}`
      : sql`s.name in (select service from service_pools where pool = ${scope.pool})`
  const { rows } = await tx.execute<{ name: string }>(sql`
    select s.name from services s
    where s.steer = 'nearest' and ${concerned} and not exists (
      select from service_pools sp left join pools p on p.name = sp.pool
      where sp.service = s.name and (sp.latitude is not null or p.settings ? 'location')
    )
    order by s.name limit ${mostProblems}`)
  return rows.map(({ name }) => ({ path: pathOfService(name), message: `service ${name} ${noLocation}` }))
}
