/**
 * A worker thread that is called, as the main thread sees it: messages with a number go in, answers with that number come
 * out. It starts with the first message, and one that dies is started again by the next; `deaths` tells.
 *
 * While it works, the thread hears nothing. So whoever calls brings a signal, and is let go when it aborts, whatever the
 * thread does. A stop asks the thread to end, and after a grace it is terminated. One that hangs is terminated, too, and dies by
 * that: it gives signs of life (`dataplane/life`), in its event loop and while it works.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { allocateSigns } from '../../dataplane/life/signs.ts'
import { lookAgainAndAgain, type Patience, threadOf, Watch } from '../../dataplane/life/watch.ts'
import { orAborted } from '../timing/clock.ts'

export interface Call {
  readonly kind: string
  readonly id: number
}

export type CallAnswer =
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }

/** Asks the thread to end by itself. */
export interface StopMessage {
  readonly kind: 'stop'
}

export interface CalledThreadOptions {
  /** Path of the worker's file from the module `beside`, without its extension: that is the module's, `.ts` or `.js`. */
  readonly file: string
  /** URL of a module. */
  readonly beside: string
  /** What messages call it: `the compile thread: ...`. */
  readonly name: string
  /** The thread gets `signs` with it (`BeatingThread`). */
  readonly workerData?: object
  /** Before a stop terminates the thread. */
  readonly graceMs: number
  /** How long it may give no sign of life. */
  readonly patience: Patience
  /** It ended without being told to; what it had in memory is lost. */
  readonly onDeath?: ((reason: string) => void) | undefined
  /** It has ended, told to or not; what it had in memory is gone. */
  readonly onEnd?: () => void
}

/** What every such thread gets. */
export interface BeatingThread {
  /** Where it gives its signs of life. */
  readonly signs: SharedArrayBuffer
}

/** A thread that was terminated and is still there after this is held by the system, and nobody can end it. */
const endsWithinMs = 2000

export class CalledThread<Message extends { readonly kind: string }> implements AsyncDisposable {
  readonly #options: CalledThreadOptions
  readonly #watch: Watch
  #looking: Disposable | undefined
  #worker: Worker | undefined
  /** Why it was terminated, and how long ago; null while it does not hang. */
  #hung: { readonly reason: string; endingMs: number } | null = null
  /** What the last life came to, until another one has answered. */
  #failure: string | null = null
  #deaths = 0
  #lastId = 0
  #stopped: Promise<void> | undefined
  /** Bounded by what is under way. */
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()

  constructor(options: CalledThreadOptions) {
    this.#options = options
    this.#watch = new Watch(() => options.patience)
  }

  /** Why nothing is to be expected of it now: it gives no sign of life, or has died and done nothing since. Null when all is well. */
  get trouble(): string | null {
    return this.#watch.late ? 'it gives no sign of life' : this.#failure
  }

  /** Whether it hangs, and can't even be ended. */
  get stuck(): boolean {
    return (this.#hung?.endingMs ?? 0) > endsWithinMs
  }

  /** How often the thread has ended, and lost what it had in memory. */
  get deaths(): number {
    return this.#deaths
  }

  /**
   * Calls the thread and waits for its answer.
   *
   * @throws Error when the thread says so, died or was stopped; the reason of `signal` when that aborts
   */
  async call(message: (id: number) => Message & Call, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted()
    const id = ++this.#lastId
    const answer = Promise.withResolvers<unknown>()
    this.send(message(id))
    // Stays until the thread has answered, also when nobody waits any more.
    this.#waiting.set(id, answer)
    return await orAborted(answer.promise, signal)
  }

  /** Sends what is not answered. Throws when the thread is stopped. */
  send(message: Message): void {
    if (this.#stopped !== undefined) throw new Error(`the ${this.#options.name} thread is stopped`)
    this.#worker ??= this.#start()
    this.#worker.postMessage(message)
  }

  /** Ends the thread, at the latest after the grace; what it did not finish is rejected. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped ??= this.#end()
    await this.#stopped
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #end(): Promise<void> {
    const worker = this.#worker
    this.#looking?.[Symbol.dispose]()
    if (worker === undefined) return
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage({ kind: 'stop' } satisfies StopMessage)
    const grace = setTimeout(() => void worker.terminate(), this.#options.graceMs)
    await exited
    clearTimeout(grace)
  }

  #start(): Worker {
    const { file, beside, name, workerData } = this.#options
    const signs = allocateSigns()
    const worker = new Worker(new URL(`${file}${extname(beside)}`, beside), {
      workerData: { ...workerData, signs } satisfies BeatingThread,
      name,
    })
    this.#watch.begin(threadOf(signs))
    this.#looking ??= lookAgainAndAgain((passedMs) => this.#look(passedMs))
    let reason: string | undefined
    worker.on('message', (message: CallAnswer) => this.#receive(message))
    worker.on('error', (error) => {
      reason = (error as Error).message
    })
    worker.on('exit', () => {
      this.#worker = undefined
      this.#deaths++
      this.#options.onEnd?.()
      this.#watch.end()
      reason ??= this.#hung?.reason
      this.#hung = null
      if (this.#stopped === undefined) {
        reason ??= 'it ended'
        this.#failure = reason
        this.#options.onDeath?.(reason)
      }
      reason ??= 'it was stopped before that was done'
      for (const { reject } of this.#waiting.values()) reject(new Error(`the ${name} thread: ${reason}`))
      this.#waiting.clear()
    })
    return worker
  }

  #look(passedMs: number): void {
    if (this.#hung !== null) this.#hung.endingMs += passedMs
    const reason = this.#watch.look(passedMs)
    if (reason === null || this.#worker === undefined) return
    this.#hung = { reason, endingMs: 0 }
    void this.#worker.terminate()
  }

  #receive(message: CallAnswer): void {
    this.#failure = null
    const answer = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'done') answer?.resolve(message.result)
    else answer?.reject(new Error(message.message))
  }
}
