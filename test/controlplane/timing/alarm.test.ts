import t from 'tap'
import { Alarm } from '../../../src/controlplane/timing/alarm.ts'
import { wallClock } from '../../../src/controlplane/timing/clock.ts'
import { HandClock } from './hand-clock.ts'

function setUp() {
  const clock = new HandClock()
  const rung: number[] = []
  const alarm = new Alarm(clock, () => rung.push(clock.nowMs()))
  return { clock, rung, alarm }
}

t.test('an alarm rings once, at the time that was set last', async (t) => {
  const { clock, rung, alarm } = setUp()
  alarm.set(500)
  alarm.set(100)
  t.equal(alarm.atMs, 100)
  alarm.set(200)
  t.equal(clock.timers, 1, 'one timer, whatever was set before')
  await clock.advance(1000)
  t.same(rung, [200])
  t.equal(alarm.atMs, Number.POSITIVE_INFINITY)
  alarm.set(1200)
  await clock.advance(1000)
  t.same(rung, [200, 1200], 'and once more when it is set again')
})

t.test('a time that has passed rings in the next turn, and none rings never', async (t) => {
  const { clock, rung, alarm } = setUp()
  await clock.advance(50)
  alarm.set(10)
  t.same(rung, [], 'not while it is set')
  await clock.advance(0)
  t.same(rung, [50])
  alarm.set(60)
  alarm.set(Number.POSITIVE_INFINITY)
  await clock.advance(100)
  t.same(rung, [50])
  t.equal(clock.timers, 0)
})

t.test('a time beyond the reach of one timer is waited for in stages', async (t) => {
  const { clock, rung, alarm } = setUp()
  const far = 3 * 2 ** 31
  alarm.set(far)
  await clock.advance(far - 1)
  t.same(rung, [])
  await clock.advance(1)
  t.same(rung, [far])
})

t.test('a timer that is early, or a clock that was set back, rings nothing before its time', async (t) => {
  let nowMs = 0
  let fire = () => {}
  const delays: number[] = []
  const rung: number[] = []
  const after = (delayMs: number, run: () => void) => {
    delays.push(delayMs)
    fire = run
    return () => {}
  }
  using alarm = new Alarm({ nowMs: () => nowMs, after }, () => rung.push(nowMs))
  alarm.set(10.5)
  nowMs = 10.2
  fire()
  nowMs = -100
  fire()
  t.same(rung, [])
  t.same(delays, [11, 1, 111])
  nowMs = 10.5
  fire()
  t.same(rung, [10.5])
})

t.test('a clock of the day that is set forward makes an alarm late by ten seconds at most', async (t) => {
  const hand = new HandClock()
  let setForwardMs = 0
  const clock = {
    ...wallClock(() => new Date(hand.nowMs() + setForwardMs)),
    after: (delayMs: number, run: () => void) => hand.after(delayMs, run),
  }
  const rung: number[] = []
  using alarm = new Alarm(clock, () => rung.push(hand.nowMs()))
  alarm.set(3_600_000)
  await hand.advance(15_000)
  setForwardMs = 3_600_000
  await hand.advance(10_000)
  t.same(rung, [20_000])
  alarm.set(2 * 3_600_000)
  await hand.advance(3_500_000)
  t.equal(rung.length, 1)
  // Set back, it rings when the time of day has come once more.
  setForwardMs = 0
  await hand.advance(3_600_000)
  t.equal(rung.length, 1)
  await hand.advance(100_000)
  t.same(rung, [20_000, 7_200_000])
})

t.test('what it rings for may set the next time', async (t) => {
  const clock = new HandClock()
  const rung: number[] = []
  const alarm: Alarm = new Alarm(clock, () => {
    rung.push(clock.nowMs())
    if (rung.length < 3) alarm.set(clock.nowMs() + 10)
  })
  alarm.set(10)
  await clock.advance(1000)
  t.same(rung, [10, 20, 30])
})

t.test('a disposed alarm holds no timer and takes no time', async (t) => {
  const { clock, rung, alarm } = setUp()
  alarm.set(10)
  alarm[Symbol.dispose]()
  alarm.set(20)
  t.equal(clock.timers, 0)
  await clock.advance(100)
  t.same(rung, [])
})
