import t from 'tap'
import { Random } from '../../src/dataplane/random.ts'

t.test('the same seed gives the same numbers, another one others', async (t) => {
  const take = (random: Random) => Array.from({ length: 5 }, () => random.next())
  t.same(take(new Random(7)), take(new Random(7)))
  t.notSame(take(new Random(7)), take(new Random(8)))
  t.notSame(take(new Random()), take(new Random()))
  t.same(take(new Random(0)), take(new Random(1)), 'a state of 0 would never leave it')
})

t.test('numbers are 32 bits, never 0, and bounds hold', async (t) => {
  const random = new Random(1)
  for (let i = 0; i < 10_000; i++) {
    const number = random.next()
    if (!Number.isInteger(number) || number < 1 || number > 0xffff_ffff) t.fail(`next gave ${number}`)
    const below = random.below(3)
    if (below !== 0 && below !== 1 && below !== 2) t.fail(`below gave ${below}`)
  }
  t.equal(random.below(1), 0)
})

t.test('below is uniform', async (t) => {
  const random = new Random(42)
  const buckets = new Array<number>(16).fill(0)
  const draws = 160_000
  for (let i = 0; i < draws; i++) buckets[random.below(16)]!++
  const expected = draws / 16
  const chiSquared = buckets.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
  // 15 degrees of freedom: 37.7 is exceeded once in a thousand seeds.
  t.ok(chiSquared < 37.7, `chi squared ${chiSquared}`)
})
