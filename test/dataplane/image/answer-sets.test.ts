/** The sets that a leaf may answer, which are what is signed of a service. */
import t from 'tap'
import {
  type AnswerSets,
  answerSets,
  few,
  firstRrsets,
  keysOf,
  leafFamilies,
  leafSets,
  maxSets,
  setLimit,
} from '../../../src/dataplane/image/answer-sets.ts'
import { drawnSets } from '../../../src/dataplane/image/drawn-sets.ts'
import type { AnswerNode } from '../../../src/dataplane/image/plan-tree.ts'
import { setOf } from '../../../src/dataplane/image/set-key.ts'
import { binomial, subsetShares, subsetsOf } from '../../../src/dataplane/image/subsets.ts'
import { Random } from '../../../src/dataplane/random.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { alias, leaf, located, type Member, prefix, weighted } from '../trees.ts'

const members = (count: number, weight: (i: number) => number = () => 1, network = '192.0.2'): Member[] =>
  Array.from({ length: count }, (_, i) => [`${network}.${i}`, weight(i)])
const many = (count: number, weight: (i: number) => number = () => 1): Member[] =>
  Array.from({ length: count }, (_, i) => [`10.0.${i >> 8}.${i & 255}`, weight(i)])
const setsOf = (node: AnswerNode, limit = maxSets): AnswerSets =>
  leafSets(node, leafFamilies(node)[0]!, limit)
const same = (node: PlanNodes) => ({ ipv4: node, ipv6: node })
type PlanNodes = Parameters<typeof answerSets>[0]['ipv4']

t.test('one set', async (t) => {
  t.same(setsOf(leaf([])), { draw: 'one', sets: [] })
  t.same(setsOf(leaf(['192.0.2.1'], { answers: 0 })), { draw: 'one', sets: [] })
  t.same(setsOf(leaf(['192.0.2.1'], { select: 'hash', prefix })), { draw: 'one', sets: [[0]] })
  for (const select of ['rotate', 'weighted'] as const)
    t.same(setsOf(leaf(members(3), { select, answers: 9 })), { draw: 'one', sets: [[0, 1, 2]] })
  t.same(setsOf(leaf(members(3), { select: 'hash', prefix, answers: 3 })), {
    draw: 'order',
    sets: [[0, 1, 2]],
  })
})

t.test('one member of several', async (t) => {
  const sets = [[0], [1], [2]]
  t.same(setsOf(leaf(members(3))), { draw: 'turn', sets })
  t.same(setsOf(leaf(members(3), { select: 'hash', prefix })), { draw: 'client', sets })
  t.same(
    setsOf(
      leaf(
        members(3, (i) => i + 1),
        { select: 'weighted' },
      ),
    ),
    {
      draw: 'weight',
      sets,
      weights: [1, 2, 3],
    },
  )
  t.same(setsOf(alias(['a.test', 'b.test'], { answers: 2 })), { draw: 'turn', sets: [[0], [1]] })
})

t.test('windows', async (t) => {
  t.same(setsOf(leaf(members(4), { answers: 2 })), {
    draw: 'turn',
    sets: [
      [0, 1],
      [1, 2],
      [2, 3],
      [3, 0],
    ],
  })
  const few = setsOf(leaf(members(4), { answers: 2 }), 2)
  t.same(few.sets, [
    [0, 1],
    [2, 3],
  ])
  const large = setsOf(leaf(many(4000), { answers: 3000 }))
  t.equal(large.sets.length, 43, 'no more members than the bound')
})

t.test('several by weight have the shares of draws without replacement', async (t) => {
  const shares = (weights: readonly number[], size: number) => {
    const found = new Map<string, number>()
    const walk = (set: number[], share: number): void => {
      if (set.length === size) {
        const key = set.toSorted((a, b) => a - b).join()
        found.set(key, (found.get(key) ?? 0) + share)
        return
      }
      const left = weights.reduce((sum, weight, i) => sum + (set.includes(i) ? 0 : weight), 0)
      for (const [i, weight] of weights.entries())
        if (!set.includes(i)) walk([...set, i], (share * weight) / left)
    }
    walk([], 1)
    return found
  }
  const random = new Random(7)
  for (let round = 0; round < 60; round++) {
    const count = 3 + random.below(4)
    const most = [3, 100, 1_000_000][round % 3]!
    const weights = Array.from({ length: count }, () => 1 + random.below(most))
    const size = 2 + random.below(count - 2)
    const {
      draw,
      sets,
      weights: found,
    } = setsOf(
      leaf(
        members(count, (i) => weights[i]!),
        { select: 'weighted', answers: size },
      ),
    )
    t.equal(draw, 'weight')
    const total = found!.reduce((sum, weight) => sum + weight, 0)
    const exact = shares(weights, size)
    t.equal(sets.length, exact.size)
    for (const [i, set] of sets.entries()) {
      const wanted = exact.get(set.join())!
      t.ok(Math.abs(found![i]! / total - wanted) < 1e-9, `${weights} ${set}: ${found![i]! / total} ${wanted}`)
    }
  }
  t.same(subsetShares([4, 4, 4], subsetsOf(3, 2)), [1, 1, 1])
  t.equal(binomial(20, 3), 1140)
  t.equal(binomial(91, 89), 4095)
  t.equal(binomial(4096, 2048), Number.POSITIVE_INFINITY)
})

t.test('too many subsets: as many draws, the same each time', async (t) => {
  for (const [count, answers, weight] of [
    [32, 4, (i: number) => i + 1],
    [32, 4, (i: number) => (i === 7 ? 1_000_000 : 1)],
    [40, 30, () => 1],
    [4000, 30, (i: number) => 1 + (i % 3)],
  ] as const) {
    const node = leaf(many(count, weight), { select: 'weighted', answers })
    const { draw, sets, weights } = setsOf(node)
    const again = setsOf(node)
    t.same({ draw: again.draw, sets: again.sets, weights: again.weights }, { draw, sets, weights })
    t.equal(
      weights!.reduce((sum, one) => sum + one, 0),
      Math.min(4096, Math.floor(131_072 / answers)),
    )
    t.equal(new Set(sets.map((set) => set.join())).size, sets.length)
    t.ok(sets.every((set) => set.length === answers && set.every((one, i) => i === 0 || one > set[i - 1]!)))
  }
  const { sets, weights } = setsOf(leaf(many(32), { select: 'weighted', answers: 4 }))
  const counts = new Array<number>(32).fill(0)
  for (const [i, set] of sets.entries()) for (const one of set) counts[one]! += weights![i]!
  const error = Math.sqrt(counts.reduce((sum, one) => sum + (one / 512 - 1) ** 2, 0) / 32)
  t.ok(error < 0.06, `${error}: what the head says`)
})

t.test('draws are the same whatever was drawn before', async (t) => {
  const weights = Array.from({ length: 40 }, (_, i) => 1 + (i % 3))
  const all = many(40, (i) => weights[i]!)
  const drawnOf = (some: readonly Member[], fields: Partial<AnswerNode> = {}) => {
    const node = leaf(some, { select: 'weighted', answers: 4, ...fields })
    const family = leafFamilies(node)[0]!
    const found = leafSets(node, family, maxSets)
    const { kept, ...fresh } = drawnSets(family.candidates, 4, maxSets)
    t.same([found.sets, found.weights, found.drawn], [fresh.sets, fresh.weights, fresh])
    t.same(
      keysOf(family, found),
      fresh.sets.map((set) => family.keys.of(set)),
    )
  }
  const other = (changed: number, member: Member) => all.map((each, i) => (i === changed ? member : each))
  drawnOf(all)
  drawnOf(all.slice(1))
  drawnOf(all)
  drawnOf(all.toReversed())
  drawnOf(other(3, ['10.0.0.3', 9]))
  drawnOf(other(3, ['10.1.0.3', 1]))
  drawnOf(all.slice(0, 20))
  drawnOf(many(40))
  // Of one that has another address, and of two that have one key.
  const moved = leaf(all).candidates.map((each, i) =>
    i === 5 ? { ...each, address: Uint8Array.of(10, 9, 9, 9) } : each,
  )
  drawnOf(all)
  drawnOf([], { candidates: moved })
  const twins = leaf(all).candidates.map((each, i) => (i < 2 ? { ...each, key: 7 } : each))
  drawnOf([], { candidates: twins })
  drawnOf(all)
  drawnOf([], { candidates: twins.slice(1) })
})

t.test('several by client, by bucket', async (t) => {
  const node = leaf(members(10), { select: 'hash', prefix, answers: 3 })
  const { draw, sets, buckets } = setsOf(node)
  t.equal(draw, 'bucket')
  t.equal(buckets!.length, 4096)
  t.ok(buckets!.every((set) => sets[set]!.length === 3))
  const firsts = new Array<number>(10).fill(0)
  for (const set of buckets!) firsts[sets[set]![0]!]!++
  t.ok(
    firsts.every((one) => one > 300 && one < 520),
    String(firsts),
  )
  const without = setsOf(leaf(members(9), { select: 'hash', prefix, answers: 3 }))
  const kept = buckets!.filter((set, i) => {
    const before = sets[set]!
    const after = without.sets[without.buckets![i]!]!
    return !before.includes(9) && before.join() !== after.join()
  })
  t.equal(kept.length, 0, 'who goes takes no other bucket along')
  t.equal(setsOf(node, 1000).buckets!.length, 512, 'a power of two')
})

t.test('two candidates of one address', async (t) => {
  const twice = leaf(['192.0.2.1', '192.0.2.1', '192.0.2.2'], { answers: 3 })
  t.same(setsOf(twice).sets, [[0, 2]])
})

t.test('as many as a message holds', async (t) => {
  t.equal(setsOf(leaf(many(4096), { answers: 4096 })).sets[0]!.length, 3900)
})

t.test('what is to be signed of a plan, each RRset once', async (t) => {
  const both = leaf(['192.0.2.1', '192.0.2.2', '2001:db8::1'], { answers: 9 })
  const found = answerSets(same(located(0, both, weighted([1, both], [2, leaf(members(3))]))))
  t.same(
    found.map(setOf).map(({ type, data }) => [type, data.map((one) => Buffer.from(one).toString('hex'))]),
    [
      [types.a, ['c0000201', 'c0000202']],
      [types.aaaa, ['20010db8000000000000000000000001']],
      [types.a, ['c0000200']],
      [types.a, ['c0000201']],
      [types.a, ['c0000202']],
    ],
  )
  t.same(new Set(found).size, found.length)
  const names = answerSets(same(alias(['B.test', 'a.test', 'b.test'])))
  t.same(
    names.map(setOf).map(({ type, data }) => [type, Buffer.from(data[0]!).toString('latin1')]),
    [
      [types.cname, '\x01b\x04test\x00'],
      [types.cname, '\x01a\x04test\x00'],
    ],
  )
})

t.test('what is signed first: some sets of each leaf that has none', async (t) => {
  const large = leaf(many(100), { select: 'weighted', answers: 3 })
  const trees = same(located(0, large, leaf(members(3))))
  const found = firstRrsets(trees, () => false)
  t.equal(found.length, few + 3)
  const all = new Set(answerSets(trees))
  t.ok(found.every((key) => all.has(key)))
  t.equal(new Set(found).size, few + 3)
  const [one] = answerSets(same(large)).slice(-1)
  const known = (key: string) => key === one
  t.equal(firstRrsets(trees, known).length, 3, 'one of them is enough')
  t.same(
    firstRrsets(trees, () => true),
    [],
  )
  t.same(
    firstRrsets({ ipv4: leaf(['192.0.2.1', '2001:db8::1']), ipv6: leaf(['2001:db8::2']) }, () => false)
      .map(setOf)
      .map(({ data }) => data[0]!.at(-1)),
    [1, 2],
    'of each type that may be asked for',
  )
})

t.test('the first of fewer sets are some of all', async (t) => {
  for (const node of [
    leaf(many(100), { select: 'weighted', answers: 3 }),
    leaf(members(10), { select: 'weighted', answers: 3 }),
    leaf(many(100), { select: 'hash', prefix, answers: 3 }),
    leaf(many(100), { answers: 3 }),
    leaf(many(100), { select: 'hash', prefix }),
    leaf(many(10), { answers: 30 }),
  ]) {
    const all = new Set(answerSets(same(node)))
    const found = firstRrsets(same(node), () => false, few)
    t.ok(found.length > 0 && found.length <= few)
    t.ok(found.every((key) => all.has(key)))
  }
})

t.test('each tree for its own type', async (t) => {
  const both = leaf(['192.0.2.1', '2001:db8::1'])
  const other = leaf(['192.0.2.2', '2001:db8::2'])
  t.same(
    answerSets({ ipv4: both, ipv6: other })
      .map(setOf)
      .map(({ type, data }) => [type, data[0]!.at(-1)]),
    [
      [types.a, 1],
      [types.aaaa, 2],
    ],
  )
  const only6 = leaf(['2001:db8::3'])
  t.same(
    answerSets({ ipv4: only6, ipv6: other })
      .map(setOf)
      .map(({ data }) => data[0]!.at(-1)),
    [3, 2],
    'ANY finds it there',
  )
})

t.test('a plan of very many leaves has fewer sets in each', async (t) => {
  const leaves = (count: number) =>
    Array.from({ length: count }, () => leaf(members(4), { answers: 2, select: 'weighted' }))
  t.equal(setLimit(same(located(0, ...leaves(3)))), 4096)
  t.equal(setLimit({ ipv4: located(0, ...leaves(32)), ipv6: located(0, ...leaves(32)) }), 1024)
  t.equal(setLimit(same(located(0, ...leaves(30_000)))), 16)
})
