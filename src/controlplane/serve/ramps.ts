import { Alarm } from '../timing/alarm.ts'
import { wallClock } from '../timing/clock.ts'

/**
 * Calls back when weights of members that come back have risen a step. One timer, for the step that is due next. Bounded by the
 * pools with members that come back.
 */
export class Ramps implements Disposable {
  readonly #onStep: (pools: ReadonlySet<string>) => void
  readonly #now: () => Date
  /** By pool, when the next step of a member of it is due, in UNIX milliseconds. */
  readonly #due = new Map<string, number>()
  readonly #alarm: Alarm

  constructor(onStep: (pools: ReadonlySet<string>) => void, now: () => Date) {
    this.#onStep = onStep
    this.#now = now
    this.#alarm = new Alarm(wallClock(now), () => this.#fire())
  }

  /** Says that a step of a member of a pool is due at a time. */
  note(pool: string, dueMs: number): void {
    const before = this.#due.get(pool)
    if (before !== undefined && before <= dueMs) return
    this.#due.set(pool, dueMs)
    if (dueMs < this.#alarm.atMs) this.#alarm.set(dueMs)
  }

  [Symbol.dispose](): void {
    this.#alarm[Symbol.dispose]()
  }

  #fire(): void {
    const nowMs = this.#now().getTime()
    const pools = new Set<string>()
    let next = Number.POSITIVE_INFINITY
    for (const [pool, dueMs] of this.#due) {
      if (dueMs > nowMs) {
        next = Math.min(next, dueMs)
        continue
      }
      this.#due.delete(pool)
      pools.add(pool)
    }
    this.#alarm.set(next)
    if (pools.size > 0) this.#onStep(pools)
  }
}
