/**
 * Timers of one length in the hands of a test: they end when it says so, and not while the machine is too busy for what it has to do
 * before. All others go on as they are.
 */
import type { Test } from 'tap'

export interface HeldTimers {
  /** How many wait. */
  readonly waiting: number
  /**
   * They are due in the next turn of the event loop. As ever that is before anything is read, so they find unread what has come until then:
   * it is what a process sees that has been held up for longer than they take.
   */
  end(): void
}

/** Holds what `setTimeout` is asked for with `delayMs`, until the end of the test. */
export function holdTimers(t: Test, delayMs: number): HeldTimers {
  const { setTimeout, clearTimeout } = globalThis
  const held = new Map<NodeJS.Timeout, () => void>()
  t.intercept(globalThis, 'setTimeout', {
    value: (work: () => void, ms?: number) => {
      if (ms !== delayMs) return setTimeout(work, ms)
      const timer = setTimeout(() => undefined, 2 ** 31 - 1)
      held.set(timer, work)
      return timer
    },
  })
  const drop = (timer: NodeJS.Timeout) => {
    held.delete(timer)
    clearTimeout(timer)
  }
  t.intercept(globalThis, 'clearTimeout', { value: drop })
  t.teardown(() => {
    for (const timer of held.keys()) clearTimeout(timer)
  })
  return {
    get waiting() {
      return held.size
    },
    end() {
      for (const [timer, work] of [...held]) {
        drop(timer)
        setTimeout(work, 1)
      }
      const dueMs = performance.now() + 2
      while (performance.now() < dueMs);
    },
  }
}
