/**
 * The compile thread as the main thread sees it. Compiling a million RRsets takes seconds, which neither HTTP nor any DNS
 * worker may wait for, so it has a thread of its own; that keeps the images too, and reads and writes their files.
 *
 * The rows come from the main thread, packed by the database, which reads them in the transaction of the step. Rejected: a
 * connection of the thread's own. Its transaction could not see what the main thread's sees (not every database exports
 * snapshots), and the embedded database has one connection, which the step holds.
 *
 * A thread that dies is started again by the next use, without images: `epoch` tells, and everything is compiled anew.
 *
 * While it compiles, the thread hears nothing. So whoever asks brings a signal, and is let go when it aborts, whatever the
 * thread does; a step that was given up is replaced by the next. A stop asks the thread to end: writing ends at the next
 * file, compiling at no time at all, so after a grace the thread is terminated. A file that it was writing then lies beside
 * the old one, which is whole.
 */
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { StoredZone } from './image-files.ts'
import type { Compiled, CompileStep, ZoneRows } from './zone-images.ts'

/** What the thread is started with. */
export interface CompileInput {
  /** Of the images' files. */
  readonly directory: string
  /** Of this program. */
  readonly version: string
}

export type ToCompiler =
  | { readonly kind: 'begin'; readonly step: CompileStep }
  | { readonly kind: 'rows'; readonly id: number; readonly rows: readonly ZoneRows[] }
  | { readonly kind: 'finish' | 'load' | 'persist'; readonly id: number }
  | { readonly kind: 'stop' }

export type FromCompiler =
  | { readonly kind: 'done'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly message: string }

/** What the files of the images hold. */
export interface LoadedImages {
  readonly zones: readonly StoredZone[]
  /** One line for each file that can't be used. */
  readonly damaged: readonly string[]
}

/** How long a stop waits for the thread to end by itself. It is a part of the ten seconds that the daemon's stop may take. */
const defaultGraceMs = 1000

export interface CompileThreadOptions extends CompileInput {
  /** Before a stop terminates the thread; 1 s. */
  readonly graceMs?: number
}

/** Batches of rows that were sent and not taken yet: one is compiled while the next is fetched. */
const batchesAhead = 2

export class CompileThread implements AsyncDisposable {
  readonly #input: CompileInput
  readonly #graceMs: number
  #worker: Worker | undefined
  #epoch = 0
  #lastId = 0
  #stopped: Promise<void> | undefined
  /** Bounded by what is under way: a step's batches, and a load or a persist. */
  readonly #waiting = new Map<number, PromiseWithResolvers<unknown>>()

  constructor({ graceMs = defaultGraceMs, ...input }: CompileThreadOptions) {
    this.#input = input
    this.#graceMs = graceMs
  }

  /** Rises when the thread has lost its images. */
  get epoch(): number {
    return this.#epoch
  }

  /**
   * Compiles a step; calls must not overlap.
   *
   * @param rows of the zones that are compiled whole, each zone's one after another
   * @throws Error when the thread died or was stopped; the reason of `signal` when that aborts
   */
  async compile(
    step: CompileStep,
    rows: AsyncIterable<readonly ZoneRows[]>,
    signal?: AbortSignal,
  ): Promise<Compiled> {
    signal?.throwIfAborted()
    this.#send({ kind: 'begin', step })
    const ahead: Promise<unknown>[] = []
    for await (const batch of rows) {
      signal?.throwIfAborted()
      const taken = this.#ask((id) => ({ kind: 'rows', id, rows: batch }), signal)
      // It is waited for below, unless the rows end by an error of their own.
      taken.catch(() => undefined)
      ahead.push(taken)
      if (ahead.length > batchesAhead) await ahead.shift()
    }
    await Promise.all(ahead)
    return (await this.#ask((id) => ({ kind: 'finish', id }), signal)) as Compiled
  }

  /** Reads the files into the thread. Throws as `compile` does. */
  async load(signal?: AbortSignal): Promise<LoadedImages> {
    return (await this.#ask((id) => ({ kind: 'load', id }), signal)) as LoadedImages
  }

  /**
   * Writes the images that are not on disk yet, and deletes the files of zones that are no more. Throws as `compile` does;
   * what is on disk then is whole, but may be of different revisions.
   */
  async persist(signal?: AbortSignal): Promise<void> {
    await this.#ask((id) => ({ kind: 'persist', id }), signal)
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
    worker.postMessage({ kind: 'stop' } satisfies ToCompiler)
    const grace = setTimeout(() => void worker.terminate(), this.#graceMs)
    await exited
    clearTimeout(grace)
  }

  async #ask(message: (id: number) => ToCompiler, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted()
    const id = ++this.#lastId
    const answer = Promise.withResolvers<unknown>()
    this.#send(message(id))
    // Stays until the thread has answered, also when nobody waits any more.
    this.#waiting.set(id, answer)
    const giveUp = () => answer.reject(signal!.reason)
    signal?.addEventListener('abort', giveUp)
    try {
      return await answer.promise
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }
  }

  #send(message: ToCompiler): void {
    if (this.#stopped !== undefined) throw new Error('the compile thread is stopped')
    this.#worker ??= this.#start()
    this.#worker.postMessage(message)
  }

  #start(): Worker {
    const file = `./compile-worker${extname(import.meta.filename)}`
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.#input, name: 'compile' })
    let reason: string | undefined
    worker.on('message', (message: FromCompiler) => this.#receive(message))
    worker.on('error', (error) => {
      reason = (error as Error).message
    })
    worker.on('exit', () => {
      this.#worker = undefined
      this.#epoch++
      reason ??= this.#stopped === undefined ? 'it ended' : 'it was stopped before that was done'
      for (const { reject } of this.#waiting.values()) reject(new Error(`the compile thread: ${reason}`))
      this.#waiting.clear()
    })
    return worker
  }

  #receive(message: FromCompiler): void {
    const answer = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (message.kind === 'done') answer?.resolve(message.result)
    else answer?.reject(new Error(message.message))
  }
}
