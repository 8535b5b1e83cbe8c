/** What explain is asked about in its test: a zone with services of every kind, and what is to be said of them. */
import type { DaemonProcess } from '../support/daemon.ts'
import type { TypeName } from '../support/dns-client.ts'
import { put, soa } from './fixture.ts'

/** Members named by a letter and numbers, addresses in the order of all. */
let address = 0
const members = (...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, { address: `192.0.2.${++address}` }]))

const pools = {
  web: { monitor: 'agent', members: members('m1', 'm2', 'm3') },
  free: { members: members('f1') },
  spare: { members: members('s1', 's2') },
  dead: { monitor: 'never', members: members('d1', 'd2') },
  drawn: {
    select: 'weighted',
    members: {
      w1: { address: '192.0.2.101', weight: 70 },
      w2: { address: '192.0.2.102', weight: 30 },
      w3: { address: '192.0.2.103', weight: 0 },
    },
  },
  hashed: { select: 'hash', members: members('h1', 'h2', 'h3', 'h4') },
  six: { members: { v6: { address: '2001:db8::6' } } },
  named: { hosts: 'cname', members: { n1: { host: 'up.example.test.' } } },
  zurich: { location: { latitude: 47.4, longitude: 8.5 }, members: members('z1') },
  sydney: { location: { latitude: -33.9, longitude: 151.2 }, members: members('y1') },
  tiers: {
    select: 'failover',
    members: { t1: { address: '192.0.2.111', priority: 1 }, t2: { address: '192.0.2.112', priority: 2 } },
  },
}
const services: Record<string, object> = {
  up: { pools: ['free'], ttl: 20 },
  web: { pools: ['web'], ttl: { min: 5, max: 60 } },
  over: { pools: ['dead', 'spare'] },
  all: { pools: ['dead'] },
  failing: { pools: ['dead'], whenAllDown: 'servfail' },
  nodata: { pools: ['dead'], whenAllDown: 'nodata' },
  back: { pools: ['dead'], whenAllDown: 'fallback', fallback: 'free' },
  drawn: { pools: ['drawn'] },
  either: {
    steer: 'weighted',
    pools: [
      { pool: 'free', weight: 1 },
      { pool: 'dead', weight: 9 },
      { pool: 'spare', weight: 3 },
    ],
  },
  hashed: { pools: ['hashed'] },
  spread: { steer: 'hash', pools: ['free', 'spare', 'zurich', 'sydney'] },
  geo: {
    steer: 'geo',
    pools: ['free', 'spare', 'dead'],
    geo: { cidr: { '203.0.113.0/24': ['spare'] }, country: { CH: ['dead', 'spare'] }, default: ['free'] },
  },
  near: { steer: 'nearest', pools: ['sydney', 'zurich'] },
  inner: {
    steer: 'geo',
    pools: ['zurich', 'sydney'],
    geo: { country: { CH: ['zurich'] }, default: ['sydney'] },
  },
  outer: { pools: ['dead', { service: 'inner.example.test' }, 'free'] },
  six: { pools: ['six'] },
  named: { pools: ['named'] },
  tiers: { pools: ['tiers'] },
}

/** Writes it all, by the API. */
export async function putWorld(daemon: DaemonProcess): Promise<void> {
  await put(daemon, '/v1/zones/example.test', {
    soa,
    rrsets: [
      { name: '@', type: 'NS', data: ['ns1'] },
      { name: 'ns1', type: 'A', data: ['192.0.2.253'] },
      { name: 'mail', type: 'MX', data: ['10 Mail.example.test.', '20 mx.example.net.'] },
      { name: 'alias', type: 'CNAME', data: ['Up'] },
      { name: 'out', type: 'CNAME', data: ['www.example.net.'] },
      { name: 'loop', type: 'CNAME', data: ['loop2'] },
      { name: 'loop2', type: 'CNAME', data: ['loop'] },
      { name: 'odd', type: 'TYPE65280', data: ['\\# 2 ABCD'] },
      { name: 'sub', type: 'NS', data: ['ns.sub'] },
      { name: 'ns.sub', type: 'A', data: ['192.0.2.254'] },
    ],
  })
  await put(daemon, '/v1/zones/sub.example.test', {
    soa,
    rrsets: [{ name: '@', type: 'NS', data: ['ns1.example.test.'] }],
  })
  await put(daemon, '/v1/zones/below.test', {
    soa,
    rrsets: [{ name: '@', type: 'NS', data: ['ns1.example.test.'] }],
  })
  await put(daemon, '/v1/monitors/agent', { type: 'push', ttl: '1h' })
  await put(daemon, '/v1/monitors/never', { type: 'static', state: 'down' })
  for (const [name, pool] of Object.entries(pools)) await put(daemon, `/v1/pools/${name}`, pool)
  for (const [name, service] of Object.entries(services))
    await put(daemon, `/v1/services/${name}.example.test`, service)
}

export type Situation = readonly [
  name: string,
  type: TypeName,
  client: string,
  expected: {
    readonly why: string
    /** Choices that were taken, from the outermost service on. */
    readonly taken?: readonly string[]
    /** Members that the answer holds. */
    readonly given?: readonly string[]
    readonly area?: readonly string[]
    readonly byChance?: boolean
  },
]

export const anybody = '192.0.2.77'
/** Where that is, the test's location data say. */
export const fromZurich = '198.51.100.7'
export const situations: readonly Situation[] = [
  [
    'up',
    'A',
    anybody,
    { why: 'service up.example.test answers from pool free', taken: ['pool free'], given: ['f1'] },
  ],
  [
    'up',
    'AAAA',
    anybody,
    {
      why: 'service up.example.test has no IPv6 address',
      taken: ['pool free'],
    },
  ],
  ['up', 'MX', anybody, { why: 'a service, which answers A and AAAA, and has no RRset of type MX' }],
  [
    'six',
    'AAAA',
    '2001:db8::1',
    { why: 'service six.example.test answers from pool six', taken: ['pool six'], given: ['v6'] },
  ],
  [
    'over',
    'A',
    anybody,
    { why: 'service over.example.test answers from pool spare', taken: ['pool spare'], given: ['s1', 's2'] },
  ],
  [
    'all',
    'A',
    anybody,
    {
      why: 'nothing of service all.example.test is up: by serve-all it answers from pool dead',
      taken: ['pool dead'],
      given: ['d1', 'd2'],
    },
  ],
  [
    'failing',
    'A',
    anybody,
    { why: 'nothing of service failing.example.test is up: by servfail it answers nothing' },
  ],
  [
    'nodata',
    'A',
    anybody,
    { why: 'nothing of service nodata.example.test is up: by nodata it answers nothing' },
  ],
  [
    'back',
    'A',
    anybody,
    {
      why: 'nothing of service back.example.test is up: by fallback it answers from pool free',
      given: ['f1'],
    },
  ],
  [
    'drawn',
    'A',
    anybody,
    { why: 'service drawn.example.test answers from pool drawn', taken: ['pool drawn'], byChance: true },
  ],
  ['either', 'A', anybody, { why: 'service either.example.test answers from pool', byChance: true }],
  [
    'hashed',
    'A',
    '203.0.113.9',
    { why: 'service hashed.example.test answers from pool hashed', taken: ['pool hashed'] },
  ],
  [
    'hashed',
    'A',
    fromZurich,
    { why: 'service hashed.example.test answers from pool hashed', taken: ['pool hashed'] },
  ],
  ['spread', 'A', '203.0.113.9', { why: 'service spread.example.test answers from pool' }],
  ['spread', 'A', '2001:db8:1:2::3', { why: 'service spread.example.test answers from pool' }],
  [
    'geo',
    'A',
    '203.0.113.9',
    { why: 'service geo.example.test answers from pool spare', taken: ['pool spare'], area: ['pool spare'] },
  ],
  [
    'geo',
    'A',
    fromZurich,
    {
      why: 'service geo.example.test answers from pool spare',
      taken: ['pool spare'],
      area: ['pool dead', 'pool spare'],
    },
  ],
  [
    'geo',
    'A',
    anybody,
    { why: 'service geo.example.test answers from pool free', taken: ['pool free'], area: ['pool free'] },
  ],
  [
    'near',
    'A',
    fromZurich,
    {
      why: 'service near.example.test answers from pool zurich',
      taken: ['pool zurich'],
      area: ['pool zurich', 'pool sydney'],
    },
  ],
  [
    'near',
    'A',
    anybody,
    {
      why: 'service near.example.test answers from pool sydney',
      taken: ['pool sydney'],
      area: ['pool sydney', 'pool zurich'],
    },
  ],
  [
    'outer',
    'A',
    fromZurich,
    {
      why: 'service outer.example.test answers from pool zurich',
      taken: ['service inner.example.test', 'pool zurich'],
      given: ['z1'],
    },
  ],
  [
    'outer',
    'A',
    anybody,
    {
      why: 'service outer.example.test answers from pool sydney',
      taken: ['service inner.example.test', 'pool sydney'],
      given: ['y1'],
    },
  ],
  [
    'tiers',
    'A',
    anybody,
    { why: 'service tiers.example.test answers from pool tiers', taken: ['pool tiers'], given: ['t1'] },
  ],
  [
    'alias',
    'A',
    anybody,
    { why: 'an alias of up.example.test: service up.example.test answers from pool free', given: ['f1'] },
  ],
  [
    'named',
    'A',
    anybody,
    {
      why: 'an alias of up.example.test: service up.example.test answers from pool free',
      given: ['n1', 'f1'],
    },
  ],
  [
    'out',
    'A',
    anybody,
    { why: 'an alias of www.example.net: no zone here holds that name, so the client asks elsewhere' },
  ],
  ['loop', 'A', anybody, { why: 'an alias of loop.example.test: the aliases do not come to an end' }],
  ['ns1', 'A', anybody, { why: 'data of zone example.test' }],
  ['ns1', 'AAAA', anybody, { why: 'the name is in zone example.test, and has no RRset of type AAAA' }],
  ['mail', 'MX', anybody, { why: 'data of zone example.test' }],
  ['out', 'CNAME', anybody, { why: 'data of zone example.test' }],
  ['sub', 'DS', anybody, { why: 'the name is in zone example.test, and has no RRset of type DS' }],
  ['nowhere', 'A', anybody, { why: 'zone example.test has no such name' }],
]
