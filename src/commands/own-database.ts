/** The database that the environment names, for the commands that work on it without a running server. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readConfig, UsageError } from '../config.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { Database } from '../controlplane/store/database.ts'
import { addressLeftIn } from '../daemon/http-address.ts'
import { trustSystemAuthorities } from '../trust.ts'

/** Who the audit log and the history say it was: whoever may open the database. */
export const author = { actor: 'command line', source: 'command', message: null } as const

/** How long a command waits for a database that is still starting. */
const patienceMs = 30_000

/** Opens the database, migrated, for the length of `work`. */
export async function withDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  const config = readConfig([], process.env)
  if (config.databaseUrl !== null) trustSystemAuthorities()
  let last = 'no answer'
  await using database = await Database.open({
    url: config.databaseUrl,
    dataDir: config.dataDir,
    sync: config.sync,
    auditRetentionMs: config.auditRetentionMs,
    onUnavailable: (reason) => {
      last = reason
    },
    onMigrating: (tag, seconds) => process.stderr.write(`migration ${tag} has lasted ${seconds} s\n`),
  })
  const signal = AbortSignal.timeout(patienceMs)
  await database.ready(signal).catch((error: unknown) => {
    if (signal.aborted) throw new Error(`the database is not available: ${last}`)
    throw error
  })
  return await work(database)
}

/**
 * For a command that makes no sense on a database that is made for it: what it wrote there no server would ever read.
 *
 * @throws UsageError that says what to do
 */
export function requireOwnDatabase(environment: Readonly<Record<string, string | undefined>>): void {
  const { databaseUrl, dataDir } = readConfig([], environment)
  if (databaseUrl !== null || existsSync(join(dataDir, 'db'))) return
  throw new UsageError(
    `${dataDir} has no database: go by a running server with --server URL (or POOLDNS_SERVER, or "pooldns login"), or say where the ` +
      'database is with DATABASE_URL or POOLDNS_DATA_DIR',
  )
}

/**
 * Does what `withDatabase` does, for the commands that can go by a running server instead.
 *
 * @throws UsageError where there is no database yet
 */
export async function withOwnDatabase<T>(work: (database: Database) => Promise<T>): Promise<T> {
  requireOwnDatabase(process.env)
  let opened = false
  try {
    return await withDatabase((database) => {
      opened = true
      return work(database)
    })
  } catch (error) {
    // The embedded database has one user at a time, which is as a rule the server.
    if (opened || !(error instanceof ControlError) || error.code !== 'conflict') throw error
    const { dataDir } = readConfig([], process.env)
    const left = addressLeftIn(dataDir)
    const how = left === null ? 'with --server URL' : `at ${left}, without --database`
    throw new Error(`${error.message}; if that is a running server, go by it ${how}`, { cause: error })
  }
}
