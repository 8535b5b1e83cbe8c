/** Places and clients: which way a tree goes, and the scope that the client subnet of the response says (RFC 7871). */
import fc from 'fast-check'
import t from 'tap'
import { compileLocationMap } from '../../../src/dataplane/image/location-map.ts'
import type { PlanNode } from '../../../src/dataplane/image/plan-tree.ts'
import { query, readResponse, type TypeName } from '../../support/dns-client.ts'
import { alias, hashed, leaf, located, prefix, ranges, weighted } from '../trees.ts'
import { scopeOf, subnetQuery } from './client-subnet.ts'
import { Served } from './served.ts'

const zone = {
  apex: 'example.test',
  lines: ['@ 300 NS ns1', 'static 300 A 192.0.2.99', 'alias 300 CNAME www', 'sub 300 NS ns.sub'],
  services: { www: 0, other: 1, '*.wild': 2 },
}
const map = ranges(
  { '0.0.0.0': 0, '10.0.0.0': 1, '10.1.0.0': 2, '10.1.128.0': 7, '11.0.0.0': 0 },
  { '::': 0, '2001:db8::': 1, '2001:db8:1::': 0, '2001:db8:8000::': 2, '2001:db8:8000:1::': 0 },
)
const none = leaf(['192.0.2.1'])

function serve(...plans: readonly PlanNode[]) {
  const filled = [...plans, ...new Array<PlanNode>(3).fill(none)].slice(0, 3)
  const served = new Served([zone], filled, { maps: [map], stream: true })
  return {
    served,
    ask(address: string, source: number, name = 'www', type: TypeName = 'A') {
      const response = served.respond(subnetQuery(`${name}.example.test`, type, address, source))!
      const { answer, rcode, authority } = readResponse(response)
      return {
        answer: answer.map((line) => line.split(' ').at(-1)!),
        rcode,
        authority,
        scope: scopeOf(response),
        way: served.services().map(({ plan, leaf, way }) => [plan, leaf, way]),
      }
    },
  }
}

const byHash = leaf(['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1'], { select: 'hash', prefix })
const places = located(0, none, leaf(['192.0.2.11']), leaf(['192.0.2.12', '2001:db8::12']))

t.test('the area of the client, and the widest prefix that is in it', async (t) => {
  const { ask } = serve(places)
  const table: [string, number, string, number, number][] = [
    ['10.0.0.0', 24, '192.0.2.11', 16, 1],
    ['10.1.0.0', 16, '192.0.2.12', 17, 2],
    ['10.1.2.0', 24, '192.0.2.12', 17, 2],
    ['10.1.127.255', 32, '192.0.2.12', 17, 2],
    ['10.1.128.0', 24, '192.0.2.1', 17, 7],
    ['10.2.3.0', 24, '192.0.2.1', 15, 7],
    ['11.2.3.0', 24, '192.0.2.1', 8, 0],
    ['192.0.2.0', 24, '192.0.2.1', 1, 0],
    ['10.0.0.0', 8, '192.0.2.11', 16, 1],
    ['2001:db8::', 56, '192.0.2.11', 48, 1],
    ['2001:db8:1::', 48, '192.0.2.1', 48, 0],
    ['2001:db8:8000::', 64, '192.0.2.12', 64, 2],
    ['2001:db8:8000:ffff:1::', 128, '192.0.2.1', 49, 0],
    ['3000::', 56, '192.0.2.1', 4, 0],
  ]
  for (const [address, source, member, scope, area] of table) {
    const child = area < 3 ? area : 0
    const wanted = { answer: [member], scope, way: [[0, child, [child]]] }
    t.match(ask(address, source), wanted, `${address}/${source}`)
  }
})

t.test(
  'without client subnet, or when the client wants to be left out, where the query came from',
  async (t) => {
    const { served, ask } = serve(places)
    for (const [client, member] of [
      ['10.1.2.3', '192.0.2.12'],
      ['::ffff:10.1.2.3', '192.0.2.12'],
      ['2001:db8::1', '192.0.2.11'],
      ['11.1.2.3', '192.0.2.1'],
    ] as const) {
      served.clientAddress = client
      const plain = served.respond(query('www.example.test', 'A', { edns: {} }))!
      t.match(readResponse(plain).answer, [`www.example.test 30 A ${member}`], client)
      t.equal(scopeOf(plain), null, 'nothing is told to those who did not ask (RFC 7871 section 7.2.1)')
      t.match(ask('0.0.0.0', 0), { answer: [member], scope: 0 })
      t.match(ask('::', 0), { answer: [member], scope: 0 })
      t.match(ask('11.0.0.0', 8), { answer: ['192.0.2.1'], scope: 8 })
    }
  },
)

t.test('a slot without a map: one area, whoever it is', async (t) => {
  const { served, ask } = serve(located(5, none, leaf(['192.0.2.11'])))
  t.match(ask('10.0.0.0', 24), { answer: ['192.0.2.1'], scope: 0, way: [[0, 0, [0]]] })
  served.state.apply({ generation: 2, zones: [], plans: [], maps: [[5, compileLocationMap(map)]] })
  t.match(ask('10.0.0.0', 24), { answer: ['192.0.2.11'], scope: 16, way: [[0, 1, [1]]] })
  served.state.apply({ generation: 3, zones: [], plans: [], maps: [[5, null]] })
  t.match(ask('10.0.0.0', 24), { answer: ['192.0.2.1'], scope: 0 })
})

t.test('a hash depends on its prefix, whatever is known', async (t) => {
  const { ask } = serve(
    byHash,
    hashed({ a: none, b: leaf(['192.0.2.2']) }, { prefix: { ipv4: 20, ipv6: 48 } }),
  )
  const scopes: [string, number, number, number][] = [
    ['10.1.2.0', 24, 24, 20],
    ['10.1.2.3', 32, 24, 20],
    ['10.1.0.0', 16, 24, 20],
    ['2001:db8::', 56, 56, 48],
    ['2001:db8::', 32, 56, 48],
    ['2001:db8::1', 128, 56, 48],
    ['0.0.0.0', 0, 0, 0],
  ]
  for (const [address, source, own, other] of scopes) {
    t.equal(ask(address, source).scope, own, `${address}/${source}`)
    t.equal(ask(address, source, 'other').scope, other, `${address}/${source}`)
  }
  const [a, b] = [ask('10.1.2.3', 32), ask('10.1.2.200', 32)]
  t.same(a.answer, b.answer, 'the same within the prefix')
  const found = new Set(Array.from({ length: 30 }, (_, i) => ask(`10.1.${i}.0`, 24).answer[0]))
  t.equal(found.size, 3)
  t.equal(new Set(Array.from({ length: 30 }, (_, i) => ask(`10.1.0.${i}`, 32).answer[0])).size, 1)
  t.equal(new Set(Array.from({ length: 30 }, (_, i) => ask(`10.${i}.0.0`, 16).answer[0])).size, 3)
})

t.test('the longest on the way counts, also along a chain', async (t) => {
  const inPlace = located(0, none, byHash, leaf(['192.0.2.12']))
  const { ask } = serve(
    inPlace,
    alias(['www.example.test'], { select: 'hash', prefix: { ipv4: 12, ipv6: 40 } }),
    alias(['deep.sub.example.test'], { select: 'hash', prefix }),
  )
  t.match(ask('10.0.1.0', 24), { scope: 24, way: [[0, 1, [1]]] }, 'hash below place')
  t.match(ask('10.1.1.0', 24), { scope: 17, way: [[0, 2, [2]]] })
  t.match(ask('10.0.1.0', 24, 'alias'), { scope: 24 }, 'a CNAME of the zone before it')
  t.match(
    ask('10.1.1.0', 24, 'other'),
    {
      scope: 17,
      answer: ['www.example.test', '192.0.2.12'],
      way: [
        [1, 0, []],
        [0, 2, [2]],
      ],
    },
    'a service that is an alias of another one',
  )
  t.match(ask('11.1.1.0', 24, 'other'), { scope: 12 }, 'where the first needs more than the second')
  t.match(
    ask('11.1.1.0', 24, 'q.wild'),
    { scope: 24, answer: ['deep.sub.example.test'], rcode: 0 },
    'a referral behind what depends on the client',
  )
  t.match(ask('11.1.1.0', 24, 'other', 'TXT'), { scope: 12, rcode: 0 })
})

t.test('what is the same for all says so', async (t) => {
  const { ask } = serve(places, none)
  for (const name of ['static', 'other', 'nowhere', 'q.sub'])
    t.match(ask('10.1.2.0', 24, name), { scope: 0 }, name)
  t.match(ask('10.1.2.0', 24, 'static'), { way: [] })
  t.match(ask('10.1.2.0', 24, 'other'), { way: [[1, 0, []]] })
  t.match(ask('10.1.2.0', 24, 'www', 'TXT'), { scope: 0, way: [], answer: [] }, 'no leaf has to do with TXT')
})

t.test('NODATA and SERVFAIL of a service depend on the client too', async (t) => {
  const { ask } = serve(located(0, none, leaf(['192.0.2.11']), leaf([], { gives: 'servfail' })))
  t.match(ask('10.0.0.0', 24, 'www', 'AAAA'), { answer: [], rcode: 0, scope: 16, authority: [/SOA/] })
  t.match(ask('10.1.0.0', 24), { answer: [], rcode: 2, scope: 17 })
})

t.test('a tree of addresses and of names to be an alias of', async (t) => {
  const { ask } = serve(located(0, none, alias(['lb.example']), leaf(['192.0.2.12'])))
  t.match(ask('10.0.0.0', 24, 'www', 'TXT'), { answer: ['lb.example'], scope: 16 })
  t.match(ask('10.0.0.0', 24), { answer: ['lb.example'], scope: 16 })
  t.match(ask('10.1.0.0', 24), { answer: ['192.0.2.12'], scope: 17 })
  t.match(
    ask('10.1.0.0', 24, 'www', 'TXT'),
    { answer: [], scope: 17, authority: [/SOA/], way: [[0, 2, [2]]] },
    'whether there is a CNAME depends on the client',
  )
})

t.test('what was drawn once in an answer is not drawn again', async (t) => {
  const { ask } = serve(weighted([1, alias(['other.example.test'])], [1, none]), alias(['www.example.test']))
  const seen = new Set<string>()
  for (let i = 0; i < 100; i++) seen.add(ask('10.0.0.0', 24).answer.join(' '))
  t.same([...seen].sort(), ['192.0.2.1', 'other.example.test www.example.test'])
})

t.test('chance does not show in the scope', async (t) => {
  const inner = hashed({ a: places, b: none }, { prefix: { ipv4: 10, ipv6: 30 } })
  const { ask } = serve(weighted([1, none], [1, byHash]), weighted([9, none], [1, inner], [1, places]))
  const scopes = (address: string, source: number, name: string) => {
    const found = Array.from({ length: 60 }, () => ask(address, source, name))
    t.ok(new Set(found.map(({ way }) => JSON.stringify(way))).size > 1)
    return [...new Set(found.map(({ scope }) => scope))]
  }
  t.same(scopes('10.1.2.0', 24, 'www'), [24])
  t.same(scopes('2001:db8::', 56, 'www'), [56])
  t.same(scopes('10.1.2.0', 24, 'other'), [17])
  t.same(scopes('11.1.2.0', 24, 'other'), [10])
  t.same(scopes('2001:db8::', 56, 'other'), [48])
})

t.test('nested trees: the way says each step', async (t) => {
  const tree = weighted([
    1,
    located(0, none, hashed({ only: weighted([1, leaf(['192.0.2.21'])]) }, { prefix: { ipv4: 9, ipv6: 9 } })),
  ])
  const { ask } = serve(tree)
  t.match(ask('10.0.0.0', 24), { answer: ['192.0.2.21'], way: [[0, 1, [0, 1, 0, 0]]], scope: 16 })
})

t.test('whoever has the same scope and prefix has the same answer', async () => {
  const tree = located(
    0,
    hashed({ a: places, b: byHash }, { prefix: { ipv4: 14, ipv6: 40 } }),
    places,
    byHash,
  )
  const { ask } = serve(tree)
  const near = fc.tuple(fc.constantFrom(9, 10, 11, 12), fc.nat({ max: 255 }), fc.nat({ max: 255 }))
  fc.assert(
    fc.property(near, fc.nat({ max: 0xff_ffff }), ([a, b, c], other) => {
      const { answer, scope } = ask(`${a}.${b}.${c}.0`, 24)
      const bits = ((a << 24) | (b << 16) | (c << 8)) >>> 0
      const mask = scope === 0 ? 0 : (-1 << (32 - scope!)) >>> 0
      const inside = ((bits & mask) | (Math.imul(other, 257) & ~mask)) >>> 0
      const text = [inside >>> 24, (inside >>> 16) & 255, (inside >>> 8) & 255, inside & 255].join('.')
      const second = ask(text, 32)
      return second.scope === scope && second.answer[0] === answer[0]
    }),
    { numRuns: 2000 },
  )
})
