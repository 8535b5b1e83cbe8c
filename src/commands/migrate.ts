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
    await withDatabase(async () => {
      process.stdout.write('the schema is up to date\n')
    })
  },
})
