import { join } from 'node:path'
import { readConfig } from '../config.ts'
import { defineCommand } from './frame/command.ts'
import { withDatabase } from './own-database.ts'

/** `pooldns migrate`: applies pending migrations and ends. */
export const migrate = defineCommand({
  arguments: {},
  options: {},
  examples: [
    {
      line: 'DATABASE_URL_FILE=/run/secrets/database pooldns migrate',
      does: 'before the first server of a new version starts, which would do it, too',
    },
  ],
  async run() {
    const { databaseUrl, dataDir } = readConfig([], process.env)
    await withDatabase(async () => {
      // One that has just been made is found by nobody who does not hear where it is.
      const where = databaseUrl === null ? `: ${join(dataDir, 'db')}` : ''
      process.stdout.write(`the schema is up to date${where}\n`)
    })
  },
})
