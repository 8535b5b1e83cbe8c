/** Sets of numbers, each once. */
import t from 'tap'
import { Sets, sortFirst } from '../../../src/dataplane/image/sets.ts'
import { Random } from '../../../src/dataplane/random.ts'

const random = new Random(3)

t.test('equal sets are one, by the numbers in their order', async (t) => {
  for (const [numbers, most] of [
    [4, 300],
    [60_000, 300],
    [2, 1],
  ] as const) {
    const sets = new Sets(most)
    const known = new Map<string, number>()
    for (let i = 0; i < most; i++) {
      const size = random.below(4)
      const set = Uint16Array.from({ length: 5 }, () => random.below(numbers))
      const text = set.subarray(0, size).join()
      const expected = known.get(text) ?? known.size
      known.set(text, expected)
      t.equal(sets.add(set, size), expected)
    }
    t.same(
      sets.list.map((set) => set.join()),
      [...known.keys()],
    )
  }
})

t.test('the first numbers are sorted, and no others', async (t) => {
  for (const size of [0, 1, 2, 16, 17, 100]) {
    const numbers = Uint16Array.from({ length: 120 }, () => random.below(65_536))
    const expected = [...numbers.slice(0, size).sort(), ...numbers.slice(size)]
    sortFirst(numbers, size)
    t.same([...numbers], expected)
  }
})
