import { addAbortListener } from 'node:events'
import type { Fault } from '../verdict.ts'

/** Work for a probe that ends once: with its first result, or with the reason of a signal, which must be a `Fault`. */
export class Ending<T> {
  readonly #result = Promise.withResolvers<T | Fault>()
  readonly #close: () => void
  readonly #listening: Disposable
  #over = false

  /** @param close lets go of what the work holds; called once */
  constructor(stop: AbortSignal, close: () => void) {
    this.#close = close
    this.#listening = addAbortListener(stop, () => this.finish(stop.reason as Fault))
  }

  get over(): boolean {
    return this.#over
  }

  get result(): Promise<T | Fault> {
    return this.#result.promise
  }

  readonly finish = (result: T | Fault): void => {
    if (this.#over) return
    this.#over = true
    this.#listening[Symbol.dispose]()
    this.#close()
    this.#result.resolve(result)
  }
}

/**
 * The end of `work`, or of `stop` if that is sooner: for what can't be called off, and goes on unheeded.
 * @param stop its reason must be the `Fault` to return
 */
export async function orStopped<T>(work: Promise<T>, stop: AbortSignal): Promise<T | Fault> {
  const stopped = Promise.withResolvers<Fault>()
  using _listening = addAbortListener(stop, () => stopped.resolve(stop.reason as Fault))
  return await Promise.race([work, stopped.promise])
}
