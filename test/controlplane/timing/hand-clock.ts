/** Time in the hands of a test. */
import type { Clock } from '../../../src/controlplane/timing/clock.ts'

interface HandTimer {
  readonly atMs: number
  readonly run: () => void
}

/** A clock that stands still until it is turned; timers run in order of their time, as they would. */
export class HandClock implements Clock {
  #nowMs = 0
  #timers: HandTimer[] = []

  nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
  }

  get timers(): number {
    return this.#timers.length
  }

  /** Lets time go by without running any timer, as when the process is suspended. */
  stall(durationMs: number): void {
    this.#nowMs += durationMs
  }

  /** Turns the clock on by `durationMs`, with everything that promises have to do after each timer. */
  async advance(durationMs: number): Promise<void> {
    await turn()
    const untilMs = this.#nowMs + durationMs
    for (;;) {
      let next: HandTimer | undefined
      for (const timer of this.#timers) if (next === undefined || timer.atMs < next.atMs) next = timer
      if (next === undefined || next.atMs > untilMs) break
      this.#timers = this.#timers.filter((other) => other !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.run()
      await turn()
    }
    this.#nowMs = untilMs
    await turn()
  }
}

/** Whether a promise has not settled by the next turn of the event loop. */
export async function isPending(promise: PromiseLike<unknown>): Promise<boolean> {
  return await Promise.race([promise.then(() => false), turn().then(() => true)])
}

/** Lets the event loop turn: what promises, and the immediates that they ask for, have to do is done afterwards. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
}
