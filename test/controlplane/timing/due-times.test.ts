import t from 'tap'
import { DueTimes } from '../../../src/controlplane/timing/due-times.ts'
import { HandClock } from './hand-clock.ts'

function setUp(onDue: (times: DueTimes<string>) => void = () => {}) {
  const clock = new HandClock()
  const told: [nowMs: number, ...things: string[]][] = []
  const times: DueTimes<string> = new DueTimes(clock, (things) => {
    told.push([clock.nowMs(), ...things])
    onDue(times)
  })
  return { clock, times, told }
}

t.test('what is due next comes first, and each thing once, at the sooner of its times', async (t) => {
  const { clock, times, told } = setUp()
  await clock.advance(5000)
  times.note('far', 3_600_000)
  times.note('far', 7_200_000)
  times.note('near', 60_000)
  times.note('near', 5030)
  times.note('late', 0)
  await clock.advance(0)
  t.same(told.splice(0), [[5000, 'late']], 'what is due already')
  t.equal(clock.timers, 1, 'one timer for all the others')
  await clock.advance(100_000)
  t.same(told.splice(0), [[5030, 'near']])
  times.note('near', 110_000)
  times.note('other', 110_000)
  await clock.advance(7_200_000)
  t.same(told, [
    [110_000, 'near', 'other'],
    [3_600_000, 'far'],
  ])
})

t.test('what is noted while things are told is told in its turn', async (t) => {
  let count = 0
  const { clock, times, told } = setUp((noted) => {
    if (++count < 3) noted.note('web', clock.nowMs())
  })
  times.note('web', 10)
  await clock.advance(100)
  t.same(told, [
    [10, 'web'],
    [10, 'web'],
    [10, 'web'],
  ])
})

t.test('what was noted before a clear is not told', async (t) => {
  const { clock, times, told } = setUp()
  times.note('old', 10)
  times.note('kept', 20)
  times.clear()
  times.note('kept', 30)
  await clock.advance(100)
  t.same(told, [[30, 'kept']])
})

t.test('after the end nothing is waited for', async (t) => {
  const { clock, times, told } = setUp()
  times.note('web', 1000)
  t.equal(clock.timers, 1)
  times[Symbol.dispose]()
  times.note('web', 0)
  t.equal(clock.timers, 0)
  await clock.advance(2000)
  t.same(told, [])
})
