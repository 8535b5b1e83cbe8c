import t from 'tap'
import { AvailabilityTable } from '../../../src/controlplane/health/availability.ts'
import type { HealthState, MemberHealth } from '../../../src/controlplane/model/observation.ts'

const since = new Date(0)
const health = (pool: string, member: string, state: HealthState): MemberHealth => ({
  pool,
  member,
  state,
  since,
  reason: 'because',
})

t.test('changes show when they are published, and together', (t) => {
  const table = new AvailabilityTable()
  table.set(health('a', '1', 'up'))
  table.set(health('a', '2', 'up'))
  table.set(health('b', '1', 'unknown'))
  t.equal(table.current.size, 0)
  const first = table.publish()
  t.equal(table.current, first)
  t.equal(first.get('a')?.get('2')?.state, 'up')

  table.set(health('a', '1', 'down'))
  table.set(health('a', '1', 'up'))
  table.set(health('a', '2', 'down'))
  const second = table.publish()
  t.equal(second.get('a')?.get('1')?.state, 'up', 'the last one staged wins')
  t.equal(second.get('a')?.get('2')?.state, 'down')
  t.equal(first.get('a')?.get('2')?.state, 'up', 'what was published stays as it was')
  t.equal(second.get('b'), first.get('b'), 'a pool without a change is the same map')
  t.equal(table.publish(), second, 'nothing staged, nothing swapped')
  t.end()
})

t.test('a member that is removed is gone, and a pool with its last one', (t) => {
  const table = new AvailabilityTable()
  table.set(health('a', '1', 'up'))
  table.set(health('a', '2', 'up'))
  table.publish()
  table.remove('a', '1')
  table.remove('none', '1')
  t.same([...(table.publish().get('a')?.keys() ?? [])], ['2'])
  table.remove('a', '2')
  t.equal(table.publish().size, 0)
  table.remove('a', '1')
  table.set(health('a', '1', 'unknown'))
  t.equal(table.publish().get('a')?.get('1')?.state, 'unknown', 'gone and come again')
  t.end()
})
