import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { Catalog, memberKey } from './catalog.ts'
import type { CatalogStep, Publisher } from './publisher.ts'
import type { Snapshot } from './snapshot.ts'
import { compileZone } from './zone-images.ts'

/** The step from nothing to what a snapshot holds. */
export async function snapshotStep(
  snapshot: Snapshot,
  publisher: Publisher,
  onBad: (message: string) => void,
): Promise<CatalogStep> {
  const apexes = new Set(snapshot.zones.map(({ apex }) => apex))
  const catalog = new Catalog({
    revision: snapshot.revision,
    monitors: new Map(snapshot.monitors.map((monitor) => [monitor.name, monitor])),
    pools: new Map(snapshot.pools.map((pool) => [pool.name, pool])),
    // The reader of the snapshot has made sure that there is a zone.
    services: new Map(
      snapshot.services.map((service) => [
        service.name,
        { ...service, zone: enclosingHostnames(service.name).find((name) => apexes.has(name))! },
      ]),
    ),
    zones: new Map(snapshot.zones.map(({ rrsets: _, ...zone }) => [zone.apex, zone])),
    overrides: new Map(
      snapshot.overrides.map((override) => [memberKey(override.pool, override.member), override]),
    ),
  })
  const zones = new Map<string, SharedArrayBuffer>()
  for (const zone of snapshot.zones) {
    const services = catalog.servicesIn(zone.apex).map((name) => ({ name, slot: publisher.planSlot(name) }))
    zones.set(zone.apex, await compileZone(zone, [zone.rrsets], services, onBad))
  }
  return { catalog, zones, services: catalog.services.keys(), pools: [] }
}
