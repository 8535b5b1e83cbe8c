import { parseWords } from '../config.ts'
import { withDatabase } from './own-database.ts'

/** `pooldns migrate`: applies pending migrations and ends. */
export async function migrateCommand(args: readonly string[]): Promise<void> {
  parseWords(args, {}, 0)
  await withDatabase(async () => {
    process.stdout.write('the schema is up to date\n')
  })
}
