import { addAbortListener } from 'node:events'

/** Time in milliseconds and timers, for everything that waits. Tests bring a clock that they turn by hand. */
export interface Clock {
  nowMs(): number
  /** Calls back once, `delayMs` later or soon after. The returned function calls it off. */
  after(delayMs: number, run: () => void): () => void
  /** Somebody may set it, which its timers don't hear: how long to wait at most before one looks at it again. Left out: nobody can. */
  readonly maySkipAfterMs?: number
}

/** What an alarm is late by at most, when a clock is set forward. */
const looksEveryMs = 10_000

function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs)
  return () => clearTimeout(timer)
}

/** Counts from an arbitrary origin and never goes back. */
export const monotonicClock: Clock = { nowMs: () => performance.now(), after }

/** @returns a clock that tells the time of day (UNIX time) as `now` does */
export function wallClock(now: () => Date = () => new Date()): Clock {
  return { nowMs: () => now().getTime(), after, maySkipAfterMs: looksEveryMs }
}

/** Waits for so long, or until the signal aborts. Never rejects. */
export async function pause(ms: number, signal: AbortSignal, clock: Clock = monotonicClock): Promise<void> {
  if (signal.aborted) return
  const { promise, resolve } = Promise.withResolvers<void>()
  using _listening = addAbortListener(signal, () => resolve())
  const cancel = clock.after(ms, resolve)
  await promise
  cancel()
}

/** What a promise comes to, unless the signal aborts before: then its reason is thrown. */
export async function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  const aborted = Promise.withResolvers<never>()
  using _listening = addAbortListener(signal, () => aborted.reject(signal.reason))
  return await Promise.race([promise, aborted.promise])
}
