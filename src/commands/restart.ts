import { askToReplace } from '../supervisor/door.ts'
import { defineCommand } from './frame/command.ts'
import { dataDirOption } from './frame/shared-options.ts'

/**
 * `pooldns restart`: replaces the processes of the server with this data directory by what is installed now, while DNS is answered, and
 * waits until that is done.
 */
export const restart = defineCommand({
  arguments: {},
  options: dataDirOption,
  examples: [
    { line: 'pooldns restart', does: 'the server whose data directory is ./data' },
    {
      line: 'pooldns restart --data-dir /var/lib/pooldns',
      does: 'another one, after an update for instance',
    },
  ],
  async run(_words, { dataDir }) {
    const outcome = await askToReplace(dataDir || process.env.POOLDNS_DATA_DIR || './data')
    if (!outcome.replaced) throw new Error(`not replaced: ${outcome.reason}`)
    process.stdout.write('replaced\n')
  },
})
