/**
 * Since when this node serves less than there is: the database is there and could not be followed, or what was read is not served yet. A
 * change takes milliseconds as a rule, a large zone seconds; what lasts longer is for somebody to look at.
 */

/** Shorter than that nobody is told of it. */
const longMs = 10_000

interface Failure {
  readonly sinceMs: number
  readonly reason: string
}

export class Lag {
  readonly #nowMs: () => number
  #failure: Failure | null = null
  #behindSinceMs: number | null = null
  #read = -1
  #served = -1

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** A look at the database failed; `null` when one succeeded. */
  looked(error: unknown): void {
    if (error === null) {
      this.#failure = null
      return
    }
    const reason = error instanceof Error ? error.message : String(error)
    this.#failure = { sinceMs: this.#failure?.sinceMs ?? this.#nowMs(), reason }
  }

  /** This revision was read. It may be one before the last: a database can be restored. */
  read(revision: number): void {
    this.#read = revision
    this.#note(false)
  }

  /** This revision is served whole. */
  served(revision: number): void {
    const moved = revision !== this.#served
    this.#served = revision
    this.#note(moved)
  }

  /** Since when nothing has moved though there is more, in seconds; 0 when there is not. */
  get seconds(): number {
    const since = [this.#behindSinceMs, this.#failure?.sinceMs ?? null].filter((ms) => ms !== null)
    return since.length === 0 ? 0 : (this.#nowMs() - Math.min(...since)) / 1000
  }

  /** What an operator should know; nothing while it is a matter of seconds. */
  get warnings(): readonly string[] {
    const nowMs = this.#nowMs()
    const warnings: string[] = []
    const seconds = (sinceMs: number) => Math.round((nowMs - sinceMs) / 1000)
    if (this.#failure !== null && nowMs - this.#failure.sinceMs >= longMs) {
      const { sinceMs, reason } = this.#failure
      warnings.push(`changes can't be read from the database since ${seconds(sinceMs)} s: ${reason}`)
    }
    if (this.#behindSinceMs !== null && nowMs - this.#behindSinceMs >= longMs) {
      warnings.push(
        `revision ${this.#read} was read and is not served: since ${seconds(this.#behindSinceMs)} s what is served whole is revision ${this.#served}`,
      )
    }
    return warnings
  }

  /** Each step begins the time anew: a node that is busy is not one that is stuck. */
  #note(moved: boolean): void {
    if (this.#served >= this.#read) this.#behindSinceMs = null
    else if (this.#behindSinceMs === null || moved) this.#behindSinceMs = this.#nowMs()
  }
}
