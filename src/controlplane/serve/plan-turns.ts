/**
 * Plans services in turns of some milliseconds (`in-turns.ts`), since a pool may be that of thousands of services, and a step may change as
 * many: what else this thread has to do, another verdict above all, waits for one turn at the most, and the services that were planned first
 * are answered so at once.
 *
 * Each service is planned by what is known in its turn, so it does not matter what changes between two of them. One that is planned
 * otherwise meanwhile, or asked for twice, is planned once.
 *
 * Bounded by the services.
 */
import { nextTurn, oneTurn } from '../timing/in-turns.ts'

/** Plans services as they come. Resolves when the workers serve them. */
export type PlanTurn = (services: Iterable<string>) => Promise<void>

/** Takes out of what is left what one turn does, one at the least. */
export type TakeTurn = (left: Map<string, number> | Set<string>) => Iterable<string>

interface TurnOptions {
  /** Plans the first ones, in the place of what every turn does. */
  readonly first?: PlanTurn
  /** Called in the turn that plans the last of them, once it has; waited for with it. */
  readonly last?: () => Promise<void>
}

/** Who waits until all that was due at a time has been planned. */
interface Waiting {
  /** The last number that was due. */
  readonly upTo: number
  readonly end: (served: Promise<void>) => void
}

export class PlanTurns {
  readonly #turn: PlanTurn
  readonly #take: TakeTurn
  /** Services by when they became due: numbers that only rise. */
  readonly #due = new Map<string, number>()
  #number = 0
  /** Whoever came first is first. One for each call that more than a turn was needed for. */
  readonly #waiting: Waiting[] = []
  /** Resolves when nothing is due. */
  #running: Promise<void> | null = null

  /** @param turn never rejects */
  constructor(turn: PlanTurn, take: TakeTurn = oneTurn) {
    this.#turn = turn
    this.#take = take
  }

  /**
   * Plans these, the first of them at once and before all others that are due. Resolves when the workers serve them.
   *
   * @throws what `last` rejects with
   */
  async plan(services: Iterable<string>, { first = this.#turn, last }: TurnOptions = {}): Promise<void> {
    const left = new Set(services)
    const served = first(this.#take(left))
    if (left.size === 0) {
      await Promise.all([served, last?.()])
      return
    }
    for (const service of left) if (!this.#due.has(service)) this.#due.set(service, ++this.#number)
    const ended = Promise.withResolvers<void>()
    const end = (served: Promise<void>) =>
      ended.resolve(Promise.all([served, last?.()]).then(() => undefined))
    this.#waiting.push({ upTo: this.#number, end })
    this.#running ??= this.#run()
    await Promise.all([served, ended.promise])
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
    let served = Promise.resolve()
    while (this.#waiting.length > 0) {
      await nextTurn()
      served = this.#turn(this.#take(this.#due))
      const [next = Number.POSITIVE_INFINITY] = this.#due.values()
      while (this.#waiting.length > 0 && this.#waiting[0]!.upTo < next) this.#waiting.shift()!.end(served)
    }
    this.#running = null
    await served
  }
}
