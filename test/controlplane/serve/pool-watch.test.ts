import t from 'tap'
import type { HealthState } from '../../../src/controlplane/model/observation.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import { PoolWatch } from '../../../src/controlplane/serve/pool-watch.ts'
import type { Conditions } from '../../../src/controlplane/steering/judge.ts'
import { judgePool, poolCondition } from '../../../src/controlplane/steering/judge.ts'
import { member, pool } from '../store/suite/samples.ts'

function setUp() {
  const web = pool('web', [member('a', '192.0.2.1'), member('b', '192.0.2.2')], { monitor: 'm', minUp: 0.5 })
  const pools = new Map<string, Pool>([['web', web]])
  const states = new Map<string, HealthState>()
  const conditions: Conditions = {
    measured: (_pool, name) => states.get(name) ?? 'up',
    lastKnown: () => null,
    near: () => false,
    share: () => 1,
    weightPercent: () => null,
    latencyMs: () => null,
    forced: () => null,
    resolution: () => t.fail('there is no host') as never,
  }
  const watch = new PoolWatch()
  const look = (...names: string[]) =>
    watch.look(names, pools, (name) => poolCondition(judgePool(pools.get(name)!, 'ipv4', conditions)))
  return { pools, states, watch, look, web }
}

t.test('changes, each once, with their reasons', async (t) => {
  const { states, watch, look } = setUp()
  t.equal(watch.conditionOf('web'), null)
  t.same(look('web', 'web'), [], 'what it is at first is no change')
  t.same(look('web'), [])
  states.set('a', 'down')
  t.same(look('web', 'web'), [
    { pool: 'web', from: 'healthy', to: 'degraded', reason: '1 of 2 members up, minUp 0.5' },
  ])
  states.set('b', 'down')
  t.same(look('web'), [{ pool: 'web', from: 'degraded', to: 'down', reason: '0 of 2 members up, minUp 0.5' }])
  t.match(watch.conditionOf('web'), { condition: 'down' })
  states.set('a', 'up').set('b', 'up')
  t.match(look('web'), [{ from: 'down', to: 'healthy' }])
})

t.test('the same condition for another reason is no change, but is known', async (t) => {
  const { pools, states, watch, look, web } = setUp()
  states.set('a', 'down')
  look('web')
  pools.set('web', { ...web, members: [...web.members, member('c', '192.0.2.3')] })
  t.same(look('web'), [])
  t.equal(watch.conditionOf('web')?.reason, '2 of 3 members up, minUp 0.5')
})

t.test('a pool that is gone is forgotten', async (t) => {
  const { pools, states, watch, look, web } = setUp()
  look('web')
  pools.delete('web')
  t.same(look('web', 'never-was'), [])
  t.equal(watch.conditionOf('web'), null)
  states.set('a', 'down')
  pools.set('web', web)
  t.same(look('web'), [], 'and is new when it comes back')
})
