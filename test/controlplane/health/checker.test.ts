import type { Socket } from 'node:net'
import t from 'tap'
import type { Availability } from '../../../src/controlplane/health/availability.ts'
import type { CheckTarget } from '../../../src/controlplane/health/checked-member.ts'
import { Checker, type CheckerOptions } from '../../../src/controlplane/health/checker.ts'
import { probe } from '../../../src/controlplane/health/probes/probe.ts'
import type { ProbeMonitor } from '../../../src/controlplane/model/monitor.ts'
import type { HealthEvent, HealthState, MemberHealth } from '../../../src/controlplane/model/observation.ts'
import { startDemoBackends } from '../../../src/daemon/demo.ts'
import { HandClock, isPending, turn } from '../timing/hand-clock.ts'
import {
  closedPort,
  containing,
  httpMonitorWith,
  paperTarget,
  probeByHand,
  refused,
  seededRandom,
  serveTcp,
  success,
} from './fixture.ts'

const pathOf = (monitor: ProbeMonitor): string | null => (monitor.type === 'http' ? monitor.path : null)

interface Delivery {
  readonly events: HealthEvent[]
  readonly availability: Availability
  readonly changedPools: ReadonlySet<string>
}

/** A checker whose clock and probes are in the hands of the test. */
function setUp(t: { teardown(fn: () => unknown): void }, options: Partial<CheckerOptions> = {}) {
  const clock = new HandClock()
  const hand = probeByHand()
  const deliveries: Delivery[] = []
  const checker = new Checker({
    onTransitions: (events, changedPools) =>
      deliveries.push({ events, availability: checker.availability(), changedPools }),
    probe: hand.probe,
    clock,
    random: seededRandom(7),
    now: () => new Date(1_000_000 + clock.nowMs()),
    ...options,
  })
  t.teardown(() => checker.stop())
  const said = (): string[] =>
    deliveries
      .splice(0)
      .flatMap(({ events }) => events.map(({ member, from, to }) => `${member} ${from}>${to}`))
  return { checker, clock, deliveries, said, ...hand }
}

const stateOf = (checker: Checker, member: string, pool = 'pool'): HealthState | undefined =>
  checker.availability().get(pool)?.get(member)?.state

t.test('members are unknown, probed at once, and then what their first verdict says', async (t) => {
  const { checker, clock, deliveries, open } = setUp(t)
  checker.setTargets([paperTarget('a'), paperTarget('b'), paperTarget('c', {}, 'other')])
  t.equal(stateOf(checker, 'a'), 'unknown')
  t.equal(stateOf(checker, 'c', 'other'), 'unknown')
  await clock.advance(5)
  t.same([...open.keys()].sort(), ['a', 'b', 'c'])
  const before = checker.availability()
  open.get('a')!.settle(success)
  open.get('b')!.settle(refused)
  await turn()
  t.equal(deliveries.length, 1, 'the transitions of one turn come together')
  const [{ events, availability, changedPools }] = deliveries as [Delivery]
  const at = new Date(1_000_005)
  t.strictSame(events, [
    { pool: 'pool', member: 'a', from: 'unknown', to: 'up', reason: 'answered as expected', at },
    { pool: 'pool', member: 'b', from: 'unknown', to: 'down', reason: 'connect ECONNREFUSED', at },
  ])
  t.strictSame([...changedPools], ['pool'])
  t.equal(availability, checker.availability())
  t.strictSame(availability.get('pool')?.get('b'), {
    pool: 'pool',
    member: 'b',
    state: 'down',
    since: at,
    reason: 'connect ECONNREFUSED',
  })
  t.equal(availability.get('other'), before.get('other'), 'a pool without a change is the same map')
})

t.test('a member falls and rises by as many verdicts as its monitor says', async (t) => {
  const { checker, clock, said, open } = setUp(t)
  const round = async (verdict: typeof success): Promise<void> => {
    while (!open.has('a')) await clock.advance(1_000)
    open.get('a')!.settle(verdict)
    await turn()
  }
  checker.setTargets([paperTarget('a', { rise: 2, fall: 3 })])
  await round(success)
  t.same(said(), ['a unknown>up'])
  for (const verdict of [refused, refused, success, refused, refused]) await round(verdict)
  t.same(said(), [])
  await round(refused)
  t.same(said(), ['a up>down'])
  await round(success)
  checker.setTargets([paperTarget('a', { rise: 3, fall: 3 })])
  await round(success)
  t.same(said(), [], 'the thresholds of today count')
  await round(success)
  t.same(said(), ['a down>up'])
})

t.test('restored states stand until verdicts change them', async (t) => {
  const { checker, clock, deliveries, said, open } = setUp(t)
  const since = new Date(5)
  const was = (member: string, state: HealthState): MemberHealth => ({
    pool: 'pool',
    member,
    state,
    since,
    reason: 'status 503',
  })
  checker.restore([was('a', 'up'), was('b', 'down'), was('c', 'unknown'), was('gone', 'up')])
  checker.setTargets([paperTarget('a'), paperTarget('b'), paperTarget('c')])
  t.strictSame(
    [...checker.availability().get('pool')!.values()],
    [was('a', 'up'), was('b', 'down'), was('c', 'unknown')],
  )
  await clock.advance(1)
  open.get('a')!.settle(refused)
  open.get('b')!.settle(refused)
  open.get('c')!.settle(success)
  await turn()
  t.same(said(), ['c unknown>up'], 'a restored state takes a full streak to leave')
  checker.setTargets([paperTarget('a'), paperTarget('gone')])
  t.equal(stateOf(checker, 'gone'), 'unknown', 'only the first targets are restored')
  t.equal(deliveries.length, 0)
})

t.test('the first round is over when each target has had a verdict', async (t) => {
  const { checker, clock, deliveries, open } = setUp(t)
  let done = false
  checker.firstRound.then(() => {
    done = true
    t.equal(deliveries.length, 2, 'after its transitions were delivered')
  })
  checker.setTargets([paperTarget('a'), paperTarget('b'), paperTarget('c')])
  await clock.advance(1)
  open.get('a')!.settle(success)
  await turn()
  checker.setTargets([paperTarget('a'), paperTarget('b'), paperTarget('late')])
  await turn()
  t.notOk(done)
  open.get('b')!.settle(success)
  await turn()
  t.ok(done, 'those that left and those that came later do not count')
})

t.test('the first round of nobody', async (t) => {
  const { checker } = setUp(t)
  t.ok(await isPending(checker.firstRound))
  checker.setTargets([])
  await checker.firstRound
})

t.test('setTargets: who stays, stays undisturbed', async (t) => {
  const { checker, clock, started, said, open } = setUp(t)
  const targets = (): CheckTarget[] => [paperTarget('a'), paperTarget('b')]
  checker.setTargets(targets())
  await clock.advance(1)
  open.get('a')!.settle(success)
  await turn()
  const { signal } = open.get('b')!
  const before = checker.availability()
  checker.setTargets(targets())
  await clock.advance(1)
  t.equal(checker.availability(), before, 'nothing changed, nothing swapped')
  t.notOk(signal.aborted)
  t.same(started, ['a', 'b'])
  t.same(said(), ['a unknown>up'])
})

t.test('setTargets: gone members vanish, and what their probes say is not heard', async (t) => {
  const { checker, clock, said, open } = setUp(t)
  checker.setTargets([paperTarget('a'), paperTarget('b', {}, 'other')])
  await clock.advance(1)
  const { signal, settle } = open.get('b')!
  checker.setTargets([paperTarget('a')])
  t.equal(checker.availability().has('other'), false)
  t.ok(signal.aborted)
  settle(success)
  await clock.advance(200_000)
  t.same(said(), [])
  t.notOk(open.has('b'))
})

t.test('changed settings apply to a member that stays what it is', async (t) => {
  const seen: string[] = []
  const { checker, clock, said, open, started } = setUp(t, {
    onProbe: ({ member }, verdict) => seen.push(`${member} ${verdict.ok}`),
  })
  checker.setTargets([paperTarget('a'), paperTarget('b')])
  await clock.advance(1)
  open.get('b')!.settle(success)
  await turn()
  said()
  const old = open.get('a')!
  const changed = { path: '/new' }
  checker.setTargets([paperTarget('a', changed), paperTarget('b', changed, 'pool', { port: 81 })])
  t.equal(stateOf(checker, 'b'), 'up', 'the state stays')
  t.ok(old.signal.aborted, 'a probe under the old settings is called off')
  await clock.advance(1)
  t.equal(pathOf(open.get('a')!.target.monitor), '/new', 'and asked again at once')
  t.same(started, ['a', 'b', 'a'])
  open.get('a')!.settle(success)
  await clock.advance(100_000)
  open.get('b')!.settle(refused)
  await turn()
  t.same(seen, ['b true', 'a true', 'b false'])
  checker.setTargets([paperTarget('b', { intervalMs: 1_000 })])
  started.length = 0
  for (let step = 0; step < 50; step++) {
    open.get('b')?.settle(success)
    await clock.advance(100)
  }
  t.ok(started.length >= 3, 'a shorter interval does not wait for the old one to end')
})

t.test('setTargets: another address is another machine', async (t) => {
  const { checker, clock, said, open } = setUp(t)
  checker.setTargets([paperTarget('a')])
  await clock.advance(1)
  open.get('a')!.settle(success)
  await turn()
  t.same(said(), ['a unknown>up'])
  checker.setTargets([paperTarget('a', {}, 'pool', { address: '192.0.2.2' })])
  t.equal(stateOf(checker, 'a'), 'unknown')
  await clock.advance(1)
  t.equal(open.get('a')?.target.address, '192.0.2.2')
  open.get('a')!.settle(refused)
  await turn()
  t.same(said(), ['a unknown>down'], 'its first verdict decides')
})

t.test('transitions that wait for delivery survive a change of targets', async (t) => {
  const { checker, clock, said, open } = setUp(t)
  checker.setTargets([paperTarget('a')])
  await clock.advance(1)
  open.get('a')!.settle(success)
  for (let hop = 0; hop < 5; hop++) await null // the verdict is in, the turn is not over
  checker.setTargets([paperTarget('a'), paperTarget('b')])
  t.equal(stateOf(checker, 'a'), 'up')
  t.same(said(), [])
  await turn()
  t.same(said(), ['a unknown>up'])
})

t.test('a stop delivers what was said and lets nobody wait for ever', async (t) => {
  const { checker, clock, said, open } = setUp(t)
  checker.setTargets([paperTarget('a'), paperTarget('b')])
  await clock.advance(1)
  const { signal } = open.get('b')!
  open.get('a')!.settle(success)
  for (let hop = 0; hop < 5; hop++) await null
  await Promise.all([checker.stop(), checker[Symbol.asyncDispose]()])
  t.ok(signal.aborted)
  t.same(said(), ['a unknown>up'], 'what was said before is delivered')
  await checker.firstRound
  checker.setTargets([paperTarget('c')])
  await clock.advance(100_000)
  t.equal(stateOf(checker, 'c'), undefined)
  t.notOk(open.has('c'))
})

t.test('end to end: a member fails, and recovers', async (t) => {
  const backends = await startDemoBackends([0, 0])
  t.teardown(() => backends[Symbol.asyncDispose]())
  const [first, second] = backends.ports as [number, number]
  const dead = await closedPort()
  const events: HealthEvent[] = []
  let heard = Promise.withResolvers<void>()
  let verdicts = 0
  const checker = new Checker({
    onTransitions: (some) => {
      events.push(...some)
      heard.resolve()
    },
    onProbe: () => verdicts++,
    probe,
  })
  t.teardown(() => checker.stop())
  const next = async (): Promise<HealthEvent> => {
    while (events.length === 0) {
      await heard.promise
      heard = Promise.withResolvers()
    }
    return events.shift()!
  }
  // Unlike in a document, the deadline is above the interval: a busy machine must not make the good ones late.
  const monitor = httpMonitorWith({
    intervalMs: 20,
    timeoutMs: 60_000,
    expectBody: containing('ok'),
    rise: 2,
    fall: 3,
  })
  const hasty = { ...monitor, timeoutMs: 20 }
  const at = (member: string, port: number, how = monitor): CheckTarget =>
    paperTarget(member, how, 'www', { address: '127.0.0.1', port })
  const mute: Socket[] = []
  const silent = await serveTcp(t, (socket) => mute.push(socket))
  checker.setTargets([at('one', first), at('two', second), at('dead', dead), at('slow', silent, hasty)])
  await checker.firstRound
  const opening = events.splice(0).map(({ member, to, reason }) => `${member} ${to} ${reason}`)
  t.same(opening.sort(), [
    'dead down connect ECONNREFUSED',
    'one up answered as expected',
    'slow down timeout after 20 ms',
    'two up answered as expected',
  ])

  const before = verdicts
  await fetch(`http://127.0.0.1:${second}/fail`, { method: 'POST' })
  t.match(await next(), { pool: 'www', member: 'two', from: 'up', to: 'down', reason: 'status 503' })
  t.ok(verdicts - before >= 3, 'not before `fall` failures')
  t.equal(stateOf(checker, 'two', 'www'), 'down')
  t.equal(stateOf(checker, 'one', 'www'), 'up')

  await fetch(`http://127.0.0.1:${second}/recover`, { method: 'POST' })
  t.match(await next(), { member: 'two', from: 'down', to: 'up', reason: 'answered as expected' })

  await backends[Symbol.asyncDispose]()
  const lost = [await next(), await next()]
  t.same(lost.map(({ member, to }) => `${member} ${to}`).sort(), ['one down', 'two down'])
  await checker.stop()
  const quiet = verdicts
  await turn()
  t.equal(verdicts, quiet)
})
