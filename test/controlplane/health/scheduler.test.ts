import fc from 'fast-check'
import t from 'tap'
import { type Run, Scheduler } from '../../../src/controlplane/health/scheduler.ts'
import { HandClock, turn } from '../timing/hand-clock.ts'
import { seededRandom } from './fixture.ts'

/** A scheduler on a clock that is turned by hand, and a job that notes when it was started. */
function setUp(options: { concurrency?: number; seed?: number } = {}) {
  const clock = new HandClock()
  const random = seededRandom(options.seed ?? 1)
  const scheduler = new Scheduler({ clock, random, concurrency: options.concurrency ?? 512 })
  const starts = new Map<string, number[]>()
  const note = (name: string): void => {
    starts.set(name, [...(starts.get(name) ?? []), clock.nowMs()])
  }
  /** A run that takes `durationMs` of the clock, or until it is aborted. */
  const taking =
    (name: string, durationMs: number): Run =>
    (signal) => {
      note(name)
      const { promise, resolve } = Promise.withResolvers<null>()
      const cancel = clock.after(durationMs, () => resolve(null))
      signal.addEventListener('abort', () => {
        cancel()
        resolve(null)
      })
      return promise
    }
  const startsOf = (name: string): number[] => starts.get(name) ?? []
  return { clock, scheduler, taking, startsOf, starts }
}

const gaps = (times: readonly number[]): number[] => times.slice(1).map((time, index) => time - times[index]!)

t.test('the first round starts at once, all together', async (t) => {
  const { clock, scheduler, taking, starts } = setUp()
  for (let index = 0; index < 300; index++) scheduler.schedule(10_000, taking(`${index}`, 50))
  await clock.advance(0)
  t.equal(starts.size, 300)
  t.equal(scheduler.running, 300)
  t.equal(clock.timers, 300, 'no timer beside those of the runs while nothing waits')
})

t.test('then each keeps its interval, with jitter in its bounds', async (t) => {
  const { clock, scheduler, taking, starts } = setUp()
  for (let index = 0; index < 50; index++) scheduler.schedule(10_000, taking(`${index}`, 20))
  await clock.advance(600_000)
  const seen: number[] = []
  for (const times of starts.values()) {
    const [first, ...later] = gaps(times)
    t.ok(first! >= 4_500 && first! <= 15_501, `the first gap is ${first}`)
    // A millisecond of tolerance: timers have whole milliseconds, grids don't.
    t.ok(Math.min(...later) >= 8_999 && Math.max(...later) <= 11_001)
    seen.push(...later)
    t.ok(Math.abs(times.length - 60) <= 2, 'no drift')
  }
  t.ok(Math.max(...seen) - Math.min(...seen) > 1_500, 'there is jitter')
})

t.test('ten thousand at ten seconds are an even load', async (t) => {
  const { clock, scheduler, starts } = setUp()
  const perSecond = new Map<number, number>()
  const run: Run = async () => {
    const second = Math.floor(clock.nowMs() / 1000)
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
    return null
  }
  for (let index = 0; index < 10_000; index++) scheduler.schedule(10_000, run)
  await clock.advance(45_000)
  t.equal(perSecond.get(0), 10_000, 'the first round')
  for (let second = 16; second < 45; second++) {
    const count = perSecond.get(second)!
    t.ok(count > 900 && count < 1100, `${count} in second ${second}`)
  }
  t.equal(starts.size, 0)
  await scheduler.stop()
})

t.test('never more at once than the limit, and none is forgotten', async (t) => {
  const { clock, scheduler, taking, starts } = setUp({ concurrency: 7 })
  for (let index = 0; index < 40; index++) scheduler.schedule(10_000, taking(`${index}`, 100))
  let most = 0
  for (let step = 0; step < 700; step++) {
    await clock.advance(1)
    most = Math.max(most, scheduler.running)
    if (step === 90) t.equal(starts.size, 7)
  }
  t.equal(most, 7)
  t.equal(starts.size, 40)
})

t.test('too many for the limit: the longest overdue goes first, so all get their turn', async (t) => {
  const { clock, scheduler, taking, starts } = setUp({ concurrency: 2 })
  for (let index = 0; index < 10; index++) scheduler.schedule(1_000, taking(`${index}`, 500))
  await clock.advance(100_000)
  const counts = [...starts.values()].map((times) => times.length)
  t.ok(Math.max(...counts) - Math.min(...counts) <= 2, `${counts}`)
  const waits = [...starts.values()].flatMap(gaps)
  t.ok(Math.max(...waits) > 2_000, 'each waits longer than its interval')
  t.ok(Math.max(...waits) < 4_000, 'and the wait does not grow')
})

t.test('one job never overlaps itself, and what it missed does not pile up', async (t) => {
  const { clock, scheduler, taking, startsOf } = setUp()
  let duration = 35_000
  let running = 0
  scheduler.schedule(10_000, async (signal) => {
    running++
    t.equal(running, 1)
    await taking('slow', duration)(signal)
    running--
    return null
  })
  await clock.advance(34_999)
  t.equal(startsOf('slow').length, 1)
  duration = 10
  await clock.advance(100_000)
  const [, ...later] = gaps(startsOf('slow'))
  t.ok(Math.min(...later) >= 4_499, `${later}`)
  t.ok(startsOf('slow').length <= 13)
})

t.test('a run that takes the whole interval costs no extra one', async (t) => {
  const { clock, scheduler, taking, startsOf } = setUp()
  scheduler.schedule(1_000, taking('dead', 1_000))
  await clock.advance(60_000)
  t.ok(startsOf('dead').length >= 57, `${startsOf('dead').length} of 60`)
})

t.test('a run may ask for the next one to come sooner', async (t) => {
  const { clock, scheduler } = setUp()
  const starts: number[] = []
  let hurried = 3
  scheduler.schedule(10_000, async () => {
    starts.push(clock.nowMs())
    return hurried-- > 0 ? 200 : null
  })
  await clock.advance(700)
  t.same(starts, [0, 200, 400, 600])
  await clock.advance(100_000)
  const later = gaps(starts.slice(4))
  t.ok(later.length >= 8 && Math.min(...later) >= 8_999, `the grid goes on: ${later}`)
})

t.test('a long stall is made up for once', async (t) => {
  const { scheduler, clock } = setUp()
  let runs = 0
  scheduler.schedule(1_000, async () => {
    runs++
    return null
  })
  await clock.advance(5_000)
  const before = runs
  clock.stall(3_600_000)
  await clock.advance(400)
  t.ok(runs - before <= 2, `${runs - before} runs`)
  await clock.advance(10_000)
  t.ok(runs - before <= 13)
})

t.test('jobs that come later run at once and join the spread', async (t) => {
  const { clock, scheduler, taking, startsOf } = setUp()
  scheduler.schedule(10_000, taking('old', 10))
  await clock.advance(3_210)
  scheduler.schedule(10_000, taking('new', 10))
  await clock.advance(1)
  t.equal(startsOf('new').length, 1)
  t.equal(startsOf('old').length, 1)
})

t.test('a job that goes on from the position of another keeps its times', async (t) => {
  const { clock, scheduler, taking, startsOf } = setUp()
  let job = scheduler.schedule(10_000, taking('job', 0))
  /** As when its settings change. */
  const replace = (intervalMs: number) => {
    const { position } = job
    job.cancel()
    job = scheduler.schedule(intervalMs, taking('job', 0), position)
  }
  await clock.advance(100)
  for (let step = 0; step < 1_000; step++) {
    replace(10_000)
    await clock.advance(100)
  }
  const starts = startsOf('job')
  t.ok(Math.abs(starts.length - 11.5) <= 1, `${starts.length} runs`)
  const gaps = starts.slice(2).map((atMs, index) => atMs - starts[index + 1]!)
  t.ok(gaps.every((gapMs) => gapMs >= 8_900 && gapMs <= 11_100))
})

t.test('another interval takes effect at once, and what has not run yet runs at once still', async (t) => {
  const { clock, scheduler, taking, startsOf } = setUp()
  let job = scheduler.schedule(3_600_000, taking('job', 10))
  const replace = (intervalMs: number) => {
    const { position } = job
    job.cancel()
    job = scheduler.schedule(intervalMs, taking('job', 10), position)
  }
  replace(1_800_000)
  await clock.advance(5_000)
  t.equal(startsOf('job').length, 1, 'it had not run yet: at once, still')
  replace(1_000)
  replace(1_000)
  await clock.advance(30_000)
  t.ok(Math.abs(startsOf('job').length - 31) <= 2, 'a shorter one does not wait for the longer one to end')
  await clock.advance(970)
  replace(100_000)
  const before = startsOf('job').length
  await clock.advance(1_000_000)
  t.ok(Math.abs(startsOf('job').length - before - 10) <= 1)
})

t.test('a job that is cancelled is aborted and never runs again', async (t) => {
  const { clock, scheduler, taking, startsOf } = setUp()
  const idle = scheduler.schedule(10_000, taking('idle', 10))
  const busy = scheduler.schedule(10_000, taking('busy', 5_000))
  await clock.advance(100)
  busy.cancel()
  idle.cancel()
  idle.cancel()
  await turn()
  t.equal(scheduler.running, 0, 'the run in progress was aborted')
  t.equal(clock.timers, 0)
  await clock.advance(100_000)
  t.equal(startsOf('idle').length, 1)
  t.equal(startsOf('busy').length, 1)
})

t.test('a run that rejects is told of, and its job and the others go on', async (t) => {
  const clock = new HandClock()
  const errors: unknown[] = []
  const scheduler = new Scheduler({ clock, onError: (error) => errors.push(error) })
  const runs = { broken: 0, other: 0 }
  const broken = new TypeError('x is not a function')
  scheduler.schedule(1000, async () => {
    runs.broken++
    throw broken
  })
  scheduler.schedule(1000, async () => {
    runs.other++
    return null
  })
  await clock.advance(10_000)
  await scheduler.stop()
  t.ok(runs.broken >= 9 && runs.other >= 9, JSON.stringify(runs))
  t.equal(errors.length, runs.broken)
  t.ok(errors.every((error) => error === broken))
})

t.test('a stop aborts what runs and starts nothing more', async (t) => {
  const { clock, scheduler, taking, startsOf } = setUp()
  scheduler.schedule(1_000, taking('job', 500))
  await clock.advance(100)
  await Promise.all([scheduler.stop(), scheduler[Symbol.asyncDispose]()])
  t.equal(scheduler.running, 0)
  t.equal(clock.timers, 0)
  await clock.advance(10_000)
  t.equal(startsOf('job').length, 1)
  t.throws(() => scheduler.schedule(1_000, async () => null), /stopped/)
})

t.test('any mixture of jobs keeps the rules', async () => {
  const jobs = fc.array(
    fc.record({
      intervalMs: fc.integer({ min: 100, max: 5_000 }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  await fc.assert(
    fc.asyncProperty(jobs, fc.integer({ min: 1, max: 8 }), fc.nat(), async (mixture, concurrency, seed) => {
      const { clock, scheduler, taking, starts } = setUp({ concurrency, seed })
      const busy = new Set<string>()
      for (const [index, { intervalMs, share }] of mixture.entries()) {
        const name = `${index}`
        scheduler.schedule(intervalMs, async (signal) => {
          if (busy.has(name)) throw new Error(`${name} overlaps itself`)
          busy.add(name)
          if (busy.size > concurrency) throw new Error('above the limit')
          await taking(name, Math.floor(intervalMs * share))(signal)
          busy.delete(name)
          return null
        })
      }
      await clock.advance(20_000)
      for (const [index, { intervalMs }] of mixture.entries()) {
        const times = starts.get(`${index}`) ?? []
        if (times.length === 0) throw new Error(`${index} never ran`)
        if (Math.min(...gaps(times)) < intervalMs * 0.45 - 1) throw new Error(`${index} ran too soon again`)
      }
      await scheduler.stop()
    }),
    { numRuns: 60 },
  )
})
