/** What may be answered, and how often: every way once, and as the code that draws would have it. */
import t from 'tap'
import { EveryWay } from '../../../src/dataplane/answer/dice.ts'
import { ExpectedAnswers } from '../../../src/dataplane/answer/expected-answers.ts'
import { aliasShares, aliasTable } from '../../../src/dataplane/image/alias-table.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { parseType } from '../../../src/dataplane/wire/rdata.ts'
import { readResponse } from '../../support/dns-client.ts'
import { chiSquared } from '../chi-squared.ts'
import { alias, hashed, leaf, located, ranges, weighted } from '../trees.ts'
import type { ZoneText } from '../zone-text.ts'
import { subnetQuery } from './client-subnet.ts'
import { Served } from './served.ts'

const zone: ZoneText = {
  apex: 'example.test',
  lines: [
    'www 300 A 192.0.2.1',
    'www 300 A 192.0.2.2',
    'alias 300 CNAME lb',
    'mail 300 MX 10 MAIL',
    'old 300 TYPE39 036e6577076578616d706c65047465737400',
    'www.new 300 A 192.0.2.9',
    'cut 300 NS ns.cut',
    '*.wild 300 TXT x',
  ],
  services: { lb: 0, hash: 1, geo: 2, cname: 3, down: 4, empty: 5, deep: 6, sum: 7 },
}
const eu = leaf(['192.0.2.10', ['192.0.2.11', 3]], { select: 'weighted' }, 1)
const us = leaf(['198.51.100.10', '198.51.100.11'], {}, 3)
const plans = [
  weighted([50, eu], [30, us], [20, leaf([], { gives: 'servfail' })]),
  leaf(['192.0.2.20', '192.0.2.21', '192.0.2.22'], { select: 'hash', prefix: { ipv4: 24, ipv6: 56 } }, 10),
  located(0, eu, us),
  alias(
    [
      ['www.example.test', 1],
      ['none.example.test', 3],
    ],
    { select: 'weighted' },
    20,
  ),
  leaf([], { gives: 'servfail' }),
  leaf(['2001:db8::1'], {}, 30),
  weighted([1, hashed({ a: eu, b: us })], [3, weighted([1, us], [1, eu])]),
  leaf(
    [
      ['192.0.2.30', 1],
      ['192.0.2.31', 2],
    ],
    { select: 'weighted', answers: 2 },
    40,
  ),
]
const served = new Served([zone], plans, { maps: [ranges({ '0.0.0.0': 0, '198.51.100.0': 1 })] })
const expected = new ExpectedAnswers(served.state)

const of = (name: string, type = 'A', address = '203.0.113.0', bits = 24) => {
  const octets = parseAddress(address)!
  const network = {
    ipv6: octets.length === 16,
    bits,
    octets: octets.length === 16 ? octets.subarray(0, 8) : octets,
  }
  return expected
    .of({ name: hostnameToWire(`${name}.example.test`), type: parseType(type), network })
    .map(({ share, outcome, rcode, services, data }) => ({
      share: Math.round(share * 1e6) / 1e6,
      outcome,
      rcode,
      services: services.map(({ plan, members }) => [plan, Object.fromEntries(members)]),
      data,
    }))
}

t.test('what nobody draws has one way', async (t) => {
  t.match(of('www'), [{ share: 1, outcome: 'answer', rcode: 0, services: [] }])
  t.match(of('nothing'), [{ share: 1, outcome: 'nxdomain', rcode: 3, services: [], data: '' }])
  t.match(of('www', 'TXT'), [{ share: 1, outcome: 'nodata', data: '' }])
  t.match(of('x.cut'), [{ outcome: 'referral', rcode: 0, data: /^\[2,/ }])
  t.match(of('a.wild', 'TXT'), [{ outcome: 'answer', data: /^\[16,/ }])
  t.match(of('down'), [{ outcome: 'servfail', rcode: 2, services: [[4, {}]], data: '' }])
  t.match(of('empty'), [{ outcome: 'nodata', services: [[5, {}]] }])
  t.match(of('empty', 'AAAA'), [{ outcome: 'answer', services: [[5, { 30: 1 }]] }])
  t.match(
    expected.of({
      name: hostnameToWire('other.test'),
      type: 1,
      network: { ipv6: false, bits: 24, octets: new Uint8Array(4) },
    }),
    [{ share: 1, outcome: 'refused', rcode: 5, services: [], data: '' }],
  )
})

t.test('data are the same whatever their order, case and TTL, and no others are', async (t) => {
  const like = new ExpectedAnswers(
    new Served([
      {
        apex: 'example.test',
        lines: [
          'www 5 A 192.0.2.2',
          'www 5 A 192.0.2.1',
          'mail 9 MX 10 mail',
          'alias 9 CNAME www',
          'old 300 TYPE39 00',
        ],
      },
    ]).state,
  )
  const dataOf = (name: string, type: string) =>
    [expected, like].map((each) =>
      each
        .of({
          name: hostnameToWire(`${name}.example.test`),
          type: parseType(type),
          network: { ipv6: false, bits: 24, octets: new Uint8Array(4) },
        })
        .map(({ data }) => data),
    )
  t.same(...(dataOf('www', 'A') as [unknown, unknown]))
  t.same(...(dataOf('mail', 'MX') as [unknown, unknown]))
  t.notSame(...(dataOf('alias', 'TXT') as [unknown, unknown]))
  t.notSame(...(dataOf('www.old', 'A') as [unknown, unknown]))
  t.match(of('www.old'), [{ outcome: 'answer', data: /^\[39,.*\]\[1,/ }], 'the DNAME and what it leads to')
})

t.test('by chance each way has its share, and members theirs of it', async (t) => {
  t.same(of('alias'), [
    {
      share: 0.5,
      outcome: 'answer',
      rcode: 0,
      services: [[0, { 1: 0.25, 2: 0.75 }]],
      data: of('alias')[0]!.data,
    },
    {
      share: 0.3,
      outcome: 'answer',
      rcode: 0,
      services: [[0, { 3: 0.5, 4: 0.5 }]],
      data: of('alias')[0]!.data,
    },
    { share: 0.2, outcome: 'servfail', rcode: 2, services: [[0, {}]], data: of('alias')[0]!.data },
  ])
  t.match(of('cname'), [
    { share: 0.25, outcome: 'answer', services: [[3, { 20: 1 }]], data: of('www')[0]!.data },
    { share: 0.75, outcome: 'nxdomain', rcode: 3, services: [[3, { 21: 1 }]] },
  ])
  t.match(of('sum'), [{ share: 1, services: [[7, { 40: 1 / 3, 41: 2 / 3 }]] }])
})

t.test('where a client is counts, and its network', async (t) => {
  t.match(of('geo'), [{ share: 1, services: [[2, { 3: 0.5, 4: 0.5 }]] }])
  t.match(of('geo', 'A', '192.0.2.0'), [{ services: [[2, { 1: 0.25, 2: 0.75 }]] }])
  const hashes = new Set(
    Array.from({ length: 50 }, (_, i) => JSON.stringify(of('hash', 'A', `10.0.${i}.0`)[0]!.services)),
  )
  t.equal(hashes.size, 3)
  t.match(of('hash', 'A', '2001:db8:1::', 56), [{ share: 1, services: [[1, {}]] }])
})

t.test('the shares are those of the answers that are drawn', async (t) => {
  for (const name of ['lb', 'deep', 'cname', 'hash', 'geo']) {
    const shares = new Map<string, number>()
    const add = (key: string, share: number) => shares.set(key, (shares.get(key) ?? 0) + share)
    for (const { share, services, rcode } of of(name)) {
      const members = Object.entries(services[0]![1]!)
      if (members.length === 0) add(`rcode ${rcode}`, share)
      for (const [counter, of] of members) add(counter, share * of)
    }
    const request = subnetQuery(`${name}.example.test`, 'A', '203.0.113.0', 24)
    const counts = new Map(Array.from(shares, ([key]) => [key, 0]))
    const total = 4000
    const before = new Map(Array.from({ length: 50 }, (_, slot) => [String(slot), served.answers(slot)]))
    for (let i = 0; i < total; i++) {
      const { rcode } = readResponse(served.respond(request)!)
      if (rcode === 2) counts.set('rcode 2', (counts.get('rcode 2') ?? 0) + 1)
    }
    for (const [slot, was] of before) {
      const now = served.answers(Number(slot)) - was
      if (now > 0) counts.set(slot, now)
    }
    t.same(new Set(counts.keys()), new Set(shares.keys()), name)
    const keys = [...shares.keys()]
    if (keys.length > 1) {
      const found = chiSquared(
        keys.map((key) => counts.get(key)!),
        keys.map((key) => shares.get(key)!),
      )
      t.ok(
        found < 1,
        `${name}: ${keys.map((key) => `${key} ${counts.get(key)} of ${shares.get(key)! * total}`)}`,
      )
    }
  }
})

t.test('a question with more ways than anybody waits for comes to an end', async (t) => {
  const of12 = (node: (i: number) => ReturnType<typeof leaf>) =>
    weighted(...Array.from({ length: 12 }, (_, i) => [1, node(i)] as const))
  const chain: ZoneText = {
    apex: 'example.test',
    lines: [],
    services: { a: 0, b: 1, c: 2, d: 3 },
  }
  const leads = (to: string) => of12((i) => alias([`${to}.example.test`], { select: 'weighted' }, i))
  const state = new Served(
    [chain],
    [leads('b'), leads('c'), leads('d'), of12((i) => leaf(['192.0.2.1'], {}, i))],
  ).state
  const network = { ipv6: false, bits: 24, octets: new Uint8Array(4) }
  const ways = new ExpectedAnswers(state).of({ name: hostnameToWire('a.example.test'), type: 1, network })
  t.equal(ways.length, 1000)
  t.ok(Math.abs(ways.reduce((sum, { share }) => sum + share, 0) - 1) < 1e-9)
})

t.test('an entry that is never drawn is no way', async (t) => {
  const table = aliasTable([1, 0, 3])
  t.same(
    aliasShares(table, 0, 3).map((share) => Math.round(share * 1e6) / 1e6),
    [0.25, 0, 0.75],
  )
  const dice = new EveryWay()
  const taken: number[] = []
  do taken.push(dice.entry(table, 0, 3))
  while (dice.next())
  t.same(taken, [0, 2])
})
