import type { Clock } from './clock.ts'

/** `setTimeout` takes no longer delays: it would call back at once. */
const longestTimerMs = 2 ** 31 - 1

/**
 * One timer for whatever is due next. It rings when its clock says so: not by a fraction of a millisecond too early, as timers
 * may, and at any distance, in several stages where that is further than a timer reaches, or than its clock can be trusted: one that is set
 * forward makes it no later than that.
 */
export class Alarm implements Disposable {
  readonly #clock: Clock
  readonly #onDue: () => void
  #atMs = Number.POSITIVE_INFINITY
  #cancel: (() => void) | null = null
  #disposed = false

  /** @param onDue called once for each time that was set and has come; may set the next */
  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock
    this.#onDue = onDue
  }

  /** When it rings next; `Infinity` when no time is set. */
  get atMs(): number {
    return this.#atMs
  }

  /** Sets the time, in place of the one before; `Infinity` sets none. */
  set(atMs: number): void {
    if (this.#disposed || atMs === this.#atMs) return
    this.#cancel?.()
    this.#cancel = null
    this.#atMs = atMs
    if (atMs < Number.POSITIVE_INFINITY) this.#wait()
  }

  /** Rings no more, whatever is set. */
  [Symbol.dispose](): void {
    this.set(Number.POSITIVE_INFINITY)
    this.#disposed = true
  }

  #wait(): void {
    const leftMs = Math.max(0, Math.ceil(this.#atMs - this.#clock.nowMs()))
    const { maySkipAfterMs = longestTimerMs } = this.#clock
    this.#cancel = this.#clock.after(Math.min(leftMs, maySkipAfterMs), () => this.#look())
  }

  #look(): void {
    this.#cancel = null
    if (this.#clock.nowMs() < this.#atMs) {
      this.#wait()
      return
    }
    this.#atMs = Number.POSITIVE_INFINITY
    this.#onDue()
  }
}
