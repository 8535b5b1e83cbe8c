/**
 * The embedded Postgres (PGlite) for those who have no server: in a thread of its own, because a statement in
 * WebAssembly blocks the thread that it runs in, and served over a Unix socket, so that the rest of the store has one
 * way to reach a database.
 *
 * ## One backend
 * It is one backend that all connections share: session state, prepared statements and, outside a transaction, even
 * the messages of two connections mix. That is why its pool has exactly one connection.
 *
 * PGlite doesn't fsync. What was committed survives the death of the process, whatever the signal; it may not survive
 * the loss of power. Who needs that takes a server.
 *
 * ## States
 * `starting -> running -> stopped`, and from `starting` and `running` to `failed` when the thread dies or is
 * given up. `running()` in `failed` starts a new thread, at most one in `restartPauseMs`. Giving up is for a database
 * that panicked (a full disk makes it) or hangs: on a server that ends a process and the rest starts over, while PGlite
 * goes on in a state that nobody knows.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { ControlError } from '../model/errors.ts'
import { lockDataDirectory } from './data-directory-lock.ts'
import type { EmbeddedWorkerData } from './embedded-database-worker.ts'

const restartPauseMs = 1_000

/** A clean close takes well under a second; past this the thread is ended, which recovery can handle. */
const stopTimeoutMs = 5_000

/** sun_path has 108 bytes on Linux and 104 on BSD. */
const longestSocketPath = 100

/** pg builds the name of a socket from a folder and a port. */
const port = 5432

export class EmbeddedDatabase {
  /** What a pg client connects to: the folder of the socket. */
  readonly connection: { host: string; port: number; user: string; database: string }
  readonly #directory: string
  readonly #lock: Disposable
  readonly #socketDirectory: string
  #worker: Worker | undefined
  #running: Promise<void>
  #state: 'starting' | 'running' | 'failed' | 'stopped' = 'starting'
  #startedAt = 0
  /** Settled once the thread before has ended. */
  #ended: Promise<unknown> | undefined
  /** Rejects the promise of the thread that starts. */
  #reject: (error: Error) => void = () => {}

  /**
   * Locks the data directory and starts the thread; `running()` says when it serves. Throws as `lockDataDirectory`.
   */
  constructor(dataDir: string) {
    const root = resolve(dataDir)
    this.#directory = join(root, 'db')
    this.#lock = lockDataDirectory(root, join(root, 'db.lock'))
    try {
      this.#socketDirectory = createSocketDirectory(root)
    } catch (error) {
      this.#lock[Symbol.dispose]()
      throw error
    }
    this.connection = { host: this.#socketDirectory, port, user: 'postgres', database: 'postgres' }
    this.#running = unwatched(this.#start())
  }

  /**
   * Resolves once the database serves its socket, starting the thread again when it had died. Throws `unavailable`
   * when it can't start, or shortly after it had died.
   */
  async running(): Promise<void> {
    if (this.#state === 'stopped') throw new ControlError('unavailable', 'the embedded database is stopped')
    if (this.#state === 'failed' && performance.now() - this.#startedAt >= restartPauseMs)
      this.#running = this.#start()
    return this.#running
  }

  /** Closes the database (with a checkpoint), ends the thread and gives the data directory free. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    const worker = this.#worker
    if (worker !== undefined) {
      const exited = once(worker, 'exit').catch(() => {})
      worker.postMessage('stop')
      await Promise.race([exited, delay(stopTimeoutMs, undefined, { ref: false })])
      await worker.terminate()
    }
    rmSync(this.#socketDirectory, { recursive: true, force: true })
    this.#lock[Symbol.dispose]()
  }

  /** Ends the thread, because what it answers can't be trusted any more. The next `running()` starts another. */
  giveUp(reason: string): void {
    if (this.#state === 'starting' || this.#state === 'running') this.#fail(reason, null)
  }

  async #start(): Promise<void> {
    this.#state = 'starting'
    this.#startedAt = performance.now()
    // Two threads on one directory would destroy it.
    await this.#ended
    if (this.#state !== 'starting') return this.#running
    const workerData: EmbeddedWorkerData = {
      directory: this.#directory,
      socketPath: join(this.#socketDirectory, `.s.PGSQL.${port}`),
    }
    const file = `./embedded-database-worker${extname(import.meta.filename)}`
    const worker = new Worker(new URL(file, import.meta.url), { workerData })
    this.#worker = worker
    const ended = (reason: string, cause: unknown) => {
      if (this.#worker === worker && this.#state !== 'stopped') this.#fail(reason, cause)
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#reject = reject
    worker.on('message', () => {
      if (this.#worker !== worker || this.#state !== 'starting') return
      this.#state = 'running'
      resolve()
    })
    worker.on('error', (error) => ended(error instanceof Error ? error.message : String(error), error))
    worker.on('exit', () => ended('its thread ended', null))
    return promise
  }

  #fail(reason: string, cause: unknown): void {
    const error = new ControlError(
      'unavailable',
      `the embedded database in ${this.#directory} failed: ${reason}`,
      { cause },
    )
    this.#state = 'failed'
    this.#ended = this.#worker?.terminate()
    this.#worker = undefined
    this.#reject(error)
    this.#running = unwatched(Promise.reject(error))
  }
}

/** Nobody may be waiting when it fails; `running()` tells the next one who asks. */
function unwatched(promise: Promise<void>): Promise<void> {
  promise.catch(() => {})
  return promise
}

/**
 * A private folder (0700) for the socket: in the temporary folder, or in the data directory where that is not to be
 * written to. Its path must fit a socket address.
 */
function createSocketDirectory(dataDir: string): string {
  let failure: unknown
  for (const parent of [tmpdir(), '/tmp', dataDir]) {
    const prefix = join(parent, 'pooldns-')
    if (Buffer.byteLength(join(`${prefix}XXXXXX`, `.s.PGSQL.${port}`)) > longestSocketPath) continue
    try {
      return mkdtempSync(prefix)
    } catch (error) {
      failure = error
    }
  }
  throw new ControlError('invalid', `there is no place for the socket of the embedded database: ${failure}`, {
    cause: failure,
  })
}
