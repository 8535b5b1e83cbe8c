import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { lockDataDirectory } from '../../../src/controlplane/store/data-directory-lock.ts'

function place(t: Test): { directory: string; path: string } {
  const root = mkdtempSync(join(tmpdir(), 'pooldns-lock-'))
  t.teardown(() => rmSync(root, { recursive: true, force: true }))
  const directory = join(root, 'data')
  return { directory, path: join(directory, 'db.lock') }
}

t.test('holds off a second taker until it is given free', async (t) => {
  const { directory, path } = place(t)
  const lock = lockDataDirectory(directory, path)
  t.equal(statSync(directory).mode & 0o777, 0o700)
  t.throws(() => lockDataDirectory(directory, path), {
    code: 'conflict',
    message: `in use by process ${process.pid}`,
  })
  lock[Symbol.dispose]()
  lock[Symbol.dispose]()
  t.same(readdirSync(directory), [])
  lockDataDirectory(directory, path)[Symbol.dispose]()
})

t.test('another process that lives', async (t) => {
  const { directory, path } = place(t)
  lockDataDirectory(directory, path)[Symbol.dispose]()
  const other = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: 'pipe' })
  await once(other, 'spawn')
  writeFileSync(path, JSON.stringify({ pid: other.pid, started: null }))
  t.throws(() => lockDataDirectory(directory, path), {
    code: 'conflict',
    message: `in use by process ${other.pid}`,
  })
  other.kill('SIGKILL')
  await once(other, 'exit')
  lockDataDirectory(directory, path)[Symbol.dispose]()
})

const onLinux = { skip: process.platform === 'linux' ? false : 'needs /proc' }

t.test('another process that has died, and whose parent has not asked for it', onLinux, async (t) => {
  const { directory, path } = place(t)
  lockDataDirectory(directory, path)[Symbol.dispose]()
  // What replaces the shell knows nothing of its child.
  const parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec tail -f /dev/null'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => parent.kill('SIGKILL'))
  const [line] = (await once(parent.stdout, 'data')) as [Buffer]
  const pid = Number(line.toString().trim())
  while (!readFileSync(`/proc/${parent.pid}/cmdline`, 'utf8').startsWith('tail')) await turn()
  process.kill(pid, 'SIGKILL')
  const state = () => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '')[0]
  while (state() !== 'Z') await turn()
  writeFileSync(path, JSON.stringify({ pid, started: null }))
  lockDataDirectory(directory, path)[Symbol.dispose]()
})

t.test('what a killed process left behind', async (t) => {
  const { directory, path } = place(t)
  lockDataDirectory(directory, path)[Symbol.dispose]()
  const stale = [
    // This process id, before the container was started again.
    JSON.stringify({ pid: process.pid, started: 'another boot 1' }),
    // A process id that somebody else has now.
    JSON.stringify({ pid: process.ppid, started: 'another boot 1' }),
    '',
    'null',
    '{"pid":-1}',
    'not JSON',
  ]
  for (const text of stale) {
    writeFileSync(path, text)
    const lock = lockDataDirectory(directory, path)
    t.match(JSON.parse(readFileSync(path, 'utf8')), { pid: process.pid })
    t.same(readdirSync(directory), ['db.lock'])
    lock[Symbol.dispose]()
  }
})

t.test('a directory that is none', async (t) => {
  const { directory } = place(t)
  writeFileSync(directory, '')
  t.throws(() => lockDataDirectory(directory, join(directory, 'db.lock')), {
    code: 'invalid',
    message: `the data directory ${directory} can't be written`,
  })
})
