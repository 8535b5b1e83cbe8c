/** Where a service may stand: in a zone, and not in the way of that zone's own data. */

import type { Breach } from './breach.ts'
import { answeringPools } from './graph.ts'
import type { ConfigurationView, PlacesView } from './view.ts'

/** What hides the names below it; the NS of a zone cut hide what is at their own name too. */
export const typesThatHide = ['DNAME', 'NS'] as const

/** A service gives the addresses of its name itself, and nothing stands beside a CNAME. */
export const typesOfServices = ['A', 'AAAA', 'CNAME'] as const

export const addressInCnamePool =
  'is an address, and a pool with hosts: cname has only members with a host, since nothing stands beside a CNAME'

/** Why a service can't stand where it does, in words that suit the side of the zone too. */
export const because = {
  taken: (service: string, type: string) =>
    `${service} is a service, which gives the addresses of its name itself, so its zone can't have ${type} there`,
  belowDname: (service: string, dname: string) =>
    `${service} is a service below the DNAME at ${dname}, and nothing can be there (RFC 6672 section 2.3)`,
  delegated: (service: string, cut: string) =>
    `${service} is a service at or below the NS of ${cut}, and whoever asks for it is referred to those servers ` +
    '(RFC 1034 section 4.3.2)',
}

/** A service in no zone, one whose addresses its zone has too, and one that a DNAME or a zone cut of its zone hides. */
export function placeBreaches(view: PlacesView, name: string): Breach[] {
  if (view.zoneOf(name) === null)
    return [{ ...conflict(name, `service ${name} lies in no zone`), code: 'invalid' }]
  const taken = view.typesAt(name).filter((type) => typesOfServices.some((one) => one === type))
  const found = taken.map((type) => conflict(name, because.taken(name, type), { name, type }))
  const dname = view.dnameAbove(name)
  if (dname !== null)
    found.push(conflict(name, because.belowDname(name, dname), { name: dname, type: 'DNAME' }))
  const cut = view.cutAt(name)
  if (cut !== null) found.push(conflict(name, because.delegated(name, cut), { name: cut, type: 'NS' }))
  return found
}

/** The services among some that may be answered with a CNAME, each with a pool (`hosts: cname`) that gives it. */
export function aliasedServices(
  view: Pick<ConfigurationView, 'pools' | 'services'>,
  names: Iterable<string>,
): Map<string, string> {
  const isAlias = (pool: string) => view.pools.get(pool)?.hosts === 'cname'
  // Most configurations have none.
  if (![...view.pools.keys()].some(isAlias)) return new Map()
  const poolsOf = answeringPools(view.pools, view.services)
  const found = Array.from(names, (name) => [name, [...poolsOf(name)].find(isAlias)] as const)
  return new Map(found.flatMap(([name, pool]) => (pool === undefined ? [] : [[name, pool]])))
}

/**
 * Services that may be answered with a CNAME, which stands alone at its name (RFC 1034 section 3.6.2), and so never at
 * an apex. `placeBreaches` speaks of addresses and CNAMEs beside them, as beside any service.
 *
 * @param aliased what `aliasedServices` found
 */
export function aliasBreaches(view: PlacesView, aliased: ReadonlyMap<string, string>): Breach[] {
  return Array.from(aliased).flatMap(([name, pool]) => {
    const apex = view.zoneOf(name)
    const said = `${name} is a service that pool ${pool} answers with a CNAME (hosts: cname), which can't stand`
    if (name === apex) {
      return [
        conflict(
          name,
          `${said} at the apex of zone ${apex} beside its SOA and NS; a pool with hosts: resolve can`,
        ),
      ]
    }
    const beside = view
      .typesAt(name)
      .filter((type) => !typesOfServices.some((one) => one === type))
      .sort()[0]
    if (beside === undefined) return []
    const message = `${said} beside the ${beside} that zone ${apex} has at the same name`
    return [conflict(name, message, { name, type: beside })]
  })
}

const conflict = (name: string, message: string, rrset?: Breach['rrset']): Breach => {
  return { code: 'conflict', kind: 'services', name, at: [], message, ...(rrset && { rrset }) }
}
