/** Members with several addresses: each is probed by itself, and the member is one. */
import t from 'tap'
import type { AddressCheck } from '../../../src/controlplane/health/check-method.ts'
import type { CheckTarget } from '../../../src/controlplane/health/checked-member.ts'
import { withAddressTimes } from '../../../src/controlplane/model/observation.ts'
import { compositeOf, probeOf, setUp, target } from './checker-harness.ts'

/** The last octets of addresses, each probed at its own port. */
function machine(...octets: readonly number[]): CheckTarget {
  const byAddress = octets.map((octet): AddressCheck => {
    const address = `192.0.2.${octet}`
    return { address, method: probeOf(octet, {}, address) }
  })
  const [first] = byAddress
  return byAddress.length === 1 ? target(first!.method) : { ...target(first!.method), byAddress }
}

const states = ({ checker }: ReturnType<typeof setUp>) =>
  checker
    .availability()
    .get('web')
    ?.get('a')
    ?.addresses?.map(({ address, state }) => `${address} ${state}`)

t.test('each address has its own state, and the member is up while one is', async (t) => {
  const harness = setUp(t)
  const { checker, clock, fail, heal, round, said, shown } = harness
  checker.setTargets([machine(81, 82)])
  await clock.advance(1)
  t.equal(shown(), 'up: answered as expected')
  t.same(states(harness), ['192.0.2.81 up', '192.0.2.82 up'])
  said()
  fail(82)
  await round(82)
  await round(82)
  await clock.advance(1)
  t.same(states(harness), ['192.0.2.81 up', '192.0.2.82 down'])
  t.equal(shown(), 'up: 1 of 2 addresses up; 192.0.2.82: connect ECONNREFUSED')
  t.same(said(), ['web/a up>down'], 'of the address')
  fail(81)
  await round(81)
  await round(81)
  await clock.advance(1)
  t.match(shown(), /^down: 0 of 2 addresses up; 192\.0\.2\.81: connect ECONNREFUSED; 192\.0\.2\.82/)
  t.same(said(), ['web/a up>down', 'web/a up>down'], 'of the address, and of the member')
  heal(81)
  await round(81)
  await round(81)
  await clock.advance(1)
  t.same(states(harness), ['192.0.2.81 up', '192.0.2.82 down'])
  t.ok(checker.vitals('web', 'a')?.backSince, 'slow start is that of the member')
})

t.test('addresses come and go', async (t) => {
  const harness = setUp(t)
  const { checker, clock, fail, probed, round, shown } = harness
  fail(81)
  checker.setTargets([machine(81, 82)])
  await clock.advance(1)
  t.same(states(harness), ['192.0.2.81 down', '192.0.2.82 up'])
  probed.length = 0
  checker.setTargets([machine(82, 83)])
  t.same(states(harness), ['192.0.2.82 up', '192.0.2.83 unknown'], 'another machine, perhaps')
  await clock.advance(1)
  t.same(
    probed.map(({ port }) => port),
    [83],
    'the one that stays keeps its place in the schedule',
  )
  t.same(states(harness), ['192.0.2.82 up', '192.0.2.83 up'])
  checker.setTargets([machine(82)])
  t.equal(states(harness), undefined)
  t.equal(shown(), 'up: answered as expected')
  fail(84)
  checker.setTargets([machine(84, 85)])
  t.equal(shown(), 'unknown: 0 of 2 addresses up; 192.0.2.84: not probed yet; 192.0.2.85: not probed yet')
  await round(84)
  await clock.advance(1)
  t.same(states(harness), ['192.0.2.84 down', '192.0.2.85 up'])
})

t.test('an address that changes too often is told of by its name', async (t) => {
  const held: string[] = []
  const flap = { changes: 1, withinMs: 3_600_000, holdMs: 60_000, maxHoldMs: 60_000 }
  const { checker, clock, fail, heal, round } = setUp(t, {
    onHold: ({ member }, _hold, address) => held.push(`${member} ${address}`),
  })
  const checks = ['192.0.2.81', '192.0.2.82'].map((address, index) => {
    return { address, method: probeOf(81 + index, { rise: 1, fall: 1, flap }, address) }
  })
  checker.setTargets([
    { ...target(checks[0]!.method), byAddress: checks },
    target(probeOf(83, { rise: 1, fall: 1, flap }), 'b'),
  ])
  await clock.advance(1)
  for (const port of [82, 83]) {
    for (let time = 0; time < 2; time++) {
      fail(port)
      await round(port)
      heal(port)
      await round(port)
    }
  }
  t.same(held, ['a 192.0.2.82', 'b null'])
})

t.test('what was stored of each address stands after a restart', async (t) => {
  const harness = setUp(t)
  const { checker, clock, fail, round, said } = harness
  const since = new Date(0)
  const health = { pool: 'web', member: 'a', state: 'up' as const, since, reason: '1 of 2 addresses up' }
  checker.restore([
    {
      ...health,
      addresses: [
        { address: '192.0.2.81', state: 'up', since, reason: 'answered as expected' },
        { address: '192.0.2.82', state: 'down', since, reason: 'status 503' },
      ],
    },
  ])
  checker.setTargets([machine(81, 82)])
  t.same(states(harness), ['192.0.2.81 up', '192.0.2.82 down'])
  await clock.advance(1)
  t.same(states(harness), ['192.0.2.81 up', '192.0.2.82 down'], 'it takes a full streak')
  t.same(said(), [])
  await round(82)
  await clock.advance(1)
  t.same(states(harness), ['192.0.2.81 up', '192.0.2.82 up'])
  fail(81)
})

t.test('nodes agree on the member, and each says of its addresses what it has measured', async (t) => {
  const votes = { up: 0, down: 2 }
  const harness = setUp(t, { votes: () => votes })
  const { checker, clock, fail } = harness
  fail(82)
  checker.setTargets([{ ...machine(81, 82), quorum: 'majority' }])
  await clock.advance(1)
  t.same(states(harness), ['192.0.2.81 down', '192.0.2.82 down'], 'most say that it is down')
  t.same(checker.ownVerdicts(), { web: { a: 'up' } }, 'this node has one vote')
  Object.assign(votes, { up: 2, down: 0 })
  checker.reconsider([{ pool: 'web', member: 'a' }])
  await clock.advance(1)
  t.same(states(harness), ['192.0.2.81 up', '192.0.2.82 down'])
})

t.test('holds, and the falls that lead to the next, outlast a restart, address by address', async (t) => {
  const flap = { changes: 1, withinMs: 3_600_000, holdMs: 600_000, maxHoldMs: 3_600_000 }
  const checks = ['192.0.2.81', '192.0.2.82'].map((address, index) => {
    return { address, method: probeOf(81 + index, { rise: 1, fall: 1, flap }, address) }
  })
  const part = probeOf(84, { rise: 1, fall: 1, flap })
  const targets = [
    { ...target(checks[0]!.method), byAddress: checks },
    target(probeOf(83, { rise: 1, fall: 1, flap }), 'b'),
    target(compositeOf({ web: part, db: probeOf(85) }), 'c'),
    target(probeOf(86, { rise: 1, fall: 1, flap }), 'd'),
  ]
  const first = setUp(t)
  first.checker.setTargets(targets)
  await first.clock.advance(1)
  for (const [port, falls] of [
    [82, 2],
    [83, 2],
    [84, 2],
    [86, 1],
  ] as const) {
    for (let fallen = 0; fallen < falls; fallen++) {
      first.fail(port)
      await first.round(port)
      first.heal(port)
      await first.round(port)
    }
  }
  const known = [...first.checker.availability().get('web')!.values()]
  const stored = (JSON.parse(JSON.stringify(known)) as typeof known).map((one) =>
    withAddressTimes({ ...one, since: new Date(one.since) }),
  )
  t.same(stored, known)

  const again = async (changes: (health: typeof stored) => typeof stored = (health) => health) => {
    const harness = setUp(t)
    await harness.clock.advance(first.clock.nowMs())
    harness.checker.restore(changes(stored))
    harness.checker.setTargets(targets)
    await harness.clock.advance(1)
    return harness
  }
  const { shown, fail, heal, round, clock, said } = await again()
  t.match(shown('a'), /^up: 1 of 2 addresses up; 192\.0\.2\.82: held down until .* after 2 changes/)
  t.match(shown('b'), /^down: held down until .* after 2 changes/)
  t.match(shown('c'), /^down: web: held down until/)
  t.match(shown('d'), /^up: /)
  said()
  fail(86)
  await round(86)
  heal(86)
  await round(86)
  t.match(shown('d'), /^down: held down until .* after 2 changes/, 'the fall before the restart counts')
  await clock.advance(600_000)
  t.match([shown('a'), shown('b'), shown('c')], [/^up/, /^up/, /^up/], 'it ends at its time')

  const ahead = await again((health) =>
    health.map((one) => ({
      ...one,
      ...(one.flaps && { flaps: one.flaps.map((flaps) => ({ ...flaps, fallsMs: [9e15] })) }),
    })),
  )
  t.match(ahead.shown('b'), /^up: /, 'a time that has not come holds nobody')
  const broken = await again((health) =>
    health.map((one) => withAddressTimes({ ...one, flaps: [{ address: null }, 7, null] as never })),
  )
  t.match(broken.shown('b'), /^up: /, 'nor does what nobody wrote')
})
