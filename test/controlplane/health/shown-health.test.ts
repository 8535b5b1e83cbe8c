import t from 'tap'
import { addressTransitions, nextHealth, toldApart } from '../../../src/controlplane/health/shown-health.ts'
import type { MemberHealth } from '../../../src/controlplane/model/observation.ts'

const [then, now] = [new Date(1000), new Date(2000)]
const [v4, v6] = ['192.0.2.1', '2001:db8::1']
const told = [{ fingerprint: 'f', notAfterMs: 1 }] as unknown as NonNullable<MemberHealth['told']>
const whole: MemberHealth = { pool: 'p', member: 'm', state: 'up', since: then, reason: 'ok', told }
const apart: MemberHealth = {
  ...whole,
  addresses: [
    { address: v4, state: 'up', since: then, reason: 'ok' },
    { address: v6, state: 'down', since: then, reason: 'timeout' },
  ],
}
const up = { state: 'up', reason: 'ok' } as const

t.test('what stays as it was keeps its time', (t) => {
  t.equal(nextHealth(whole, up, null, now), null)
  t.same(nextHealth(whole, { state: 'up', reason: 'fine' }, null, now), { ...whole, reason: 'fine' })
  t.same(nextHealth(whole, { state: 'down', reason: 'no' }, null, now), {
    ...whole,
    state: 'down',
    since: now,
    reason: 'no',
  })
  const same = apart.addresses!.map(({ address, state, reason }) => ({ address, state, reason }))
  t.equal(nextHealth(apart, up, same, now), null)
  const after = nextHealth(apart, up, [same[0]!, { ...same[1]!, state: 'up' }], now)!
  t.same(after.addresses![0], apart.addresses![0])
  t.match(after, { since: then, told, addresses: [{}, { state: 'up', since: now }] })
  t.same(addressTransitions(apart, after), [{ address: v6, from: 'down', to: 'up', reason: 'timeout' }])
  t.end()
})

t.test('addresses that come begin with what is known of the member, and change from nothing', (t) => {
  const [first, second] = toldApart(whole, apart.addresses as never).addresses!
  t.same(first, { address: v4, state: 'up', since: then, reason: 'ok' })
  t.match(second, { address: v6, state: 'up', since: then })
  const added = nextHealth(whole, up, [{ address: v4, state: 'down', reason: 'no' }], now)!
  t.same(added.addresses, [{ address: v4, state: 'down', since: now, reason: 'no' }])
  t.same(addressTransitions(whole, added), [])
  t.end()
})

t.test('where there is nothing to tell apart nothing is told of addresses', (t) => {
  t.same(toldApart(apart, undefined), whole)
  t.same(nextHealth(apart, up, null, now), whole, 'also when it was')
  t.same(addressTransitions(apart, whole), [])
  t.end()
})
