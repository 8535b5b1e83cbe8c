/**
 * Blocks of a page, run as a reader would: in one bash, in order, in a folder that looks like a clone in which a server runs. What stands
 * in a block is run as it is, but for the DNS port and the HTTP address, which are free ones here (`onPorts`).
 *
 * The `text` block behind an `sh` block is its output, standard error included, with these liberties: `…` stands for any text within a
 * line; a time of day, a span of time (`1m 46s`) and the spaces beside it may differ; and lines that are nothing but an address may come
 * in any order among themselves, because answers rotate. A block without one prints nothing. A command that fails is told.
 */
import { spawn } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Test } from 'tap'
import type { DaemonProcess } from './daemon.ts'
import { main, repository } from './daemon.ts'
import { type Block, onPorts } from './pages.ts'

export interface PageShell {
  /** Runs the `sh` blocks among these, and holds their output against what stands behind each. Returns how many ran. */
  take(t: Test, blocks: readonly Block[]): Promise<number>
  /** Runs commands in the shell that ran those before. `failed` holds those with a bad exit code. */
  run(commands: string): Promise<{ output: string; failed: string[] }>
  stop(): Promise<void>
}

const endOfBlock = '--- end of block ---'
const failure = '--- failed: '
const linked = ['node_modules', 'src', 'deploy', 'package.json']

/** Makes `folder/data`, unless it is there: the data directory of the daemon, for which the shell is started later. */
export async function makeClone(folder: string): Promise<string> {
  const dataDir = join(folder, 'data')
  await mkdir(dataDir, { recursive: true })
  for (const name of linked) await symlink(join(repository, name), join(folder, name))
  return dataDir
}

/** @param folder of `makeClone`, whose data directory the daemon has */
export function startPageShell(folder: string, daemon: DaemonProcess): PageShell {
  const child = spawn('bash', ['--noprofile', '--norc'], {
    cwd: folder,
    env: shellEnvironment(folder, daemon),
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const exited = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.stdin.on('error', () => undefined)
  child.stdin.write(`exec 2>&1; set -E; trap 'echo "${failure}$BASH_COMMAND"' ERR\n`)
  const run: PageShell['run'] = async (commands) => {
    const file = join(folder, 'block.sh')
    // Of the program that is tested: built, it takes a third of the CPU.
    await writeFile(file, commands.replaceAll(/(?<![\w/])src\/main\.ts\b/g, main))
    // By its whole path: a block may go to another folder.
    child.stdin.write(`. '${file}' </dev/null; echo '${endOfBlock}'\n`)
    const output: string[] = []
    const failed: string[] = []
    for (;;) {
      const next = await lines.next()
      if (next.done === true) throw new Error(`bash ended in:\n${commands}`)
      if (next.value === endOfBlock) break
      if (next.value.startsWith(failure)) failed.push(next.value.slice(failure.length))
      else output.push(next.value)
    }
    return { output: output.map((line) => `${line}\n`).join(''), failed }
  }
  const ported = (text: string) => onPorts(text, daemon.dns.port, daemon.http)
  return {
    run,
    async take(t, blocks) {
      let ran = 0
      for (const [index, block] of blocks.entries()) {
        if (block.language !== 'sh') continue
        const next = blocks[index + 1]
        const expected = next?.language === 'text' ? ported(next.text) : ''
        const { output, failed } = await run(ported(block.text))
        const place = `line ${block.line} of ${block.page}`
        t.same(failed, [], `every command of the block at ${place} succeeds`)
        // Shown side by side when they differ.
        if (isOutput(output, expected)) t.pass(`the output of the block at ${place}`)
        else t.same(output.split('\n'), expected.split('\n'), `the output of the block at ${place}`)
        ran++
      }
      return ran
    },
    async stop() {
      child.kill('SIGTERM')
      await exited
    },
  }
}

function shellEnvironment(folder: string, daemon: DaemonProcess): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(POOLDNS_|DATABASE_URL|PG)/.test(name))
  return {
    ...Object.fromEntries(kept),
    NODE_OPTIONS: '',
    NODE_COMPILE_CACHE: join(repository, 'node_modules/.cache/pooldns/compiled'),
    // No login of whoever runs this.
    XDG_CONFIG_HOME: join(folder, '.config'),
    // In place of the port that it would have.
    POOLDNS_SERVER: daemon.http,
  }
}

/** Whether `output` is what a page says, by the liberties above. */
export function isOutput(output: string, expected: string): boolean {
  const actual = sortAddresses(output.split('\n'))
  const wanted = sortAddresses(expected.split('\n'))
  return (
    actual.length === wanted.length && wanted.every((line, index) => toPattern(line).test(actual[index]!))
  )
}

const span = String.raw`\d+[dhms](?: \d+[hms])?`
const time = String.raw`\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?`
const liberties = new RegExp(`(…)|(${time})|( *(?<![\\w.])${span}(?!\\w) *)`, 'g')

function toPattern(line: string): RegExp {
  let pattern = ''
  let from = 0
  for (const { 0: text, 1: anything, 2: moment, index } of line.matchAll(liberties)) {
    pattern += escapePattern(line.slice(from, index))
    pattern += anything !== undefined ? '.*' : moment !== undefined ? time : ` *${span} *`
    from = index + text.length
  }
  return new RegExp(`^${pattern}${escapePattern(line.slice(from))}$`)
}

function escapePattern(text: string): string {
  // Columns of a table move with what a span takes.
  return text.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&').replaceAll(/ {2,}/g, ' {2,}')
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
