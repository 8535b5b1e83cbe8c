import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { LoadCounts, LoadData } from './load-thread.ts'

/** Queries that go out all the time, from when it is made until it is told to stop. */
export class DnsLoad implements AsyncDisposable {
  readonly #worker: Worker
  #counts: Promise<LoadCounts> | undefined

  constructor(data: LoadData) {
    this.#worker = new Worker(new URL('./load-thread.ts', import.meta.url), { workerData: data })
  }

  /** Asks no more, and resolves when every query is answered or lost. */
  stop(): Promise<LoadCounts> {
    this.#counts ??= (async () => {
      this.#worker.postMessage('stop')
      const [counts] = (await once(this.#worker, 'message')) as [LoadCounts]
      return counts
    })()
    return this.#counts
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}
