/** The command line: words in, exit codes out (0, 1 failed, 2 usage); what the commands do is elsewhere. */
import { keepCompiledCode } from '../compile-cache.ts'
import { tellFailure } from '../failure.ts'

const asksForHelp = (args: readonly string[]) => args.includes('--help') || args.includes('-h')

export async function dispatch(argv: readonly string[]): Promise<void> {
  try {
    await run(argv)
  } catch (error) {
    tellFailure(error)
  }
}

async function run(argv: readonly string[]): Promise<void> {
  keepCompiledCode()
  const [word, ...args] = argv
  // The server starts without what only the command line needs.
  if (word === 'serve' && !asksForHelp(args)) {
    const { serveCommand } = await import('./serve.ts')
    return serveCommand(args)
  }
  // Whoever reads no more, as `head` does, has what it wanted.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit()
  })
  const [{ runWords }, { allCommands }, { checkVariables }] = await Promise.all([
    import('./frame/program.ts'),
    import('./all.ts'),
    import('../config.ts'),
  ])
  // What is misspelt would be passed over, and the server on this host be changed in the place of the one that was meant.
  if (!asksForHelp(args)) checkVariables(process.env)
  await runWords(argv, allCommands)
}
