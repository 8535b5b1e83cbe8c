/**
 * Errors of the code that answers. There should be none, since a malformed query is a verdict and no exception; if there is one,
 * it costs the query that found it its answer, and not all clients of the thread theirs.
 */
import type { Client } from '../answer/client.ts'
import type { Counters } from '../counters.ts'
import type { Answerer } from './listener.ts'
import type { FromWorker } from './protocol.ts'

/** Answers with silence where another answerer throws. Streams end the connection instead (`stream-connection.ts`). */
export class ContainedAnswerer implements Answerer {
  readonly clock: Answerer['clock']
  readonly #answerer: Answerer
  readonly #counters: Counters
  readonly #onError: (error: unknown) => void

  constructor(answerer: Answerer, counters: Counters, onError: (error: unknown) => void) {
    this.clock = answerer.clock
    this.#answerer = answerer
    this.#counters = counters
    this.#onError = onError
  }

  respond(request: Uint8Array, length: number, client: Client, out: Uint8Array): number {
    try {
      return this.#answerer.respond(request, length, client, out)
    } catch (error) {
      this.#counters.drop('error')
      this.#onError(error)
      return 0
    }
  }

  endBatch(): void {
    this.#answerer.endBatch()
  }
}

/** The main thread is told at once, and then once a second: whoever found an error may send it a million times. */
const sayEveryMs = 1000

/** Counts the errors of a worker, and has them told. */
export class WorkerErrors {
  readonly #say: (message: FromWorker) => void
  #count = 0
  #saidMs = Number.NEGATIVE_INFINITY

  constructor(say: (message: FromWorker) => void) {
    this.#say = say
  }

  note(thrown: unknown): void {
    this.#count++
    const nowMs = performance.now()
    if (nowMs - this.#saidMs < sayEveryMs) return
    const error = thrown instanceof Error ? thrown : new Error(String(thrown))
    const { code = null } = error as NodeJS.ErrnoException
    this.#say({ kind: 'error', error, code, count: this.#count })
    this.#saidMs = nowMs
    this.#count = 0
  }
}
