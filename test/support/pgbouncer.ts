/** pgbouncer before a server, in transaction mode: each transaction may get another session of the server's. */
import { chmod, chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from './free-port.ts'
import { findOwner, type PostgresServer } from './postgres-server.ts'
import { type Program, startProgram } from './program.ts'

/** Sessions of the server that it has for each database. */
export const pooledSessions = 3

export interface Pgbouncer extends AsyncDisposable {
  /** A URL of a database by way of this. */
  through(databaseUrl: string): string
  /** SIGKILL; resolves when it is gone. */
  kill(): Promise<void>
  /** After `kill`. */
  restart(): Promise<void>
}

export async function startPgbouncer({ port: serverPort, url }: PostgresServer): Promise<Pgbouncer> {
  const { username, password } = new URL(url)
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-pgbouncer-'))
  const port = await freePort()
  const users = join(folder, 'users.txt')
  const settings = join(folder, 'pgbouncer.ini')
  await writeFile(users, `"${username}" "${password}"\n`)
  await writeFile(
    settings,
    `[databases]
* = host=127.0.0.1 port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = ${pooledSessions}
max_client_conn = 200
server_login_retry = 1
`,
  )
  // It refuses to run as root, as the server does.
  const owner = findOwner()
  await chmod(folder, 0o700)
  if (owner !== null) for (const path of [folder, users, settings]) await chown(path, owner.uid, owner.gid)
  const start = async (): Promise<Program> => {
    const started = startProgram('pgbouncer', [settings], { cwd: folder, ...owner, stopSignal: 'SIGINT' })
    await started.said(/process up/)
    return started
  }
  let running = await start()
  return {
    through: (databaseUrl) => databaseUrl.replace(`:${serverPort}/`, `:${port}/`),
    kill: () => running.stop('SIGKILL'),
    restart: async () => {
      running = await start()
    },
    [Symbol.asyncDispose]: async () => {
      await running.stop('SIGKILL')
      await rm(folder, { recursive: true, force: true })
    },
  }
}
