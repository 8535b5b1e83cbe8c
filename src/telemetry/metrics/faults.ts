import type { Registry } from 'prom-client'
import { exposeCounts, tallies, tally } from './series.ts'

/** What may fail for want of something that the host gives. */
const undone = [
  'thread',
  'probe',
  'canary',
  'resolve',
  'webhook',
  'feed',
  'accept-dns',
  'accept-http',
] as const
export type Undone = (typeof undone)[number]

/** What goes wrong in this node itself. Bound: `where` is a word of the code, one for each place that tells of faults. */
export class FaultMetrics {
  readonly #own = tallies(undone)
  readonly #internal = new Map<string, number>()

  constructor(registry: Registry) {
    const own =
      'Attempts that failed by this host, such as for want of descriptors, and say nothing of who they were for.'
    exposeCounts(registry, 'pooldns_own_faults_total', own, () => counted(this.#own))
    const internal = 'Errors of the code that were caught where they arose; each is a defect.'
    exposeCounts(registry, 'pooldns_internal_errors_total', internal, () => counted(this.#internal))
  }

  own(where: Undone): void {
    tally(this.#own, where)
  }

  /** Says where errors may be caught, so that the first one is seen as one more. */
  know(places: Iterable<string>): void {
    for (const where of places) tally(this.#internal, where, 0)
  }

  internal(where: string, times: number): void {
    tally(this.#internal, where, times)
  }
}

function counted(counts: ReadonlyMap<string, number>) {
  return Array.from(counts, ([where, count]) => ({ where, count }))
}
