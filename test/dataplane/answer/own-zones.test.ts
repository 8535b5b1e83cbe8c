import { decode } from 'dns-packet'
import t from 'tap'
import { OwnZones } from '../../../src/dataplane/answer/own-zones.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { alias, leaf, located, ranges } from '../trees.ts'
import { servingUpdate } from '../zone-text.ts'

const state = new ServingState()
state.apply(
  servingUpdate(
    [
      {
        apex: 'example.test',
        lines: [
          'www 300 A 192.0.2.1',
          'www 300 A 192.0.2.2',
          'alias 300 CNAME www',
          'six 300 AAAA 2001:db8::1',
          'tosix 300 CNAME six',
          'tonowhere 300 CNAME nowhere',
          'out 300 CNAME www.example.net.',
          'viaout 300 CNAME out',
          'loop1 300 CNAME loop2',
          'loop2 300 CNAME loop1',
          'sub 300 NS ns.sub',
          'ns.sub 300 A 192.0.2.54',
          'tosub 300 CNAME www.sub',
          'todown 300 CNAME down',
        ],
        services: { lb: 0, down: 1 },
      },
    ],
    [
      {
        kind: 'answer',
        gives: 'addresses',
        select: 'rotate',
        answers: 4096,
        ttlSeconds: 30,
        candidates: [{ address: parseAddress('192.0.2.7')!, weight: 1, counter: 0, key: 0 }],
      },
      { kind: 'answer', gives: 'servfail', select: 'rotate', answers: 0, ttlSeconds: 30, candidates: [] },
    ],
  ),
)
const ownZones = new OwnZones(state)

t.test('what our zones say', async (t) => {
  const none = { inZone: true, addresses: [], leadsTo: null }
  const table: [string, object][] = [
    ['www.example.test', { ...none, addresses: ['192.0.2.1', '192.0.2.2'] }],
    ['WWW.Example.Test.', { ...none, addresses: ['192.0.2.1', '192.0.2.2'] }],
    ['alias.example.test', { ...none, addresses: ['192.0.2.1', '192.0.2.2'] }],
    ['lb.example.test', { ...none, addresses: ['192.0.2.7'] }],
    ['down.example.test', none],
    ['todown.example.test', none],
    ['six.example.test', none],
    ['tosix.example.test', none],
    ['nowhere.example.test', none],
    ['tonowhere.example.test', none],
    ['loop1.example.test', none],
  ]
  for (const [name, expected] of table) t.same(ownZones.lookupA(name), expected, name)
})

t.test('what only others can say', async (t) => {
  const outside = { inZone: false, addresses: [], leadsTo: null }
  t.same(ownZones.lookupA('www.example.net'), outside)
  t.same(ownZones.lookupA('.'), outside)
  t.same(ownZones.lookupA('www.sub.example.test'), outside, 'delegated')
  t.same(ownZones.lookupA('out.example.test'), { ...outside, inZone: true, leadsTo: 'www.example.net' })
  t.same(ownZones.lookupA('viaout.example.test'), { ...outside, inZone: true, leadsTo: 'www.example.net' })
  t.same(ownZones.lookupA('tosub.example.test'), {
    ...outside,
    inZone: true,
    leadsTo: 'www.sub.example.test',
  })
})

t.test('sees what is published later', async (t) => {
  const later = new ServingState()
  const zones = new OwnZones(later)
  t.equal(zones.lookupA('www.example.test').inZone, false)
  later.apply(servingUpdate([{ apex: 'example.test', lines: ['www 1 A 192.0.2.9'] }]))
  t.same(zones.lookupA('www.example.test').addresses, ['192.0.2.9'])
})

t.test('explains what a client is answered, and which way the plans went', async (t) => {
  const map = ranges({ '0.0.0.0': 0, '10.0.0.0': 1, '11.0.0.0': 0 })
  const there = new ServingState()
  there.apply(
    servingUpdate(
      [
        {
          apex: 'example.test',
          lines: ['www 300 A 192.0.2.1', 'short 20 CNAME lb', 'sub 300 NS ns.sub'],
          services: { lb: 0, down: 1 },
        },
      ],
      [
        located(0, leaf(['192.0.2.7']), alias(['www.example.test'])),
        leaf([], { gives: 'servfail', ttlSeconds: 5 }),
      ],
      1,
      [map],
    ),
  )
  const zones = new OwnZones(there)
  const explain = (name: string, type: string, client: string) => {
    const { message, scope, services } = zones.explain(name, type, client)
    const { flag_aa, answers, authorities } = decode(Buffer.from(message))
    const rcode = message[3]! & 0x0f
    return { rcode, authoritative: flag_aa, answers, authorities, scope, services }
  }
  const none = { rcode: 0, authoritative: true, authorities: [], scope: 0, services: [] }
  const a = (name: string, ttl: number, data: string) => ({ name, type: 'A', ttl, data })
  const cname = (name: string, ttl: number, data: string) => ({ name, type: 'CNAME', ttl, data })
  const chose = (child: number) => [{ plan: 0, leaf: child, way: [child] }]
  t.match(explain('www.example.test', 'A', '10.0.0.1'), {
    ...none,
    answers: [a('www.example.test', 300, '192.0.2.1')],
  })
  t.match(explain('Short.Example.test.', 'a', '192.0.2.1'), {
    ...none,
    answers: [cname('short.example.test', 20, 'lb.example.test'), a('lb.example.test', 30, '192.0.2.7')],
    scope: 1,
    services: chose(0),
  })
  for (const client of ['10.1.2.3', '::ffff:10.1.2.3'])
    t.match(explain('short.example.test', 'AAAA', client), {
      ...none,
      answers: [
        cname('short.example.test', 20, 'lb.example.test'),
        cname('lb.example.test', 30, 'www.example.test'),
      ],
      authorities: [{ type: 'SOA' }],
      scope: 8,
      services: chose(1),
    })
  t.match(explain('lb.example.test', 'ANY', '2001:db8::1'), {
    ...none,
    answers: [a('lb.example.test', 30, '192.0.2.7')],
    services: chose(0),
  })
  t.match(explain('nowhere.example.test', 'TYPE65280', '10.0.0.1'), {
    ...none,
    rcode: 3,
    answers: [],
    authorities: [{ type: 'SOA', ttl: 60 }],
  })
  t.match(explain('down.example.test', 'A', '10.0.0.1'), {
    ...none,
    rcode: 2,
    answers: [],
    services: [{ plan: 1, leaf: 0, way: [] }],
  })
  t.match(explain('a.sub.example.test', 'A', '10.0.0.1'), {
    ...none,
    authoritative: false,
    authorities: [{ type: 'NS', data: 'ns.sub.example.test' }],
  })
  t.match(explain('example.net', 'A', '10.0.0.1'), { ...none, rcode: 5, authoritative: false })
  t.throws(() => zones.explain('www.example.test', 'A', 'nobody'), { name: 'RangeError', message: /nobody/ })
  t.throws(() => zones.explain('www.example.test', 'AXFR', '10.0.0.1'), { name: 'TextError' })
  t.throws(() => zones.explain('a..b', 'A', '10.0.0.1'), { name: 'TextError' })
})

t.test('TTLs are counted down to the time of the question, not of the start', async (t) => {
  const expiring = new ServingState()
  const zones = new OwnZones(expiring)
  const start = Date.now()
  let passedMs = 0
  t.intercept(Date, 'now', { value: () => start + passedMs })
  expiring.apply(
    servingUpdate(
      [{ apex: 'example.test', lines: [], services: { lb: 0 } }],
      [leaf(['192.0.2.7'], { ttlSeconds: 300, expiresAtSeconds: Math.floor(start / 1000) + 100 })],
    ),
  )
  const answers = () => {
    const { message } = zones.explain('lb.example.test', 'A', '10.0.0.1')
    return decode(Buffer.from(message)).answers
  }
  t.match(answers(), [{ ttl: 100 }])
  passedMs = 40_000
  t.match(answers(), [{ ttl: 60 }])
})

t.test('the image of a zone is found by its apex alone', async (t) => {
  const own = new OwnZones(state)
  t.equal(own.image('example.test'), state.zone)
  t.ok(own.image('example.test')!.nodeCount > 10)
  t.equal(own.image('www.example.test'), undefined)
  t.equal(own.image('other.test'), undefined)
})
