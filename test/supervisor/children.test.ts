import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { loadSyscalls } from '../../src/dataplane/listener/syscalls.ts'
import { connectedPair, type End, onceEnded, say } from '../../src/supervisor/children.ts'

const endOf = (child: ChildProcess) => new Promise<End>((resolve) => onceEnded(child, resolve))

t.test('the end of a process is heard, also of one that could not be started', async (t) => {
  t.match(await endOf(spawn(process.execPath, ['-e', 'process.exit(3)'])), { code: 3, signal: null })
  t.match(await endOf(spawn('/nowhere/program')), { code: null, signal: null, err: { code: 'ENOENT' } })
})

t.test('an error of a process that runs is not its end', async (t) => {
  const child = fork('-', { stdio: ['pipe', 'ignore', 'ignore', 'ipc'] })
  const ended = endOf(child)
  child.emit('error', new Error('a message was not sent'))
  child.kill('SIGKILL')
  t.match(await ended, { signal: 'SIGKILL' })
})

t.test('two ends of a connection, or the reason why there are none', async (t) => {
  const syscalls = loadSyscalls()
  const [one, other] = connectedPair(syscalls)
  one.write('hello')
  other.resume()
  t.match(await once(other, 'data'), [Buffer.from('hello')])
  one.destroy()
  other.destroy()
  const emfile = { ...syscalls, socketpair: () => -1, errno: () => 24 }
  t.throws(() => connectedPair(emfile), { code: 'EMFILE', message: /^socketpair EMFILE/ })
})

t.test('the end of a connection goes with the process that was to get it', async (t) => {
  const syscalls = loadSyscalls()
  for (const when of ['before it is said', 'while it is said', 'afterwards']) {
    // It lives, and hears nothing.
    const code = `process.on('message', () => {}); process.send('here')`
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    await once(child, 'message')
    child.kill('SIGSTOP')
    const [mine, other] = connectedPair(syscalls)
    const [second, third] = connectedPair(syscalls)
    const ends = [mine, second].map((end) => once(end.resume(), 'close'))
    const tell = () => [other, third].map((end) => say(child, { kind: 'link' }, end))
    if (when === 'while it is said') tell()
    child.kill('SIGKILL')
    if (when === 'before it is said') tell()
    await once(child, 'exit')
    if (when === 'afterwards') tell()
    await Promise.all(ends)
    t.pass(when)
  }
})
