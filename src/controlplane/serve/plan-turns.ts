/**
 * Plans services in turns of some milliseconds, since a pool may be that of thousands of services: what else this thread has to do, another
 * verdict above all, waits for one turn at the most, and the services that were planned first are answered so at once.
 *
 * Each service is planned by what is known in its turn, so it does not matter what changes between two of them. One that is planned
 * otherwise meanwhile, or asked for twice, is planned once.
 *
 * Bounded by the services.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'

const turnMs = 4

export class PlanTurns {
  readonly #turn: (services: Iterable<string>) => Promise<void>
  readonly #due = new Set<string>()
  /** Resolves when nothing is due. */
  #running: Promise<void> | null = null

  /** @param turn plans services as they come; resolves when the workers serve them, and never rejects */
  constructor(turn: (services: Iterable<string>) => Promise<void>) {
    this.#turn = turn
  }

  /**
   * Plans these, the first of them at once and before all others that are due. Resolves when the workers serve them.
   *
   * @param first plans the first ones, in the place of what every turn does
   */
  async plan(services: Iterable<string>, first = this.#turn): Promise<void> {
    const left = new Set(services)
    const served = first(this.#taken(left))
    for (const service of left) this.#due.add(service)
    if (left.size > 0) this.#running ??= this.#run()
    await Promise.all([served, left.size > 0 ? this.#running : null])
  }

  /** Resolves when nothing is due; null when nothing is. */
  get running(): Promise<void> | null {
    return this.#running
  }

  /** Says that a service has been planned. */
  planned(service: string): void {
    this.#due.delete(service)
  }

  async #run(): Promise<void> {
    let served: Promise<void> | undefined
    while (this.#due.size > 0) {
      await nextTurn()
      served = this.#turn(this.#taken(this.#due))
    }
    this.#running = null
    await served
  }

  /** Takes services out of a set until the turn is over, one at the least. */
  *#taken(left: Set<string>): Generator<string, void> {
    const until = performance.now() + turnMs
    for (const service of left) {
      left.delete(service)
      yield service
      if (performance.now() >= until) return
    }
  }
}
