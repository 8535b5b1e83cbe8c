/**
 * The tour of README and docs/tutorial.md as a reader would take it: every shell block, in order, in one bash, against a real daemon with the
 * demo, on the embedded database and on PostgreSQL. What stands there is run as it is, but for two things that
 * `onPorts` replaces: the DNS port and the HTTP address, which are free ones here. `data/admin-token` is the token of the
 * daemon because bash runs in a folder in which `data` is the daemon's data directory.
 *
 * The `text` block behind a shell block is its output, standard error included, with two liberties: `…` stands for any
 * text within a line, and lines that are nothing but an address may come in any order among themselves, because answers
 * rotate. A shell block without one prints nothing. A command that fails fails the test.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { repository, startDaemonProcess } from './support/daemon.ts'
import { type Block, onPorts, page, pageBlocks, pages } from './support/pages.ts'
import { startPostgres } from './support/postgres.ts'
import { missingPrograms } from './support/program.ts'

const tour = [
  ...pageBlocks('README.md').filter(({ heading }) => heading === 'A tour in five minutes'),
  ...pageBlocks('docs/tutorial.md'),
]
const skip = missingPrograms('dig', 'curl', 'bash')

t.test('the tour', { skip }, async (t) => {
  t.equal(
    JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')).scripts.start,
    'node src/main.ts serve --demo',
    '`npm start` is what the harness starts',
  )
  await t.test('on the embedded database', (t) => takeTour(t, undefined))
  await t.test('on PostgreSQL', async (t) => {
    const postgres = await startPostgres()
    t.teardown(() => postgres.stop())
    await takeTour(t, await postgres.createEmptyDatabase())
  })
})

t.test('the table of variables is that of the code', async (t) => {
  const source = readFileSync(join(repository, 'src/config.ts'), 'utf8')
  const inCode = [...source.matchAll(/(?:setting|word|wholeNumber)\(\s*'([A-Z_]+)'/g)].map(
    ([, name]) => name!,
  )
  t.ok(inCode.length >= 10)
  t.same(
    [...page('docs/configuration.md').matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, name]) => name).sort(),
    inCode.sort(),
  )
})

t.test('what it says to lie somewhere lies there', async (t) => {
  const architecture = page('docs/architecture.md')
  const table = architecture.slice(architecture.indexOf('\n## Where things are\n'))
  const all = [...pages.values()].join('\n')
  const rows = [...table.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell!)
  const paths = [...all.matchAll(/`(deploy\/[^`]+)`/g), ...rows.join().matchAll(/`([^`]+)`/g)].map(
    ([, path]) => path!,
  )
  t.ok(paths.length > 20)
  for (const path of paths) await t.resolves(access(join(repository, path)), path)
})

async function takeTour(t: Test, databaseUrl: string | undefined): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-tour-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const dataDir = join(folder, 'data')
  await mkdir(dataDir)
  const daemon = await startDaemonProcess({ demo: true, dataDir, env: { DATABASE_URL: databaseUrl } })
  t.teardown(() => daemon.stop())
  const bash = startBash(folder)
  t.teardown(() => bash.stop())
  let ran = 0
  for (const [index, block] of tour.entries()) {
    if (block.language !== 'sh') continue
    const next = tour[index + 1]
    const expected = next?.language === 'text' ? next.text : ''
    const { output, failed } = await bash.run(onPorts(block.text, daemon.dns.port, daemon.http))
    t.same(failed, [], `every command of the block at ${placeOf(block)} succeeds`)
    compare(t, block, output, expected)
    ran++
  }
  t.ok(ran >= 10, `${ran} blocks`)
  t.same(await daemon.stop(), { code: 0, signal: null })
}

function compare(t: Test, block: Block, output: string, expected: string): void {
  const actual = sortAddresses(output.split('\n'))
  const wanted = sortAddresses(expected.split('\n'))
  const matches =
    actual.length === wanted.length && wanted.every((line, index) => toPattern(line).test(actual[index]!))
  // Shown side by side when they differ.
  if (matches) t.pass(`the output of the block at ${placeOf(block)}`)
  else t.same(actual, wanted, `the output of the block at ${placeOf(block)}`)
}

function placeOf({ page, line }: Block): string {
  return `line ${line} of ${page}`
}

function toPattern(line: string): RegExp {
  return new RegExp(`^${line.split('…').map(escapePattern).join('.*')}$`)
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/** The lines, with each run of addresses in order. */
function sortAddresses(lines: readonly string[]): string[] {
  const sorted: string[] = []
  let run: string[] = []
  for (const line of lines) {
    if (isIP(line) !== 0) {
      run.push(line)
      continue
    }
    sorted.push(...run.sort(), line)
    run = []
  }
  return [...sorted, ...run.sort()]
}

interface Bash {
  /** Runs a block in the shell that ran those before. `failed` holds the commands with a bad exit code. */
  run(block: string): Promise<{ output: string; failed: string[] }>
  stop(): Promise<void>
}

const endOfBlock = '--- end of block ---'
const failure = '--- failed: '

function startBash(folder: string): Bash {
  const child = spawn('bash', ['--noprofile', '--norc'], { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.stdin.on('error', () => undefined)
  child.stdin.write(`exec 2>&1; set -E; trap 'echo "${failure}$BASH_COMMAND"' ERR\n`)
  return {
    async run(block) {
      const file = join(folder, 'block.sh')
      await writeFile(file, block)
      child.stdin.write(`. ./block.sh; echo '${endOfBlock}'\n`)
      const output: string[] = []
      const failed: string[] = []
      for (;;) {
        const next = await lines.next()
        if (next.done === true) throw new Error(`bash ended in:\n${block}`)
        if (next.value === endOfBlock) break
        if (next.value.startsWith(failure)) failed.push(next.value.slice(failure.length))
        else output.push(next.value)
      }
      return { output: output.map((line) => `${line}\n`).join(''), failed }
    },
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}
