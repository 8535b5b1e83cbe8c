import t from 'tap'
import { compilePlan } from '../../../src/dataplane/image/plan-compiler.ts'
import type { AnswerNode, Candidate, PlanNode } from '../../../src/dataplane/image/plan-tree.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import type { Response, TypeName } from '../../support/dns-client.ts'
import { leaf } from '../trees.ts'
import { soaText, type ZoneText } from '../zone-text.ts'
import { essence, expected, Served, type ServeOptions } from './served.ts'

const zone: ZoneText = {
  apex: 'example.test',
  lines: ['@ 300 NS ns1', 'www 300 TXT hello', 'mx 300 MX 1 www'],
  services: { '@': 0, www: 0, '*.lb': 0 },
}
const soa = [`example.test 60 SOA ${soaText(zone).replaceAll('. ', ' ')}`]

/** Candidates count in the slots 1, 2, ... in the order in which they are given. */
function candidates(...members: readonly (string | [address: string, weight: number])[]): Candidate[] {
  return members.map((member, i) => {
    const [address, weight] = typeof member === 'string' ? [member, 1] : member
    return { address: parseAddress(address)!, weight, counter: i + 1, key: i }
  })
}

function serve(plan: Partial<AnswerNode>, options?: ServeOptions): Served {
  const whole: AnswerNode = {
    kind: 'answer',
    gives: 'addresses',
    select: 'rotate',
    answers: 4096,
    ttlSeconds: 30,
    candidates: [],
    ...plan,
  }
  return new Served([zone], [whole], options)
}

const addresses = (served: Served, type: TypeName = 'A', name = 'www.example.test') =>
  served.ask(name, type).answer.map((line) => line.split(' ').at(-1)!)

/** In an order that does not depend on where the rotation starts. */
const sorted = (response: Response): Response => ({ ...response, answer: response.answer.toSorted() })

t.test('each family its own, at the apex and elsewhere', async (t) => {
  const members = candidates('192.0.2.1', '2001:db8::1', '192.0.2.2')
  for (const name of ['example.test', 'www.example.test', 'Q.lb.example.test', '*.lb.example.test']) {
    const served = serve({ candidates: members })
    t.same(
      essence(sorted(served.ask(name, 'A'))),
      expected({ answer: [`${name} 30 A 192.0.2.1`, `${name} 30 A 192.0.2.2`] }),
      name,
    )
    t.same(essence(served.ask(name, 'AAAA')), expected({ answer: [`${name} 30 AAAA 2001:db8::1`] }), name)
    t.same(
      [1, 2, 3].map((slot) => served.answers(slot)),
      [1, 1, 1],
    )
    t.same(served.counted(), { 'ipv4 A': 1, 'ipv4 AAAA': 1, NOERROR: 2 })
  }
})

t.test("other types at the name are the zone's", async (t) => {
  const served = serve({ candidates: candidates('192.0.2.1') })
  t.same(
    essence(served.ask('www.example.test', 'TXT')),
    expected({ answer: ['www.example.test 300 TXT "hello"'] }),
  )
  t.same(essence(served.ask('www.example.test', 'MX')), expected({ authority: soa }))
  t.same(essence(served.ask('lb.example.test', 'A')), expected({ authority: soa }), 'an empty non-terminal')
  t.match(served.ask('example.test', 'SOA').answer, [/^example\.test 300 SOA/])
  t.same(served.ask('mx.example.test', 'MX').additional, [], 'a service is no courtesy')
})

t.test('ANY: an RRset where there is one, else the members of one family', async (t) => {
  const both = serve({ candidates: candidates('192.0.2.1', '2001:db8::1') })
  t.same(addresses(both, 'ANY', 'q.lb.example.test'), ['192.0.2.1'])
  t.same(both.ask('www.example.test', 'ANY').answer, ['www.example.test 300 TXT "hello"'])
  const six = serve({ candidates: candidates('2001:db8::1') })
  t.same(addresses(six, 'ANY', 'q.lb.example.test'), ['2001:db8::1'])
  t.same(essence(serve({}).ask('q.lb.example.test', 'ANY')), expected({ authority: soa }))
})

t.test('a family without candidates is NODATA', async (t) => {
  const served = serve({ candidates: candidates('192.0.2.1') })
  t.same(essence(served.ask('www.example.test', 'AAAA')), expected({ authority: soa }))
  t.same(essence(serve({}).ask('www.example.test', 'A')), expected({ authority: soa }))
})

t.test('a leaf that gives SERVFAIL answers A and AAAA so, and no other type', async (t) => {
  const served = serve({ gives: 'servfail', candidates: candidates('192.0.2.1') })
  for (const type of ['A', 'AAAA'] as const)
    t.same(essence(served.ask('www.example.test', type)), expected({ rcode: 2 }))
  t.match(served.counted(), { SERVFAIL: 2 })
  t.equal(served.answers(1), 0)
  t.match(served.ask('www.example.test', 'TXT'), { rcode: 0 })
})

t.test('what has no image is SERVFAIL, whoever leads to it', async (t) => {
  const zones = [
    { apex: 'test', lines: ['* 300 A 192.0.2.9', 'to 300 CNAME a.one.test.'] },
    { apex: 'one.test', lines: ['a 300 A 192.0.2.1'] },
    { apex: 'two.test', lines: ['s 300 TXT x'], services: { s: 0 } },
  ]
  const served = new Served(zones, [leaf(['192.0.2.7'])])
  served.state.apply({ generation: 2, zones: [[1, null]], plans: [[0, null]] })
  const failed = expected({ rcode: 2 })
  t.same(essence(served.ask('a.one.test', 'A')), { ...failed, flags: 'qr rd' })
  t.same(essence(served.ask('to.test', 'A')), { ...failed, answer: ['to.test 300 CNAME a.one.test'] })
  for (const type of ['A', 'AAAA', 'MX'] as const) {
    t.match(served.ask('s.two.test', type), { rcode: 2, answer: [] }, type)
  }
  t.match(served.ask('s.two.test', 'TXT'), { rcode: 0, answer: ['s.two.test 300 TXT "x"'] })
  t.match(served.ask('b.test', 'A'), { rcode: 0, answer: ['b.test 300 A 192.0.2.9'] })
})

t.test('rotation: the next answer begins with the next member', async (t) => {
  // Where it starts is up to the seed; with this one at the first.
  const served = serve({ candidates: candidates('192.0.2.1', '192.0.2.2', '192.0.2.3') })
  const firsts = Array.from({ length: 7 }, () =>
    addresses(served)
      .map((address) => address.at(-1))
      .join(''),
  )
  t.same(firsts, ['123', '231', '312', '123', '231', '312', '123'])
  t.same(
    [1, 2, 3].map((slot) => served.answers(slot)),
    [7, 7, 7],
  )
})

t.test('rotation with fewer answers than members', async (t) => {
  const served = serve({ answers: 2, candidates: candidates('192.0.2.1', '192.0.2.2', '192.0.2.3') })
  const answers = Array.from({ length: 4 }, () =>
    addresses(served)
      .map((address) => address.at(-1))
      .join(''),
  )
  t.same(answers, ['12', '23', '31', '12'])
  t.same(
    [1, 2, 3].map((slot) => served.answers(slot)),
    [3, 3, 2],
  )
})

t.test('clients that ask for A and AAAA in turn see every member of both families', async (t) => {
  const served = serve({
    answers: 1,
    candidates: candidates('192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1', '2001:db8::2'),
  })
  for (let i = 0; i < 6; i++) {
    addresses(served, 'A')
    addresses(served, 'AAAA')
  }
  t.same(
    [1, 2, 3, 4, 5].map((slot) => served.answers(slot)),
    [2, 2, 2, 3, 3],
  )
})

const rotating = (...members: readonly string[]): AnswerNode => ({
  kind: 'answer',
  gives: 'addresses',
  select: 'rotate',
  answers: 1,
  ttlSeconds: 30,
  candidates: candidates(...members),
})

t.test('the rotation starts anew with a new plan, wherever it was', async (t) => {
  const served = serve(rotating('192.0.2.1', '192.0.2.2', '192.0.2.3'))
  addresses(served)
  addresses(served)
  served.state.apply({ generation: 2, zones: [], plans: [[0, compilePlan(rotating('192.0.2.7'))]] })
  t.same(addresses(served), ['192.0.2.7'])
})

t.test('the first answer of a new plan is as likely to be any member', async (t) => {
  const image = compilePlan(rotating('192.0.2.1', '192.0.2.2', '192.0.2.3'))
  const served = serve({}, { seed: 4711 })
  const counts = new Map<string, number>()
  const plans = 3000
  for (let generation = 2; generation < plans + 2; generation++) {
    served.state.apply({ generation, zones: [], plans: [[0, image]] })
    const [first] = addresses(served)
    counts.set(first!, (counts.get(first!) ?? 0) + 1)
  }
  const share = new Map(['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => [address, 1 / 3]))
  const found = chiSquared(counts, share, plans)
  // 2 degrees of freedom: 13.8 is exceeded once in a thousand seeds.
  t.ok(found < 13.8, `chi squared ${found}`)
})

t.test('over UDP members that do not fit truncate, none is left out in silence', async (t) => {
  const many = (count: number) =>
    candidates(...Array.from({ length: count }, (_, i) => `192.0.${i >> 8}.${i & 255}`))
  // Header and question take 34 octets, each member 16.
  t.equal(addresses(serve({ candidates: many(29) })).length, 29)
  const served = serve({ candidates: many(30) })
  t.same(essence(served.ask('www.example.test', 'A')), expected({ flags: 'qr aa tc rd' }))
  t.equal(served.answers(1), 0, 'what was not said is not counted')
  t.equal(served.ask('www.example.test', 'A', { edns: {} }).answer.length, 30)
  t.equal(addresses(serve({ answers: 3, candidates: many(4096) })).length, 3)
  t.equal(addresses(serve({ candidates: many(4000) }, { stream: true })).length, 4000)
})

/** Chi squared of how often each outcome came against how often it should have. */
function chiSquared(
  counts: ReadonlyMap<string, number>,
  shares: ReadonlyMap<string, number>,
  draws: number,
): number {
  let sum = 0
  for (const [outcome, share] of shares) {
    const expectedCount = share * draws
    sum += ((counts.get(outcome) ?? 0) - expectedCount) ** 2 / expectedCount
  }
  return sum
}

function draw(served: Served, draws: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let i = 0; i < draws; i++) {
    const outcome = addresses(served)
      .map((address) => address.at(-1))
      .join('')
    counts.set(outcome, (counts.get(outcome) ?? 0) + 1)
  }
  return counts
}

t.test('one of several by weight', async (t) => {
  const weights = [1, 2, 3, 10, 100]
  const total = 116
  const members = candidates(...weights.map((weight, i): [string, number] => [`192.0.2.${i}`, weight]))
  const served = serve({ select: 'weighted', answers: 1, candidates: members }, { seed: 2024 })
  const counts = draw(served, 20_000)
  const shares = new Map(weights.map((weight, i) => [`${i}`, weight / total]))
  const found = chiSquared(counts, shares, 20_000)
  // 4 degrees of freedom: 18.5 is exceeded once in a thousand seeds.
  t.ok(found < 18.5, `chi squared ${found}`)
  t.equal(
    [...counts.values()].reduce((a, b) => a + b),
    20_000,
  )
  t.equal(served.answers(5), counts.get('4'))
})

t.test('several by weight: without replacement, the first by weight, the next by what is left', async (t) => {
  const weights = [1, 3, 6]
  const members = candidates(...weights.map((weight, i): [string, number] => [`192.0.2.${i}`, weight]))
  const served = serve({ select: 'weighted', answers: 2, candidates: members }, { seed: 7 })
  const shares = new Map<string, number>()
  for (const [i, first] of weights.entries()) {
    for (const [j, second] of weights.entries()) {
      if (i !== j) shares.set(`${i}${j}`, (first / 10) * (second / (10 - first)))
    }
  }
  const counts = draw(served, 20_000)
  t.same([...counts.keys()].sort(), [...shares.keys()].sort())
  const found = chiSquared(counts, shares, 20_000)
  // 5 degrees of freedom: 20.5 is exceeded once in a thousand seeds.
  t.ok(found < 20.5, `chi squared ${found}`)
})

t.test('draws end even when what is left has hardly any weight', async (t) => {
  const weights = [65535, 1, 2, 1]
  const members = candidates(...weights.map((weight, i): [string, number] => [`192.0.2.${i}`, weight]))
  const served = serve({ select: 'weighted', answers: 3, candidates: members }, { seed: 11 })
  const counts = draw(served, 4000)
  t.ok([...counts.keys()].every((outcome) => new Set(outcome).size === 3))
  // The heavy one is in all answers but a few; of the pairs behind it, those with member 2 come more often.
  const seconds = new Map<string, number>()
  for (const [outcome, count] of counts) {
    if (outcome[0] === '0') seconds.set(outcome[1]!, (seconds.get(outcome[1]!) ?? 0) + count)
  }
  const sum = [...seconds.values()].reduce((a, b) => a + b)
  const shares = new Map([
    ['1', 0.25],
    ['2', 0.5],
    ['3', 0.25],
  ])
  const found = chiSquared(seconds, shares, sum)
  // 2 degrees of freedom: 13.8 is exceeded once in a thousand seeds.
  t.ok(found < 13.8, `chi squared ${found}`)
})

t.test('draws end far behind what is left of one that is heavy', async (t) => {
  const weights = [65535, ...Array.from({ length: 200 }, () => 1)]
  const members = candidates(...weights.map((weight, i): [string, number] => [`192.0.2.${i}`, weight]))
  const served = serve({ select: 'weighted', answers: 3, candidates: members }, { seed: 5 })
  const answers = Array.from({ length: 4000 }, () => addresses(served))
  t.ok(answers.every((found) => new Set(found).size === 3))
  t.equal(new Set(answers.flat()).size, weights.length, 'each of them comes')
})

t.test('as many answers as members: all, rotating, even when weighted', async (t) => {
  const served = serve({
    select: 'weighted',
    answers: 2,
    candidates: candidates(['192.0.2.1', 9], ['192.0.2.2', 1]),
  })
  t.same(addresses(served), ['192.0.2.1', '192.0.2.2'])
  t.same(addresses(served), ['192.0.2.2', '192.0.2.1'])
})

t.test('the same seed, the same answers', async (t) => {
  const members = candidates('192.0.2.1', '192.0.2.2', '192.0.2.3')
  const run = (seed: number) => {
    const served = serve({ select: 'weighted', answers: 1, candidates: members }, { seed })
    return Array.from({ length: 20 }, () => addresses(served)[0])
  }
  t.same(run(5), run(5))
  t.notSame(run(5), run(6))
})

t.test('A and AAAA go through trees of their own', async (t) => {
  const leaf = (...members: string[]): AnswerNode => ({
    kind: 'answer',
    gives: 'addresses',
    select: 'rotate',
    answers: 4096,
    ttlSeconds: 30,
    candidates: candidates(...members),
  })
  const drawn = (...members: string[]): PlanNode => ({
    kind: 'weighted',
    children: [{ weight: 1, node: leaf(...members) }],
  })
  const served = new Served([zone], [{ ipv4: leaf('192.0.2.1'), ipv6: drawn('2001:db8::1') }])
  t.same(addresses(served), ['192.0.2.1'])
  t.same(addresses(served, 'AAAA'), ['2001:db8::1'])
  t.same(addresses(served, 'ANY', 'a.lb.example.test'), ['192.0.2.1'])
  const six = new Served([zone], [{ ipv4: drawn(), ipv6: leaf('2001:db8::1') }])
  t.same(addresses(six), [])
  t.same(addresses(six, 'AAAA'), ['2001:db8::1'])
  t.same(addresses(six, 'ANY', 'a.lb.example.test'), ['2001:db8::1'], 'what there is')
  const neither = new Served([zone], [{ ipv4: leaf(), ipv6: leaf() }])
  t.same(addresses(neither, 'ANY', 'a.lb.example.test'), [])
  const failing = { ...leaf(), gives: 'servfail' } as const
  const half = new Served([zone], [{ ipv4: failing, ipv6: leaf('2001:db8::1') }])
  t.match(half.ask('www.example.test', 'A'), { rcode: 2 })
  t.same(addresses(half, 'AAAA'), ['2001:db8::1'])
})
