/** Which zones a plan would have answered by other images, and what would be other in them. */
import type { Catalog, CatalogZone } from '../catalog/catalog.ts'
import type { Rrset } from '../model/zone.ts'
import type { Plan } from './apply.ts'

/** A zone as it would be. */
export interface ZoneAfter {
  readonly zone: CatalogZone
  /** Whether there is one of this apex, of which all else stays. */
  readonly isThere: boolean
  /** That would lie in it. */
  readonly services: readonly string[]
  readonly changed: readonly Rrset[]
  readonly gone: readonly Rrset[]
}

/** Null when no zone would be another one, and none come or go. */
export function zonesAfter({ target }: Plan, served: Catalog, planned: Catalog): ZoneAfter[] | null {
  const changes = new Map(target.zones.map((change) => [change.name, change]))
  const apexes = new Set(changes.keys())
  for (const name of new Set([...served.services.keys(), ...planned.services.keys()])) {
    const [was, is] = [served, planned].map(({ services }) => services.get(name)?.zone)
    if (was === is) continue
    if (was !== undefined) apexes.add(was)
    if (is !== undefined) apexes.add(is)
  }
  if (apexes.size === 0) return null
  return [...apexes].flatMap((apex) => {
    const zone = planned.zones.get(apex)
    if (zone === undefined) return []
    const rrsets = changes.get(apex)?.rrsets ?? []
    return {
      zone,
      isThere: served.zones.has(apex),
      services: planned.servicesIn(apex),
      changed: rrsets.flatMap(({ after }) => after ?? []),
      gone: rrsets.flatMap(({ before, after }) => (after === null && before !== null ? [before] : [])),
    }
  })
}
