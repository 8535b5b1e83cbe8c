/** setTimeout takes at most this; a later step is looked at again then. */
const longestMs = 2 ** 31 - 1

/**
 * Calls back when weights of members that come back have risen a step. One timer, for the step that is due next. Bounded by the
 * pools with members that come back.
 */
export class Ramps implements Disposable {
  readonly #onStep: (pools: ReadonlySet<string>) => void
  readonly #now: () => Date
  /** By pool, when the next step of a member of it is due, in UNIX milliseconds. */
  readonly #due = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #timerMs = Number.POSITIVE_INFINITY
  #disposed = false

  constructor(onStep: (pools: ReadonlySet<string>) => void, now: () => Date) {
    this.#onStep = onStep
    this.#now = now
  }

  /** Says that a step of a member of a pool is due at a time. */
  note(pool: string, dueMs: number): void {
    if (this.#disposed) return
    const before = this.#due.get(pool)
    if (before !== undefined && before <= dueMs) return
    this.#due.set(pool, dueMs)
    if (dueMs < this.#timerMs) this.#arm()
  }

  [Symbol.dispose](): void {
    this.#disposed = true
    clearTimeout(this.#timer)
    this.#due.clear()
  }

  #arm(): void {
    clearTimeout(this.#timer)
    this.#timerMs = Number.POSITIVE_INFINITY
    for (const dueMs of this.#due.values()) this.#timerMs = Math.min(this.#timerMs, dueMs)
    if (this.#timerMs === Number.POSITIVE_INFINITY) return
    // A step that is due must have come whatever fractions of a millisecond do.
    const waitMs = Math.max(0, this.#timerMs - this.#now().getTime()) + 1
    this.#timer = setTimeout(() => this.#fire(), Math.min(waitMs, longestMs))
  }

  #fire(): void {
    const nowMs = this.#now().getTime()
    const pools = new Set<string>()
    for (const [pool, dueMs] of this.#due) {
      if (dueMs > nowMs) continue
      this.#due.delete(pool)
      pools.add(pool)
    }
    this.#arm()
    if (pools.size > 0) this.#onStep(pools)
  }
}
