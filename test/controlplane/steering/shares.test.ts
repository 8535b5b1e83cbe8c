/** Shares by the tree of a plan; held against what is answered over DNS in `e2e/documents`. */
import fc from 'fast-check'
import t from 'tap'
import { mapsOf, nodeFor, sharesOf } from '../../../src/controlplane/steering/shares.ts'
import type { AnswerNode, PlanNode } from '../../../src/dataplane/image/plan-tree.ts'

const answer = (
  select: AnswerNode['select'],
  weights: readonly (readonly [counter: number, weight: number])[],
): AnswerNode => ({
  kind: 'answer',
  gives: 'addresses',
  select,
  answers: 1,
  ttlSeconds: 30,
  candidates: weights.map(([counter, weight]) => ({
    address: Uint8Array.of(192, 0, 2, counter),
    weight,
    counter,
    key: counter,
  })),
})

const of = (plan: PlanNode, area = 0) => Object.fromEntries(sharesOf(plan, () => area))

t.test('what chance decides goes by weight, and rotation by turns', async (t) => {
  t.same(
    of(
      answer('rotate', [
        [0, 9],
        [1, 1],
      ]),
    ),
    { 0: 0.5, 1: 0.5 },
  )
  t.same(
    of(
      answer('weighted', [
        [0, 3],
        [1, 1],
      ]),
    ),
    { 0: 0.75, 1: 0.25 },
  )
  t.same(
    of(
      answer('hash', [
        [0, 1],
        [1, 1],
      ]),
    ),
    { 0: 0.5, 1: 0.5 },
  )
  t.same(of(answer('rotate', [])), {})
  t.same(
    of(
      answer('weighted', [
        [7, 1],
        [7, 3],
      ]),
    ),
    { 7: 1 },
    'a member with two addresses',
  )
})

t.test('a choice of pools weighs what they come to', async (t) => {
  const plan: PlanNode = {
    kind: 'weighted',
    children: [
      {
        weight: 90,
        node: answer('rotate', [
          [0, 1],
          [1, 1],
        ]),
      },
      { weight: 10, node: answer('rotate', [[2, 1]]) },
    ],
  }
  t.same(of(plan), { 0: 0.45, 1: 0.45, 2: 0.1 })
})

t.test('areas are told apart, also where chance comes before them', async (t) => {
  const [near, far] = [answer('rotate', [[0, 1]]), answer('rotate', [[1, 1]])]
  const located: PlanNode = { kind: 'located', mapSlot: 4, areas: [near, far] }
  t.same(of(located), { 0: 1 })
  t.same(of(located, 1), { 1: 1 })
  t.same(of(located, 2), { 0: 1 }, 'an area that has none gets that of the first')
  t.same([...mapsOf(located)], [[4, 2]])
  t.equal(
    nodeFor(located, () => 1),
    far,
  )
  const drawn: PlanNode = {
    kind: 'weighted',
    children: [
      { weight: 3, node: located },
      { weight: 1, node: near },
    ],
  }
  t.same(of(drawn), { 0: 1 })
  t.same(of(drawn, 1), { 0: 0.25, 1: 0.75 })
  t.same([...mapsOf(drawn)], [[4, 2]])
})

t.test('shares are one together', async (t) => {
  const leaf = fc
    .uniqueArray(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 65_535 })), {
      minLength: 1,
      maxLength: 5,
      selector: ([counter]) => counter,
    })
    .chain((weights) =>
      fc
        .constantFrom('rotate' as const, 'weighted' as const, 'hash' as const)
        .map((select) => answer(select, weights)),
    )
  const { tree } = fc.letrec<{ tree: PlanNode }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc
        .array(fc.record({ weight: fc.integer({ min: 1, max: 1000 }), node: tie('tree') }), {
          minLength: 1,
          maxLength: 4,
        })
        .map((children): PlanNode => ({ kind: 'weighted', children })),
    ),
  }))
  fc.assert(
    fc.property(tree, (plan) => {
      const shares = sharesOf(plan, () => 0)
      return Math.abs([...shares.values()].reduce((sum, share) => sum + share, 0) - 1) < 1e-9
    }),
  )
  t.pass()
})
