/** Which zones a step must compile, and of what: rows of a whole zone, or only those of the owners that changed. */

import type { Catalog } from '../catalog/catalog.ts'
import type { CompileThread } from '../compile/compile-thread.ts'
import type { StoredZone } from '../compile/image-files.ts'
import type { CompileJob, ServiceSlot, ZoneRows } from '../compile/zone-images.ts'
import type { Change } from '../store/changes.ts'
import type { Tx } from '../store/database.ts'
import { packedAt, streamPacked } from '../store/rrsets.ts'

/** Zones by apex, each with the owners that changed; null says that anything may have. */
export type Touched = ReadonlyMap<string, readonly string[] | null>

/** Images from files: what they are worth shows when the database tells what changed since. */
export interface KnownImages {
  readonly revision: number
  readonly stamp: string | null
  readonly zones: ReadonlyMap<string, StoredZone>
}

export interface ZoneStepOptions {
  readonly compiler: CompileThread
  /** Slot of a service's plan. */
  readonly planSlot: (service: string) => number
  readonly onBad: (message: string) => void
  /** Gives the step up. */
  readonly signal: AbortSignal
}

/** RRsets of a batch: some hundred kilobytes. */
const rowsBatch = 5000

export function touchedZones(changes: readonly Change[]): Map<string, readonly string[] | null> {
  const touched = new Map<string, readonly string[] | null>()
  for (const { kind, key, owners } of changes) {
    if (kind !== 'zone') continue
    const before = touched.get(key)
    touched.set(key, owners === null || before === null ? null : [...new Set([...(before ?? []), ...owners])])
  }
  return touched
}

/** The services of a zone, with their plans' slots. */
export function servicesOf(
  catalog: Catalog,
  apex: string,
  planSlot: (service: string) => number,
): ServiceSlot[] {
  return catalog.servicesIn(apex).map((name) => ({ name, slot: planSlot(name) }))
}

/** Compiles the zones of `touched` that the catalog has, out of the transaction that the catalog was read in. */
export async function compileZones(
  tx: Tx,
  catalog: Catalog,
  touched: Touched,
  gone: readonly string[],
  options: ZoneStepOptions,
): Promise<Map<string, SharedArrayBuffer>> {
  const { compiler, planSlot, onBad, signal } = options
  const { revision, stamp, zones } = catalog
  const jobs: CompileJob[] = []
  const whole: string[] = []
  for (const [apex, owners] of touched) {
    const zone = zones.get(apex)
    if (zone === undefined) continue
    if (owners === null) whole.push(apex)
    const edit = owners === null ? null : { owners, text: await packedAt(tx, apex, owners) }
    jobs.push({ zone, services: servicesOf(catalog, apex, planSlot), edit })
  }
  const rows = rowsOf(tx, whole, zones.size)
  const compiled = await compiler.compile({ revision, stamp, jobs, gone }, rows, signal)
  compiled.bad.forEach(onBad)
  const images = new Map(compiled.images)
  if (compiled.missing.length === 0) return images
  const missing = new Map(compiled.missing.map((apex) => [apex, null]))
  const others = await compileZones(tx, catalog, missing, [], options)
  return new Map([...images, ...others])
}

/** Reading all zones is one scan; reading some of them is a query each, which is faster while they are few. */
async function* rowsOf(tx: Tx, apexes: readonly string[], all: number): AsyncGenerator<readonly ZoneRows[]> {
  if (apexes.length > 1 && apexes.length > all / 4) yield* streamPacked(tx, null, rowsBatch)
  else for (const apex of apexes) yield* streamPacked(tx, apex, rowsBatch)
}

/**
 * What of the catalog's zones must be compiled when `known` is there: `touched`, and what the images are not good for.
 *
 * @param since what changed after the revision of `known`
 * @param stamps of the revisions after that
 */
export function zonesToCompile(
  catalog: Catalog,
  known: KnownImages,
  since: Touched,
  stamps: ReadonlyMap<number, string | null>,
  planSlot: (service: string) => number,
): { touched: Touched; images: Map<string, SharedArrayBuffer> } {
  const touched = new Map<string, readonly string[] | null>()
  const images = new Map<string, SharedArrayBuffer>()
  for (const apex of catalog.zones.keys()) {
    const stored = known.zones.get(apex)
    const owners = since.get(apex)
    if (stored === undefined || !stored.current || owners === null) {
      touched.set(apex, null)
    } else if (
      stored.revision > known.revision &&
      (stored.stamp === null || stored.stamp !== stamps.get(stored.revision))
    ) {
      // A file that is newer than the base, of a history that the database has forgotten.
      touched.set(apex, null)
    } else if (owners !== undefined || !sameSlots(stored.services, servicesOf(catalog, apex, planSlot))) {
      touched.set(apex, owners ?? [])
    } else images.set(apex, stored.image)
  }
  return { touched, images }
}

export function sameSlots(a: readonly ServiceSlot[], b: readonly ServiceSlot[]): boolean {
  const slots = new Map(a.map(({ name, slot }) => [name, slot]))
  return a.length === b.length && b.every(({ name, slot }) => slots.get(name) === slot)
}
