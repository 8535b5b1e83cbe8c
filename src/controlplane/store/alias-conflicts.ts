/**
 * Services that may be answered with a CNAME, which stands alone at its name (RFC 1034 section 3.6.2). Checked in the
 * transaction that writes, like `name-conflicts.ts`. What a service may be answered from is what `answeringPools` says: here
 * the same over rows.
 */
import { type SQL, sql } from 'drizzle-orm'
import type { Problem } from '../model/errors.ts'
import { aliasAtApex, aliasBesideData } from '../rules/alias-rules.ts'
import { mostProblems, pathOfService } from './name-conflicts.ts'
import type { Tx } from './transaction.ts'

/** Which services a change may have made to stand where a CNAME can't. */
export type AliasScope = { readonly zone: string } | { readonly service: string } | { readonly pool: string }

/**
 * Services that may be answered with a CNAME (a pool that they lead to has `hosts: cname`) and stand at an apex or beside
 * other data. One look at the rows as they are after a change, whichever side it came from: a zone, an RRset, a service
 * or a pool. A change of a service or a pool concerns every service that leads to it.
 */
export async function aliasProblems(tx: Tx, scope: AliasScope): Promise<Problem[]> {
  const { rows } = await tx.execute<{ name: string; zone: string; pool: string; type: string | null }>(sql`
    with recursive concerned(name) as (
      select name from (${startOf(scope)}) start where exists (select from pools where hosts = 'cname')
      union
      select sp.service from concerned c join service_pools sp on sp.nested = c.name where ${!('zone' in scope)}::boolean
    ),
    -- Each of them, with every service that it leads to.
    leads(name, inner_name) as (
      select name, name from concerned
      union
      select l.name, sp.nested from leads l join service_pools sp on sp.service = l.inner_name where sp.nested is not null
    ),
    aliased as (
      select l.name, min(p.name) as pool
      from leads l
      cross join lateral (
        select sp.pool as name from service_pools sp where sp.service = l.inner_name and sp.pool is not null
        union
        select q.fallback from service_pools sp join pools q on q.name = sp.pool where sp.service = l.inner_name
        union
        select s.fallback from services s where s.name = l.inner_name
      ) named
      join pools p on p.name = named.name and p.hosts = 'cname'
      group by l.name
    )
    select s.name, s.zone, aliased.pool, beside.type
    from aliased
    join services s on s.name = aliased.name
    left join lateral (
      select r.type from rrsets r
      where r.zone = s.zone and r.owner = case when s.zone = '.' then s.name
        else left(s.name, length(s.name) - length(s.zone) - 1) end
      order by r.type limit 1
    ) beside on s.name <> s.zone
    where s.name = s.zone or beside.type is not null
    order by s.name limit ${mostProblems}`)
  return rows.map(({ name, zone, pool, type }) => ({
    path: pathOfService(name),
    message: `service ${name}: ${type === null ? aliasAtApex(pool, zone) : aliasBesideData(pool, zone, type)}`,
  }))
}

/** The services that a change is about. */
function startOf(scope: AliasScope): SQL {
  if ('zone' in scope) return sql`select s.name from services s where s.zone = ${scope.zone}`
  if ('service' in scope) return sql`select s.name from services s where s.name = ${scope.service}`
  return sql`
    select s.name from services s where s.fallback = ${scope.pool}
    union
    select sp.service from service_pools sp join pools q on q.name = sp.pool
    where q.name = ${scope.pool} or q.fallback = ${scope.pool}`
}
