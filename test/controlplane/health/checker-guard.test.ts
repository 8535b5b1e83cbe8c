/** The checker with the guard, with other nodes, and with probes that several members share. */
import t from 'tap'
import { SelfIsolationGuard } from '../../../src/controlplane/health/guard.ts'
import type { Measurement } from '../../../src/controlplane/health/monitor.ts'
import type { Votes } from '../../../src/controlplane/health/quorum.ts'
import type { NodeVerdicts } from '../../../src/controlplane/model/observation.ts'
import { turn } from '../timing/hand-clock.ts'
import { compositeOf, probeOf, push, setUp, target } from './checker-harness.ts'

const ports = [80, 81, 82, 83, 84, 85]
const pools = ['web', 'api', 'db']

/** Two members of each of three pools, each on a port of its own. */
function fleet(t: Parameters<typeof setUp>[0], options: Parameters<typeof setUp>[1] = {}) {
  const guard = new SelfIsolationGuard<Measurement>({}, ['canary'], 2000)
  const suspicions: (string | null)[] = []
  const parts = setUp(t, {
    guard,
    onSuspicion: (suspicion) => suspicions.push(suspicion?.reason ?? null),
    ...options,
  })
  const targets = ports.map((port, index) =>
    target(probeOf(port, { fall: 1 }), index % 2 === 0 ? 'a' : 'b', pools[index >> 1]!),
  )
  const failAll = () => {
    for (const port of ports) parts.fail(port)
  }
  return { ...parts, guard, suspicions, targets, failAll }
}

t.test('a blow takes nobody out, and what it took before it was noticed is given back', async (t) => {
  const { checker, clock, failAll, heal, said, shown, suspicions, targets, round } = fleet(t)
  checker.setTargets(targets)
  await clock.advance(1)
  await checker.firstRound
  t.equal(said().length, 6)
  failAll()
  for (const port of ports) await round(port)
  t.equal(suspicions.length, 1)
  t.match(suspicions[0], /members that were up fail at once/)
  const events = said()
  const fell = events.filter((event) => event.endsWith('up>down'))
  t.ok(fell.length > 0 && fell.length < 6, 'with a fall of 1, the first were out')
  t.equal(events.length, 2 * fell.length, 'and came back')
  for (const pool of pools) {
    for (const member of ['a', 'b']) {
      t.match(shown(member, pool), /^up: /)
      t.equal(checker.vitals(pool, member)?.backSince, null, 'they were never away: no slow start')
    }
  }
  const [pool, member] = fell[0]!.split(' ')[0]!.split('/') as [string, string]
  t.equal(shown(member, pool), 'up: up as before')
  for (const port of ports) heal(port)
  for (const port of ports) await round(port)
  t.same(suspicions.slice(1), [null])
  t.same(said(), [])
  t.equal(shown(), 'up: answered as expected')
})

t.test('machines that two pools share are a blow to both', async (t) => {
  const guard = new SelfIsolationGuard<Measurement>()
  const suspicions: (string | null)[] = []
  const onSuspicion = (suspicion: { reason: string } | null) => suspicions.push(suspicion?.reason ?? null)
  const { checker, clock, fail, said, round } = setUp(t, { guard, onSuspicion })
  const members = ['a', 'b', 'c', 'd', 'e', 'f']
  const shared = (pool: string) =>
    ports.map((port, index) => target(probeOf(port, { fall: 2 }), members[index]!, pool))
  checker.setTargets([...shared('web'), ...shared('api')])
  await clock.advance(1)
  await checker.firstRound
  said()
  for (const port of ports) fail(port)
  for (const port of ports) await round(port)
  t.match(suspicions, [/in 2 of 2 pools$/])
  for (const port of ports) await round(port)
  t.same(said(), [], 'nobody leaves the answers')
  checker.setTargets(shared('web'))
  t.match(suspicions.slice(1), [null], 'one pool is too few to tell')
})

t.test('members that are new under suspicion do not keep the first round from ending', async (t) => {
  const { checker, clock, guard, failAll, heal, said, shown, targets } = fleet(t)
  checker.canary('canary', true)
  checker.canary('canary', false)
  t.ok(guard.suspicion)
  failAll()
  checker.setTargets([...targets, target(compositeOf({ x: probeOf(90), y: probeOf(80) }), 'c')])
  await clock.advance(1)
  await checker.firstRound
  t.same(said(), [])
  t.equal(shown(), 'unknown: failed, which does not count now')
  t.equal(shown('c'), 'unknown: y: failed, which does not count now; 1 of 2 up, 2 needed')
  checker.canary('canary', true)
  heal(81)
  await clock.advance(20_000)
  const events = said()
  t.ok(events.includes('web/a unknown>down'), 'the next verdict decides')
  t.ok(events.includes('web/b unknown>up'))
  t.ok(events.includes('web/c unknown>down'))
})

t.test('a restored state under suspicion is not overwritten by what does not count', async (t) => {
  const { checker, clock, failAll, heal, said, shown, targets, round } = fleet(t)
  checker.canary('canary', true)
  checker.canary('canary', false)
  failAll()
  checker.restore([
    { pool: 'web', member: 'a', state: 'up', since: new Date(0), reason: 'answered as expected' },
  ])
  checker.setTargets(targets)
  await clock.advance(1)
  t.equal(shown(), 'up: up as before')
  heal(80)
  await round()
  t.equal(shown(), 'up: answered as expected')
  t.same(said(), [])
})

t.test('the guard watches what is probed, and nothing that no longer is', async (t) => {
  const { checker, clock, failAll, suspicions, targets, round } = fleet(t)
  checker.setTargets(targets)
  await clock.advance(1)
  failAll()
  for (const port of ports) await round(port)
  t.equal(suspicions.length, 1)
  checker.setTargets(targets.slice(0, 2))
  t.same(suspicions.slice(1), [null], 'one pool is too few to tell')
  checker.setTargets([])
  t.equal(checker.probes, 0)
})

t.test('members that are probed in the same way share one probe and all of its verdicts', async (t) => {
  const verdicts: string[] = []
  const { checker, clock, fail, probed, round, said, shown } = setUp(t, {
    onProbe: ({ pool, member }) => verdicts.push(`${pool}/${member}`),
  })
  const one = target(probeOf(80))
  const other = target(probeOf(80, { name: 'the same by another name' }), 'b', 'api')
  checker.setTargets([one, other])
  t.equal(checker.probes, 1)
  await clock.advance(1)
  t.equal(probed.length, 1)
  t.same(verdicts, ['web/a', 'api/b'])
  t.same(said(), ['web/a unknown>up', 'api/b unknown>up'])

  checker.setTargets([one, other, target(probeOf(80), 'late')])
  await turn()
  t.same(said(), ['web/late unknown>up'], 'without a probe of its own')
  t.equal(probed.length, 1)

  checker.setTargets([other])
  t.equal(shown(), null)
  fail(80)
  await round()
  await round()
  t.same(said(), ['api/b up>down'], 'it goes on for who is left')
  t.equal(probed.at(-1)?.member, 'b')

  checker.setTargets([target(probeOf(80, { path: '/other' }), 'b', 'api'), target(probeOf(80), 'c')])
  t.equal(checker.probes, 2)
  t.match(shown('b', 'api'), /^down: /, 'who changes takes along what was measured')
  checker.setTargets([])
  t.equal(checker.probes, 0)
  t.equal(clock.timers, 0)
})

t.test('held members are told of, for each that shares the probe', async (t) => {
  const held: string[] = []
  const { checker, clock, fail, heal, round, shown } = setUp(t, {
    onHold: ({ pool, member }, { falls }) => held.push(`${pool}/${member} ${falls}`),
  })
  const flap = { changes: 1, withinMs: 3_600_000, holdMs: 600_000, maxHoldMs: 600_000 }
  const method = probeOf(80, { rise: 1, fall: 1, flap })
  checker.setTargets([target(method), target(method, 'b', 'api')])
  await clock.advance(1)
  for (let fallen = 0; fallen < 2; fallen++) {
    fail(80)
    await round()
    heal(80)
    await round()
  }
  t.same(held, ['web/a 2', 'api/b 2'])
  t.match(shown(), /^down: held down until \S+ UTC after 2 changes within 1h; connect ECONNREFUSED$/)
})

t.test('what most nodes say is shown', async (t) => {
  let votes: Votes | null = null
  let told = 0
  const { checker, clock, fail, round, said, shown } = setUp(t, {
    votes: (pool) => (pool === 'web' ? votes : t.fail('nobody agrees upon it')) as Votes | null,
    onVerdicts: () => told++,
  })
  const targets = [target(probeOf(80), 'a', 'web', 'majority'), target(probeOf(81), 'b', 'alone')]
  t.equal(checker.ownVerdicts(), null)
  checker.setTargets(targets)
  t.same(checker.ownVerdicts(), {}, 'nothing is known yet')
  await clock.advance(1)
  t.same(said(), ['web/a unknown>up', 'alone/b unknown>up'])
  t.same(checker.ownVerdicts(), { web: { a: 'up' } } satisfies NodeVerdicts)
  t.equal(told, 1)

  votes = { up: 1, down: 0 }
  fail(80)
  fail(81)
  await round()
  await round()
  await round(81)
  t.same(said(), ['alone/b up>down'], 'a tie changes nothing')
  t.equal(told, 2, 'but the others are told')
  t.same(checker.ownVerdicts(), { web: { a: 'down' } })
  t.match(shown(), /^up: 1 of 2 nodes say up; here: connect ECONNREFUSED$/)
  t.equal(checker.vitals('web', 'a')?.own.state, 'down')

  votes = { up: 0, down: 1 }
  checker.reconsider([
    { pool: 'web', member: 'a' },
    { pool: 'web', member: 'gone' },
  ])
  await turn()
  t.same(said(), ['web/a up>down'])
  votes = null
  checker.reconsider([{ pool: 'web', member: 'a' }])
  await turn()
  t.equal(shown(), 'down: connect ECONNREFUSED', 'alone again')
  t.same(said(), [])

  checker.setTargets([target(probeOf(80))])
  await turn()
  t.equal(told, 3, 'a member that is judged here alone has left the vote')
  t.equal(checker.ownVerdicts(), null)
})

t.test('a node that doubts its network goes with the others', async (t) => {
  const votes: Votes = { up: 0, down: 1 }
  const { checker, clock, said, shown } = fleet(t, { votes: () => votes })
  checker.canary('canary', true)
  checker.setTargets([target(probeOf(80), 'a', 'web', 'majority'), target(push(), 'p', 'web', 'majority')])
  await clock.advance(1)
  t.same(said(), ['web/p unknown>down', 'web/a unknown>up'], 'a tie')
  checker.canary('canary', false)
  await turn()
  t.same(said(), ['web/a up>down'])
  t.match(shown(), /without a vote while the network is suspect: answered as expected$/)
  checker.canary('canary', true)
  await turn()
  t.same(said(), ['web/a down>up'], 'a tie again')
})

t.test('names that every object has are names like others', async (t) => {
  const { checker, clock } = setUp(t)
  checker.setTargets([
    target(probeOf(80), 'constructor', 'constructor', 'majority'),
    target(probeOf(80), '__proto__', '__proto__', 'majority'),
  ])
  await clock.advance(1)
  const said = checker.ownVerdicts()!
  t.equal(JSON.stringify(said), '{"constructor":{"constructor":"up"},"__proto__":{"__proto__":"up"}}')
})
