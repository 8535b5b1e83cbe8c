/** The rows of the zones that a turn compiles, read in the transaction of its look. */
import type { CatalogZone } from '../catalog/catalog.ts'
import type { CompileThread } from '../compile/compile-thread.ts'
import type { Compiled, CompileJob, ZoneRows } from '../compile/zone-images.ts'
import type { ServiceSlot } from '../compile/zone-parts.ts'
import { batches } from '../store/batches.ts'
import type { Tx } from '../store/database.ts'
import { packedAt, streamPacked } from '../store/rrsets.ts'
import type { Turn } from './zone-lane.ts'

/** RRsets of a batch: some hundred kilobytes. */
const rowsBatch = 5000
/** Zones whose rows are asked for in one round trip. */
const askedTogether = 50

/** A turn, and what its images are made with. */
export interface FollowedTurn {
  readonly turn: Turn
  /** The services that the images name, by apex. Held until the turn is over, so that their slots stay theirs. */
  readonly services: ReadonlyMap<string, readonly ServiceSlot[]>
}

/**
 * Reads the rows of a turn, in the transaction in which its catalog was read, and has them compiled.
 *
 * @param signal gives the turn up
 * @returns the rest, which needs the transaction no more
 */
export async function readTurn(
  tx: Tx,
  { turn: { catalog, touched }, services }: FollowedTurn,
  compiler: CompileThread,
  signal: AbortSignal,
): Promise<() => Promise<Compiled>> {
  const { revision, stamp, zones } = catalog
  const jobs: CompileJob[] = []
  const jobOf = async (zone: CatalogZone): Promise<CompileJob> => {
    const { apex } = zone
    const owners = touched.get(apex)!
    const edit = owners === null ? null : { owners, text: await packedAt(tx, apex, owners) }
    return { zone, services: services.get(apex) ?? [], edit }
  }
  const concerned = [...touched.keys()].flatMap((apex) => zones.get(apex) ?? [])
  for (const some of batches(concerned, askedTogether)) jobs.push(...(await Promise.all(some.map(jobOf))))
  const gone = [...touched.keys()].filter((apex) => !zones.has(apex))
  const whole = jobs.flatMap(({ zone, edit }) => (edit === null ? [zone.apex] : []))
  return compiler.take({ revision, stamp, jobs, gone }, rowsOf(tx, whole, zones.size), signal)
}

/** Reading all zones is one scan; reading some of them is a query each, which is faster while they are few. */
async function* rowsOf(tx: Tx, apexes: readonly string[], all: number): AsyncGenerator<readonly ZoneRows[]> {
  if (apexes.length > 1 && apexes.length > all / 4) yield* streamPacked(tx, null, rowsBatch)
  else for (const some of batches(apexes, askedTogether)) yield* streamedTogether(tx, some)
}

/** The first rows of all of them are asked for at once. */
async function* streamedTogether(tx: Tx, apexes: readonly string[]): AsyncGenerator<readonly ZoneRows[]> {
  const streams = apexes.map((apex) => streamPacked(tx, apex, rowsBatch))
  const begun = streams.map((stream) => stream.next())
  // Of those that nobody has come to yet when one before fails.
  for (const first of begun) first.catch(() => {})
  for (const [index, stream] of streams.entries()) {
    const first = await begun[index]!
    if (first.done === true) continue
    yield first.value
    yield* stream
  }
}
