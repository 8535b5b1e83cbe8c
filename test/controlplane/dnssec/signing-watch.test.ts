import t from 'tap'
import { SigningWatch } from '../../../src/controlplane/dnssec/signing-watch.ts'
import type { SigningReport } from '../../../src/controlplane/model/dnssec.ts'
import { HandClock } from '../timing/hand-clock.ts'

const hour = 3600
const day = 24 * hour

const report = (apex: string, change: Partial<SigningReport> = {}): SigningReport => ({
  apex,
  beginsAt: 0,
  expiresAt: 13 * day,
  endsAt: 14 * day,
  renewAt: 6 * day,
  signatures: 10,
  made: 10,
  trouble: null,
  ...change,
})

function watched() {
  const clock = new HandClock()
  /** What was due, each time with the hour. */
  const due: string[] = []
  const watch = new SigningWatch({
    clock,
    onDue: (zones) =>
      void due.push(`${clock.nowMs() / 3_600_000} ${zones.map(({ apex }) => apex).join(' ')}`),
  })
  return { clock, due, watch }
}

t.test('a zone is due when its first signatures have a week left, and then once an hour', async (t) => {
  const { clock, due, watch } = watched()
  watch.tell([report('a.test'), report('b.test', { renewAt: 6 * day + 600 })])
  await clock.advance(7 * day * 1000)
  t.same(due, [], 'not before the start')
  watch.start()
  await clock.advance(0)
  t.same(due, ['168 a.test b.test'])
  watch.tell([report('a.test', { renewAt: 7 * day + 600 })])
  await clock.advance(hour * 1000)
  t.same(due.slice(1), ['169 a.test b.test'], 'once an hour, whatever is due before')
  watch.retain((apex) => apex !== 'a.test')
  await clock.advance(hour * 1000)
  t.same(due.slice(2), ['170 b.test'])
  t.equal(watch.made, 30)
  t.equal(watch.zone('b.test')?.madeInAll, 10)
  watch[Symbol.dispose]()
  t.equal(clock.timers, 0)
})

t.test('what can not be signed is tried each minute, and when the last signature ends', async (t) => {
  const { clock, due, watch } = watched()
  watch.start()
  watch.tell([report('a.test', { trouble: 'no key', endsAt: 90 })])
  await clock.advance(0)
  t.same(due, ['0 a.test'])
  await clock.advance(60_000)
  t.equal(due.length, 2)
  const zone = watch.zone('a.test')!
  t.equal(watch.hasEnded(zone), false)
  await clock.advance(30_000)
  t.equal(due.length, 3, 'between two minutes')
  t.equal(watch.hasEnded(zone), true)
  watch.tell([report('a.test')])
  await clock.advance(day * 1000)
  t.equal(due.length, 3)
})

t.test('signatures of a time that is still to come are made again: the clock was set back', async (t) => {
  const hand = new HandClock()
  let aheadMs = 20 * day * 1000
  const clock = {
    nowMs: () => hand.nowMs() + aheadMs,
    after: (delayMs: number, run: () => void) => hand.after(delayMs, run),
  }
  let due = 0
  const watch = new SigningWatch({ clock, onDue: () => void due++ })
  watch.tell([report('a.test', { beginsAt: 20 * day - hour, renewAt: 26 * day, endsAt: 34 * day })])
  watch.start()
  await hand.advance(hour * 1000)
  t.equal(due, 0)
  aheadMs = 10 * day * 1000
  t.equal(watch.isEarly(watch.zone('a.test')!), true)
  await hand.advance(60_000)
  t.equal(due, 1, 'within a minute')
  await hand.advance(60_000)
  t.equal(due, 2, 'and each minute')
  watch.tell([report('a.test', { beginsAt: 10 * day, renewAt: 17 * day, endsAt: 24 * day })])
  await hand.advance(day * 1000)
  t.equal(due, 2, 'until they are made')
  watch[Symbol.dispose]()
  t.equal(hand.timers, 0)
})
