import fc from 'fast-check'
import t from 'tap'
import { agree } from '../../../src/controlplane/health/quorum.ts'
import { type HealthState, healthStates } from '../../../src/controlplane/model.ts'

const own = (state: HealthState) => ({ state, reason: 'status 503' })

t.test('what nodes come to', async (t) => {
  const table: [
    own: HealthState,
    up: number,
    down: number,
    before: HealthState,
    state: HealthState,
    said: string,
  ][] = [
    ['up', 0, 0, 'down', 'up', ''],
    ['unknown', 0, 0, 'up', 'unknown', ''],
    ['up', 1, 1, 'down', 'up', '2 of 3 nodes say up; here: '],
    ['down', 1, 1, 'up', 'down', '2 of 3 nodes say down; here: '],
    ['unknown', 0, 1, 'up', 'down', '1 of 1 nodes say down; here: '],
    ['up', 0, 1, 'up', 'up', '1 of 2 nodes say up; here: '],
    ['up', 0, 1, 'down', 'down', '1 of 2 nodes say down; here: '],
    ['down', 1, 0, 'up', 'up', '1 of 2 nodes say up; here: '],
    ['down', 1, 0, 'unknown', 'up', '1 of 2 nodes say up; here: '],
    ['unknown', 2, 2, 'down', 'down', '2 of 4 nodes say down; here: '],
  ]
  for (const [state, up, down, before, expected, said] of table) {
    t.same(
      agree(own(state), { up, down }, before),
      { state: expected, reason: `${said}status 503` },
      `${state}, others ${up} up and ${down} down, was ${before}`,
    )
  }
})

t.test('a node that doubts its network is asked nothing, but is told', async (t) => {
  const before = 'up'
  t.equal(agree(own('up'), { up: 0, down: 1 }, before).state, 'up', 'a tie')
  t.same(agree(own('up'), { up: 0, down: 1 }, before, true), {
    state: 'down',
    reason: '1 of 1 nodes say down; here, without a vote while the network is suspect: status 503',
  })
  t.same(agree(own('up'), { up: 0, down: 0 }, before, true), own('up'), 'there is nobody else')
})

t.test('nodes that hear each other agree, whoever is asked and in whatever order', async () => {
  const states = fc.array(fc.constantFrom(...healthStates), { minLength: 2, maxLength: 7 })
  fc.assert(
    fc.property(states, fc.constantFrom(...healthStates), (nodes, before) => {
      const results = nodes.map((state, index) => {
        const others = nodes.filter((_, other) => other !== index)
        const count = (wanted: HealthState) => others.filter((one) => one === wanted).length
        const votes = { up: count('up'), down: count('down') }
        return votes.up + votes.down === 0 ? null : agree(own(state), votes, before).state
      })
      const heard = results.filter((state) => state !== null)
      return new Set(heard).size <= 1
    }),
  )
})

t.test('of two nodes one alone changes nothing that was agreed', async () => {
  const agreed = fc.constantFrom('up' as const, 'down' as const)
  fc.assert(
    fc.property(agreed, agreed, (before, changed) => {
      const others = { up: before === 'up' ? 1 : 0, down: before === 'down' ? 1 : 0 }
      return agree(own(changed), others, before).state === before
    }),
  )
})
