/** Signs of life of a thread and of a process, as who watches sees them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import t, { type Test } from 'tap'
import { type Channel, mainThreadOf, sayAlive } from '../../../src/dataplane/life/child-signs.ts'
import { allocateSigns, beat, readSigns, threadNumber } from '../../../src/dataplane/life/signs.ts'
import { threadOf, type Watched } from '../../../src/dataplane/life/watch.ts'

/** Asks until it is so. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function beatsOn(watched: Watched): Promise<void> {
  const before = watched.beats()
  await until(() => watched.beats() > before + 1)
}

t.test('a thread beats by its event loop, and not while that stands still', async (t) => {
  const signs = allocateSigns()
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const worker = new Worker(new URL('./beating.ts', import.meta.url), { workerData: { signs, gate } })
  t.teardown(() => worker.terminate())
  const thread = threadOf(signs)
  await beatsOn(thread)
  t.not(readSigns(signs).thread, process.pid, 'its own number')
  await until(() => thread.time()!.doing === 'still')
  worker.postMessage('wait')
  await once(worker, 'message')
  const { beats } = readSigns(signs)
  worker.postMessage('nobody takes this')
  await until(() => Atomics.notify(gate, 0) === 1)
  t.equal(readSigns(signs).beats, beats, 'none while it waited')
  await beatsOn(thread)
  const ended = once(worker, 'exit')
  worker.postMessage('end')
  t.same(await ended, [0], 'the beats keep no thread alive')
})

t.test('a thread that nobody watches beats for nobody', async (t) => {
  t.doesNotThrow(beat)
})

t.test('where the system has no numbers for threads it is 0', async (t) => {
  t.equal(threadNumber('/nowhere/self'), 0)
  t.equal(threadNumber(), process.pid)
})

function start(t: Test): ChildProcess {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./beating-process.ts', import.meta.url))], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

t.test('a process beats by its channel; one that is stopped does not, and is seen to be still', async (t) => {
  const child = start(t)
  const main = mainThreadOf(child)
  await beatsOn(main)
  child.kill('SIGSTOP')
  await until(() => main.time()!.doing === 'still')
  child.kill('SIGCONT')
  await beatsOn(main)
  const ended = once(child, 'exit')
  child.disconnect()
  t.same(await ended, [0, null], 'the beats keep no process alive')
  t.equal(main.time(), null)
})

t.test('where threads work for the main one, it is not still while they do', async (t) => {
  const child = start(t)
  const [main, whole] = [mainThreadOf(child), mainThreadOf(child, true)]
  await beatsOn(main)
  // The main thread waits for ever, for a thread that computes.
  child.send('wait for a thread')
  await until(() => main.time()!.doing === 'still' && whole.time()!.doing === 'runs')
  const { ranMs } = whole.time()!
  await until(() => whole.time()!.ranMs > ranMs + 50)
  child.kill('SIGSTOP')
  await until(() => whole.time()!.doing === 'still')
  child.kill('SIGKILL')
  await once(child, 'exit')
})

t.test('one that only another process could follow gives no sign', async (t) => {
  let works = false
  const sent: (() => void)[] = []
  const channel: Channel & { connected: boolean } = {
    connected: true,
    send: (_message, _handle, _options, done) => sent.push(done),
  }
  const looks: (() => void)[] = []
  t.intercept(globalThis, 'setInterval', {
    value: (run: () => void) => {
      looks.push(run)
      return setTimeout(() => undefined, 0)
    },
  })
  const tick = async () => {
    looks[0]!()
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)))
    return sent.length
  }
  sayAlive(channel, () => works)
  t.equal(await tick(), 0)
  works = true
  t.equal(await tick(), 1)
  t.equal(await tick(), 1, 'the one before has not been taken')
  sent[0]!()
  t.equal(await tick(), 2)
  sent[1]!()
  channel.connected = false
  t.equal(await tick(), 2)
})

t.test('a process that never began has no time', async (t) => {
  const child = spawn('/nowhere/program')
  child.on('error', () => undefined)
  const main = mainThreadOf(child)
  t.same([main.beats(), main.time()], [0, null])
  child.emit('message', { kind: 'something' })
  t.equal(main.beats(), 0)
})
