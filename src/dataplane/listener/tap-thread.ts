/**
 * The thread that sends frames of dnstap, while somebody is told. One that ends by itself is started again, at once and then after longer
 * and longer; until then frames wait in the rings, and what finds no room is dropped and counted as ever.
 */
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { TapTarget } from '../image/answer-settings.ts'
import type { TapInput } from './tap-worker.ts'
import type { WorkerEvents } from './worker-thread.ts'

const entry = new URL(`./tap-worker${import.meta.url.slice(-3)}`, import.meta.url)

export interface TapRestarts {
  /** Between the end of a thread and its successor, while the successors end too; the last for all further ones. */
  readonly delaysMs: readonly number[]
  /** A thread that lived this long has not failed to start. */
  readonly provenAfterMs: number
}

const defaultRestarts: TapRestarts = { delaysMs: [0, 100, 1000, 5000], provenAfterMs: 10_000 }

export class TapThread {
  readonly #onRestart: WorkerEvents['onTapRestart']
  readonly #entry: URL
  readonly #restarts: TapRestarts
  #target: TapTarget | null = null
  #worker: Worker | null = null
  /** What wakes it. */
  #told = new Int32Array(new SharedArrayBuffer(4))
  /** Settles when those before have ended. */
  #ending: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  /** Threads that have ended by themselves, one after the other. */
  #failures = 0

  /** @param onRestart a thread ended by itself, and another one is started */
  constructor(
    onRestart: WorkerEvents['onTapRestart'],
    module: URL = entry,
    restarts: TapRestarts = defaultRestarts,
  ) {
    this.#onRestart = onRestart
    this.#restarts = restarts
    this.#entry = module
  }

  /** Has what is left in the rings sent to a collector from now on; to nobody with null. */
  send(rings: readonly SharedArrayBuffer[], target: TapTarget | null): void {
    if (isDeepStrictEqual(target, this.#target)) return
    this.#target = target
    this.#endWorker()
    // One reader of each ring at a time.
    void this.#ending.then(() => {
      if (target === null || target !== this.#target) return
      this.#told = new Int32Array(new SharedArrayBuffer(4))
      this.#begin({ rings, target, told: this.#told })
    })
  }

  /** Sends what there is, and ends. */
  async stop(): Promise<void> {
    this.#target = null
    this.#endWorker()
    await this.#ending
  }

  #begin(workerData: TapInput): void {
    const startedAtMs = performance.now()
    const worker = new Worker(this.#entry, { workerData, name: 'dnstap' })
    let reason = 'it ended'
    worker.on('error', (error: Error) => {
      reason = error.message
    })
    worker.once('exit', () => {
      if (this.#worker !== worker) return
      this.#worker = null
      const { delaysMs, provenAfterMs } = this.#restarts
      if (performance.now() - startedAtMs >= provenAfterMs) this.#failures = 0
      this.#onRestart?.(reason)
      const delayMs = delaysMs[Math.min(this.#failures++, delaysMs.length - 1)]!
      this.#timer = setTimeout(() => this.#begin(workerData), delayMs).unref()
    })
    worker.unref()
    this.#worker = worker
  }

  #endWorker(): void {
    clearTimeout(this.#timer)
    this.#failures = 0
    const worker = this.#worker
    if (worker === null) return
    this.#worker = null
    worker.ref()
    this.#ending = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage('stop')
    Atomics.store(this.#told, 0, 1)
    Atomics.notify(this.#told, 0)
  }
}
