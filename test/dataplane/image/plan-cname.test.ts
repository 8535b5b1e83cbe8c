import t from 'tap'
import { PlanImage } from '../../../src/dataplane/image/plan.ts'
import { compilePlan } from '../../../src/dataplane/image/plan-compiler.ts'
import type { AnswerNode } from '../../../src/dataplane/image/plan-tree.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'

const plan = (fields: Partial<AnswerNode>): AnswerNode => ({
  kind: 'answer',
  gives: 'cname',
  select: 'weighted',
  answers: 1,
  ttlSeconds: 0x01020304,
  candidates: [],
  ...fields,
})
const leafOf = (fields: Partial<AnswerNode>) => new PlanImage(compilePlan(plan(fields))).only!
const cname = (name: string, weight: number, counter: number) => ({
  cname: hostnameToWire(name),
  weight,
  counter,
  key: counter,
})

t.test('names of any length, in wire form, by weight', async (t) => {
  const names = ['lb.example', `${'a'.repeat(63)}.${'b'.repeat(63)}.example`, 'x']
  const image = leafOf({ cnames: names.map((name, index) => cname(name, index === 1 ? 3 : 1, 7 + index)) })
  const { cnames } = image
  if (cnames === null) throw new Error('it is an alias')
  t.match({ count: cnames.count, total: cnames.totalWeight }, { count: 3, total: 5 })
  t.notOk(image.servfail)
  for (const [index, name] of names.entries()) {
    const wire = hostnameToWire(name)
    const head = Buffer.from([0xc0, 0x0c, 0, 5, 0, 1, 1, 2, 3, 4, 0, wire.length])
    const rr = image.bytes.subarray(cnames.wire(index), cnames.wire(index) + 12 + wire.length)
    t.same(Buffer.from(rr), Buffer.concat([head, wire]), name)
    t.equal(cnames.counter(index), 7 + index)
  }
  const drawn = [0, 0, 0]
  for (let column = 0; column < 3; column++) {
    for (let step = 0; step < 1000; step++) drawn[cnames.pick(column, step * 4_294_967)]!++
  }
  const [light, heavy, other] = drawn.map((count) => count / 3000) as [number, number, number]
  t.ok(
    Math.abs(heavy - 0.6) < 0.01 && Math.abs(light - 0.2) < 0.01 && Math.abs(other - 0.2) < 0.01,
    String(drawn),
  )
})

t.test('any other plan is no alias, and expires when it says so', async (t) => {
  const candidates = [{ address: Uint8Array.of(192, 0, 2, 1), weight: 1, counter: 0, key: 0 }]
  const image = leafOf({ gives: 'addresses', candidates })
  t.equal(image.cnames, null)
  t.equal(image.expiresAtSeconds, 0)
  const ending = leafOf({
    gives: 'addresses',
    candidates,
    expiresAtSeconds: 4_000_000_000,
    ttlSeconds: 30,
  })
  t.match(ending, { expiresAtSeconds: 4_000_000_000, ttlSeconds: 30 })
  t.equal(leafOf({ gives: 'servfail' }).servfail, true)
})
