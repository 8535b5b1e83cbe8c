#!/usr/bin/env node
/** The command line: words in, exit codes out (0, 1 failed, 2 usage); what the commands do is elsewhere. */
// Before anything else.
import './umask.ts'
import { keepCompiledCode } from './compile-cache.ts'
import { tellFailure } from './failure.ts'

const asksForHelp = (args: readonly string[]) => args.includes('--help') || args.includes('-h')

async function main([word, ...args]: readonly string[]): Promise<void> {
  keepCompiledCode()
  // The server starts without what only the command line needs.
  if (word === 'serve' && !asksForHelp(args)) {
    const { serveCommand } = await import('./commands/serve.ts')
    return serveCommand(args)
  }
  const { runWords } = await import('./commands/frame/program.ts')
  const { allCommands } = await import('./commands/all.ts')
  await runWords(word === undefined ? [] : [word, ...args], allCommands)
}

try {
  await main(process.argv.slice(2))
} catch (error) {
  tellFailure(error)
}
