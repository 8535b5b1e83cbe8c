import t from 'tap'
import { LastStates } from '../../../src/controlplane/serve/last-states.ts'

t.test('the last state that was not unknown', async (t) => {
  const states = new LastStates()
  const key = { pool: 'web', member: 'a' }
  t.equal(states.of('web', 'a'), null)
  states.note({ ...key, state: 'unknown' })
  t.equal(states.of('web', 'a'), null)
  states.note({ ...key, state: 'down' })
  states.note({ ...key, state: 'unknown' })
  t.equal(states.of('web', 'a'), 'down')
  t.equal(states.of('web', 'b'), null)
})

t.test('what was stored counts for those of which nothing newer is known', async (t) => {
  const states = new LastStates()
  const stored = { pool: 'web', since: new Date(0), reason: '' }
  states.note({ pool: 'web', member: 'a', state: 'up' })
  states.restore([
    { ...stored, member: 'a', state: 'down' },
    { ...stored, member: 'b', state: 'down' },
    { ...stored, member: 'c', state: 'unknown' },
  ])
  t.same(
    ['a', 'b', 'c'].map((member) => states.of('web', member)),
    ['up', 'down', null],
  )
  states.retain([{ pool: 'web', member: 'b' }])
  t.same(
    ['a', 'b'].map((member) => states.of('web', member)),
    [null, 'down'],
  )
})
