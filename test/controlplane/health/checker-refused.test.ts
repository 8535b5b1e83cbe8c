import t, { type Test } from 'tap'
import type { CheckTarget } from '../../../src/controlplane/health/checked-member.ts'
import { Checker } from '../../../src/controlplane/health/checker.ts'
import { SelfIsolationGuard } from '../../../src/controlplane/health/guard.ts'
import { addressPolicy, anywhere } from '../../../src/controlplane/health/probes/address-policy.ts'
import { createProber } from '../../../src/controlplane/health/probes/probe.ts'
import type { HealthEvent, MemberHealth } from '../../../src/controlplane/model/observation.ts'
import type { AddressPolicy } from '../../../src/controlplane/model/pool.ts'
import { closedPort, httpMonitorWith, paperTarget } from './fixture.ts'

/** Four members of two pools that the store says are up, and that all fail, in one way or another. */
async function failAtOnce(t: Test, policy: AddressPolicy) {
  const port = await closedPort()
  const monitor = httpMonitorWith({ intervalMs: 20, timeoutMs: 60_000, fall: 2 })
  const targets = ['a', 'b', 'c', 'd'].map((member, index): CheckTarget => {
    const pool = index < 2 ? 'web' : 'mail'
    // Another path each: what is probed in the same way is probed once.
    return paperTarget(member, { ...monitor, path: `/${member}` }, pool, { address: '127.0.0.1', port })
  })
  const said = Promise.withResolvers<string>()
  const fallen: HealthEvent[] = []
  const checker = new Checker({
    probe: createProber({ policy, certificates: null }),
    guard: new SelfIsolationGuard(),
    onSuspicion: (suspicion) => said.resolve(`suspect: ${suspicion?.reason}`),
    onTransitions: (events) => {
      fallen.push(...events)
      if (fallen.length === targets.length) said.resolve('all down')
    },
  })
  t.teardown(() => checker.stop())
  const since = new Date(5)
  checker.restore(
    targets.map(
      ({ pool, member }): MemberHealth => ({ pool, member, state: 'up', since, reason: 'answered' }),
    ),
  )
  checker.setTargets(targets)
  return { outcome: await said.promise, fallen }
}

t.test('members that nobody can connect to are a blow', async (t) => {
  const { outcome } = await failAtOnce(t, anywhere)
  t.match(outcome, /^suspect: .* members that were up fail at once, in 2 of 2 pools$/)
})

t.test(
  'members that this node does not want to probe are none: the network has not been asked',
  async (t) => {
    const { outcome, fallen } = await failAtOnce(t, addressPolicy([]))
    t.equal(outcome, 'all down')
    for (const { reason } of fallen) {
      t.equal(reason, '127.0.0.1 is loopback and not allowed to be probed')
    }
  },
)
