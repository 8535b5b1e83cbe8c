/** What the commands refuse before they open anything; what they do is tested as processes, in `e2e`. */
import t from 'tap'
import { allCommands } from '../../src/commands/all.ts'
import { runWords } from '../../src/commands/frame/program.ts'

const wrongImports: readonly (readonly [args: string[], message: RegExp])[] = [
  [[], /missing required argument 'file'/],
  [['x'], /needs --zone/],
  [['x', '--zone', 'a..b'], /empty label/],
  [['x', 'y', '--zone', 'a'], /too many arguments/],
  [['x', '--zone', 'a', '--dance'], /dance/],
  [['x', '--zone'], /zone/],
  [['x', '--zone', 'a', '--server', 'nowhere'], /--server: "nowhere" is not accepted/],
]

t.test('import-zone refuses what is wrong before it opens anything', async (t) => {
  for (const [args, message] of wrongImports) {
    await t.rejects(
      runWords(['import-zone', ...args], allCommands),
      { name: 'UsageError', message },
      args.join(' '),
    )
  }
})

t.test('export-zone refuses what is wrong before it opens anything', async (t) => {
  for (const args of [[], ['a', 'b'], ['a..b'], ['a', '--dance'], ['a', '--server', 'ftp://a']]) {
    await t.rejects(runWords(['export-zone', ...args], allCommands), { name: 'UsageError' }, args.join(' '))
  }
})
