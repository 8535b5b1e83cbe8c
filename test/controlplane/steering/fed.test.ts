/** What feeds make of weights and shares, by themselves: scales, hysteresis, noise. */
import fc from 'fast-check'
import t from 'tap'
import type { Capacity, Shed } from '../../../src/controlplane/model/feed-use.ts'
import { settledWeight, shedShare, spillShare, weightFrom } from '../../../src/controlplane/steering/fed.ts'

const use = { feed: 'load', entity: '{member}', column: 'percent', maxAgeMs: 60_000 }
const shed: Shed = { ...use, above: 80, to: 100, back: 2 }
const capacity: Capacity = { ...use, limit: 100, back: 10 }

t.test('a scale makes a weight of a value', async (t) => {
  t.equal(weightFrom(1, 42.5), 42.5)
  t.equal(weightFrom(0.1, 5), 0.5)
  t.equal(weightFrom(1, -3), 0, 'no weight is below 0')
  t.equal(weightFrom(1, 1e9), 65_535, 'nor above what a member may weigh')
  const free = { from: [0, 100], to: [200, 0] } as const
  t.same(
    [-5, 0, 25, 100, 101].map((value) => weightFrom(free, value)),
    [200, 200, 150, 0, 0],
  )
})

t.test('a weight that hardly differs changes nothing, and one that drifts does', async (t) => {
  t.equal(settledWeight(100.4, 100), 100)
  t.equal(settledWeight(101, 100), 101)
  t.equal(settledWeight(0, 0.001), 0)
  t.equal(settledWeight(0.001, 0), 0.001)
  let held = settledWeight(100, null)
  for (let value = 100; value < 110; value += 0.1) held = settledWeight(value, held)
  t.ok(held > 109, `it follows by steps: ${held}`)
})

t.test('a member sheds from one value to another', async (t) => {
  t.same(
    [70, 80, 85, 90, 100, 200].map((value) => shedShare(shed, value, 0)),
    [0, 0, 0.25, 0.5, 1, 1],
  )
})

t.test('what was shed comes back when the value has fallen far enough', async (t) => {
  let share = 0
  const at = (value: number) => {
    share = shedShare(shed, value, share)
    return Math.round(share * 1000) / 1000
  }
  t.equal(at(90), 0.5)
  t.equal(at(88.5), 0.5, 'within the hysteresis it stays')
  t.equal(at(86), 0.4, 'beyond it follows')
  t.equal(at(87), 0.4)
  t.equal(at(79), 0.05)
  t.equal(at(78), 0)
  t.equal(at(79.9), 0)
})

t.test('a value that swings about the threshold moves nothing more after the first swing', async (t) => {
  let share = 0
  const seen = new Set<number>()
  for (let nth = 0; nth < 1000; nth++) {
    share = shedShare(shed, nth % 2 === 0 ? 80.9 : 79.1, share)
    seen.add(share)
  }
  t.same([...seen], [(80.9 - 80) / 20])
  const spilled = new Set<number>()
  let spill = 0
  for (let nth = 0; nth < 1000; nth++) {
    spill = spillShare(capacity, nth % 2 === 0 ? 104 : 96, spill)
    spilled.add(spill)
  }
  t.same([...spilled], [4 / 104])
})

t.test(
  'a full pool spills what is beyond its limit, and keeps to that while its use is about the limit',
  async (t) => {
    let share = spillShare(capacity, 150, 0)
    t.equal(share, 50 / 150)
    for (const use of [100, 95, 101, 90]) {
      share = spillShare(capacity, use, share)
      t.equal(share, 50 / 150, `${use}: what spilled is not measured any more`)
    }
    t.equal(spillShare(capacity, 89, share), 0)
    t.equal(spillShare({ ...capacity, limit: 0, back: 0 }, 5, 0), 1, 'nothing can be borne')
    t.equal(spillShare({ ...capacity, limit: 0, back: 0 }, 0, 0), 0)
  },
)

t.test(
  'whatever the values are, a share is one, never below what the value asks for, and settles',
  async () => {
    const values = fc.array(fc.double({ min: -50, max: 250, noNaN: true }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(values, (all) => {
        let [shared, spilled] = [0, 0]
        for (const value of all) {
          shared = shedShare(shed, value, shared)
          spilled = spillShare(capacity, value, spilled)
          const [asked, beyond] = [shedShare(shed, value, 0), spillShare(capacity, value, 0)]
          if (shared < asked - 0.005 || shared > 1) return false
          if (spilled < beyond - 0.005 || spilled > 1) return false
          // The same value again changes nothing.
          if (shedShare(shed, value, shared) !== shared) return false
          if (spillShare(capacity, value, spilled) !== spilled) return false
        }
        return true
      }),
    )
  },
)
