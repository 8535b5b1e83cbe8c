import t from 'tap'
import { ControlError } from '../../../src/controlplane/model/errors.ts'
import { PollLoop, type PollLoopOptions } from '../../../src/controlplane/timing/poll-loop.ts'
import { HandClock, turn } from './hand-clock.ts'

function setUp(t: { teardown(fn: () => unknown): void }, options: Partial<PollLoopOptions> = {}) {
  const clock = new HandClock()
  const looks: number[] = []
  const errors: unknown[] = []
  const loop = new PollLoop({
    look: async () => {
      looks.push(clock.nowMs())
      return false
    },
    everyMs: () => 1000,
    onError: (error) => errors.push(error),
    clock,
    ...options,
  })
  t.teardown(() => loop.stop())
  return { clock, loop, looks, errors }
}

t.test('a loop looks at once, then whenever its time is over, and at once after a hint', async (t) => {
  const { clock, loop, looks } = setUp(t)
  loop.start()
  loop.start()
  await clock.advance(2500)
  t.same(looks, [0, 1000, 2000])
  loop.hint()
  loop.hint()
  await clock.advance(1000)
  t.same(looks, [0, 1000, 2000, 2500, 3500], 'and the time counts from the last look')
  t.equal(clock.timers, 1)
})

t.test('a hint that comes during a look brings another one', async (t) => {
  let ends = Promise.withResolvers<boolean>()
  let looks = 0
  const { clock, loop } = setUp(t, {
    look: () => {
      looks++
      ends = Promise.withResolvers()
      return ends.promise
    },
  })
  loop.start()
  await turn()
  loop.hint()
  await clock.advance(5000)
  t.equal(looks, 1, 'one at a time')
  ends.resolve(false)
  await turn()
  t.equal(looks, 2)
  ends.resolve(false)
})

t.test('as long as there may be more, looks follow each other', async (t) => {
  let left = 3
  const { loop } = setUp(t, { look: async () => --left > 0 })
  loop.start()
  await turn()
  t.equal(left, 0)
})

t.test('hints are gathered while it settles, also in the next of them', async (t) => {
  const { clock, loop, looks } = setUp(t, { settleMs: () => 100 })
  loop.start()
  await turn()
  loop.hint()
  await clock.advance(99)
  loop.hint()
  t.same(looks, [0])
  await clock.advance(1)
  t.same(looks, [0, 100])
  await clock.advance(1000)
  t.same(looks, [0, 100], 'the hints of before were seen')
})

t.test('a loop without a time waits for hints alone', async (t) => {
  const { clock, loop, looks } = setUp(t, { everyMs: () => Number.POSITIVE_INFINITY })
  loop.start()
  await clock.advance(1e9)
  t.same(looks, [0])
  t.equal(clock.timers, 0)
  loop.hint()
  await turn()
  t.equal(looks.length, 2)
})

t.test('errors are told, but not that the database is away; the next look comes all the same', async (t) => {
  const failures = [new ControlError('unavailable', 'away'), new Error('broken')]
  let looks = 0
  const { clock, loop, errors } = setUp(t, {
    look: async () => {
      const failure = failures[looks++]
      if (failure !== undefined) throw failure
      return false
    },
  })
  loop.start()
  await clock.advance(3000)
  t.equal(looks, 4)
  t.same(errors, [failures[1]])
})

t.test('a stop waits for the look that is under way, whose error nobody asked for', async (t) => {
  const failure = Promise.withResolvers<never>()
  const { loop, errors } = setUp(t, { look: () => failure.promise })
  loop.start()
  await turn()
  const stopped = loop.stop()
  t.ok(loop.signal.aborted)
  failure.reject(new Error('called off'))
  await stopped
  t.same(errors, [])
})

t.test('a stop ends the wait and the settling without another look', async (t) => {
  const { clock, loop, looks } = setUp(t, { settleMs: () => 100 })
  loop.start()
  await turn()
  loop.hint()
  await turn()
  await loop.stop()
  t.same(looks, [0])
  t.equal(clock.timers, 0)
})

t.test('a loop that brings away what gathers begins with a wait and ends with a look', async (t) => {
  const { clock, loop, looks } = setUp(t, { lastLook: true })
  t.notOk(loop.started)
  loop.start()
  t.ok(loop.started)
  await clock.advance(1500)
  t.same(looks, [1000])
  await loop.stop()
  t.same(looks, [1000, 1500])
  await loop.stop()
  t.equal(looks.length, 2)
})

t.test('a stop that comes while it looks is followed by a last look', async (t) => {
  const first = Promise.withResolvers<boolean>()
  let looks = 0
  const { clock, loop } = setUp(t, {
    lastLook: true,
    look: () => (++looks === 1 ? first.promise : Promise.resolve(false)),
  })
  loop.start()
  await clock.advance(1000)
  t.equal(looks, 1)
  const stopped = loop.stop()
  first.resolve(false)
  await stopped
  t.equal(looks, 2)
  t.equal(clock.timers, 0)
})

t.test('the error of a last look is told', async (t) => {
  const broken = new Error('broken')
  const { loop, errors } = setUp(t, { lastLook: true, look: () => Promise.reject(broken) })
  loop.start()
  await loop.stop()
  t.same(errors, [broken])
})

t.test('one that was never started stops at once', async (t) => {
  const { loop, looks } = setUp(t, { lastLook: true })
  await loop.stop()
  loop.start()
  await loop.stop()
  t.same(looks, [])
})
