/**
 * The thread of the embedded database: boots PGlite on a directory and serves it on a Unix socket, until told to
 * stop. Anything unexpected ends the thread: the main thread starts another, and Postgres' own recovery does the rest.
 */
import fs, { closeSync, existsSync, fsyncSync, openSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { parentPort, workerData } from 'node:worker_threads'
import { PGlite } from '@electric-sql/pglite'
import { PGLiteSocketServer } from '@electric-sql/pglite-socket'
import { giveBackAfterStart } from '../../dataplane/image/reclaim.ts'
import { beat, beatByEvents, beatIn } from '../../dataplane/life/signs.ts'
import { unpackReadyMade } from './ready-made-database.ts'
import { statementStates } from './statement-states.ts'
import { SyncedFolder, type Syncing, syncedStart } from './synced-folder.ts'

export interface EmbeddedWorkerData {
  /** Directory of the database files. */
  readonly directory: string
  readonly socketPath: string
  /** Where the thread gives its signs of life. */
  readonly signs: SharedArrayBuffer
  /** One int32 of `statementStates`: in a statement the thread gives none. */
  readonly statement: SharedArrayBuffer
  /** Whether each commit waits until it is on disk. */
  readonly sync: boolean
}

/** Connections at a time: the pool's one, one that is about to close, and a person with psql. */
const maxConnections = 8

/** PostgreSQL's own cache: the system has the same pages in its own, and 128 MB, its default, are more than most databases here hold. */
const small = ['-c', 'shared_buffers=16MB']

async function serve(data: EmbeddedWorkerData): Promise<void> {
  const { directory, socketPath, signs } = data
  const statement = new Int32Array(data.statement)
  beatIn(signs)
  const syncing = data.sync ? inSync(statement) : null
  await initialise(directory, syncing)
  const database = await open(directory, syncing)
  watchStatements(database, statement)
  rmSync(socketPath, { force: true })
  const server = new PGLiteSocketServer({ db: database, path: socketPath, maxConnections })
  await server.start()
  beatByEvents()
  parentPort?.once('message', async () => {
    await server.stop()
    await database.close() // Writes a checkpoint.
    process.exit(0)
  })
  // The only message there is.
  parentPort?.postMessage('running')
  giveBackAfterStart()
}

/**
 * Creates the database aside and moves it to its place when it is whole, so that a process that is killed during its
 * first start doesn't leave half a database that no later start can use.
 */
async function initialise(directory: string, syncing: Syncing | null): Promise<void> {
  if (existsSync(directory)) return
  const aside = `${directory}.new`
  rmSync(aside, { recursive: true, force: true })
  if (!unpackReadyMade(aside)) await (await open(aside, syncing)).close()
  // What makes a database syncs nothing.
  if (syncing !== null)
    for (const name of readdirSync(aside, { recursive: true }))
      syncing(() => syncPath(join(aside, String(name))))
  renameSync(aside, directory)
  if (syncing !== null) syncPath(dirname(directory))
}

function open(directory: string, syncing: Syncing | null): Promise<PGlite> {
  if (syncing === null)
    return PGlite.create({ dataDir: directory, startParams: [...PGlite.defaultStartParams, ...small] })
  return PGlite.create({ fs: new SyncedFolder(directory, syncing), startParams: [...syncedStart, ...small] })
}

/**
 * V8 compiles what of PostgreSQL runs often a second time, with its optimising compiler, which takes 500 MB for its largest functions
 * and a second of CPU at each start. What it gains is lost in the conversation with the database: single statements take as long,
 * those that read thousands of rows up to twice as long. It counts for whatever the process compiles from now on.
 */
function compileOnce(): void {
  // `--liftoff-only` says all of it on a command line; later each has to be said.
  for (const flag of ['--no-wasm-dynamic-tiering', '--no-wasm-tier-up', '--liftoff-only'])
    setFlagsFromString(flag)
}

/** Says that the thread waits for the disk, which may take long, while it does. */
function inSync(statement: Int32Array): Syncing {
  return (work) => {
    const before = Atomics.exchange(statement, 0, statementStates.syncing)
    work()
    Atomics.store(statement, 0, before)
    beat()
  }
}

function syncPath(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/**
 * A PGlite that threw (an abort inside WebAssembly, a full disk) is not to be trusted, and the socket server would
 * stop handling its queue for ever. So the thread dies with it.
 */
function watchStatements(database: PGlite, statement: Int32Array): void {
  const run = database.execProtocolRawStream.bind(database)
  database.execProtocolRawStream = async (...args) => {
    Atomics.store(statement, 0, statementStates.running)
    try {
      return await run(...args)
    } catch (error) {
      setImmediate(() => {
        throw error
      })
      throw error
    } finally {
      Atomics.store(statement, 0, statementStates.none)
    }
  }
}

/**
 * PGlite gives each file that it makes the mode 0666 by a chmod of its own, which no umask changes. It finds `chmodSync` in this
 * object, of which each thread has its own, so nobody else sees the change.
 */
function keepModesPrivate(): void {
  const { chmodSync, fchmodSync } = fs
  fs.chmodSync = (path, mode) => chmodSync(path, Number(mode) & 0o700)
  fs.fchmodSync = (file, mode) => fchmodSync(file, Number(mode) & 0o700)
}

keepModesPrivate()
compileOnce()
await serve(workerData as EmbeddedWorkerData)
