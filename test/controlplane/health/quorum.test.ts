import fc from 'fast-check'
import t from 'tap'
import { agree } from '../../../src/controlplane/health/quorum.ts'
import { type HealthState, healthStates } from '../../../src/controlplane/model/observation.ts'

const cases: readonly (readonly [
  own: HealthState,
  up: number,
  down: number,
  suspect: boolean,
  state: HealthState,
  reason: string,
])[] = [
  ['up', 0, 0, false, 'up', 'here'],
  ['down', 0, 0, false, 'down', 'here'],
  ['unknown', 0, 0, false, 'unknown', 'here'],
  ['down', 0, 0, true, 'down', 'here'],
  ['down', 2, 0, false, 'up', '2 of 3 nodes say up; here: here'],
  ['up', 0, 2, false, 'down', '2 of 3 nodes say down; here: here'],
  ['up', 0, 1, false, 'up', '1 of 2 nodes say up; here: here'],
  ['down', 1, 0, false, 'up', '1 of 2 nodes say up; here: here'],
  [
    'up',
    0,
    1,
    true,
    'down',
    '1 of 1 nodes say down; here, without a vote while the network is suspect: here',
  ],
  ['unknown', 0, 1, false, 'down', '1 of 1 nodes say down; here: here'],
  ['unknown', 1, 1, false, 'up', '1 of 2 nodes say up; here: here'],
  ['down', 2, 1, false, 'up', '2 of 4 nodes say up; here: here'],
]

for (const [own, up, down, suspect, state, reason] of cases) {
  t.test(`${own}${suspect ? ', suspect' : ''}; others: ${up} up, ${down} down`, async (t) => {
    t.same(agree({ state: own, reason: 'here' }, { up, down }, suspect), { state, reason })
  })
}

t.test('nodes that hear each other agree, whoever is asked and in whatever order', async () => {
  const states = fc.array(fc.constantFrom(...healthStates), { minLength: 2, maxLength: 7 })
  fc.assert(
    fc.property(states, (nodes) => {
      const results = nodes.map((state, index) => {
        const others = nodes.filter((_, other) => other !== index)
        const count = (wanted: HealthState) => others.filter((one) => one === wanted).length
        const votes = { up: count('up'), down: count('down') }
        return votes.up + votes.down === 0 ? null : agree({ state, reason: '' }, votes, false).state
      })
      return new Set(results.filter((state) => state !== null)).size <= 1
    }),
  )
})
