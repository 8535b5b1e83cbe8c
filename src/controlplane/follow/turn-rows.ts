/** The rows of the zones that a turn compiles, read in the transaction of its look. */
import type { CompileThread } from '../compile/compile-thread.ts'
import type { Compiled, CompileJob, ZoneRows } from '../compile/zone-images.ts'
import type { ServiceSlot } from '../compile/zone-parts.ts'
import type { Tx } from '../store/database.ts'
import { packedAt, streamPacked } from '../store/rrsets.ts'
import type { Turn } from './zone-lane.ts'

/** RRsets of a batch: some hundred kilobytes. */
const rowsBatch = 5000

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
  for (const [apex, owners] of touched) {
    const zone = zones.get(apex)
    if (zone === undefined) continue
    const edit = owners === null ? null : { owners, text: await packedAt(tx, apex, owners) }
    jobs.push({ zone, services: services.get(apex) ?? [], edit })
  }
  const gone = [...touched.keys()].filter((apex) => !zones.has(apex))
  const whole = jobs.flatMap(({ zone, edit }) => (edit === null ? [zone.apex] : []))
  return compiler.take({ revision, stamp, jobs, gone }, rowsOf(tx, whole, zones.size), signal)
}

/** Reading all zones is one scan; reading some of them is a query each, which is faster while they are few. */
async function* rowsOf(tx: Tx, apexes: readonly string[], all: number): AsyncGenerator<readonly ZoneRows[]> {
  if (apexes.length > 1 && apexes.length > all / 4) yield* streamPacked(tx, null, rowsBatch)
  else for (const apex of apexes) yield* streamPacked(tx, apex, rowsBatch)
}
