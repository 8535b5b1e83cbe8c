/** What counts against a thread that gives no sign of life, and what does not. Time is told, none passes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { allocateSigns } from '../../../src/dataplane/life/signs.ts'
import {
  type Doing,
  processTime,
  readStat,
  type ThreadTime,
  threadTime,
} from '../../../src/dataplane/life/thread-time.ts'
import {
  lookAgainAndAgain,
  lookEveryMs,
  Strikes,
  startPatience,
  threadOf,
  Watch,
} from '../../../src/dataplane/life/watch.ts'

const patience = { stillMs: 1000, busyMs: 3000 }

/** Somebody to watch, who has given a sign already. */
function watched(strikes = new Strikes()) {
  const watch = new Watch(() => patience, strikes)
  let beats = 0
  let ranMs = 0
  let time: (() => ThreadTime | null) | null = null
  const begin = () => {
    beats = 0
    watch.begin({ beats: () => beats, time: () => time!() })
  }
  const beat = () => {
    beats++
    return watch.look(lookEveryMs)
  }
  /** So many looks without a sign. @returns after how many it was said to hang, if it was */
  const silent = (looks: number, doing: Doing | null, ran = 0): number | null => {
    time = () => {
      ranMs += ran
      return doing === null ? null : { doing, ranMs }
    }
    for (let look = 1; look <= looks; look++) if (watch.look(lookEveryMs) !== null) return look
    return null
  }
  begin()
  beat()
  return { watch, begin, beat, silent }
}

t.test(
  'what is still hangs when its time is up; the look that finds it silent first counts nothing',
  async (t) => {
    const { watch, beat, silent } = watched()
    t.equal(silent(3, 'still'), null)
    t.equal(watch.late, true)
    t.equal(beat(), null)
    t.equal(watch.late, false)
    t.equal(silent(100, 'still'), 5)
    t.equal(silent(100, 'still'), null, 'it is said once')
  },
)

t.test('it says for how long, and what it did', async (t) => {
  const { watch, silent } = watched()
  silent(3, 'still')
  silent(3, 'runs', 100)
  t.equal(silent(1, 'still'), null)
  t.equal(watch.look(500), 'it hangs: no sign of life in 1550 ms, 300 of them busy')
})

t.test('what is busy has the time that it had a processor', async (t) => {
  t.equal(watched().silent(100, 'runs', 250), 13)
  t.equal(watched().silent(100, 'runs', 50), 61, 'a fifth of one takes five times as long')
  t.equal(watched().silent(100, 'runs', 10_000), 13, 'no look counts for more than has passed')
})

t.test('waiting for a processor or for the disk counts for nothing', async (t) => {
  t.equal(watched().silent(10_000, 'runs', 0), null)
  t.equal(watched().silent(10_000, 'waits-for-disk', 0), null)
})

t.test('where the system does not tell, all time counts as busy', async (t) => {
  t.equal(watched().silent(100, null), 13)
})

t.test('before its first sign it is given longer', async (t) => {
  const { begin, silent } = watched()
  begin()
  t.equal(silent(1000, 'still'), startPatience.stillMs / lookEveryMs + 1)
  begin()
  t.equal(silent(10, 'still'), null)
  begin()
  t.equal(
    silent(10_000, null),
    null,
    'on a loaded machine it may take minutes until there is something to tell',
  )
})

t.test('nobody is watched before the begin and after the end', async (t) => {
  const { watch, silent } = watched()
  silent(4, 'still')
  watch.end()
  t.equal(watch.late, false)
  t.equal(silent(100, 'still'), null)
})

t.test('each time doubles the patience, up to a bound, and ten quiet minutes forgive all', async (t) => {
  const strikes = new Strikes()
  const { begin, beat, silent } = watched(strikes)
  const lives: (number | null)[] = []
  for (let life = 0; life < 8; life++) {
    lives.push(silent(1000, 'still'))
    begin()
    beat()
  }
  t.same(lives, [5, 9, 17, 33, 65, 129, 257, 257])
  for (let ms = 0; ms < 600_000; ms += lookEveryMs) beat()
  t.equal(silent(1000, 'still'), 5)
})

t.test('those that share strikes share the patience', async (t) => {
  const strikes = new Strikes()
  watched(strikes).silent(5, 'still')
  t.equal(watched(strikes).silent(100, 'still'), 9)
})

/** What a look is told when it comes so much later than the one before. */
function told(t: Test, gapsMs: readonly number[]): number[] {
  let nowMs = 1_000_000
  let look = () => {}
  t.intercept(performance, 'now', { value: () => nowMs })
  t.intercept(globalThis, 'setInterval', {
    value: (run: () => void, everyMs: number) => {
      t.equal(everyMs, lookEveryMs)
      look = run
      return { unref: () => setTimeout(() => undefined, 0) }
    },
  })
  const passed: number[] = []
  const looking = lookAgainAndAgain((ms) => passed.push(ms))
  for (const gapMs of gapsMs) {
    nowMs += gapMs
    look()
  }
  looking[Symbol.dispose]()
  return passed
}

t.test('a look that comes late counts as one, however late: the machine was suspended', async (t) => {
  t.same(told(t, [250.3, 260, 3_600_000, 250]), [250, 260, 500, 250])
})

t.test('a thread of this process is found by its number', async (t) => {
  const signs = allocateSigns()
  const cells = new Int32Array(signs)
  cells.set([3, process.pid])
  const thread = threadOf(signs)
  t.equal(thread.beats(), 3)
  t.match(thread.time(), { doing: 'runs', ranMs: Number })
  cells[1] = 0
  t.equal(thread.time(), null)
})

t.test('what a thread does, as the system tells', async (t) => {
  const before = threadTime('self', process.pid)!
  t.match(before, { doing: 'runs' })
  while (threadTime('self', process.pid)!.ranMs === before.ranMs);
  t.ok(threadTime('self', process.pid)!.ranMs > before.ranMs)
  t.equal(threadTime(0, 0), null)
})

t.test('what a thread does is told by the state behind its name, whatever that is', async (t) => {
  const line = (name: string, state: string) =>
    `4711 (${name}) ${state} 1 4711 4711 0 -1 4194560 100 0 0 0 12 30 5 7 20 0 11 0\n`
  for (const [state, doing] of [
    ['R', 'runs'],
    ['D', 'waits-for-disk'],
    ['S', 'still'],
    ['T', 'still'],
    ['Z', 'still'],
  ] as const)
    t.same(readStat(line('node', state)), { doing, ranMs: 420 }, state)
  t.same(readStat(line('a) R 1 (b', 'D')), { doing: 'waits-for-disk', ranMs: 420 })
})

t.test('of a process, what any of its threads does counts', async (t) => {
  const busy = `new (require('node:worker_threads').Worker)('for (;;);', { eval: true }).once('online', () => console.log())
    setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['-e', busy], { stdio: ['ignore', 'pipe', 'ignore'] })
  t.teardown(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const pid = child.pid!
  const { ranMs } = processTime(pid)!
  // Its main thread only waits.
  while (!(processTime(pid)!.doing === 'runs' && processTime(pid)!.ranMs > ranMs)) await delay(1)
  t.ok(processTime(pid)!.ranMs >= threadTime(pid, pid)!.ranMs)
  child.kill('SIGSTOP')
  while (processTime(pid)!.doing !== 'still') await delay(1)
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(processTime(pid), null)
})
