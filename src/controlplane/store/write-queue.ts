import { ControlError } from '../model/errors.ts'
import { holdsUpWrites } from './postgres-errors.ts'

/** Writes that may wait in one process. More are refused at once: their clients would time out anyway. */
const maxWaiting = 1_000

/**
 * Lets one write of this process at a time try for the revision lock. The lock would serialise them anyway; waiting
 * here instead of there leaves the connections of the pool to readers, however many writes come at once.
 *
 * When a write has waited for nothing, since the server does not answer or somebody else holds the lock, those that wait behind it
 * fail with it: each would only wait as long again. Those that come later try for themselves.
 */
export class WriteQueue {
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0
  /** Counts the writes that came. */
  #came = 0
  #failure: { readonly error: unknown; readonly came: number } | undefined

  /** Runs `work` after all that came before; `unavailable` when too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= maxWaiting) throw new ControlError('unavailable', 'too many writes are waiting')
    this.#waiting++
    const nth = ++this.#came
    const turn = this.#tail
      .then(() => this.#try(nth, work))
      .finally(() => {
        this.#waiting--
      })
    this.#tail = turn.catch(() => {})
    return turn
  }

  async #try<T>(nth: number, work: () => Promise<T>): Promise<T> {
    const failure = this.#failure
    if (failure !== undefined && nth <= failure.came) throw withoutOutcome(failure.error)
    try {
      return await work()
    } catch (error) {
      if (holdsUpWrites(error)) this.#failure = { error, came: this.#came }
      throw error
    }
  }
}

/** Of those that wait nothing was sent. */
function withoutOutcome(error: unknown): unknown {
  if (!(error instanceof ControlError) || !error.mayHaveChanged) return error
  return new ControlError('unavailable', 'the database does not answer', { cause: error })
}
