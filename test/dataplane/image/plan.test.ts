import fc from 'fast-check'
import t from 'tap'
import { type Candidates, PlanImage, type PlanLeaf, planSelects } from '../../../src/dataplane/image/plan.ts'
import { compilePlan } from '../../../src/dataplane/image/plan-compiler.ts'
import type { AnswerNode, Candidate } from '../../../src/dataplane/image/plan-tree.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'

const candidate = (address: string, weight = 1, counter = 0): Candidate => ({
  address: parseAddress(address)!,
  weight,
  counter,
  key: counter,
})
const plan = (fields: Partial<AnswerNode>): AnswerNode => ({
  kind: 'answer',
  gives: 'addresses',
  select: 'weighted',
  answers: 1,
  ttlSeconds: 30,
  candidates: [],
  ...fields,
})

const leafOf = (fields: Partial<AnswerNode>) => new PlanImage(compilePlan(plan(fields))).only!

function wireForms(image: PlanLeaf, family: Candidates): string[] {
  return Array.from({ length: family.count }, (_, index) => {
    const at = family.wire(index)
    return Buffer.from(image.bytes.subarray(at, at + family.rrLength)).toString('hex')
  })
}

/** Share of each candidate among all (column, height) pairs: exact, but for the 2^-32 of one height. */
function shares(family: Candidates): number[] {
  const sums = new Array<number>(family.count).fill(0)
  const top = 0xffff_ffff
  for (let column = 0; column < family.count; column++) {
    // The highest height that stays in the column, by bisection.
    let low = 0
    let high = top
    while (low < high) {
      const middle = Math.ceil((low + high) / 2)
      if (family.pick(column, middle) === column) low = middle
      else high = middle - 1
    }
    sums[column]! += low / top
    sums[family.pick(column, top)]! += (top - low) / top
  }
  return sums.map((sum) => sum / family.count)
}

t.test('families apart, in wire form, in order', async (t) => {
  const image = leafOf({
    select: 'weighted',
    answers: 3,
    ttlSeconds: 0x01020304,
    candidates: [
      candidate('192.0.2.1', 10, 7),
      candidate('2001:db8::1', 65535, 9),
      candidate('192.0.2.2', 20, 8),
    ],
  })
  t.equal(image.servfail, false)
  t.equal(image.select, planSelects.weighted)
  t.equal(leafOf({ select: 'rotate' }).select, planSelects.rotate)
  t.equal(image.answers, 3)
  t.same(wireForms(image, image.a), ['c00c00010001010203040004c0000201', 'c00c00010001010203040004c0000202'])
  t.same(wireForms(image, image.aaaa), ['c00c001c000101020304001020010db8000000000000000000000001'])
  t.same([image.a.counter(0), image.a.counter(1), image.aaaa.counter(0)], [7, 8, 9])
  t.same([image.a.weight(0), image.a.weight(1), image.aaaa.weight(0)], [10, 20, 65535])
  t.same([image.a.totalWeight, image.aaaa.totalWeight], [30, 65535])
})

t.test('no candidates, and servfail', async (t) => {
  const empty = leafOf({})
  t.same([empty.servfail, empty.a.count, empty.aaaa.count, empty.a.totalWeight], [false, 0, 0, 0])
  t.equal(leafOf({ gives: 'servfail' }).servfail, true)
})

t.test('an image of another version is refused', async (t) => {
  t.throws(() => new PlanImage(new SharedArrayBuffer(64)), { message: 'not a plan image of this version' })
})

t.test('the alias table gives each candidate its share, for any weights', async () => {
  const weights = fc.array(fc.oneof(fc.integer({ min: 1, max: 65535 }), fc.constantFrom(1, 65535)), {
    minLength: 1,
    maxLength: 40,
  })
  fc.assert(
    fc.property(weights, (weights) => {
      const candidates = weights.map((weight, i) => candidate(`192.0.2.${i}`, weight))
      const { a } = leafOf({ candidates })
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      return shares(a).every((share, i) => Math.abs(share - weights[i]! / total) < 1e-8)
    }),
    { numRuns: 500 },
  )
})

t.test('a member with little weight beside one with much keeps its chance, and no more', async (t) => {
  const { a } = leafOf({ candidates: [candidate('192.0.2.1', 1), candidate('192.0.2.2', 65535)] })
  const [small] = shares(a)
  t.ok(Math.abs(small! - 1 / 65536) < 1e-9, `${small}`)
})
