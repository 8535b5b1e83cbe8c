/**
 * A worker thread that is called, as the main thread sees it: messages with a number go in, answers with that number come
 * out. It starts with the first message, and one that dies is started again by the next; `deaths` tells.
 *
 * While it works, the thread hears nothing. So whoever calls brings a signal, and is let go when it aborts, whatever the
 * thread does. A stop asks the thread to end, and after a grace it is terminated.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
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
  readonly workerData?: unknown
  /** Before a stop terminates the thread. */
  readonly graceMs: number
}

export class CalledThread<Message extends { readonly kind: string }> implements AsyncDisposable {
  readonly #options: CalledThreadOptions
  #worker: Worker | undefined
  #deaths = 0
  #lastId = 0
  #stopped: Promise<void> | undefined
  /** Bounded by what is under way. */
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()

  constructor(options: CalledThreadOptions) {
    this.#options = options
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
    if (worker === undefined) return
    const exited = new Promise((resolve) => worker.once('exit', resolve))
    worker.postMessage({ kind: 'stop' } satisfies StopMessage)
    const grace = setTimeout(() => void worker.terminate(), this.#options.graceMs)
    await exited
    clearTimeout(grace)
  }

  #start(): Worker {
    const { file, beside, name, workerData } = this.#options
    const worker = new Worker(new URL(`${file}${extname(beside)}`, beside), { workerData, name })
    let reason: string | undefined
    worker.on('message', (message: CallAnswer) => this.#receive(message))
    worker.on('error', (error) => {
      reason = (error as Error).message
    })
    worker.on('exit', () => {
      this.#worker = undefined
      this.#deaths++
      reason ??= this.#stopped === undefined ? 'it ended' : 'it was stopped before that was done'
      for (const { reject } of this.#waiting.values()) reject(new Error(`the ${name} thread: ${reason}`))
      this.#waiting.clear()
    })
    return worker
  }

  #receive(message: CallAnswer): void {
    const answer = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'done') answer?.resolve(message.result)
    else answer?.reject(new Error(message.message))
  }
}
