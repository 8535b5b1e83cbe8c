import fc from 'fast-check'
import t from 'tap'
import {
  type Entry,
  flatEntries,
  maxEntries,
  Rendezvous,
  rendezvousTable,
} from '../../../src/dataplane/image/rendezvous.ts'
import { mix32, stableKey } from '../../../src/dataplane/image/stable-key.ts'
import { chiSquared } from '../chi-squared.ts'

const rendezvous = new Rendezvous()
const out = new Uint16Array(maxEntries)
const entriesOf = (weights: readonly number[]): Entry[] =>
  weights.map((weight, i) => ({ weight, key: stableKey(`member ${i}`) }))
/** Somewhere in an image, so that offsets matter. */
const tableOf = (entries: readonly Entry[]) => Uint32Array.from([7, 7, 7, ...rendezvousTable(entries)])
const best = (table: Uint32Array, client: number) => rendezvous.best(table, 3, mix32(client))
const draw = (table: Uint32Array, client: number, count: number) => {
  rendezvous.draw(table, 3, mix32(client), count, out)
  return [...out.subarray(0, count)]
}

/** By the definition; `client` as the table takes it. */
function ranking(entries: readonly Entry[], client: number): number[] {
  const score = ({ weight, key }: Entry) => {
    const uniform = ((mix32(client ^ mix32(key ^ 0x3c6ef372)) >>> 0) + 0.5) / 2 ** 32
    return -Math.log(uniform) / weight
  }
  return [...entries.keys()].sort((a, b) => score(entries[a]!) - score(entries[b]!))
}

const weights = (maxLength: number) =>
  fc.oneof(
    fc.array(fc.integer({ min: 1, max: 1000 }), { minLength: 1, maxLength }),
    fc.array(fc.constant(5), { minLength: 1, maxLength }),
  )

t.test('up to 64 entries: as it is defined, whatever the weights', async () => {
  fc.assert(
    fc.property(weights(flatEntries), fc.integer(), fc.nat(), (weights, client, seed) => {
      const entries = entriesOf(weights)
      const table = tableOf(entries)
      const count = 1 + (seed % entries.length)
      const wanted = ranking(entries, mix32(client)).slice(0, count)
      return best(table, client) === wanted[0] && draw(table, client, count).join() === wanted.join()
    }),
    { numRuns: 2000 },
  )
})

t.test('any number of entries: the best first, each once', async () => {
  fc.assert(
    fc.property(weights(300), fc.integer(), fc.nat(), (weights, client, seed) => {
      const table = tableOf(entriesOf(weights))
      const count = 1 + (seed % weights.length)
      const drawn = draw(table, client, count)
      return (
        drawn[0] === best(table, client) &&
        new Set(drawn).size === count &&
        drawn.every((index) => index < weights.length)
      )
    }),
    { numRuns: 1000 },
  )
})

t.test('shares are those of the weights, at every size', async (t) => {
  const clients = 100_000
  for (const [what, weights] of [
    ['equal', new Array(10).fill(1)],
    ['unequal', [1, 2, 3, 10, 100]],
    ['many, equal', new Array(100).fill(3)],
    ['many, unequal', Array.from({ length: 200 }, (_, i) => 1 + (i % 7))],
  ] as const) {
    const table = tableOf(entriesOf(weights))
    const counts = new Array<number>(weights.length).fill(0)
    for (let client = 0; client < clients; client++) counts[best(table, client)]!++
    const found = chiSquared(counts, weights)
    t.ok(found < 1, `${what}: ${found}`)
  }
})

t.test('the second best is a draw by weight among what is left, in one table and in groups', async (t) => {
  const clients = 100_000
  // With the rest so light that hardly anything else is drawn, and with no rest.
  for (const rest of [0, 100]) {
    const weights = [50_000, 100_000, 150_000, ...new Array<number>(rest).fill(1)]
    const table = tableOf(entriesOf(weights))
    const pairs: [first: number, second: number][] = [0, 1, 2].flatMap((first) =>
      [0, 1, 2].flatMap((second): [number, number][] => (first === second ? [] : [[first, second]])),
    )
    const counts = new Array<number>(pairs.length).fill(0)
    for (let client = 0; client < clients; client++) {
      const [first, second] = draw(table, client, 2)
      const pair = pairs.findIndex(([a, b]) => a === first && b === second)
      if (pair >= 0) counts[pair]!++
    }
    const shares = pairs.map(([a, b]) => (weights[a]! * weights[b]!) / (300_000 - weights[a]!))
    const found = chiSquared(counts, shares)
    t.ok(found < 1, `${rest} others: ${found}`)
  }
})

/** Counts among 20,000 clients how many had the entry, how many have another one without it, how many of those did not have it. */
function loss(entries: readonly Entry[], lost: number) {
  const [before, after] = [tableOf(entries), tableOf(entries.filter((_, i) => i !== lost))]
  const [had, moved, others] = [new Set<number>(), new Set<number>(), new Set<number>()]
  for (let client = 0; client < 20_000; client++) {
    const first = best(before, client)
    const second = best(after, client)
    if (first === lost) had.add(client)
    if (first === lost || first !== (second < lost ? second : second + 1)) moved.add(client)
    if (moved.has(client) && first !== lost) others.add(client)
  }
  return { had: had.size / 20_000, moved: moved.size / 20_000, others: others.size / 20_000 }
}

t.test('the loss of one of ten moves its clients and nobody else', async (t) => {
  for (const weights of [new Array(10).fill(1), [1, 2, 3, 4, 5, 6, 7, 8, 9, 5]]) {
    const { had, moved, others } = loss(entriesOf(weights), 9)
    t.ok(had > 0.08 && had < 0.11, `${had}`)
    t.equal(moved, had)
    t.equal(others, 0)
  }
})

t.test('in groups it moves up to as many others of its own group', async (t) => {
  const { had, moved, others } = loss(entriesOf(new Array(200).fill(1)), 77)
  t.ok(had > 0.003 && had < 0.008, `${had}`)
  t.ok(moved <= 2.5 * had, `${moved}`)
  t.ok(others > 0, 'which is why flat tables go as far as they do')
})

t.test('a smaller weight moves clients away from its entry only', async (t) => {
  const before = tableOf(entriesOf([4, 4, 4, 4]))
  const after = tableOf(entriesOf([4, 4, 2, 4]))
  let [moved, kept] = [0, 0]
  for (let client = 0; client < 20_000; client++) {
    const first = best(before, client)
    if (first === 2) kept += best(after, client) === 2 ? 1 : 0
    else if (best(after, client) !== first) moved++
  }
  t.equal(moved, 0)
  t.ok(kept > 2600 && kept < 3100, `${kept} of about 5,000 stay`)
})

t.test('the order of the entries does not matter', async (t) => {
  for (const count of [10, 100]) {
    const entries = entriesOf(Array.from({ length: count }, (_, i) => 1 + (i % 3)))
    const [table, turned] = [tableOf(entries), tableOf(entries.toReversed())]
    for (let client = 0; client < 1000; client++) {
      if (best(table, client) !== count - 1 - best(turned, client)) t.fail(`client ${client} of ${count}`)
    }
  }
})

t.test('entries with the same key have their shares too', async (t) => {
  const table = tableOf([1, 1, 1].map((weight) => ({ weight, key: 5 })))
  const counts = [0, 0, 0]
  for (let client = 0; client < 30_000; client++) counts[best(table, client)]!++
  const found = chiSquared(counts, [1, 1, 1])
  t.ok(found < 1, `${found}`)
})

t.test('who gets whom, for ever', async (t) => {
  const clients = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
  const few = tableOf(entriesOf([1, 1, 1, 1, 1]))
  const unequal = tableOf(entriesOf([1, 2, 3, 4, 5]))
  const many = tableOf(entriesOf(new Array(100).fill(1)))
  t.same(
    clients.map((client) => best(few, client)),
    [2, 4, 2, 1, 0, 2, 0, 4, 2, 1, 1, 3],
  )
  t.same(
    clients.map((client) => best(unequal, client)),
    [2, 4, 2, 1, 0, 2, 4, 4, 2, 4, 1, 3],
  )
  t.same(
    clients.map((client) => best(many, client)),
    [16, 16, 56, 19, 95, 79, 51, 53, 2, 35, 88, 93],
  )
  t.same(draw(many, 1, 5), [16, 68, 52, 18, 85])
})
