/**
 * A lane has places for one kind of work, so that what clients ask for together stays bounded, and is counted by who asks, so
 * that one of them can't have it all. Readers leave some places to those who may write, and these leave some to the admin:
 * whatever a `read` token does, an operator can still act.
 *
 * Who finds no place waits for one, for as long as the lane says: the admin first, then writers, then readers, each in the
 * order in which they came. Nobody is put out of a place.
 */
import { HttpError } from '../errors.ts'

/** From who gets least to who gets all. */
export type Rank = 'reader' | 'writer' | 'admin'

/** Who asks: a token, or an address where no token is asked for. */
export interface Holder {
  readonly name: string
  readonly rank: Rank
}

export interface LaneLimits {
  /** All there are. */
  readonly places: number
  /** The most that one holder has at a time; the admin may have all. */
  readonly byHolder: number
  /** Places that readers leave to others. */
  readonly keptForWriters: number
  /** Places of these that writers leave to the admin. */
  readonly keptForAdmin: number
  /** How long one waits for a place; 0 for those who would rather be refused. */
  readonly patienceMs: number
}

/** Seconds after which it is worth trying again. */
const retryAfterSeconds = '5'

const urgency: readonly Rank[] = ['admin', 'writer', 'reader']

interface Waiting {
  readonly holder: Holder
  readonly cost: number
  readonly admit: () => void
}

export class Lane {
  readonly #what: string
  readonly #limits: LaneLimits
  #taken = 0
  /** Bound: one entry for each place that is taken. */
  readonly #byHolder = new Map<string, number>()
  /** Bound: the connections, each of which has one request in work. */
  readonly #waiting: Record<Rank, Set<Waiting>> = { admin: new Set(), writer: new Set(), reader: new Set() }

  /** @param what is counted, as in `exports of zone files` */
  constructor(what: string, limits: LaneLimits) {
    this.#what = what
    this.#limits = limits
  }

  /**
   * Resolves with a place, or rejects with a 503 when there is none in time, and when the signal aborts. Whoever has it calls
   * `Symbol.dispose` in the end, once or several times.
   *
   * @param cost places that it takes; no more than a reader may have
   */
  async enter(holder: Holder, signal?: AbortSignal, cost = 1): Promise<Disposable> {
    if (this.#fits(holder, cost)) return this.#take(holder, cost)
    if (this.#limits.patienceMs === 0 || signal?.aborted) throw this.#refusal(holder)
    const { promise, resolve, reject } = Promise.withResolvers<Disposable>()
    const queue = this.#waiting[holder.rank]
    const entry = { holder, cost, admit: () => resolve(this.#take(holder, cost)) }
    queue.add(entry)
    const giveUp = () => {
      // At once: a place that comes free before the rejection is seen would be taken by nobody, for ever.
      queue.delete(entry)
      reject(this.#refusal(holder))
    }
    const timer = setTimeout(giveUp, this.#limits.patienceMs)
    signal?.addEventListener('abort', giveUp)
    try {
      return await promise
    } finally {
      queue.delete(entry)
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    }
  }

  #fits({ name, rank }: Holder, cost: number): boolean {
    const { places, byHolder, keptForWriters, keptForAdmin } = this.#limits
    const kept = { reader: keptForWriters, writer: keptForAdmin, admin: 0 }[rank]
    if (this.#taken + cost > places - kept) return false
    return rank === 'admin' || (this.#byHolder.get(name) ?? 0) + cost <= byHolder
  }

  #take({ name }: Holder, cost: number): Disposable {
    this.#count(name, cost)
    let taken = true
    return {
      [Symbol.dispose]: () => {
        if (!taken) return
        taken = false
        this.#count(name, -cost)
        this.#admitNext()
      },
    }
  }

  #count(name: string, cost: number): void {
    this.#taken += cost
    const held = (this.#byHolder.get(name) ?? 0) + cost
    if (held > 0) this.#byHolder.set(name, held)
    else this.#byHolder.delete(name)
  }

  #admitNext(): void {
    for (const rank of urgency) {
      const queue = this.#waiting[rank]
      for (const entry of queue) {
        if (!this.#fits(entry.holder, entry.cost)) continue
        queue.delete(entry)
        entry.admit()
      }
    }
  }

  #refusal({ name }: Holder): HttpError {
    const held = this.#byHolder.get(name) ?? 0
    const own = held === 0 ? '' : `, ${held} of them yours`
    return new HttpError(503, 'busy', `there are ${this.#taken} ${this.#what} already${own}`, {
      headers: { 'retry-after': retryAfterSeconds },
    })
  }
}
