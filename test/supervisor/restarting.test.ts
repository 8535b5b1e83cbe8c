import t, { type Test } from 'tap'
import { Restarting } from '../../src/supervisor/restarting.ts'

/** Its pauses are told, and over at once. */
function watched(t: Test) {
  let starts = 0
  let nowMs = 0
  const pauses: (number | undefined)[] = []
  t.intercept(globalThis, 'setTimeout', {
    value: (run: () => void, ms?: number) => {
      pauses.push(ms)
      run()
      return 1
    },
  })
  t.intercept(performance, 'now', { value: () => nowMs })
  const restarting = new Restarting(
    () => starts++,
    () => t.fail('it can be started'),
  )
  return { restarting, pauses, starts: () => starts, pass: (ms: number) => (nowMs += ms) }
}

t.test('at once, then after longer pauses, and at once again for one that had lived', async (t) => {
  const { restarting, pauses, starts, pass } = watched(t)
  restarting.now()
  t.equal(starts(), 1)
  for (let i = 0; i < 6; i++) restarting.again()
  t.same(pauses, [0, 100, 500, 1000, 5000, 5000])
  t.equal(starts(), 7)
  t.equal(restarting.count, 6)
  pass(10_001)
  restarting.again()
  t.equal(pauses.at(-1), 0)
  restarting.again()
  t.equal(pauses.at(-1), 100)
  restarting.lives()
  restarting.again()
  t.equal(pauses.at(-1), 0)
})

t.test('once it is stopped nothing is started', async (t) => {
  const { restarting, starts } = watched(t)
  restarting.stop()
  restarting.now()
  restarting.again()
  t.equal(starts(), 0)
  t.equal(restarting.count, 0)
})

t.test('one that is about to be started is not started twice', async (t) => {
  let starts = 0
  const restarting = new Restarting(
    () => starts++,
    () => t.fail('it can be started'),
  )
  restarting.again()
  restarting.now()
  t.equal(starts, 0)
  await new Promise((resolve) => setTimeout(resolve, 1))
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(starts, 1)
})

t.test('what can not be started is told, and tried again', async (t) => {
  const told: unknown[] = []
  const started = Promise.withResolvers<void>()
  const restarting = new Restarting(
    () => {
      if (told.length < 2) throw new Error(`no ${told.length}`)
      started.resolve()
    },
    (error) => told.push((error as Error).message),
  )
  restarting.now()
  await started.promise
  t.same(told, ['no 0', 'no 1'])
  t.equal(restarting.count, 2)
})
