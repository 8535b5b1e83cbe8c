/**
 * What a worker can't answer from memory (an UPDATE, say) it asks the main thread, by a message with a number that the answer
 * bears too; and that asks the process that decides in the same way. The worker goes on meanwhile, and no query ever waits for it: calls are bounded in number and in time, and one that comes
 * to nothing is nothing worse than silence.
 *
 * Answers are called back rather than promised, because a worker that answers in batches never returns to its event loop. For
 * the same reason such a worker has no timers, and looks at the time between batches instead (`expire`).
 */
import { type Upcall, upcallLimits } from './protocol.ts'

/** Of a client: the first `length` of the octets. */
interface Address {
  readonly octets: Uint8Array
  readonly length: number
}

interface Call {
  readonly deadlineMs: number
  readonly timer: NodeJS.Timeout
  readonly done: (response: Uint8Array | null) => void
}

export class Upcalls {
  readonly #say: (message: Upcall) => void
  readonly #most: number
  /** Calls by id, the oldest first; bounded by `#most`. */
  readonly #underWay = new Map<number, Call>()
  #lastId = 0

  /** @param most calls under way at once */
  constructor(say: (message: Upcall) => void, most: number = upcallLimits.underWay) {
    this.#say = say
    this.#most = most
  }

  /** @param done called once, with null when nothing comes of it; maybe at once */
  ask(request: Uint8Array, client: Address, done: (response: Uint8Array | null) => void): void {
    if (this.#underWay.size >= this.#most) {
      done(null)
      return
    }
    const { timeoutMs } = upcallLimits
    const id = ++this.#lastId
    const timer = setTimeout(() => this.settle(id, null), timeoutMs).unref()
    this.#underWay.set(id, { deadlineMs: performance.now() + timeoutMs, timer, done })
    // Copies, since what is cloned is the whole buffer that an array is a part of; `slice` of a Buffer makes none.
    const address = client.octets.slice(0, client.length)
    this.#say({ kind: 'upcall', id, request: new Uint8Array(request), client: address })
  }

  /** An answer to a call that is over is ignored. */
  settle(id: number, response: Uint8Array | null): void {
    const call = this.#underWay.get(id)
    if (call === undefined) return
    this.#underWay.delete(id)
    clearTimeout(call.timer)
    call.done(response)
  }

  /** Nobody is there to answer any more. */
  end(): void {
    for (const id of this.#underWay.keys()) this.settle(id, null)
  }

  /** Ends the calls whose time is up. */
  expire(): void {
    if (this.#underWay.size === 0) return
    const nowMs = performance.now()
    for (const [id, { deadlineMs }] of this.#underWay) {
      if (deadlineMs > nowMs) return
      this.settle(id, null)
    }
  }
}
