/**
 * The thread that sends frames of dnstap, while somebody is told. One that ends by itself is started again, at once and then after longer
 * and longer; one that hangs is ended, and that is its end. Until there is another one frames wait in the rings, and what finds no room is
 * dropped and counted as ever.
 */
import { isDeepStrictEqual } from 'node:util'
import { Worker } from 'node:worker_threads'
import type { TapTarget } from '../image/answer-settings.ts'
import { allocateSigns } from '../life/signs.ts'
import { threadOf, Watch } from '../life/watch.ts'
import type { TapInput } from './tap-worker.ts'
import type { WorkerEvents } from './worker-thread.ts'

const entry = new URL(`./tap-worker${import.meta.url.slice(-3)}`, import.meta.url)

export interface TapRestarts {
  /** Between the end of a thread and its successor, while the successors end too; the last for all further ones. */
  readonly delaysMs: readonly number[]
  /** A thread that lived this long has not failed to start. */
  readonly provenAfterMs: number
  /** How long one that is told to end may take. */
  readonly endsWithinMs: number
}

/** A thread gives its collector half a second. */
const defaultRestarts: TapRestarts = {
  delaysMs: [0, 100, 1000, 5000],
  provenAfterMs: 10_000,
  endsWithinMs: 2000,
}
/** Its event loop has a turn a few times a second. */
const patience = { stillMs: 1500, busyMs: 1500 }

type Task = Pick<TapInput, 'rings' | 'target'>

export class TapThread {
  readonly #onRestart: WorkerEvents['onTapRestart']
  readonly #entry: URL
  readonly #restarts: TapRestarts
  readonly #watch = new Watch(() => patience)
  #target: TapTarget | null = null
  #worker: Worker | null = null
  /** What wakes it. */
  #told = new Int32Array(new SharedArrayBuffer(4))
  /** Settles when those before have ended. */
  #ending: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  /** Threads that have ended by themselves, one after the other. */
  #failures = 0
  /** Why the thread that there is was ended; null while it does not hang. */
  #hung: string | null = null

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
      if (target !== null && target === this.#target) this.#begin({ rings, target })
    })
  }

  /** Looks at the thread's signs of life, and ends it when it hangs. @param passedMs since the look before */
  look(passedMs: number): void {
    const hangs = this.#watch.look(passedMs)
    // Nobody is watched while there is no thread.
    if (hangs === null) return
    this.#hung = hangs
    void this.#worker!.terminate()
  }

  /** Sends what there is, and ends. */
  async stop(): Promise<void> {
    this.#target = null
    this.#endWorker()
    await this.#ending
  }

  #begin(task: Task): void {
    const startedAtMs = performance.now()
    const signs = allocateSigns()
    const told = new Int32Array(new SharedArrayBuffer(4))
    let worker: Worker
    try {
      worker = new Worker(this.#entry, {
        workerData: { ...task, told, signs } satisfies TapInput,
        name: 'dnstap',
      })
    } catch (error) {
      // The host has no room for a thread.
      this.#again(task, startedAtMs, (error as Error).message)
      return
    }
    this.#told = told
    this.#hung = null
    let reason = 'it ended'
    worker.on('error', (error: Error) => {
      reason = error.message
    })
    worker.once('exit', () => {
      if (this.#worker !== worker) return
      this.#worker = null
      this.#watch.end()
      this.#again(task, startedAtMs, this.#hung ?? reason)
    })
    worker.unref()
    this.#worker = worker
    this.#watch.begin(threadOf(signs))
  }

  #again(task: Task, startedAtMs: number, reason: string): void {
    const { delaysMs, provenAfterMs } = this.#restarts
    if (performance.now() - startedAtMs >= provenAfterMs) this.#failures = 0
    this.#onRestart?.(reason)
    const delayMs = delaysMs[Math.min(this.#failures++, delaysMs.length - 1)]!
    this.#timer = setTimeout(() => this.#begin(task), delayMs).unref()
  }

  #endWorker(): void {
    clearTimeout(this.#timer)
    this.#failures = 0
    this.#watch.end()
    const worker = this.#worker
    if (worker === null) return
    this.#worker = null
    worker.ref()
    const late = setTimeout(() => void worker.terminate(), this.#restarts.endsWithinMs)
    this.#ending = new Promise<unknown>((resolve) => worker.once('exit', resolve)).then(() =>
      clearTimeout(late),
    )
    worker.postMessage('stop')
    Atomics.store(this.#told, 0, 1)
    Atomics.notify(this.#told, 0)
  }
}
