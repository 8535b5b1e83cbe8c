/** Replacements of both processes: those that are asked for, and one from its beginning to what comes of it. */

export type Outcome = { readonly replaced: true } | { readonly replaced: false; readonly reason: string }

/** For a start that reads zones of a million RRsets. */
const patienceMs = 300_000

/**
 * Those that are asked for while one is under way, or there is nothing to be replaced yet, are one replacement, which comes next: what is
 * installed may have changed since the one under way began.
 */
export class Requests {
  #next: { readonly outcome: PromiseWithResolvers<Outcome>; readonly timer: NodeJS.Timeout } | null = null

  ask(): Promise<Outcome> {
    if (this.#next === null) {
      const outcome = Promise.withResolvers<Outcome>()
      const late = () => this.take()?.({ replaced: false, reason: 'there is nothing that runs for so long' })
      this.#next = { outcome, timer: setTimeout(late, patienceMs) }
    }
    return this.#next.outcome.promise
  }

  /** @returns tells those who have asked what came of it; null when nobody has */
  take(): ((outcome: Outcome) => void) | null {
    if (this.#next === null) return null
    const { outcome, timer } = this.#next
    clearTimeout(timer)
    this.#next = null
    return outcome.resolve
  }
}

export class Replacement {
  /** Resolves when nothing of what there was is left, and the next ones do their work; or when that has failed. */
  readonly outcome: Promise<Outcome>
  /** The number of the last data plane that is to go. */
  readonly last: number
  readonly #outcome = Promise.withResolvers<Outcome>()
  readonly #timer: NodeJS.Timeout
  /** What it waits for. */
  readonly #open = new Set(['ready', 'serves', 'othersEnded'])

  constructor(last: number) {
    this.last = last
    this.outcome = this.#outcome.promise
    this.#timer = setTimeout(() => this.fail('the next processes take too long'), patienceMs)
  }

  /** The next control plane does its work. */
  ready(): void {
    this.#done('ready')
  }

  /** A data plane serves all that there is. */
  serves(number: number): void {
    if (number > this.last) this.#done('serves')
  }

  /** The data planes of before have ended. */
  othersEnded(): void {
    this.#done('othersEnded')
  }

  /** Too late, when it has succeeded. */
  fail(reason: string): void {
    clearTimeout(this.#timer)
    this.#outcome.resolve({ replaced: false, reason })
  }

  #done(what: string): void {
    this.#open.delete(what)
    if (this.#open.size > 0) return
    clearTimeout(this.#timer)
    this.#outcome.resolve({ replaced: true })
  }
}
