import { enclosingHostnames } from '../../dataplane/wire/name.ts'
import { Catalog, type Mark } from '../catalog/catalog.ts'
import type { CompileThread } from '../compile/compile-thread.ts'
import type { StoredZone } from '../compile/image-files.ts'
import { type KnownImages, sameSlots, servicesOf } from '../follow/known-images.ts'
import { formatMemberKey } from '../model/member-key.ts'
import type { PlanSlots } from '../serve/plan-slots.ts'
import type { CatalogStep } from '../serve/publisher.ts'
import type { SnapshotBase } from './snapshot.ts'

/** What a start has before the database: the step from nothing to the snapshot, with images for the first look. */
export type ColdStart = CatalogStep & KnownImages

/**
 * Makes the step to what a snapshot holds, whose images the compile thread has. Compiles only the zones in which services have other slots than when they were
 * written.
 *
 * @param onBad told of what can't be served
 * @throws the reason of `signal` when that aborts
 */
export async function coldStart(
  base: SnapshotBase,
  stored: readonly StoredZone[],
  compiler: CompileThread,
  slots: PlanSlots,
  onBad: (message: string) => void,
  signal: AbortSignal,
): Promise<ColdStart> {
  const zones = new Map(stored.map((held) => [held.zone.apex, held]))
  // In their old order they mostly get their old slots.
  const named = stored.flatMap(({ services }) => services).sort((a, b) => a.slot - b.slot)
  for (const { name } of named) slots.take(name)
  const overrides = new Map(base.serviceOverrides.map((override) => [override.service, override]))
  const placed = base.services.map((service) => {
    const zone = enclosingHostnames(service.name).find((name) => zones.has(name))
    if (zone === undefined) onBad(`service ${service.name}: its zone is not in the snapshot`)
    return zone === undefined ? [] : { ...service, zone, override: overrides.get(service.name) ?? null }
  })
  const catalog = new Catalog({
    revision: base.revision,
    stamp: base.stamp,
    feeds: new Map(base.feeds.map((feed) => [feed.name, feed])),
    monitors: new Map(base.monitors.map((monitor) => [monitor.name, monitor])),
    pools: new Map(base.pools.map((pool) => [pool.name, pool])),
    services: new Map(placed.flat().map((service) => [service.name, service])),
    zones: new Map(stored.map(({ zone }) => [zone.apex, zone])),
    births: base.births,
    overrides: new Map(base.overrides.map((override) => [formatMemberKey(override), override])),
  })
  const moved = stored.flatMap((held) => {
    const services = servicesOf(catalog, held.zone.apex, slots)
    return sameSlots(held.services, services) ? [] : { ...held, services }
  })
  // The rows are of the revisions of the images, which may be before and behind the base's.
  const { revision, stamp } = moved.reduce<Mark>(
    (latest, held) => (held.revision > latest.revision ? held : latest),
    base,
  )
  const edit = { owners: [], text: '[]' }
  const jobs = moved.map(({ zone, services }) => ({ zone, services, edit }))
  const { images } = await compiler.compile({ revision, stamp, jobs, gone: [] }, [], signal)
  for (const held of moved) zones.set(held.zone.apex, held)
  for (const [apex, image] of images) zones.set(apex, { ...zones.get(apex)!, image })
  return { catalog, zones, services: [...catalog.services.keys()], pools: [...catalog.pools.keys()] }
}
