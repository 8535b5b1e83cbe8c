/** Whether plans can hold what a write has made of services, looked at once the rows are written. */
import { sql } from '../../../schema/drizzle.ts'
import { maxCandidates, maxPlanCandidates } from '../../dataplane/image/plan.ts'
import { answeringPools } from '../rules/graph.ts'
import { aliasedServices } from '../rules/places.ts'
import { type PoolSize, planSizeBreaches, poolSizeBreaches } from '../rules/plan-size.ts'
import type { ConfigurationView } from '../rules/view.ts'
import { loadNeighbourhood, texts, viewAfter } from './neighbourhood.ts'
import { insideOf, throwIfBroken } from './refusals.ts'
import type { Tx } from './transaction.ts'

/** With two families. Fewer pools than that can't be too much. */
const fewPools = Math.floor(maxPlanCandidates / (2 * maxCandidates))

/**
 * Pools that are no larger are not looked at when they or their members are written: it would take 512 of them to come to too
 * much, and members are written often. Their services are looked at when these are written, and their status tells.
 */
const smallPool = 256

/** Whether a service that leads to no other, and to which none leads, is sure to be held by a plan: most are. */
export function fitsAlone(view: ConfigurationView, name: string): boolean {
  if (view.services.size > 1 || aliasedServices(view, [name]).size > 0) return false
  return answeringPools(view.pools, view.services)(name).size < fewPools
}

/** Throws `conflict` for a service, and those that lead to it, that no plan can hold. */
export async function checkServiceSize(tx: Tx, name: string): Promise<void> {
  const { services } = await loadNeighbourhood(tx, { outward: name, inward: [name] })
  await checkSizes(
    tx,
    `service ${name}`,
    services.map((service) => service.name),
    insideOf('services', name),
  )
}

/**
 * Throws `conflict` for a pool that can't choose among its members, and for services that no plan can hold any more.
 *
 * @param what is refused, such as `pool web`
 * @param matters whether more than its own size may be too much: it falls back to another pool, spills to others, or makes its services aliases
 */
export async function checkPoolSize(tx: Tx, what: string, name: string, matters = false): Promise<void> {
  const sizes = await sizesOf(tx, [name])
  const size = sizes.get(name) ?? { ipv4: 0, ipv6: 0, hosts: 0 }
  if (!matters && size.ipv4 + size.ipv6 + size.hosts <= smallPool) return
  throwIfBroken(what, poolSizeBreaches(name, size), insideOf('pools', name))
  const { services } = await loadNeighbourhood(tx, { answeredBy: name })
  await checkSizes(
    tx,
    what,
    services.map((service) => service.name),
    () => null,
  )
}

async function checkSizes(
  tx: Tx,
  what: string,
  names: readonly string[],
  pathInside: Parameters<typeof throwIfBroken>[2],
): Promise<void> {
  if (names.length === 0) return
  const view = viewAfter(await loadNeighbourhood(tx, { inward: names }), {})
  const poolsOf = answeringPools(view.pools, view.services)
  const pools = new Set(names.flatMap((name) => [...poolsOf(name)]))
  if (pools.size < fewPools && aliasedServices(view, names).size === 0) return
  throwIfBroken(what, planSizeBreaches(view, names, await sizesOf(tx, [...pools])), pathInside)
}

async function sizesOf(tx: Tx, pools: readonly string[]): Promise<ReadonlyMap<string, PoolSize>> {
  const { rows } = await tx.execute<{ pool: string; ipv4: string; ipv6: string; hosts: string }>(sql`
    select pool, count(*) filter (where host is not null) as hosts,
      sum((select count(*) from unnest(array_prepend(address, more_addresses)) as a where family(a) = 4)) as ipv4,
      sum((select count(*) from unnest(array_prepend(address, more_addresses)) as a where family(a) = 6)) as ipv6
    from members where pool = any(${texts(pools)}) group by pool`)
  return new Map(
    rows.map(({ pool, ipv4, ipv6, hosts }) => [
      pool,
      { ipv4: Number(ipv4), ipv6: Number(ipv6), hosts: Number(hosts) },
    ]),
  )
}
