/** When a process that has ended by itself is started again: at once, then after longer pauses while its successors die too. */
const pausesMs = [0, 100, 500, 1000, 5000]
/** A process that lived this long has not failed to start. */
const provenAfterMs = 10_000

export class Restarting {
  /** Starts after the process had ended by itself. */
  count = 0
  readonly #start: () => void
  readonly #onFailure: (error: unknown) => void
  #startedAtMs = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  /** @param start may throw, which is told to `onFailure` and counts as the end of what was started */
  constructor(start: () => void, onFailure: (error: unknown) => void) {
    this.#start = start
    this.#onFailure = onFailure
  }

  /** Starts it, unless it is about to be started. */
  now(): void {
    if (this.#timer === undefined && !this.#stopped) this.#begin()
  }

  /** It has ended by itself. */
  again(): void {
    if (this.#stopped) return
    this.count++
    if (performance.now() - this.#startedAtMs > provenAfterMs) this.#failures = 0
    const pauseMs = pausesMs[Math.min(this.#failures++, pausesMs.length - 1)]!
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#begin(), pauseMs)
  }

  /** It does what it is for. */
  lives(): void {
    this.#failures = 0
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #begin(): void {
    this.#timer = undefined
    this.#startedAtMs = performance.now()
    try {
      this.#start()
    } catch (error) {
      this.#onFailure(error)
      this.again()
    }
  }
}
