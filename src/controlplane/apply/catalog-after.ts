/** The configuration in memory as a plan would make it. */
import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { Catalog, type CatalogService, type CatalogZone } from '../catalog/catalog.ts'
import type { Plan } from './apply.ts'
import type { PartChange } from './target.ts'

/** @param served what this node answers by */
export function catalogAfter({ target }: Plan, served: Catalog): Catalog {
  const zones = zonesAfter(target.zones, served.zones)
  return new Catalog({
    ...served,
    feeds: applied(served.feeds, target.feeds),
    monitors: applied(served.monitors, target.monitors),
    pools: applied(served.pools, target.pools),
    services: servicesAfter(target.services, served, zones),
    zones,
  })
}

function applied<T>(parts: ReadonlyMap<string, T>, changes: readonly PartChange<T>[]): Map<string, T> {
  const after = new Map(parts)
  for (const { name, after: part } of changes) {
    if (part === null) after.delete(name)
    else after.set(name, part.value)
  }
  return after
}

function zonesAfter(
  changes: Plan['target']['zones'],
  served: ReadonlyMap<string, CatalogZone>,
): Map<string, CatalogZone> {
  const zones = new Map(served)
  for (const { name, after } of changes) {
    if (after === null) zones.delete(name)
    else zones.set(name, { ...after.value, serial: (zones.get(name)?.serial ?? 0) + 1 })
  }
  return zones
}

function servicesAfter(
  changes: Plan['target']['services'],
  served: Catalog,
  zones: ReadonlyMap<string, CatalogZone>,
): Map<string, CatalogService> {
  const services = new Map(served.services)
  for (const { name, after } of changes) {
    const known = services.get(name)
    if (after === null) services.delete(name)
    else services.set(name, { ...after.value, zone: known?.zone ?? '', override: known?.override ?? null })
  }
  // Others may come to lie in another zone.
  const haveMoved = [...zones.keys(), ...served.zones.keys()].some(
    (apex) => !zones.has(apex) || !served.zones.has(apex),
  )
  const moving = haveMoved ? [...services.values()] : [...services.values()].filter(({ zone }) => zone === '')
  for (const service of moving)
    services.set(service.name, { ...service, zone: zoneOf(service.name, zones) ?? '' })
  return services
}

/** The apex of the zone that a name lies in; null for none. @param name absolute, without the final dot */
export function zoneOf(name: string, zones: ReadonlyMap<string, unknown>): string | null {
  return enclosingHostnames(name).find((each) => zones.has(each)) ?? null
}
