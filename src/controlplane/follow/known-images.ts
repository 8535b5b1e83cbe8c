/** What images from files are worth, which shows when the database tells what changed since. */
import type { Catalog, Mark } from '../catalog/catalog.ts'
import type { StoredZone } from '../compile/image-files.ts'
import type { ServiceSlot } from '../compile/zone-parts.ts'
import type { PlanSlots } from '../serve/plan-slots.ts'
import { changesSince, stampOf, stampsAfter } from '../store/changes.ts'
import type { Tx } from '../store/database.ts'
import { type Touched, touchedZones } from './settings.ts'

/** Images of zones, each of the catalog's revision or a later one. */
export interface KnownImages {
  readonly catalog: Catalog
  readonly zones: ReadonlyMap<string, StoredZone>
}

/** Changes since the snapshot; with more, everything is read. */
const knownChangeLimit = 20_000

/** The services of a zone, with their plans' slots. */
export function servicesOf(catalog: Catalog, apex: string, slots: PlanSlots): ServiceSlot[] {
  return catalog.servicesIn(apex).map((name) => ({ name, slot: slots.take(name) }))
}

/** Every zone of a catalog, to be compiled from all its rows. */
export function wholeZones({ zones }: Catalog): Touched {
  return new Map(Array.from(zones.keys(), (apex) => [apex, null]))
}

export function sameSlots(a: readonly ServiceSlot[], b: readonly ServiceSlot[]): boolean {
  const slots = new Map(a.map(({ name, slot }) => [name, slot]))
  return a.length === b.length && b.every(({ name, slot }) => slots.get(name) === slot)
}

/** Sorts the zones of a catalog: those that must be compiled, and those whose known images can be served as they are. */
export async function sortZones(
  tx: Tx,
  catalog: Catalog,
  known: KnownImages | null,
  slots: PlanSlots,
): Promise<{ readonly touched: Touched; readonly usable: ReadonlyMap<string, StoredZone> }> {
  const since = known === null ? null : await changesOf(tx, known.catalog, catalog.revision)
  if (known === null || since === null) return { touched: wholeZones(catalog), usable: new Map() }
  const stamps = await stampsAfter(tx, known.catalog.revision)
  const touched = new Map<string, readonly string[] | null>()
  const usable = new Map<string, StoredZone>()
  for (const apex of catalog.zones.keys()) {
    const stored = known.zones.get(apex)
    const owners = since.get(apex)
    // A file that is newer than the base may be of a history that the database has forgotten.
    const isForeign = ({ revision, stamp }: Mark) =>
      revision > known.catalog.revision && (stamp === null || stamp !== stamps.get(revision))
    // One that was compiled of rows that could not be used is compiled again, so that they are told, or healed.
    const again = stored?.current !== true || stored.bad === true
    if (stored === undefined || again || owners === null || isForeign(stored)) {
      touched.set(apex, null)
    } else if (owners !== undefined || !sameSlots(stored.services, servicesOf(catalog, apex, slots))) {
      touched.set(apex, owners ?? [])
    } else usable.set(apex, stored)
  }
  return { touched, usable }
}

/** What changed since known images were compiled; null when they are of another history, or it can't be told any more. */
async function changesOf(tx: Tx, known: Mark, revision: number): Promise<Touched | null> {
  if (known.stamp === null || (await stampOf(tx, known.revision)) !== known.stamp) return null
  const batch = await changesSince(tx, known.revision, knownChangeLimit)
  return batch?.revision === revision ? touchedZones(batch.changes) : null
}
