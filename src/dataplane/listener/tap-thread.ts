/** The thread that sends frames of dnstap, while somebody is told. */
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { TapTarget } from '../image/answer-settings.ts'
import type { TapInput } from './tap-worker.ts'
import type { WorkerEvents } from './worker-thread.ts'

const entry = new URL(`./tap-worker${import.meta.url.slice(-3)}`, import.meta.url)

export class TapThread {
  readonly #onError: WorkerEvents['onError']
  readonly #entry: URL
  #target: TapTarget | null = null
  #worker: Worker | null = null
  /** Settles when those before have ended. */
  #ending: Promise<unknown> = Promise.resolve()

  /** @param onError the thread died by it; nobody is told any more */
  constructor(onError: WorkerEvents['onError'], module: URL = entry) {
    this.#onError = onError
    this.#entry = module
  }

  /** Has what is left in the rings sent to a collector from now on; to nobody with null. */
  send(rings: readonly SharedArrayBuffer[], target: TapTarget | null): void {
    if (isDeepStrictEqual(target, this.#target)) return
    this.#target = target
    this.#endWorker()
    // One reader of each ring at a time.
    void this.#ending.then(() => {
      if (target !== null && target === this.#target) this.#begin({ rings, target })
    })
  }

  /** Sends what there is, and ends. */
  async stop(): Promise<void> {
    this.#target = null
    this.#endWorker()
    await this.#ending
  }

  #begin(workerData: TapInput): void {
    const worker = new Worker(this.#entry, { workerData, name: 'dnstap' })
    worker.on('error', (error) => this.#onError?.('udp', error as Error, 1))
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = null
    })
    worker.unref()
    this.#worker = worker
  }

  #endWorker(): void {
    const worker = this.#worker
    if (worker === null) return
    this.#worker = null
    worker.ref()
    this.#ending = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage('stop')
  }
}
