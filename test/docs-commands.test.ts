/** Commands that pages and alerts have people type: each is one, and takes the options that are written behind it. */
import t from 'tap'
import { allCommands } from '../src/commands/all.ts'
import { flagOf } from '../src/commands/frame/command.ts'
import { loadAll } from '../src/commands/frame/loaded.ts'
import { pages } from './support/pages.ts'

const commands = new Map(
  (await loadAll(allCommands)).map(({ path, command }) => [
    path,
    new Set([...Object.keys(command.options).map(flagOf), '--help']),
  ]),
)
const groups = new Set(
  [...commands.keys()].filter((path) => path.includes(' ')).map((path) => path.split(' ')[0]!),
)

/** What a page shows as code: blocks but for documents and programs, and spans. */
function codeOf(text: string): string[] {
  const blocks = [...text.matchAll(/^```(sh|console)\n([\s\S]*?)^```$/gm)].map(([, , code]) => code!)
  const spans = text.replaceAll(/^```[\s\S]*?^```$/gm, '').matchAll(/`([^`]+)`/g)
  const lines = blocks.flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'))
  return [...lines, ...[...spans].map(([, code]) => code!.replaceAll('\n', ' '))]
}

/** What is wrong with the commands of a text, a line each. */
function faults(text: string): string[] {
  return codeOf(text).flatMap((code) => {
    // Where a command begins: at the start, or behind what may stand before one.
    const calls = code.matchAll(
      /(?:^|[|;&(] *|\$ |sudo |then |do |! |[A-Z_]+=\S* )pooldns ([a-z][a-z-]*(?![^\s|;&)])[^|;&)#<>"']*)/g,
    )
    return [...calls].flatMap(([, call]) => faultsOf(call!.trim().split(/\s+/)))
  })
}

function faultsOf([first, second, ...rest]: string[]): string[] {
  const isGroup = groups.has(first!)
  if (isGroup && second === undefined) return []
  const path = isGroup ? `${first} ${second}` : first!
  const options = commands.get(path)
  if (options === undefined) return [`pooldns ${path} is no command`]
  const words = isGroup || second === undefined ? rest : [second, ...rest]
  return words
    .map((word) => word.split('=')[0]!)
    .filter((word) => word.startsWith('--') && word !== '--' && !options.has(word))
    .map((word) => `pooldns ${path} has no ${word}`)
}

t.test('every command that a page has is one', async (t) => {
  let seen = 0
  for (const [page, text] of pages) {
    seen += [...text.matchAll(/\bpooldns [a-z]/g)].length
    t.same(faults(text), [], page)
  }
  t.ok(seen > 300, `${seen}`)
})

t.test('a slip is found', async (t) => {
  const slips: [string, string][] = [
    ['Say `pooldns restrat`.', 'pooldns restrat is no command'],
    ['```console\n$ pooldns drain demo/two --fro 1h\n```\n', 'pooldns drain has no --fro'],
    ['```sh\npooldns status | grep x || pooldns stats\n```\n', 'pooldns stats is no command'],
    ['`pooldns dnssec statsu ZONE`', 'pooldns dnssec statsu is no command'],
    ['`POOLDNS_TOKEN=a pooldns get pool demo --jsn`', 'pooldns get has no --jsn'],
  ]
  for (const [text, told] of slips) t.same(faults(text), [told])
})
