import t from 'tap'
import { maxAreas } from '../../../src/dataplane/image/location-map.ts'
import { maxCandidates, maxPlanDepth, PlanImage } from '../../../src/dataplane/image/plan.ts'
import { compilePlan, maxPlanNodes } from '../../../src/dataplane/image/plan-compiler.ts'
import type { AnswerNode, PlanNode } from '../../../src/dataplane/image/plan-tree.ts'
import { alias, hashed, leaf, located, prefix, weighted } from '../trees.ts'

const one = leaf(['192.0.2.1'])

t.test('leaves are numbered in the order of a walk, and shared ones are there once', async (t) => {
  const [a, b, c] = [leaf(['192.0.2.1']), leaf(['192.0.2.2'], { ttlSeconds: 7 }), alias(['lb.example'])]
  const inner = weighted([1, b], [2, a])
  const image = new PlanImage(compilePlan(located(3, inner, c, inner, a, b)))
  t.equal(image.only, null)
  t.equal(image.aliases, true)
  t.same(
    image.leaves.map(({ number, ttlSeconds, cnames }) => [number, ttlSeconds, cnames?.count ?? 0]),
    [
      [0, 7, 0],
      [1, 30, 0],
      [2, 30, 1],
    ],
  )
  const several = located(0, ...Array.from({ length: 200 }, () => inner))
  const copies = located(0, ...Array.from({ length: 200 }, () => weighted([1, leaf(['192.0.2.1'])])))
  t.ok(compilePlan(several).byteLength < 2000, 'an area costs a word')
  t.equal(new PlanImage(compilePlan(copies)).leaves.length, 200, 'others are compiled as they come')
  t.equal(new PlanImage(compilePlan(weighted([1, one]))).aliases, false)
})

t.test('signatures of a set that several leaves have are there once for each TTL', async (t) => {
  const rrsigs = [new Uint8Array(1000)]
  const signing = { ttlSeconds: 60, signatures: { of: () => rrsigs } }
  const signed = (...leaves: AnswerNode[]) => {
    const tree = located(0, ...leaves)
    return Math.floor(compilePlan(tree, tree, signing).byteLength / 1000)
  }
  const members = ['192.0.2.1', '192.0.2.2']
  t.equal(signed(leaf(members), leaf(members)), 1)
  t.equal(signed(leaf(members), leaf(members, { ttlSeconds: 7 })), 2)
})

t.test('every leaf has its own RRs, counters and choices', async (t) => {
  const leaves = [
    leaf(['192.0.2.1', '2001:db8::1'], { select: 'weighted' }, 10),
    leaf(['192.0.2.3', '192.0.2.4'], { select: 'hash', prefix: { ipv4: 20, ipv6: 44 } }, 20),
    leaf([], { gives: 'servfail' }),
  ]
  const image = new PlanImage(compilePlan(hashed({ a: leaves[0]!, b: leaves[1]!, c: leaves[2]! })))
  const [first, second, third] = image.leaves
  const rr = ({ bytes, a }: NonNullable<typeof first>, index: number) =>
    Buffer.from(bytes.subarray(a.wire(index), a.wire(index) + a.rrLength)).toString('hex')
  t.equal(rr(first!, 0), 'c00c000100010000001e0004c0000201')
  t.equal(rr(second!, 1), 'c00c000100010000001e0004c0000204')
  t.same([first!.a.counter(0), first!.aaaa.counter(0), second!.a.counter(1)], [10, 11, 21])
  t.same([first!.ipv4, first!.ipv6, second!.ipv4, second!.ipv6], [0, 0, 20, 44])
  t.same([first!.servfail, third!.servfail], [false, true])
})

/** `levels` nodes above each other, a leaf at the end. */
const tower = (levels: number): PlanNode => (levels === 1 ? one : weighted([1, tower(levels - 1)]))

t.test('a tree may be as deep as the bound, also by shared parts', async (t) => {
  t.ok(compilePlan(tower(maxPlanDepth)))
  t.throws(() => compilePlan(tower(maxPlanDepth + 1)), {
    name: 'PlanError',
    message: 'plan, node 0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0: a tree is at most 24 nodes deep',
  })
  const shared = tower(maxPlanDepth - 2)
  t.ok(compilePlan(weighted([1, shared], [1, weighted([1, shared])])))
  const below = weighted([1, shared])
  t.throws(() => compilePlan(weighted([1, shared], [1, weighted([1, below])])), {
    message: 'plan, node 1.0.0: a tree is at most 24 nodes deep',
  })
  const children: { weight: number; node: PlanNode }[] = []
  const inItself: PlanNode = { kind: 'weighted', children }
  children.push({ weight: 1, node: inItself })
  t.throws(() => compilePlan(inItself), { message: /24 nodes deep/ })
})

t.test('bounds of a whole tree', async (t) => {
  const leaves = (count: number, node: AnswerNode) => Array.from({ length: count }, () => ({ ...node }))
  t.ok(compilePlan(located(0, ...leaves(maxPlanNodes - 1, leaf([])))), 'the most nodes')
  t.throws(() => compilePlan(located(0, ...leaves(maxPlanNodes, leaf([])))), {
    message: `plan, node ${maxPlanNodes - 1}: a tree has at most ${maxPlanNodes} nodes`,
  })
  const full = leaf(Array.from({ length: maxCandidates }, () => '192.0.2.1'))
  t.throws(() => compilePlan(located(0, ...leaves(33, full))), {
    message: 'plan, node 32: a tree has at most 131072 candidates',
  })
})

t.test('malformed trees are refused by the node that is wrong', async (t) => {
  const candidate = one.candidates[0]!
  const of = (weights: readonly number[]) => weights.map((weight) => ({ ...candidate, weight }))
  const half = 2 ** 31
  const table: [PlanNode, string | RegExp][] = [
    [weighted(), 'root: 0 children, not 1 to 4096'],
    [hashed({}), 'root: 0 children, not 1 to 4096'],
    [weighted(...Array.from({ length: 4097 }, () => [1, one] as const)), /4097 children/],
    [located(0), 'root: 0 areas, not 1 to 65536'],
    [located(0, ...new Array<PlanNode>(maxAreas + 1).fill(one)), /65537 areas/],
    [located(-1, one), 'root: the slot of a location map is -1, not a whole number of 32 bits'],
    [located(0.5, one), /slot of a location map is 0.5/],
    [weighted([0, one]), 'root: the weight 0 is not a whole number of at least 1'],
    [weighted([1.5, one]), /weight 1.5/],
    [weighted([half, one], [half, one]), 'root: the weights come to 4294967296, which is not below 2^32'],
    [hashed({}, { children: [{ weight: 0, key: 1, node: one }] }), /weight 0/],
    [hashed({ a: one }, { prefix: { ipv4: 0, ipv6: 56 } }), /the prefix \/0 \(IPv4\), \/56/],
    [hashed({ a: one }, { prefix: { ipv4: 33, ipv6: 56 } }), /prefix \/33/],
    [hashed({ a: one }, { prefix: { ipv4: 24, ipv6: 0 } }), /\/0 \(IPv6\)/],
    [hashed({ a: one }, { prefix: { ipv4: 24, ipv6: 129 } }), /\/129 \(IPv6\)/],
    [hashed({ a: one }, { prefix: { ipv4: 23.5, ipv6: 56 } }), /\/23.5/],
    [leaf(['192.0.2.1'], { select: 'hash' }), 'root: a hash without prefix'],
    [leaf(['192.0.2.1'], { select: 'hash', prefix: { ipv4: 99, ipv6: 1 } }), /prefix \/99/],
    [leaf([], { gives: 'cname' }), 'root: 0 cnames, not 1 to 4096'],
    [leaf([], { gives: 'cname', cnames: [] }), /0 cnames/],
    [leaf(new Array<string>(4097).fill('192.0.2.1')), /4097 candidates/],
    [
      leaf([], { candidates: [{ ...candidate, address: new Uint8Array(5) }] }),
      'root: an address of 5 octets',
    ],
    [leaf([], { candidates: of([0]), select: 'weighted' }), /weight 0/],
    [leaf([], { candidates: of([0]), select: 'hash', prefix }), /weight 0/],
    [leaf([], { candidates: of([half, half]), select: 'weighted' }), /the weights come to/],
    [leaf([], { answers: -1 }), /the number of answers is -1/],
    [leaf([], { ttlSeconds: 2 ** 32 }), /the TTL is 4294967296/],
    [leaf([], { expiresAtSeconds: 1.5 }), /the time of expiry is 1.5/],
    [located(0, one, weighted([1, one], [1, hashed({})])), 'plan, node 1.1: 0 children, not 1 to 4096'],
  ]
  for (const [tree, message] of table)
    t.throws(
      () => compilePlan(tree),
      typeof message === 'string'
        ? { name: 'PlanError', message: message.startsWith('plan') ? message : `plan, ${message}` }
        : { name: 'PlanError', message },
    )
  t.ok(compilePlan(leaf([], { candidates: of([0]) })), 'who takes turns has no use for weights')
})
