import { parseArgs } from 'node:util'
import { readConfig, UsageError } from '../config.ts'
import { ControlError } from '../controlplane/model/errors.ts'
import { Database } from '../controlplane/store/database.ts'

/** How long `migrate` waits for a database that is still starting. */
const patienceMs = 30_000

/** `pooldns migrate`: applies pending migrations and ends. */
export async function migrateCommand(args: readonly string[]): Promise<void> {
  await withDatabase(args, async () => {
    process.stdout.write('the schema is up to date\n')
  })
}

/** Opens the database that the environment names, migrated, for the length of `work`. */
export async function withDatabase(
  args: readonly string[],
  work: (database: Database) => Promise<void>,
): Promise<void> {
  try {
    parseArgs({ args: [...args], options: {}, strict: true })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
  const config = readConfig([], process.env)
  let last = 'no answer'
  await using database = await Database.open({
    url: config.databaseUrl,
    dataDir: config.dataDir,
    onUnavailable: (reason) => {
      last = reason
    },
  })
  const signal = AbortSignal.timeout(patienceMs)
  await database.ready(signal).catch((error: unknown) => {
    if (signal.aborted) throw new Error(`the database is not available: ${last}`)
    throw error
  })
  await work(database)
}

/** As `withDatabase`, for the commands that can go by a running server instead. */
export async function withOwnDatabase(work: (database: Database) => Promise<void>): Promise<void> {
  let opened = false
  try {
    await withDatabase([], (database) => {
      opened = true
      return work(database)
    })
  } catch (error) {
    // The embedded database has one user at a time, which is as a rule the server.
    if (opened || !(error instanceof ControlError) || error.code !== 'conflict') throw error
    throw new Error(`${error.message}; if that is a running server, go by it with --server URL`, {
      cause: error,
    })
  }
}
