/**
 * What goes wrong in this node itself, and is nobody else's fault: each is counted, and told in the log, at most once a minute for
 * each place, since what is out of descriptors fails a thousand times a second.
 */
import { isUnavailable } from '../controlplane/model/errors.ts'
import { ownFaultCode } from '../controlplane/model/own-fault.ts'
import { servingKinds } from '../dataplane/image/serving-set.ts'
import { transportNames } from '../dataplane/listener/transports.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Undone } from '../telemetry/metrics/faults.ts'
import type { Metrics } from '../telemetry/metrics/metrics.ts'

/** Where errors of the code are caught, but for those of listeners (`announce.ts`). */
export const places: readonly string[] = [
  'probe',
  'canary',
  'upkeep',
  'uncaught',
  ...transportNames.map((transport) => `dns ${transport}`),
  ...Object.keys(servingKinds).map((kind) => `image ${kind}`),
]

const tellEveryMs = 60_000

export class Faults {
  readonly #log: Logger
  readonly #metrics: Metrics
  readonly #nowMs: () => number
  /** By place, of which there are as many as the code has. */
  readonly #told = new Map<string, { atMs: number; untold: number }>()

  constructor(log: Logger, metrics: Metrics, nowMs: () => number = () => performance.now()) {
    this.#log = log
    this.#metrics = metrics
    this.#nowMs = nowMs
  }

  /** The host lacked something. */
  own(where: Undone, reason: string): void {
    this.#metrics.faults.own(where)
    this.#tell(where, (count) =>
      this.#log.error({ where, reason, count }, 'this host kept something from being done'),
    )
  }

  /** What failed and is tried again: told as a fault of this host where it is one, as when there is no descriptor for a thread. */
  retried(what: string): (error: unknown) => void {
    return (error) => {
      if (isUnavailable(error)) return
      if (ownFaultCode(error) === null) this.#log.error({ err: error }, what)
      else this.own('thread', `${what}: ${(error as Error).message}`)
    }
  }

  /** The code threw where it must not. That the database is away is no defect, and said by others. */
  internal(where: string, error: unknown, times = 1): void {
    if (isUnavailable(error)) return
    this.#metrics.faults.internal(where, times)
    const said = 'an internal error: a part did not do what it should'
    this.#tell(`internal ${where}`, (count) => this.#log.error({ where, err: error, count }, said), times)
  }

  /** Runs what may not end anything else by its failure. */
  contain(where: string, run: () => void): void {
    try {
      run()
    } catch (error) {
      this.internal(where, error)
    }
  }

  /** @param say takes how many there have been since it was last said */
  #tell(key: string, say: (count: number) => void, times = 1): void {
    const told = this.#told.get(key) ?? { atMs: Number.NEGATIVE_INFINITY, untold: 0 }
    this.#told.set(key, told)
    told.untold += times
    const nowMs = this.#nowMs()
    if (nowMs - told.atMs < tellEveryMs) return
    say(told.untold)
    told.atMs = nowMs
    told.untold = 0
  }
}
