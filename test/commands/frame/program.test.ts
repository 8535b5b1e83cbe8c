/** The command line as people meet it: help, mistakes, exit codes, colours. */
import { execFile } from 'node:child_process'
import t from 'tap'
import { allCommands } from '../../../src/commands/all.ts'
import { flagOf } from '../../../src/commands/frame/command.ts'
import { loadAll } from '../../../src/commands/frame/loaded.ts'
import { runWords } from '../../../src/commands/frame/program.ts'
import { main, node } from '../../support/daemon.ts'

interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

function pooldns(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return new Promise((resolve) => {
    execFile(node, [main, ...args], { env: { ...process.env, ...env } }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

const loaded = await loadAll(allCommands)

t.test('every command declares what its help needs', async (t) => {
  for (const { path, summary, command } of loaded) {
    t.ok(summary.length > 0 && !summary.endsWith('.'), `${path}: ${summary}`)
    t.ok(command.examples.length > 0, path)
    for (const { line } of command.examples) t.ok(line.includes(`pooldns ${path}`), `${path}: ${line}`)
    const flags = Object.keys(command.options).map(flagOf)
    t.equal(new Set(flags).size, flags.length, path)
    for (const flag of flags) t.match(flag, /^--[a-z][a-z-]*$/, path)
  }
})

t.test('help of each has its arguments, options and examples', async (t) => {
  const write = process.stdout.write
  let said = ''
  const help = async (words: readonly string[]) => {
    said = ''
    process.stdout.write = ((text: string) => {
      said += text
      return true
    }) as typeof write
    try {
      await runWords(words, allCommands)
    } finally {
      process.stdout.write = write
    }
    return said
  }
  for (const { path, command } of loaded) {
    const text = await help([...path.split(' '), '--help'])
    const words = [
      ...Object.keys(command.options).map(flagOf),
      ...Object.keys(command.arguments).map((name) => name.toUpperCase()),
      ...command.examples.map(({ line }) => line),
      'Examples:',
    ]
    for (const word of words) t.ok(text.includes(word), `${path} --help has ${word}`)
    t.equal(await help(['help', ...path.split(' ')]), text)
  }
  const all = await help(['--help'])
  for (const { name, summary } of allCommands)
    t.ok(all.includes(name) && all.includes(summary.split(' ')[0]!), name)
})

t.test('mistakes end with 2, on standard error, and are told what was most likely meant', async (t) => {
  for (const [args, message] of [
    [
      ['explian', 'a'],
      /^pooldns: "explian" is no command; did you mean "explain"\?\nTry "pooldns --help"\.\n$/,
    ],
    [['explain', 'a', '--clent', 'b'], /Did you mean --client\?.*\nTry "pooldns explain --help"/],
    [['token'], /^pooldns: token takes one of create, list, revoke\nTry "pooldns token --help"/],
    [['token', 'crate', 'x'], /unknown command 'crate'.*Did you mean create/],
    [
      ['token', 'create', 'x', '--scope', 'all'],
      /--scope: "all" is not one of read, write, override, report/,
    ],
    [['completion', 'tcsh'], /SHELL: "tcsh" is not one of bash, zsh, fish/],
    [['get', 'pol', 'us'], /^pooldns: KIND: "pol" is not one of zone, pool, .*; did you mean "pool"\?\n/],
    [['token', 'create', 'x', '--scope', 'raed'], /is not one of .*; did you mean "read"\?/],
    [['explain', 'a..b'], /empty label.*\nTry "pooldns explain --help"/],
  ] as const) {
    const outcome = await pooldns(args)
    t.equal(outcome.code, 2, args.join(' '))
    t.equal(outcome.stdout, '')
    t.match(outcome.stderr, message)
  }
})

t.test('colours are for terminals, and for who forces them', async (t) => {
  const colour = String.fromCharCode(27)
  t.notOk((await pooldns(['--help'])).stdout.includes(colour), 'a pipe')
  t.ok((await pooldns(['--help'], { FORCE_COLOR: '1' })).stdout.includes(colour))
  t.notOk((await pooldns(['--help'], { NO_COLOR: '1' })).stdout.includes(colour))
})
