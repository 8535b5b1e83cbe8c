import type { Registry } from 'prom-client'
import { exposeCounts, tally } from './series.ts'

/** What goes wrong in this node itself. Bound: `where` is a word of the code, one for each place that tells of faults. */
export class FaultMetrics {
  readonly #own = new Map<string, number>()
  readonly #internal = new Map<string, number>()

  constructor(registry: Registry) {
    const own =
      'Attempts that failed by this host, such as for want of descriptors, and say nothing of who they were for.'
    exposeCounts(registry, 'pooldns_own_faults_total', own, () => counted(this.#own))
    const internal = 'Errors of the code that were caught where they arose; each is a defect.'
    exposeCounts(registry, 'pooldns_internal_errors_total', internal, () => counted(this.#internal))
  }

  own(where: string): void {
    tally(this.#own, where)
  }

  internal(where: string, times: number): void {
    tally(this.#internal, where, times)
  }
}

function counted(counts: ReadonlyMap<string, number>) {
  return Array.from(counts, ([where, count]) => ({ where, count }))
}
