/** Members that are not judged by one probe alone: composites, reports and states that are set. */
import t from 'tap'
import type { Report } from '../../../src/controlplane/health/observer.ts'
import type { ProbeVerdict } from '../../../src/controlplane/health/verdict.ts'
import type { MemberHealth } from '../../../src/controlplane/model/observation.ts'
import { isPending, turn } from '../timing/hand-clock.ts'
import { compositeOf, intervalMs, probeOf, push, setUp, target } from './checker-harness.ts'
import { success } from './fixture.ts'

const key = { pool: 'web', member: 'a' }
const was = (state: MemberHealth['state'], reason = 'status 503'): MemberHealth => ({
  ...key,
  state,
  since: new Date(0),
  reason,
})
const report = (state: 'up' | 'down', atMs: number, change: Partial<Report> = {}): Report => ({
  state,
  reason: `reported ${state}`,
  weightPercent: null,
  at: new Date(atMs),
  until: new Date(atMs + 30_000),
  ...change,
})

t.test('a composite says nothing before all its parts have, and then goes with them', async (t) => {
  const { checker, clock, fail, heal, round, said, shown } = setUp(t)
  fail(81)
  checker.setTargets([target(compositeOf({ web: probeOf(80), db: probeOf(81) }))])
  t.equal(shown(), 'unknown: not probed yet')
  t.ok(await isPending(checker.firstRound))
  await clock.advance(1)
  await checker.firstRound
  t.same(said(), ['web/a unknown>down'])
  t.equal(shown(), 'down: db: connect ECONNREFUSED; 1 of 2 up, 2 needed')
  heal(81)
  await round(81)
  t.equal(shown(), 'down: db: 1 of 2 successes; connect ECONNREFUSED; 1 of 2 up, 2 needed')
  await round(81)
  t.same(said(), ['web/a down>up'])
  t.ok(checker.vitals('web', 'a')?.backSince)
})

t.test('a composite asks for all, any or a number of its parts, and may be inverted', async (t) => {
  const parts = { web: probeOf(80), db: probeOf(81) }
  for (const [change, first] of [
    [{ require: 'any' }, 'up'],
    [{ require: 1, invert: true }, 'down'],
    [{ require: 2 }, 'down'],
    [{ require: 2, invert: true }, 'up'],
  ] as const) {
    const { checker, clock, fail, said } = setUp(t)
    fail(81)
    checker.setTargets([target(compositeOf(parts, change))])
    await clock.advance(1)
    t.same(said(), [`web/a unknown>${first}`], JSON.stringify(change))
  }
})

t.test(
  'a composite that was restored takes as many verdicts to leave its state as a probe does',
  async (t) => {
    const parts = { web: probeOf(80), inner: compositeOf({ db: probeOf(81) }, { invert: true }) }
    const { checker, clock, fail, round, said, shown } = setUp(t)
    checker.restore([was('up', 'answered as expected')])
    fail(80)
    fail(81)
    checker.setTargets([target(compositeOf(parts))])
    t.equal(shown(), 'up: answered as expected')
    await clock.advance(1)
    t.same(said(), [], 'one lost packet moves nothing')
    t.match(shown(), /^up: web: up as before, inner: db: connect ECONNREFUSED/)
    await round()
    await round(81)
    t.same(said(), ['web/a up>down'])

    const other = setUp(t)
    other.checker.restore([was('down', 'web: not resolved; 0 of 1 up, 1 needed')])
    other.checker.setTargets([target(compositeOf({ web: probeOf(80) }))])
    await other.clock.advance(1)
    t.same(other.said(), ['web/a down>up'], 'that there was no address was no verdict')
  },
)

t.test('a part that changes its settings does not silence the others', async (t) => {
  const { checker, clock, fail, round, said, probed } = setUp(t)
  const slow = { intervalMs: 3_600_000 }
  const method = (path: string) => compositeOf({ web: probeOf(80), db: probeOf(81, { ...slow, path }) })
  checker.setTargets([target(method('/'))])
  await clock.advance(1)
  said()
  checker.setTargets([target(method('/other'))])
  const before = probed.filter(({ port }) => port === 81).length
  fail(80)
  await round()
  await round()
  t.same(said(), ['web/a up>down'])
  t.equal(probed.filter(({ port }) => port === 81).length, before, 'whose turn has not come')
})

t.test('reports: none yet, good for a time, and run out', async (t) => {
  const { checker, clock, said, shown, vitals } = setUp(t)
  checker.setTargets([target(push())])
  await checker.firstRound
  t.equal(shown(), 'unknown: no report yet')
  t.equal(checker.reportTtlMs(key), 30_000)
  t.equal(checker.reportTtlMs({ pool: 'web', member: 'none' }), undefined)
  t.notOk(checker.report({ pool: 'web', member: 'none' }, report('up', 0)), 'a member that is not there')

  await clock.advance(1000)
  t.ok(checker.report(key, report('up', 1000, { weightPercent: 40 })))
  await turn()
  t.same(said(), ['web/a unknown>up'])
  t.same(vitals(), [], 'with the transition')
  t.equal(checker.vitals('web', 'a')?.weightPercent, 40)
  checker.report(key, report('down', 999), true)
  await turn()
  t.equal(shown(), 'up: reported up', 'an older one from another node changes nothing')
  await clock.advance(20_000)
  checker.report(key, report('up', 21_000, { weightPercent: 50 }))
  await turn()
  t.same(vitals(), ['web'])
  await clock.advance(29_999)
  t.same(said(), [])
  await clock.advance(2)
  t.same(said(), ['web/a up>down'])
  t.equal(shown(), 'down: no report by 1970-01-01T00:00:51.000Z')
  t.equal(checker.vitals('web', 'a')?.weightPercent, null, 'what it wanted has run out, too')
  t.equal(clock.timers, 0)
})

t.test('a report that came through the database does not run out while that is away', async (t) => {
  const current = { ms: 0 }
  const { checker, clock, said, shown } = setUp(t, { relayedUntil: () => current.ms })
  checker.setTargets([target(push()), target(push(), 'b')])
  checker.report(key, report('up', 0), true)
  checker.report({ ...key, member: 'b' }, report('up', 0))
  checker.report({ ...key, member: 'b' }, report('up', 0), true)
  current.ms = 10_000
  await clock.advance(60_000)
  checker.reportsAreCurrent()
  t.equal(shown(), 'up: as before, while the database is away: reported up')
  t.same(said(), ['web/a unknown>up', 'web/b unknown>up', 'web/b up>down'], 'what was reported here runs out')
  current.ms = 60_000
  checker.reportsAreCurrent()
  await turn()
  t.same(said(), ['web/a up>down'], 'nobody has renewed it')
  t.match(shown(), /^down: no report by/)
})

t.test('setting the time of day makes no report run out, nor stand longer, nor count for less', async (t) => {
  for (const hours of [-1, 1]) {
    let setMs = 1_000_000_000
    const day = { now: () => new Date(0) }
    const { checker, clock, said } = setUp(t, { now: () => day.now() })
    day.now = () => new Date(setMs + clock.nowMs())
    const at = (state: 'up' | 'down') => {
      const nowMs = day.now().getTime()
      return report(state, 0, { at: new Date(nowMs), until: new Date(nowMs + 30_000) })
    }
    checker.setTargets([target(push())])
    checker.report(key, at('up'))
    await turn()
    t.same(said(), ['web/a unknown>up'])
    setMs += hours * 3_600_000
    await clock.advance(29_000)
    checker.reconsider([key])
    t.same(said(), [], `${hours} hours: it is good for 30 s`)
    checker.report(key, at('down'))
    await turn()
    t.same(said(), ['web/a up>down'], 'the latest report stands')
    checker.report(key, at('up'))
    await turn()
    t.same(said(), ['web/a down>up'])
    await clock.advance(30_002)
    t.same(said(), ['web/a up>down'], 'and runs out 30 s later')
  }
})

t.test('a report that is good for months, and the end of its member', async (t) => {
  const { checker, clock, said } = setUp(t)
  checker.setTargets([target(push())])
  checker.report(key, report('up', 0, { until: new Date(100 * 86_400_000) }))
  await clock.advance(99 * 86_400_000)
  t.same(said(), ['web/a unknown>up'])
  t.equal(clock.timers, 1)
  checker.setTargets([])
  t.equal(clock.timers, 0)
  t.notOk(checker.report(key, report('down', 99 * 86_400_000)))
})

t.test('reports and the end of the checker', async (t) => {
  const { checker, clock, said } = setUp(t)
  checker.setTargets([target(push()), target(push(), 'b')])
  checker.report(key, report('up', 0))
  await checker.stop()
  t.same(said(), ['web/a unknown>up'])
  t.notOk(checker.report(key, report('down', 1)))
  checker.reconsider([key])
  t.equal(clock.timers, 0)
  await turn()
  t.same(said(), [])
})

t.test('what was reported before a restart stands as long as a report does', async (t) => {
  const { checker, clock, said, shown } = setUp(t)
  checker.restore([was('up', 'reported up')])
  checker.setTargets([target(push())])
  await clock.advance(29_000)
  t.same(said(), [])
  t.equal(shown(), 'up: up as before')
  await clock.advance(2000)
  t.same(said(), ['web/a up>down'])

  const heard = setUp(t)
  heard.checker.restore([was('up', 'reported up')])
  heard.checker.setTargets([target(push())])
  await heard.clock.advance(40_000 - 12_000)
  heard.checker.report(key, report('up', 10_000))
  await heard.clock.advance(11_000)
  t.same(heard.said(), [], 'a report from the database takes its place')
  await heard.clock.advance(2000)
  t.same(heard.said(), ['web/a up>down'])
})

t.test('another type of monitor is no other machine', async (t) => {
  const { checker, clock, fail, round, said, shown } = setUp(t)
  checker.setTargets([target(push())])
  checker.report(key, report('up', 0, { weightPercent: 10, until: new Date(1e9) }))
  await turn()
  said()
  fail(80)
  checker.setTargets([target(probeOf(80))])
  t.equal(shown(), 'up: reported up', 'until it is probed')
  t.equal(checker.vitals('web', 'a')?.weightPercent, null, 'a weight that nobody gives any more')
  await clock.advance(1)
  t.same(said(), ['web/a up>down'])
  checker.report(key, report('up', 1))
  await turn()
  t.equal(shown(), 'down: connect ECONNREFUSED', 'reports say nothing now')
  checker.setTargets([target({ kind: 'static', state: 'up' })])
  await turn()
  t.same([...said(), shown()], ['web/a down>up', 'up: by its monitor'])
  checker.setTargets([target(probeOf(80, {}, '192.0.2.9'))])
  await round()
  await round()
  t.same(said(), ['web/a up>down'])
  checker.setTargets([target(probeOf(80, {}, '192.0.2.8'))])
  t.equal(shown(), 'unknown: not probed yet', 'another address is')
})

t.test('reasons are those of verdicts that agree with the state', async (t) => {
  const { checker, clock, fail, heal, round, said, shown } = setUp(t)
  checker.restore([was('up', 'answered as expected')])
  fail(80)
  checker.setTargets([target(probeOf(80, { recheckMs: 100 }))])
  await clock.advance(1)
  t.equal(shown(), 'up: up as before', 'one failure of two')
  heal(80)
  await clock.advance(200)
  t.equal(shown(), 'up: answered as expected')
  fail(80)
  await round()
  await round()
  t.equal(shown(), 'down: connect ECONNREFUSED')
  fail(80, { ok: false, failure: 'status', reason: 'status 503', durationMs: 1 })
  await round()
  t.equal(shown(), 'down: status 503', 'the latest failure')
  said()
  checker.setTargets([target(probeOf(80, { path: '/other' }))])
  t.equal(shown(), 'down: status 503')
  heal(80)
  await round()
  t.equal(shown(), 'down: 1 of 2 successes; status 503', 'also under other settings')

  const down = setUp(t)
  down.checker.restore([was('down')])
  down.checker.setTargets([target(probeOf(80))])
  await down.clock.advance(1)
  t.equal(down.shown(), 'down: 1 of 2 successes')
})

t.test(
  'what a member says of itself outlives a change of settings, if the new ones ask for it',
  async (t) => {
    const { checker, clock, fail, round, vitals } = setUp(t)
    const weight = { kind: 'header', name: 'x-weight' } as const
    fail(80, { ok: true, durationMs: 7, weight: { percent: 10 } })
    checker.setTargets([target(probeOf(80, { weight }))])
    await clock.advance(1)
    t.match(checker.vitals('web', 'a'), { weightPercent: 10, latencyMs: 7 })
    checker.setTargets([target(probeOf(80, { weight, path: '/other' }))])
    t.match(checker.vitals('web', 'a'), { weightPercent: 10, latencyMs: 7 })
    vitals()
    checker.setTargets([target(probeOf(80, { path: '/other' }))])
    await turn()
    t.match(checker.vitals('web', 'a'), { weightPercent: null, latencyMs: 7 })
    t.same(vitals(), ['web'])
    fail(80, success)
    await round()
    t.equal(checker.vitals('web', 'a')?.weightPercent, null)
  },
)

t.test('a weight that nobody understands is told, and changes nothing', async (t) => {
  const { checker, fail, round, shown } = setUp(t)
  const weight = { kind: 'header', name: 'x-weight' } as const
  const say = async (said: ProbeVerdict) => {
    fail(80, said)
    await round()
    return [checker.vitals('web', 'a')?.weightPercent, shown()]
  }
  checker.setTargets([target(probeOf(80, { weight }))])
  const problem = { problem: 'weight not understood: abc' }
  t.same(await say({ ok: true, durationMs: 7, weight: problem }), [
    null,
    'up: answered as expected; weight not understood: abc',
  ])
  t.same(await say({ ok: true, durationMs: 7, weight: { percent: 12.5 } }), [
    12.5,
    'up: answered as expected',
  ])
  t.same(await say({ ok: true, durationMs: 7, weight: problem }), [
    12.5,
    'up: answered as expected; weight not understood: abc',
  ])
  t.same(await say({ ok: true, durationMs: 7 }), [null, 'up: answered as expected'], 'nothing is said')
})

t.test('settings that change all the time do not keep a member from being probed', async (t) => {
  const { checker, clock, probed } = setUp(t)
  for (let step = 0; step < 1000; step++) {
    checker.setTargets([target(probeOf(80, { path: `/${step % 2}` }))])
    await clock.advance(101)
  }
  const wanted = 101_000 / intervalMs
  t.ok(Math.abs(probed.length - wanted - 1) <= 1, `${probed.length} probes`)
})

t.test('fail-back by hand, of a composite too', async (t) => {
  const { checker, clock, fail, heal, round, said, shown } = setUp(t)
  checker.setTargets([
    target(compositeOf({ web: probeOf(80, { failBack: 'manual' }), db: probeOf(81) })),
    target(probeOf(80, { failBack: 'manual' }), 'alone', 'other'),
  ])
  await clock.advance(1)
  fail(80)
  await round()
  await round()
  heal(80)
  await round()
  await round()
  t.same(said(), ['other/alone unknown>up', 'web/a unknown>up', 'web/a up>down', 'other/alone up>down'])
  t.equal(shown('alone', 'other'), 'down: answers again; waits for fail-back by hand; connect ECONNREFUSED')
  t.ok(checker.waitsForFailBack(key))
  t.notOk(checker.waitsForFailBack({ pool: 'web', member: 'none' }))
  checker.failBack({ pool: 'web', member: 'none' })
  checker.failBack(key)
  await turn()
  t.same(said(), ['web/a down>up', 'other/alone down>up'], 'one probe, one word')
  t.equal(shown('alone', 'other'), 'up: let come back by an operator')
  t.notOk(checker.waitsForFailBack(key))
})
