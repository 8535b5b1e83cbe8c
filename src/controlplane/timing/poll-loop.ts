/**
 * A loop that looks again and again: after a while, or at once when it is hinted that there is something to see. Polling is the
 * truth, a hint only saves time, so hints may get lost or come for nothing.
 *
 *     looking ──there may be more──> looking
 *     looking ──nothing more──> waiting ──time is over, or a hint──> settling ──> looking
 *
 * There is one look at a time. A hint that comes while it looks counts for the next one; those that come while it settles are
 * seen by the look that follows.
 */
import { isUnavailable } from '../model/errors.ts'
import { type Clock, monotonicClock, pause } from './clock.ts'

export interface PollLoopOptions {
  /** Looks once. True: there may be more, and the next look comes at once. */
  readonly look: () => Promise<boolean>
  /** The longest wait for a hint, in milliseconds; `Infinity` waits for hints alone. Asked before each wait. */
  readonly everyMs: () => number
  /** How long hints are gathered before a look; 0 when left out. Asked before each. */
  readonly settleMs?: () => number
  /**
   * For a loop that brings away what gathers: it begins with a wait, and its stop ends with a last look. When left out, the loop
   * begins with a look, and a stop ends it after the one that is under way.
   */
  readonly lastLook?: boolean
  /** A look failed for another reason than that the database is away. The next one comes all the same. */
  readonly onError: (error: unknown) => void
  readonly clock?: Clock
}

export class PollLoop implements AsyncDisposable {
  readonly #options: PollLoopOptions
  readonly #clock: Clock
  readonly #abort = new AbortController()
  #wake = Promise.withResolvers<void>()
  #running: Promise<void> | undefined

  constructor(options: PollLoopOptions) {
    this.#options = options
    this.#clock = options.clock ?? monotonicClock
  }

  /** Aborts when the loop is stopped: a look may give up what it waits for. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  get started(): boolean {
    return this.#running !== undefined
  }

  /** Begins; more calls than one change nothing. */
  start(): void {
    this.#running ??= this.#run(this.signal)
  }

  /** Makes the next look come without a wait. */
  hint(): void {
    this.#wake.resolve()
  }

  /** Resolves when the last look is over. Idempotent. */
  async stop(): Promise<void> {
    this.#abort.abort()
    this.hint()
    await this.#running
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { lastLook = false } = this.#options
    let more = !lastLook
    // What gathered while it looked is brought away too, so the last look is one that began after the stop.
    for (let last = signal.aborted; !last; ) {
      if (!more) await this.#wait(signal)
      last = signal.aborted
      if (last && !lastLook) return
      this.#wake = Promise.withResolvers()
      more = await this.#look()
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    const { everyMs, settleMs } = this.#options
    const longestMs = everyMs()
    const wake = () => this.hint()
    const cancel = longestMs === Number.POSITIVE_INFINITY ? null : this.#clock.after(longestMs, wake)
    await this.#wake.promise
    cancel?.()
    const restMs = settleMs?.() ?? 0
    if (restMs > 0) await pause(restMs, signal, this.#clock)
  }

  async #look(): Promise<boolean> {
    const { look, lastLook = false, onError } = this.#options
    try {
      return await look()
    } catch (error) {
      const calledOff = this.signal.aborted && !lastLook
      if (!calledOff && !isUnavailable(error)) onError(error)
      return false
    }
  }
}
