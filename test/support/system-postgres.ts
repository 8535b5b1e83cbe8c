/**
 * The PostgreSQL that is installed here, Debian's in particular, with the settings of its package: it compiles expensive
 * queries (JIT), which the server of `postgres.ts` was built without. On a free port, in a temporary folder.
 */
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { freePort } from './free-port.ts'
import { startProgram } from './program.ts'

const debianFolder = '/usr/lib/postgresql'

/** Where its programs are, of the newest version; null when there is none. */
function findPrograms(): string | null {
  if (!existsSync(debianFolder)) return null
  const folders = readdirSync(debianFolder)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(debianFolder, version, 'bin'))
  return folders.find((folder) => existsSync(join(folder, 'initdb'))) ?? null
}

/** The user that a server of root's runs as, since none runs as root. */
function findUser(): { readonly uid: number; readonly gid: number } | null {
  const line = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync('/etc/passwd', 'utf8'))
  return line === null ? null : { uid: Number(line[1]), gid: Number(line[2]) }
}

const asRoot = () => process.getuid?.() === 0

/** For tap's `skip`: false when it can be started. */
export function withoutSystemPostgres(): string | false {
  if (findPrograms() === null) return `not installed: postgresql (in ${debianFolder})`
  if (asRoot() && findUser() === null) return 'there is no user postgres that it could run as'
  return false
}

export interface SystemPostgres extends AsyncDisposable {
  /** Such as `15.18`. */
  readonly version: string
  /** All that it wrote to its log so far. */
  readonly log: string
  /** Creates an empty database and returns its URL. `settings` hold for whoever connects to it. */
  createDatabase(settings?: Readonly<Record<string, string>>): Promise<string>
}

/**
 * Starts it. Ask `withoutSystemPostgres` before.
 *
 * @param flags of `postgres`, such as `-c fsync=off`
 */
export async function startSystemPostgres(...flags: readonly string[]): Promise<SystemPostgres> {
  const programs = findPrograms()!
  const user = asRoot() ? findUser() : null
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-system-postgres-'))
  await using stack = new AsyncDisposableStack()
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o700)
  if (user !== null) await chown(folder, user.uid, user.gid)
  const data = join(folder, 'data')
  const initdb = ['--no-sync', '--encoding=UTF8', '--auth=trust', '--username=postgres', '-D', data]
  await promisify(execFile)(join(programs, 'initdb'), initdb, { cwd: folder, ...user })
  const port = await freePort()
  const local = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-p', String(port)]
  const server = startProgram(join(programs, 'postgres'), ['-D', data, ...local, ...flags], {
    cwd: folder,
    ...user,
    // Fast shutdown: a smart one (SIGTERM) waits for clients to go.
    stopSignal: 'SIGINT',
  })
  stack.use(server)
  await server.said(/database system is ready to accept connections/)
  const urlOf = (name: string) => `postgres://postgres@127.0.0.1:${port}/${name}`
  const version = await query(urlOf('postgres'), 'show server_version')
  const owned = stack.move()
  let databases = 0
  return {
    version: version!.split(' ')[0]!,
    get log() {
      return server.output
    },
    async createDatabase(settings = {}) {
      const name = `test_${++databases}`
      await query(urlOf('postgres'), `create database ${name}`)
      for (const [key, value] of Object.entries(settings)) {
        await query(urlOf('postgres'), `alter database ${name} set ${key} = ${value}`)
      }
      return urlOf(name)
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  }
}

/** The first field of the first row. */
async function query(url: string, text: string): Promise<string | undefined> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query({ text, rowMode: 'array' })
    return (rows[0] as string[] | undefined)?.[0]
  } finally {
    await client.end()
  }
}
