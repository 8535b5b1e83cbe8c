#!/usr/bin/env node
/** The command line: words in, exit codes out (0, 1 failed, 2 usage); what the commands do is elsewhere. */
// Before anything else.
import './umask.ts'
import { keepCompiledCode } from './compile-cache.ts'
import { parseWords, UsageError } from './config.ts'
import { tellFailure } from './failure.ts'
import { version } from './version.ts'

const usage = `pooldns ${version}: an authoritative DNS server that load-balances

  pooldns serve [--demo]             answer DNS; flags such as --dns-listen mirror the variables of the README
  pooldns restart [--data-dir DIR]   replace the processes of a running server by what is installed now, while it answers
  pooldns migrate                    bring the schema of DATABASE_URL up to date
  pooldns import-zone FILE --zone APEX [--dry-run] [--progress]
                                     make a zone what a master file says; - is standard input
  pooldns import-zones DIR [--dry-run] [--progress]
                                     a folder of master files, named for their zones: example.org.zone
  pooldns export-zone APEX [--output FILE]
                                     a zone as a master file, on standard output unless told otherwise
  pooldns token create NAME [--scope read|write]... [--json]
  pooldns token list [--json]
  pooldns token revoke NAME
  pooldns explain NAME [TYPE] [--client ADDR] [--json]
                                     what a running server answers, and why
                                     these seven: [--server URL], or POOLDNS_SERVER, to go by a running server, with
                                     the token in POOLDNS_TOKEN or POOLDNS_ADMIN_TOKEN, in the file that one of them
                                     with _FILE names, or by [--token TOKEN], which ps shows for a moment
  pooldns agent --server URL [--server URL]... --pool POOL --member MEMBER [--member MEMBER]... [--every 10s]
                [--timeout 10s] [--ttl 40s] [--once] -- COMMAND [ARGUMENT]...
                                     report to every server what a check exits with: 0 ok, 1 warning, 2 critical,
                                     3 unknown; the token as above
  pooldns --help | --version
`

type Command = (args: readonly string[]) => Promise<void>

// Loaded when they are called for, so that a word that is none doesn't wait for the whole daemon.
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.ts')).serveCommand,
  restart: async () => (await import('./commands/restart.ts')).restartCommand,
  migrate: async () => (await import('./commands/migrate.ts')).migrateCommand,
  'import-zone': async () => (await import('./commands/import-zone.ts')).importZoneCommand,
  'import-zones': async () => (await import('./commands/import-zones.ts')).importZonesCommand,
  'export-zone': async () => (await import('./commands/export-zone.ts')).exportZoneCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  agent: async () => (await import('./commands/agent.ts')).agentCommand,
  token: async () => (await import('./commands/token.ts')).tokenCommand,
}

async function main(argv: readonly string[]): Promise<void> {
  const [word, ...args] = argv
  if (word === undefined) throw new UsageError('a command is missing')
  if (word.startsWith('-')) {
    const flags = { help: { type: 'boolean', short: 'h' }, version: { type: 'boolean' } } as const
    const { values } = parseWords(argv, flags, 0)
    process.stdout.write(values.version === true ? `${version}\n` : usage)
    return
  }
  const load = Object.hasOwn(commands, word) ? commands[word] : undefined
  if (load === undefined) throw new UsageError(`"${word}" is no command`)
  keepCompiledCode()
  const command = await load()
  await command(args)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  tellFailure(error)
}
