/** Members that are hosts: their address changes, comes and goes, while they stay what they are. */
import t from 'tap'
import type { ProbeMethod } from '../../../src/controlplane/health/check-method.ts'
import type { CheckTarget } from '../../../src/controlplane/health/checked-member.ts'
import { Checker } from '../../../src/controlplane/health/checker.ts'
import { HandClock, isPending } from '../timing/hand-clock.ts'
import { paperTarget, probeByHand, refused, seededRandom, success } from './fixture.ts'

function setUp(t: { teardown(fn: () => unknown): void }) {
  const clock = new HandClock()
  const hand = probeByHand()
  const said: string[] = []
  const checker = new Checker({
    onTransitions: (events) =>
      said.push(...events.map(({ member, from, to, reason }) => `${member} ${from}>${to}: ${reason}`)),
    probe: hand.probe,
    clock,
    random: seededRandom(7),
    now: () => new Date(1_000_000 + clock.nowMs()),
  })
  t.teardown(() => checker.stop())
  /** The verdict of the probe in flight, or of the next one. */
  const settle = async (verdict: typeof success) => {
    if (!hand.open.has('a')) await clock.advance(100_000)
    hand.open.get('a')!.settle(verdict)
    await clock.advance(1)
  }
  return { checker, clock, settle, said: () => said.splice(0), ...hand }
}

const host = (address: string | null, changes: Partial<ProbeMethod> = {}): CheckTarget =>
  paperTarget('a', { rise: 2, fall: 2 }, 'pool', { address, endpoint: 'lb.example.', ...changes })
const shown = (checker: Checker) => {
  const { state, reason } = checker.availability().get('pool')!.get('a')!
  return `${state}: ${reason}`
}

t.test('another address is probed at once, and the state goes on', async (t) => {
  const { checker, clock, open, started, settle, said } = setUp(t)
  checker.setTargets([host('192.0.2.1')])
  await clock.advance(1)
  await settle(success)
  t.same(said(), ['a unknown>up: answered as expected'])
  await settle(refused)
  checker.setTargets([host('192.0.2.2')])
  t.equal(shown(checker), 'up: answered as expected')
  await clock.advance(1)
  t.equal(open.get('a')?.target.address, '192.0.2.2')
  t.equal(started.length, 3)
  await settle(refused)
  t.same(said(), ['a up>down: connect ECONNREFUSED'], 'the streak goes on too')
  await clock.advance(100_000)
  const { signal } = open.get('a')!
  checker.setTargets([host('192.0.2.3')])
  t.ok(signal.aborted, 'what the old address says no longer counts')
  await clock.advance(1)
  t.equal(open.get('a')?.target.address, '192.0.2.3')
})

t.test('a host without an address is down, and what it is when it has one again', async (t) => {
  const { checker, clock, open, settle, said } = setUp(t)
  checker.setTargets([host('192.0.2.1')])
  await clock.advance(1)
  await settle(success)
  said()
  checker.setTargets([host(null)])
  t.equal(shown(checker), 'down: not resolved')
  await clock.advance(100_000)
  t.same(said(), ['a up>down: not resolved'])
  t.equal(open.size, 0, 'nobody probes it')
  checker.setTargets([host('192.0.2.1')])
  t.equal(shown(checker), 'down: not resolved', 'until it is probed')
  await clock.advance(1)
  await settle(success)
  t.same(said(), ['a down>up: answered as expected'], 'the first verdict decides')

  checker.setTargets([host(null)])
  checker.setTargets([host('192.0.2.1')])
  await clock.advance(1)
  said()
  await settle(refused)
  t.same(said(), [], 'down it was already')
  t.equal(shown(checker), 'down: connect ECONNREFUSED')
  await settle(success)
  await settle(success)
  t.same(said(), ['a down>up: answered as expected'])
})

t.test('the first round waits for hosts that are being looked up', async (t) => {
  const { checker, clock, settle, said } = setUp(t)
  checker.setTargets([host(null, { pending: true })])
  await clock.advance(1)
  t.equal(shown(checker), 'unknown: not probed yet')
  t.ok(await isPending(checker.firstRound))
  checker.setTargets([host('192.0.2.1', { pending: false })])
  await clock.advance(1)
  t.ok(await isPending(checker.firstRound))
  await settle(success)
  await checker.firstRound
  t.same(said(), ['a unknown>up: answered as expected'])

  const other = setUp(t)
  other.checker.setTargets([host(null, { pending: true })])
  other.checker.setTargets([host(null)])
  await other.checker.firstRound
  t.same(other.said(), ['a unknown>down: not resolved'])
})

t.test('what was stored of a host', async (t) => {
  const since = new Date(5)
  const stored = (state: 'up' | 'down', reason: string) => ({
    pool: 'pool',
    member: 'a',
    state,
    since,
    reason,
  })
  const sick = setUp(t)
  sick.checker.restore([stored('down', 'status 503')])
  sick.checker.setTargets([host(null, { pending: true })])
  t.equal(shown(sick.checker), 'down: status 503')
  sick.checker.setTargets([host('192.0.2.1')])
  await sick.clock.advance(1)
  await sick.settle(success)
  t.same(sick.said(), [], 'it takes a full streak')

  const lost = setUp(t)
  lost.checker.restore([stored('down', 'not resolved')])
  lost.checker.setTargets([host('192.0.2.1')])
  await lost.clock.advance(1)
  await lost.settle(success)
  t.same(lost.said(), ['a down>up: answered as expected'], 'that was no verdict')
})

t.test('settings change while there is no address', async (t) => {
  const { checker, clock, open } = setUp(t)
  checker.setTargets([host(null)])
  checker.setTargets([host(null, { port: 81 })])
  checker.setTargets([host('192.0.2.1', { port: 81 })])
  await clock.advance(1)
  t.match(open.get('a')?.target, { address: '192.0.2.1', port: 81 })
  checker.setTargets([host('192.0.2.1', { endpoint: 'other.example.' })])
  t.equal(shown(checker), 'unknown: not probed yet', 'another host is another machine')
})
