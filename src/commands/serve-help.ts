/** What `pooldns serve --help` says. `main.ts` starts the server itself, before anything of the command line is loaded. */
import { settingFlags } from '../config.ts'
import { defineCommand, type OptionSpec } from './frame/command.ts'

const flags = settingFlags().map(({ flag, variable, accepted }): [string, OptionSpec] => [
  flag.replace(/-[a-z]/g, (found) => found[1]!.toUpperCase()),
  { type: 'string', value: 'VALUE', summary: `${variable}: ${accepted}` },
])

export const serve = defineCommand({
  arguments: {},
  options: {
    demo: { type: 'boolean', summary: 'fill an empty database with a small example and start its servers' },
    config: {
      type: 'string',
      value: 'FILE',
      summary: 'variables, a line NAME=value each, behind flags and the environment',
      completes: 'file',
    },
    ...Object.fromEntries(flags),
  },
  examples: [
    { line: 'pooldns serve --demo', does: 'a server to play with, on port 9999' },
    {
      line: 'pooldns serve --dns-listen 192.0.2.53:53 --data-dir /var/lib/pooldns',
      does: 'a server for others, on the port that they ask',
    },
  ],
  notes:
    'Each flag mirrors the variable that is named beside it, and goes before it. Secrets have no flags: POOLDNS_ADMIN_TOKEN_FILE, ' +
    'DATABASE_URL_FILE and POOLDNS_CACHE_URL_FILE name files that hold them.',
  async run() {
    throw new Error('serve is started by main.ts')
  },
})
