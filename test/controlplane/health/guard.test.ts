import fc from 'fast-check'
import t from 'tap'
import {
  type GuardSettings,
  guardDefaults,
  SelfIsolationGuard,
} from '../../../src/controlplane/health/guard.ts'
import { type HealthState, healthStates } from '../../../src/controlplane/model/observation.ts'
import { GuardModel } from './guard-model.ts'
import { Simulation, type Specimen } from './guard-simulation.ts'

/** Pools a, b, c and so on of so many members each, a0, a1 and so on. */
function fleet(
  pools: readonly number[],
  settings: (pool: number, index: number) => Partial<Specimen> = () => ({}),
): Specimen[] {
  return pools.flatMap((size, number) => {
    const pool = String.fromCharCode(97 + number)
    return Array.from({ length: size }, (_, index) => ({
      pool,
      member: `${pool}${index}`,
      intervalMs: 10_000,
      ...settings(number, index),
    }))
  })
}

const beginning = ({ changes }: Simulation): number => Number(changes[0]?.slice(1))

t.test('a rack fails: a few members of every pool', (t) => {
  const world = new Simulation({ members: fleet([5, 5, 5, 5]) })
  world.runTo(100)
  for (const member of ['a0', 'b0', 'c0', 'd0']) world.dead.add(member)
  world.runTo(300)
  t.strictSame(world.changes, [])
  t.strictSame(world.in('down'), ['a0', 'b0', 'c0', 'd0'])
  world.dead.clear()
  world.runTo(400)
  t.strictSame(world.in('down'), [])
  t.end()
})

t.test('one pool of three is gone, however large', (t) => {
  const world = new Simulation({ members: fleet([200, 5, 5]) })
  world.runTo(100)
  for (let index = 0; index < 200; index++) world.dead.add(`a${index}`)
  world.runTo(300)
  t.strictSame(world.changes, [])
  t.equal(world.in('down').length, 200)
  t.end()
})

t.test('half of everything is gone', (t) => {
  const world = new Simulation({ members: fleet([10, 10, 10, 10]) })
  world.runTo(100)
  for (const pool of 'abcd') for (let index = 0; index < 5; index++) world.dead.add(`${pool}${index}`)
  world.runTo(300)
  t.strictSame(world.changes, [])
  t.equal(world.in('down').length, 20)
  t.end()
})

t.test('all vanish at once: nobody is taken out, before long and for hours', (t) => {
  for (const size of [2, 20, 700]) {
    const world = new Simulation({ members: fleet([size, size, size]) })
    world.runTo(100)
    world.network = false
    world.runTo(2 * 3600)
    t.equal(world.changes.length, 1, 'suspect once, and still')
    t.ok(beginning(world) > 100 && beginning(world) < 111, `after ${beginning(world) - 100} s`)
    t.strictSame(world.fell, [], 'before the first was out')
    world.network = true
    world.runTo(2 * 3600 + 15)
    t.equal(world.guard.suspicion, null)
    t.equal(world.changes.length, 2, 'and it recovers by itself')
    world.runTo(3 * 3600)
    t.strictSame(world.fell, [])
    t.equal(world.changes.length, 2)
  }
  t.end()
})

t.test('all vanish at once, probed at all kinds of intervals and judged as fast as can be', (t) => {
  const intervals = [1000, 10_000, 60_000]
  const quick = { fall: 1, recheckMs: 500 }
  const manual = { failBack: 'manual' as const, failBackDelayMs: 600_000, recheckMs: 500 }
  const members = fleet([9, 9, 9, 9], (pool, index) => ({
    intervalMs: intervals[index % 3]!,
    judging: pool === 0 ? quick : pool === 1 ? manual : {},
  }))
  const world = new Simulation({ members })
  world.runTo(300)
  world.network = false
  world.runTo(330)
  t.ok(beginning(world) < 315, `after ${beginning(world) - 300} s`)
  t.ok(world.fell.length > 3, `${world.fell.length} were out by then`)
  t.strictSame(world.givenBack.toSorted(), world.fell.toSorted(), 'and are all given back')
  const before = world.fell.length
  world.runTo(3600)
  t.equal(world.fell.length, before, 'the others never were')
  t.equal(world.in('up').length, members.length)
  t.match(world.guard.suspicion?.reason, /^\d+ of \d+ members that were up fail at once, in \d of 4 pools$/)
  world.network = true
  world.runTo(4000)
  t.equal(world.changes.length, 2)
  t.equal(world.in('up').length, members.length, 'without a hand or a delay')
  t.end()
})

t.test('members that die while nobody can see it are taken out once somebody can', (t) => {
  const world = new Simulation({ members: fleet([10, 10, 10]) })
  world.runTo(100)
  world.network = false
  world.runTo(200)
  const dead = ['a0', 'a1', 'b0']
  for (const member of dead) world.dead.add(member)
  world.network = true
  world.runTo(300)
  t.equal(world.changes.length, 2)
  t.strictSame(world.in('down'), dead)
  t.end()
})

t.test('who was down before is not given back, and comes back when it answers', (t) => {
  const world = new Simulation({ members: fleet([10, 10, 10]) })
  world.dead.add('a0').add('b0')
  world.runTo(100)
  t.strictSame(world.in('down'), ['a0', 'b0'])
  world.network = false
  world.runTo(200)
  t.equal(world.changes.length, 1)
  t.strictSame(world.in('down'), ['a0', 'b0'])
  world.dead.clear()
  world.network = true
  world.runTo(300)
  t.strictSame(world.in('down'), [])
  t.end()
})

t.test('one after the other, to the last', (t) => {
  const world = new Simulation({ members: fleet([10, 10, 10]) })
  for (let index = 0; index < 30; index++) {
    world.runTo(100 + index * 5)
    world.dead.add(`${'abc'[index % 3]}${Math.floor(index / 3)}`)
  }
  world.runTo(600)
  t.strictSame(world.changes, [])
  t.equal(world.in('down').length, 30)
  t.end()
})

t.test('most fail, and stay away while a fifth lives: as isolated, as long as it is so', (t) => {
  const world = new Simulation({ members: fleet([10, 10, 10]) })
  world.runTo(100)
  for (const pool of 'abc') for (let index = 0; index < 8; index++) world.dead.add(`${pool}${index}`)
  world.runTo(1000)
  t.equal(world.changes.length, 1)
  t.strictSame(world.in('down'), [])
  for (const pool of 'abc') for (let index = 0; index < 5; index++) world.dead.delete(`${pool}${index}`)
  world.runTo(1100)
  t.equal(world.changes.length, 2, 'less than half of the share')
  t.equal(world.in('down').length, 9)
  t.end()
})

t.test('canaries that answer decide alone', (t) => {
  const canaries = ['one', 'two']
  const outage = new Simulation({ members: fleet([10, 10, 10]), canaries })
  outage.runTo(100)
  for (const member of outage.in('up')) outage.dead.add(member)
  outage.deadCanaries.add('one')
  outage.runTo(200)
  t.strictSame(outage.changes, [], 'one answers')
  t.equal(outage.holds, 1, 'which is asked at once, and once')
  t.equal(outage.in('down').length, 30)

  const racks = fleet([2, 2, 2], () => ({ intervalMs: 1000, judging: { fall: 2 } }))
  const quick = new Simulation({ members: racks, canaries })
  quick.runTo(101)
  quick.network = false
  quick.runTo(120)
  t.equal(quick.holds, 1)
  t.strictSame(quick.fell, [], 'the canaries would be asked after 4 s')
  t.match(quick.guard.suspicion?.reason, /members that were up fail at once.*none of 2 canaries answers/)
  t.equal(quick.guard.suspicion?.holds, false)
  t.equal(quick.changes.length, 1, 'which is told when they have said so')

  const twice = new Simulation({ members: racks, canaries })
  twice.runTo(101)
  for (const member of twice.in('up')) twice.dead.add(member)
  twice.runTo(105)
  t.equal(twice.in('down').length, 6, 'a true outage')
  twice.dead.clear()
  twice.runTo(109)
  t.equal(twice.in('up').length, 6, 'which is over')
  const fallen = twice.fell.length
  twice.network = false
  twice.runTo(120)
  t.equal(twice.holds, 2, 'is no word on the next blow, however soon that comes')
  t.equal(twice.fell.length, fallen)

  const isolation = new Simulation({ members: fleet([1], () => ({ judging: { fall: 1 } })), canaries })
  isolation.runTo(101)
  isolation.network = false
  isolation.runTo(200)
  t.strictSame(isolation.changes, ['+102.4'], 'held by its first failure, and both fail')
  t.match(isolation.guard.suspicion?.reason, /^1 of 1 members .*; none of 2 canaries answers$/)
  t.strictSame(isolation.in('up'), ['a0'], 'even a single member is spared')
  isolation.deadCanaries.add('two')
  isolation.network = true
  isolation.runTo(300)
  t.strictSame(isolation.changes, ['+102.4', '-200.0'], 'one answers again')

  const lost = new Simulation({ members: fleet([10, 10]), canaries: ['one'] })
  lost.runTo(100)
  lost.deadCanaries.add('one')
  lost.runTo(200)
  t.equal(lost.guard.suspicion?.reason, 'the canary does not answer')
  t.equal(lost.in('up').length, 20)
  t.end()
})

t.test('canaries that never answer mean nothing, and the members decide', (t) => {
  const world = new Simulation({ members: fleet([10, 10, 10]), canaries: ['typo', 'walled'] })
  world.deadCanaries.add('typo').add('walled')
  world.dead.add('a0')
  world.runTo(100)
  t.strictSame(world.changes, [])
  t.strictSame(world.in('down'), ['a0'])
  world.network = false
  world.runTo(200)
  t.match(world.guard.suspicion?.reason, /members that were up fail at once/)
  world.network = true
  world.runTo(300)
  t.equal(world.guard.suspicion, null, 'and end it')
  world.deadCanaries.delete('walled')
  world.runTo(310)
  world.deadCanaries.add('walled')
  world.runTo(320)
  t.equal(world.guard.suspicion?.reason, 'none of 2 canaries answers', 'once one has answered')
  t.end()
})

t.test('a node that starts while it is isolated keeps whom the store has as up', (t) => {
  const restored = new Simulation({
    members: fleet([10, 10, 10], (_pool, index) => ({ start: index === 0 ? 'down' : 'up' })),
  })
  restored.network = false
  restored.runTo(600)
  t.equal(restored.changes.length, 1)
  t.equal(restored.in('up').length, 27, 'what the store says is kept')
  t.strictSame(restored.fell, [])

  const empty = new Simulation({ members: fleet([10, 10, 10], () => ({ start: 'unknown' })) })
  empty.network = false
  empty.runTo(600)
  t.strictSame(empty.changes, [], 'without a store there is nothing to keep')
  t.equal(empty.in('down').length, 30)

  const told = new Simulation({
    members: fleet([10], () => ({ start: 'unknown' })),
    canaries: ['one', 'two'],
  })
  told.network = false
  told.runTo(600)
  t.strictSame(told.changes, [], 'nor do canaries help that never answered')
  t.equal(told.in('down').length, 10)
  t.end()
})

t.test('with too few members or pools there is no suspicion', (t) => {
  for (const pools of [[1, 1], [50]]) {
    const world = new Simulation({ members: fleet(pools) })
    world.runTo(100)
    world.network = false
    world.runTo(200)
    t.strictSame(world.changes, [])
    t.strictSame(world.in('up'), [])
  }
  t.end()
})

t.test('most are down for long already', (t) => {
  const world = new Simulation({
    members: fleet([12, 12], (_pool, index) => ({ start: index < 9 ? 'down' : 'up' })),
  })
  for (const pool of 'ab') for (let index = 0; index < 9; index++) world.dead.add(`${pool}${index}`)
  world.runTo(100)
  for (const pool of 'ab') for (let index = 9; index < 12; index++) world.dead.add(`${pool}${index}`)
  world.runTo(200)
  t.strictSame(world.changes, [], 'the last quarter is no blow')
  t.equal(world.in('down').length, 24)
  t.end()
})

t.test('a network that comes and goes', (t) => {
  const world = new Simulation({ members: fleet([10, 10, 10]) })
  for (let round = 0; round < 10; round++) {
    world.network = true
    world.runTo(100 + round * 120)
    world.network = false
    world.runTo(160 + round * 120)
    t.not(world.guard.suspicion, null, `round ${round}`)
  }
  t.strictSame(world.fell, [])
  t.equal(world.changes.length, 19)
  t.end()
})

t.test('a member with several addresses is one witness', (t) => {
  const up = { state: 'up' as HealthState }
  const addresses = ['4', '6']
  const machines = ['a1', 'a2', 'b1']
  const setUp = () => {
    const guard = new SelfIsolationGuard<{ state: HealthState }>()
    for (const machine of machines) {
      for (const address of addresses) guard.watch(machine[0]!, machine + address, 10_000, machine)
    }
    const say = (machine: string, address: string, ok: boolean, atMs: number) =>
      guard.verdict(machine + address, ok, up, atMs)
    return { guard, say }
  }
  const { guard, say } = setUp()
  const sayBoth = (machine: string, ok: boolean, atMs: number) => {
    for (const address of addresses) say(machine, address, ok, atMs)
  }
  for (const ok of [true, false]) for (const machine of ['a1', 'b1']) sayBoth(machine, ok, 1)
  t.equal(guard.suspicion, null, 'four addresses of two machines are two machines')
  for (const ok of [true, false]) sayBoth('a2', ok, 2)
  t.match(guard.suspicion, { reason: '3 of 3 members that were up fail at once, in 2 of 2 pools' })

  const half = setUp()
  for (const machine of machines) {
    half.say(machine, '4', true, 0)
    half.say(machine, '6', false, 0)
  }
  for (let atMs = 1000; atMs < 9000; atMs += 1000)
    for (const machine of machines) half.say(machine, '6', false, atMs)
  t.equal(half.guard.suspicion, null, 'a machine that answers at one address is well')

  t.equal(guard.forget('b', 'b14'), null, 'it is still a witness')
  t.strictSame(guard.forget('b', 'b16'), { to: 'trusting' }, 'two machines are too few')
  t.end()
})

t.test('a check that several pools share counts in each, and once over all', (t) => {
  const up = { state: 'up' as HealthState }
  const guard = new SelfIsolationGuard<{ state: HealthState }>()
  const machines = ['1', '2', '3', '4']
  for (const pool of ['web', 'api']) for (const machine of machines) guard.watch(pool, machine, 10_000)
  const say = (machine: string, ok: boolean, atMs: number) => guard.verdict(machine, ok, up, atMs)
  for (const machine of machines) say(machine, true, 0)
  t.strictSame(
    machines.map((machine) => say(machine, false, 11_000).counts),
    [true, true, false, false],
  )
  t.match(guard.suspicion, { reason: '3 of 3 members that were up fail at once, in 2 of 2 pools' })
  t.equal(guard.forget('web', '1'), null)
  t.equal(guard.forget('web', '2'), null, 'they are still in the other pool')
  t.strictSame(guard.forget('api', '1'), null)
  t.strictSame(guard.forget('api', '2'), { to: 'trusting' }, 'two are too few')

  const lone = new SelfIsolationGuard<{ state: HealthState }>()
  for (const pool of ['web', 'api', 'db']) lone.watch(pool, '1', 10_000)
  lone.verdict('1', true, up, 0)
  t.ok(lone.verdict('1', false, up, 11_000).counts, 'one machine in three pools is one')
  t.equal(lone.suspicion, null)
  t.end()
})

t.test('where canaries decide, members of one pool make a hold', (t) => {
  const up = { state: 'up' as HealthState }
  const guard = new SelfIsolationGuard<{ state: HealthState }>({}, ['c'], 20_000)
  guard.watch('web', '1', 10_000)
  guard.watch('web', '2', 10_000)
  guard.canary('c', true, 0)
  for (const machine of ['1', '2']) guard.verdict(machine, true, up, 0)
  t.strictSame(guard.verdict('1', false, up, 11_000).change?.to, 'suspect')
  t.match(guard.suspicion, { holds: true })
  t.strictSame(guard.canary('c', true, 11_010), { to: 'trusting', takeAgain: true })
  t.strictSame(guard.verdict('2', false, up, 11_020), { counts: true, change: null }, 'it was the members')
  t.end()
})

t.test('members that change, with a canary that answers later', (t) => {
  const up = { state: 'up' as HealthState }
  const guard = new SelfIsolationGuard<{ state: HealthState }>({}, ['c'], 20_000)
  const watchAll = () => {
    for (const member of ['a1', 'a2', 'b1', 'b2']) guard.watch(member[0]!, member, 10_000)
  }
  const failAll = (atMs: number) =>
    ['a1', 'b1', 'a2', 'b2'].map((member) => guard.verdict(member, false, up, atMs))
  watchAll()
  watchAll()
  t.strictSame(guard.verdict('nobody', false, up, 0), { counts: true, change: null })
  t.equal(guard.forget('a', 'nobody'), null)
  t.equal(guard.forget('nowhere', 'a1'), null)
  const rulings = failAll(1000)
  t.strictSame(
    rulings.map(({ counts }) => counts),
    [true, true, false, false],
  )
  t.strictSame(rulings[2]?.change, {
    to: 'suspect',
    suspicion: {
      sinceMs: 1000,
      reason: '3 of 3 members that were up fail at once, in 2 of 2 pools',
      holds: false,
    },
    giveBack: [
      { check: 'a1', measurement: up },
      { check: 'a2', measurement: up },
      { check: 'b1', measurement: up },
    ],
  })
  t.strictSame(guard.verdict('a1', false, { state: 'down' }, 1001), { counts: true, change: null })
  t.equal(guard.forget('b', 'b2'), null)
  t.strictSame(guard.forget('a', 'a2'), { to: 'trusting' }, 'too few are left')
  t.equal(guard.suspicion, null)

  watchAll()
  t.ok(failAll(2000).some(({ change }) => change?.to === 'suspect'))
  t.strictSame(guard.canary('c', true, 2400), { to: 'trusting' }, 'the canary decides from now on')
  const held = failAll(2500).flatMap(({ change }) => change ?? [])
  t.match(held, [{ to: 'suspect', suspicion: { holds: true } }], 'which is asked when they fail again')
  t.strictSame(guard.canary('c', true, 2501), { to: 'trusting', takeAgain: true })
  t.notOk(
    failAll(2600).some(({ change }) => change !== null),
    'and not again for the same failures',
  )
  t.equal(guard.canary('c', true, 22_400), null)
  const change = guard.canary('c', false, 22_500)
  t.equal(change?.to === 'suspect' && change.giveBack.length, 4, 'as far back as the canary sees')
  t.equal(guard.canary('c', false, 22_600), null)
  for (const member of ['a1', 'a2']) t.equal(guard.forget('a', member), null, 'canaries do for a few')
  t.end()
})

t.test('good news begins no suspicion, and too little of it ends none', (t) => {
  const up = { state: 'up' as HealthState }
  const guard = new SelfIsolationGuard<{ state: HealthState }>()
  const hear = (names: readonly string[], ok: boolean, atMs: number) =>
    names.map((name) => guard.verdict(name, ok, up, atMs).change?.to ?? null)
  for (const name of ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'b1', 'b2']) guard.watch(name[0]!, name, 10_000)
  hear(['a3', 'a4', 'a5', 'a6'], true, 0)
  t.strictSame(hear(['a1', 'a2', 'b1', 'b2'], false, 5000), [null, null, null, null])
  t.strictSame(hear(['a3'], true, 10_001), [null], 'the other good ones are old, and four of five are struck')
  t.strictSame(hear(['a1'], false, 10_002), ['suspect'])
  t.strictSame(hear(['a1', 'b1'], true, 30_000), [null, null], 'two are too few')
  t.strictSame(hear(['a2'], true, 30_000), ['trusting'])
  t.end()
})

t.test('agrees with a model that counts nothing', (t) => {
  const settings: fc.Arbitrary<GuardSettings> = fc.record({
    share: fc.constantFrom(0.5, 0.7, 1),
    minMembers: fc.integer({ min: 1, max: 4 }),
    minPools: fc.integer({ min: 1, max: 3 }),
    leastOfAll: fc.constantFrom(0, 1 / 3, 0.5),
    windowMs: fc.integer({ min: 5, max: 40 }),
    maxWindowMs: fc.integer({ min: 40, max: 60 }),
  })
  const canary = fc.record({ name: fc.constantFrom('x', 'y'), ok: fc.boolean() })
  const verdict = fc.record({
    member: fc.nat({ max: 8 }),
    ok: fc.boolean(),
    state: fc.constantFrom(...healthStates, 'up' as const),
  })
  /** Mostly good and mostly bad times, or one could wait long for all to fail. */
  const phase = fc.record({
    bias: fc.constantFrom(true, false, null),
    events: fc.array(
      fc.record({ what: fc.oneof({ weight: 6, arbitrary: verdict }, canary), afterMs: fc.nat({ max: 4 }) }),
      { maxLength: 40 },
    ),
  })
  const seen = { suspect: 0, trusting: 0, spared: 0, given: 0 }
  fc.assert(
    fc.property(
      settings,
      fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 9, maxLength: 9 }),
      fc.constantFrom<string[]>([], [], ['x'], ['x', 'y']),
      fc.array(phase, { maxLength: 8 }),
      (settings, periods, canaries, phases) => {
        const guard = new SelfIsolationGuard<{ state: HealthState }>(settings, canaries, 30)
        const model = new GuardModel(settings, periods, canaries, 30)
        // Some are in two pools, or in all.
        const poolsOf = (member: number) =>
          [...'abc'].filter((_, pool) => member % 3 === pool || member > 5 + pool)
        for (const [member, periodMs] of periods.entries())
          for (const pool of poolsOf(member)) guard.watch(pool, `${member}`, periodMs)
        let atMs = 0
        for (const { bias, events } of phases) {
          for (const [index, { what, afterMs }] of events.entries()) {
            atMs += afterMs
            const ok = bias === null || index % 7 === 0 ? what.ok : bias
            const wasSuspect = guard.suspicion !== null
            let given: string[] | null
            if ('name' in what) {
              if (!canaries.includes(what.name)) continue
              const change = guard.canary(what.name, ok, atMs)
              // That the canaries confirm a hold begins no suspicion.
              given =
                change?.to === 'suspect' && !wasSuspect ? change.giveBack.map(({ check }) => check) : null
              t.strictSame(given?.toSorted(), model.canary(what.name, ok, atMs)?.toSorted())
            } else {
              const { member, state } = what
              const { counts, change } = guard.verdict(`${member}`, ok, { state }, atMs)
              given = change?.to === 'suspect' ? change.giveBack.map(({ check }) => check) : null
              const expected = model.verdict(poolsOf(member), `${member}`, { atMs, ok, state })
              if (counts !== expected.counts) throw new Error(`counts: ${counts}`)
              if (`${given?.toSorted()}` !== `${expected.giveBack?.toSorted()}`)
                throw new Error(`gives ${given}`)
              if (!counts) seen.spared++
            }
            const since = guard.suspicion?.sinceMs ?? null
            if (since !== model.suspectSinceMs) throw new Error(`since ${since}, not ${model.suspectSinceMs}`)
            if (wasSuspect !== (since !== null)) seen[since === null ? 'trusting' : 'suspect']++
            seen.given += given?.length ?? 0
          }
        }
      },
    ),
    { numRuns: 1500 },
  )
  for (const [what, count] of Object.entries(seen)) t.ok(count > 100, `${what}: ${count}`)
  t.end()
})

t.test('the defaults are what the text says', (t) => {
  t.strictSame(guardDefaults, {
    share: 0.7,
    minMembers: 3,
    minPools: 2,
    leastOfAll: 1 / 3,
    windowMs: 10_000,
    maxWindowMs: 120_000,
  })
  t.end()
})
