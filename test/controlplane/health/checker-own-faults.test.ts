/** Verdicts that say nothing: what this host could not ask leaves everybody what they were. */
import t from 'tap'
import { canaryPeriodMs, startCanaries } from '../../../src/controlplane/health/canaries.ts'
import { SelfIsolationGuard } from '../../../src/controlplane/health/guard.ts'
import { fault, type ProbeVerdict } from '../../../src/controlplane/health/verdict.ts'
import { HandClock } from '../timing/hand-clock.ts'
import { probeOf, setUp, target } from './checker-harness.ts'
import { success } from './fixture.ts'

const aborted: ProbeVerdict = { ok: false, ...fault('aborted', 'connect EMFILE'), durationMs: 1 }

t.test(
  'a member stays what it was, a verdict or a restart ago, and one that failed once before goes on from there',
  async (t) => {
    const guard = new SelfIsolationGuard<never>({ minMembers: 1, minPools: 1 })
    const { checker, fail, heal, round, said, shown } = setUp(t, { guard: guard as never })
    const since = new Date(5)
    checker.restore([{ pool: 'web', member: 'b', state: 'down', since, reason: 'was down' }])
    fail(81, aborted)
    checker.setTargets([target(probeOf(80)), target(probeOf(81), 'b'), target(probeOf(82), 'c')])
    await round()
    t.same(said(), ['web/a unknown>up', 'web/c unknown>up'])
    fail(80, aborted)
    for (let i = 0; i < 5; i++) await round()
    t.same(said(), [])
    t.match(shown('a'), /^up: /)
    t.equal(shown('b'), 'down: was down')
    t.equal(guard.suspicion, null, 'it is no blow either')
    heal(80)
    await round()
    t.same(said(), [])
  },
)

t.test('the first round does not wait for what can not be asked', async (t) => {
  const { checker, fail, round, shown } = setUp(t)
  fail(80, aborted)
  checker.setTargets([target(probeOf(80))])
  await round()
  await checker.firstRound
  t.equal(shown(), 'unknown: not probed yet')
})

t.test('a canary that can not be asked says nothing', async (t) => {
  const clock = new HandClock()
  const words: boolean[] = []
  const reasons: string[] = []
  let verdict: ProbeVerdict = aborted
  const options = { clock, onOwnFault: (reason: string) => reasons.push(reason) }
  const one = { host: '192.0.2.1', port: 53 }
  const asked = startCanaries(
    [one],
    async () => verdict,
    (_name, ok) => words.push(ok),
    options,
  )
  await clock.advance(2 * canaryPeriodMs)
  t.same(words, [])
  t.match(reasons[0], 'connect EMFILE')
  verdict = success
  await clock.advance(2 * canaryPeriodMs)
  t.ok(words.length > 0 && words.every((ok) => ok))
  await asked[Symbol.asyncDispose]()
})
