import { ControlError } from '../model/errors.ts'

/** Writes that may wait in one process. More are refused at once: their clients would time out anyway. */
const maxWaiting = 1_000

/**
 * Lets one write of this process at a time try for the revision lock. The lock would serialise them anyway; waiting
 * here instead of there leaves the connections of the pool to readers, however many writes come at once.
 */
export class WriteQueue {
  #tail: Promise<unknown> = Promise.resolve()
  #waiting = 0

  /** Runs `work` after all that came before; `unavailable` when too many wait already. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#waiting >= maxWaiting) throw new ControlError('unavailable', 'too many writes are waiting')
    this.#waiting++
    const turn = this.#tail.then(work).finally(() => {
      this.#waiting--
    })
    this.#tail = turn.catch(() => {})
    return turn
  }
}
