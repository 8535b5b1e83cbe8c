/** A node that has no address of a family, and so can't judge addresses of it. */
import t, { type Test } from 'tap'
import { SelfIsolationGuard } from '../../../src/controlplane/health/guard.ts'
import type { Measurement } from '../../../src/controlplane/health/monitor.ts'
import { faultOfWay, type ProbeVerdict } from '../../../src/controlplane/health/verdict.ts'
import { familyOf } from '../../../src/controlplane/model/family.ts'
import { compositeOf, probeOf, setUp, target } from './checker-harness.ts'
import { refused, success } from './fixture.ts'

const v6 = '2001:db8::1'

/** A checker on a node that may lack IPv6. Ports in `sick` refuse. */
function node(t: Test, options: Parameters<typeof setUp>[1] = {}) {
  const state = { lacks: true, sick: new Set<number>() }
  let probes = 0
  const parts = setUp(t, {
    probe: async ({ address, port }): Promise<ProbeVerdict> => {
      probes++
      const error = { code: 'ENETUNREACH', syscall: 'connect' }
      const way = familyOf(address) === 'ipv6' ? faultOfWay(error, address, () => state.lacks) : null
      if (way !== null) return { ok: false, ...way, durationMs: 1 }
      return state.sick.has(port) ? refused : success
    },
    ...options,
  })
  const go = async () => {
    const before = probes
    await parts.clock.advance(12_000)
    // What the last of it said.
    await parts.clock.advance(1)
    t.ok(probes > before)
  }
  return { ...parts, state, go }
}

t.test('what it can not judge is unknown, and is judged once it can', async (t) => {
  const guard = new SelfIsolationGuard<Measurement>({ minMembers: 1, minPools: 1 })
  const { checker, go, said, shown, state } = node(t, { guard })
  checker.setTargets([target(probeOf(80, {}, v6)), target(probeOf(81), 'b')])
  await go()
  await checker.firstRound
  await go()
  t.same(said(), ['web/b unknown>up'])
  t.equal(shown(), 'unknown: this node has no IPv6 address to probe from')
  t.equal(guard.suspicion, null)
  t.same([checker.unjudged('ipv6'), checker.unjudged('ipv4')], [1, 0])
  state.lacks = false
  await go()
  t.same(said(), ['web/a unknown>up'])
  t.equal(checker.unjudged('ipv6'), 0)
  state.lacks = true
  await go()
  await go()
  t.same(said(), [], 'what it has measured itself stands')
  t.equal(shown(), 'up: as before, this node has no IPv6 address to probe from: answered as expected')
})

t.test('what is known from before the start is unknown, too', async (t) => {
  const { checker, go, said, shown } = node(t)
  const before = { pool: 'web', since: new Date(0), reason: 'connect ENETUNREACH' }
  checker.restore([{ ...before, member: 'a', state: 'down' }])
  checker.setTargets([target(probeOf(80, {}, v6))])
  t.equal(shown(), 'down: connect ENETUNREACH', 'until it has been tried')
  await go()
  t.same(said(), ['web/a down>unknown'])
  t.equal(shown(), 'unknown: this node has no IPv6 address to probe from')
})

t.test('of a member with an address of each family the other one decides', async (t) => {
  const { checker, go, said, shown, state } = node(t)
  const byAddress = ['192.0.2.1', v6].map((address) => ({
    address,
    method: probeOf(80, { fall: 1 }, address),
  }))
  checker.setTargets([{ ...target(byAddress[0]!.method), byAddress }])
  await go()
  t.equal(shown(), `up: 1 of 2 addresses up; ${v6}: this node has no IPv6 address to probe from`)
  state.sick.add(80)
  said()
  await go()
  t.match(shown(), /^unknown: 0 of 2 addresses up; /)
  t.match(checker.availability().get('web')?.get('a')?.addresses, [{ state: 'down' }, { state: 'unknown' }])
})

t.test('it has no vote on what it can not judge', async (t) => {
  const votes = { up: 0, down: 1 }
  const { checker, clock, go, shown, state } = node(t, { votes: () => votes })
  const quorum = 'majority' as const
  checker.restore([{ pool: 'web', member: 'a', state: 'up', since: new Date(0), reason: '' }])
  checker.setTargets([
    { ...target(probeOf(80, {}, v6)), quorum },
    { ...target(compositeOf({ x: probeOf(81, {}, v6), y: probeOf(82) }), 'c'), quorum },
    { ...target(probeOf(83), 'd'), quorum },
  ])
  await go()
  t.same(checker.ownVerdicts(), { web: { d: 'up' } })
  t.match(shown(), /^down: 1 of 1 nodes say down; here: this node has no IPv6 address/)
  t.match(shown('d'), /^up: 1 of 2 nodes say up/)
  state.lacks = false
  await go()
  t.match(shown(), /^up: 1 of 2 nodes say up/)
  t.same(checker.ownVerdicts(), { web: { a: 'up', c: 'up', d: 'up' } })
  state.lacks = true
  await go()
  t.match(
    shown(),
    /^down: 1 of 1 nodes say down; here: as before, this node has no IPv6/,
    'its last word is old',
  )
  t.same(checker.ownVerdicts(), { web: { d: 'up' } })
  votes.down = 0
  checker.reconsider([{ pool: 'web', member: 'a' }])
  await clock.advance(1)
  t.match(shown(), /^up: as before/, 'alone it goes by what it knows')
})
