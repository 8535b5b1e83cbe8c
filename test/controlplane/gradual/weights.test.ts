/** The weights of steps: what people would work out by hand, and what holds for any weights. */
import fc from 'fast-check'
import t from 'tap'
import { gaining, sharesAt, weightsAt } from '../../../src/controlplane/gradual/weights.ts'

const part = (weights: Readonly<Record<string, readonly [before: number, after: number]>>) => ({
  weights: Object.entries(weights).map(([key, [before, after]]) => ({ key, before, after })),
})

t.test('by hand', async (t) => {
  const at = (weights: Parameters<typeof part>[0], percent: number) =>
    Object.fromEntries(weightsAt(part(weights), percent))
  const moved = { eu: [100, 0], us: [0, 100] } as const
  t.same(at(moved, 0), { eu: 100, us: 0 })
  t.same(at(moved, 1), { eu: 99, us: 1 })
  t.same(at(moved, 25), { eu: 3, us: 1 })
  t.same(at(moved, 100), { eu: 0, us: 100 })
  t.same(at({ eu: [1, 3], us: [1, 1] }, 50), { eu: 5, us: 3 }, 'half and half, then three quarters')
  t.same(at({ eu: [65535, 0], us: [0, 1] }, 50), { eu: 1, us: 1 }, 'whatever the measure of either side')
  t.same(at({ a: [100, 50], b: [0, 50], c: [0, 0] }, 10), { a: 19, b: 1, c: 0 }, 'a last resort stays one')
  t.same(
    at({ a: [65535, 65535], b: [0, 1] }, 1),
    { a: 60_000, b: 1 },
    'a share that is too small is not none',
  )
  t.same(gaining(part(moved)), ['us'])
  t.same(gaining(part({ a: [1, 2], b: [1, 2] })), [], 'more weight is no more share')
})

const weightsArbitrary = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 65535 }), fc.integer({ min: 0, max: 65535 })), {
    minLength: 2,
    maxLength: 100,
  })
  .filter((weights) => [0, 1].every((side) => weights.some((weight) => weight[side]! > 0)))
  .map((weights) => part(Object.fromEntries(weights.map((weight, index) => [`k${index}`, weight] as const))))

t.test('for any weights: each fits, and shares go from one side to the other without a turn', async () => {
  fc.assert(
    fc.property(weightsArbitrary, (weights) => {
      let before = sharesAt(weights, 0)
      const gains = new Set(gaining(weights))
      for (const percent of [1, 5, 25, 50, 99, 100]) {
        for (const weight of weightsAt(weights, percent).values()) {
          if (!Number.isInteger(weight) || weight < 0 || weight > 65535) throw new Error(`weight ${weight}`)
        }
        const shares = sharesAt(weights, percent)
        const sum = [...shares.values()].reduce((all, share) => all + share, 0)
        if (Math.abs(sum - 1) > 1e-9) throw new Error(`shares come to ${sum}`)
        for (const [key, share] of shares) {
          // What is rounded is a ten thousandth, for each that has a share.
          const slack = 0.02
          const moves = share - before.get(key)!
          if (gains.has(key) ? moves < -slack : moves > slack) throw new Error(`${key} moves by ${moves}`)
        }
        before = shares
      }
    }),
  )
})
