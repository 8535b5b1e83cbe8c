/**
 * The embedded Postgres (PGlite) for those who have no server: in a thread of its own, because a statement in
 * WebAssembly blocks the thread that it runs in, and served over a Unix socket, so that the rest of the store has one
 * way to reach a database.
 *
 * ## One backend
 * It is one backend that all connections share: session state, prepared statements and, outside a transaction, even
 * the messages of two connections mix. That is why its pool has exactly one connection.
 *
 * PGlite by itself doesn't fsync: what was committed survives the death of the process, whatever the signal, and may not survive
 * the loss of power. With `sync` it does (`synced-folder.ts`).
 *
 * ## A disk that takes nothing
 * On a disk that is full or can't be written the start goes on: it has a snapshot to serve. Such a database is `failed` from the
 * beginning, and what it needs on disk (the lock, the folder of its socket) is made when it is tried again.
 *
 * ## States
 * `starting -> running -> stopped`, and from `starting` and `running` to `failed` when the thread dies or is
 * given up. `running()` in `failed` starts a new thread, at most one in `restartPauseMs`. Giving up is for a database
 * that panicked (a full disk makes it) or hangs: on a server that ends a process and the rest starts over, while PGlite
 * goes on in a state that nobody knows. The thread is watched, too (`dataplane/life`): it hangs when it gives no sign of life while
 * nobody uses it. In a statement it gives none, for as long as that takes; whoever asked has a limit for it.
 */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { extname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { allocateSigns } from '../../dataplane/life/signs.ts'
import { lookAgainAndAgain, threadOf, Watch } from '../../dataplane/life/watch.ts'
import { ControlError } from '../model/errors.ts'
import { lockDataDirectory, lockPathIn } from './data-directory-lock.ts'
import type { EmbeddedWorkerData } from './embedded-database-worker.ts'
import { statementStates } from './statement-states.ts'

const restartPauseMs = 1_000

/** A clean close takes well under a second; past this the thread is ended, which recovery can handle. */
const stopTimeoutMs = 5_000

/** Without a sign of life; what a statement takes is up to whoever asked. */
const patience = {
  [statementStates.none]: { stillMs: 2000, busyMs: 3000 },
  [statementStates.running]: { stillMs: 2000, busyMs: Infinity },
  // A disk that is slow is no fault of the thread, and another one would wait for it, too.
  [statementStates.syncing]: { stillMs: 30_000, busyMs: Infinity },
}
/** A start may have to read a log of what a process that was killed has left. */
const startPatience = { stillMs: 120_000, busyMs: 120_000 }
/** A thread that was terminated and is still there after this is held by the system, and nobody can end it. */
const endsWithinMs = 2000

/** sun_path has 108 bytes on Linux and 104 on BSD. */
const longestSocketPath = 100

/** pg builds the name of a socket from a folder and a port. */
const port = 5432

export class EmbeddedDatabase {
  /** What a pg client connects to: the folder of the socket. */
  readonly connection: { host: string; port: number; user: string; database: string }
  readonly #sync: boolean
  readonly #root: string
  readonly #directory: string
  readonly #onDeath: (reason: string) => void
  /** One of `statementStates`. */
  #statement: Int32Array = new Int32Array(1)
  readonly #watch = new Watch(
    () => patience[Atomics.load(this.#statement, 0) as keyof typeof patience],
    undefined,
    startPatience,
  )
  readonly #looking: Disposable
  readonly #socketDirectory: string
  /** What it holds on disk while it may run. */
  #ground: Disposable | undefined
  #worker: Worker | undefined
  #running: Promise<void>
  #state: 'starting' | 'running' | 'failed' | 'stopped' = 'starting'
  #startedAt = 0
  /** Settled once the thread before has ended. */
  #ended: Promise<unknown> | undefined
  /** How long a thread that failed has been ending; null when it has ended. */
  #endingMs: number | null = null
  /** Rejects the promise of the thread that starts. */
  #reject: (error: Error) => void = () => {}

  /**
   * Locks the data directory and starts the thread; `running()` says when it serves. Throws as `lockDataDirectory`, but for a disk
   * that takes nothing now and holds a database.
   *
   * @param sync whether each commit waits until it is on disk
   * @param onDeath told when the thread died, hung or was given up
   */
  constructor(dataDir: string, sync: boolean, onDeath: (reason: string) => void = () => undefined) {
    this.#sync = sync
    this.#onDeath = onDeath
    this.#root = resolve(dataDir)
    this.#directory = join(this.#root, 'db')
    this.#socketDirectory = socketDirectoryFor(this.#root)
    this.#looking = lookAgainAndAgain((passedMs) => {
      if (this.#endingMs !== null) this.#endingMs += passedMs
      const reason = this.#watch.look(passedMs)
      if (reason !== null) this.giveUp(reason)
    })
    this.connection = { host: this.#socketDirectory, port, user: 'postgres', database: 'postgres' }
    try {
      this.#ground = this.#takeGround()
    } catch (error) {
      if (!takesNothing(error) || !existsSync(this.#directory)) {
        this.#looking[Symbol.dispose]()
        throw error
      }
      this.#running = unwatched(this.#fail((error as Error).message, error))
      return
    }
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

  /** Whether a thread hangs, and can't even be ended: there is no other one until it has. */
  get stuck(): boolean {
    return (this.#endingMs ?? 0) > endsWithinMs
  }

  /** Closes the database (with a checkpoint), ends the thread and gives the data directory free. */
  async stop(): Promise<void> {
    if (this.#state === 'stopped') return
    this.#state = 'stopped'
    this.#looking[Symbol.dispose]()
    const worker = this.#worker
    if (worker !== undefined) {
      const exited = once(worker, 'exit').catch(() => {})
      worker.postMessage('stop')
      await Promise.race([exited, delay(stopTimeoutMs, undefined, { ref: false })])
      await worker.terminate()
    }
    this.#ground?.[Symbol.dispose]()
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
    try {
      this.#ground ??= this.#takeGround()
    } catch (error) {
      return this.#fail((error as Error).message, error)
    }
    const signs = allocateSigns()
    const statement = new SharedArrayBuffer(4)
    this.#statement = new Int32Array(statement)
    const workerData: EmbeddedWorkerData = {
      signs,
      statement,
      directory: this.#directory,
      socketPath: join(this.#socketDirectory, `.s.PGSQL.${port}`),
      sync: this.#sync,
    }
    const file = `./embedded-database-worker${extname(import.meta.filename)}`
    let worker: Worker
    try {
      worker = new Worker(new URL(file, import.meta.url), { workerData, name: 'database' })
    } catch (error) {
      // The host gives no thread now.
      return this.#fail((error as Error).message, error)
    }
    this.#worker = worker
    this.#watch.begin(threadOf(signs))
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

  /** @returns a promise that is rejected, as `running()` is from now on */
  #fail(reason: string, cause: unknown): Promise<never> {
    const error = new ControlError(
      'unavailable',
      `the embedded database in ${this.#directory} failed: ${reason}`,
      { cause },
    )
    this.#state = 'failed'
    this.#watch.end()
    if (this.#worker !== undefined) {
      this.#endingMs = 0
      this.#ended = this.#worker.terminate().then(() => {
        this.#endingMs = null
      })
      this.#onDeath(reason)
    }
    this.#worker = undefined
    this.#reject(error)
    const failed = Promise.reject(error)
    this.#running = unwatched(failed)
    return failed
  }

  /** Throws as `lockDataDirectory`, and what the file system does. */
  #takeGround(): Disposable {
    const lock = lockDataDirectory(this.#root, lockPathIn(this.#root))
    try {
      // Fails where somebody else has made it: it must be ours alone.
      mkdirSync(this.#socketDirectory, { mode: 0o700 })
    } catch (error) {
      lock[Symbol.dispose]()
      throw error
    }
    return {
      [Symbol.dispose]: () => {
        rmSync(this.#socketDirectory, { recursive: true, force: true })
        lock[Symbol.dispose]()
      },
    }
  }
}

/** Whether a file could not be written because its disk is full, or because nothing may be written there. */
function takesNothing(error: unknown): boolean {
  const cause = error instanceof ControlError ? error.cause : error
  const { code } = (cause ?? {}) as NodeJS.ErrnoException
  return code !== undefined && ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EFBIG', 'EIO'].includes(code)
}

/** Nobody may be waiting when it fails; `running()` tells the next one who asks. */
function unwatched<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

/**
 * The path of a private folder (0700) for the socket, that nobody has made yet: in the temporary folder, or in the data directory
 * where that is not to be written to. The socket's path must fit a socket address.
 */
function socketDirectoryFor(dataDir: string): string {
  const name = `pooldns-${randomBytes(6).toString('hex')}`
  const fitting = [tmpdir(), '/tmp', dataDir]
    .map((parent) => join(parent, name))
    .filter((path) => Buffer.byteLength(join(path, `.s.PGSQL.${port}`)) <= longestSocketPath)
  const [first] = fitting
  if (first === undefined) {
    const reason = `${tmpdir()} and ${dataDir} have longer paths than a socket may have`
    throw new ControlError('invalid', `there is no place for the socket of the embedded database: ${reason}`)
  }
  return fitting.find(canBeMade) ?? first
}

/** Asking for rights would not do: some file systems let everybody write, and take nothing. */
function canBeMade(path: string): boolean {
  try {
    mkdirSync(path, { mode: 0o700 })
    rmdirSync(path)
    return true
  } catch {
    return false
  }
}
