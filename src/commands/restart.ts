import { join } from 'node:path'
import { parseWords } from '../config.ts'
import { askToReplace } from '../supervisor/door.ts'

/**
 * `pooldns restart`: replaces the processes of the server with this data directory by what is installed now, while DNS is answered, and
 * waits until that is done.
 *
 * @throws Error that says why it was not
 */
export async function restartCommand(args: readonly string[]): Promise<void> {
  const { values } = parseWords(args, { 'data-dir': { type: 'string' } } as const, 0)
  const dataDir = values['data-dir'] || process.env.POOLDNS_DATA_DIR || './data'
  const outcome = await askToReplace(join(dataDir))
  if (!outcome.replaced) throw new Error(`not replaced: ${outcome.reason}`)
  process.stdout.write('replaced\n')
}
