/** Pools and services in the document: how they choose, what they fall back to, and who names whom. */
import t from 'tap'
import { formatPool, parsePool } from '../../../src/controlplane/document/pool.ts'
import { formatService, parseService } from '../../../src/controlplane/document/service.ts'
import { parseDocument } from '../../../src/controlplane/document/yaml-text.ts'
import type { Problem } from '../../../src/controlplane/model/errors.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import type { Service } from '../../../src/controlplane/model/service.ts'
import { poolChoice, poolDefaults, serviceChoice, serviceDefaults } from '../model/defaults.ts'

const lines = (problems: readonly Problem[]) => problems.map(({ path, message }) => `${path}: ${message}`)

function readPool(body: object): { pool: Pool | null; problems: string[] } {
  const problems: Problem[] = []
  const pool = parsePool('p', body, '', problems)
  return { pool, problems: lines(problems) }
}

function readService(body: object): { service: Service | null; problems: string[] } {
  const problems: Problem[] = []
  const service = parseService('www.example.test', body, '', problems)
  return { service, problems: lines(problems) }
}

t.test('a pool with everything', async (t) => {
  const body = {
    monitor: 'web',
    select: 'failover',
    answers: 2,
    minUp: 0.25,
    unknown: 'last-known',
    whenAllDown: 'fallback',
    fallback: 'sorry',
    tiers: { 10: { minUp: 0.5 }, 2: { minUp: 1 } },
    hashPrefix: { ipv4: 16 },
    slowStart: '2m',
    location: { latitude: 50.1, longitude: 8.7 },
    quorum: 'majority',
    members: { a: { address: '192.0.2.1', weight: 100, priority: 2 } },
  }
  const { pool } = readPool(body)
  t.same(pool, {
    name: 'p',
    monitor: 'web',
    select: 'failover',
    answers: 2,
    minUp: 0.25,
    hosts: 'resolve',
    unknown: 'last-known',
    whenAllDown: 'fallback',
    fallback: 'sorry',
    tiers: [
      { priority: 2, minUp: 1 },
      { priority: 10, minUp: 0.5 },
    ],
    hashPrefix: { ipv4: 16, ipv6: 56 },
    slowStartMs: 120_000,
    location: { latitude: 50.1, longitude: 8.7 },
    quorum: 'majority',
    capacity: null,
    members: [
      {
        name: 'a',
        moreAddresses: [],
        address: '192.0.2.1',
        host: null,
        weight: 100,
        weightFeed: null,
        shed: null,
        priority: 2,
        probeAddress: null,
        probePort: null,
      },
    ],
  })
  t.same(formatPool(pool!), body)
})

t.test('a pool with nothing', async (t) => {
  const { pool } = readPool({})
  t.same(pool, { name: 'p', ...poolDefaults, members: [] })
  t.same(formatPool(pool!), { select: 'all', minUp: 0, members: {} })
})

t.test('what is wrong with a pool', async (t) => {
  const cases: [body: object, problem: RegExp][] = [
    [{ select: 'best' }, /^select: must be one of all, weighted, failover, hash, not "best"$/],
    [{ unknown: 'maybe' }, /^unknown: must be one of up, down, last-known, not "maybe"$/],
    [{ whenAllDown: 'fallback' }, /^fallback: is required when whenAllDown is fallback/],
    [{ fallback: 'q' }, /^fallback: is only for whenAllDown: fallback$/],
    [{ whenAllDown: 'nodata', fallback: 'q' }, /^fallback: is only for whenAllDown: fallback$/],
    [{ whenAllDown: 'fallback', fallback: 'p' }, /^fallback: is the pool itself$/],
    [{ whenAllDown: 'panic' }, /^whenAllDown: must be one of serve-all/],
    [{ tiers: [] }, /^tiers: must be a map from priority to \{ minUp \}, not a list$/],
    [
      { tiers: { 0: { minUp: 1 } } },
      /^tiers\.0: must be a priority, a whole number from 1 to 1000, not "0"$/,
    ],
    [{ tiers: { 1001: { minUp: 1 } } }, /^tiers\.1001: must be a priority/],
    [{ tiers: { '01': { minUp: 1 } } }, /^tiers\.01: must be a priority/],
    [{ tiers: { first: { minUp: 1 } } }, /^tiers\.first: must be a priority/],
    [{ tiers: { 1: {} } }, /^tiers\.1\.minUp: is required$/],
    [{ tiers: { 1: { minUp: 2 } } }, /^tiers\.1\.minUp: must be a number from 0 to 1, not 2$/],
    [{ tiers: { 1: 0.5 } }, /^tiers\.1: must be an object with minUp, not 0\.5$/],
    [{ hashPrefix: { ipv4: 33 } }, /^hashPrefix\.ipv4: must be a whole number from 1 to 32, not 33$/],
    [{ hashPrefix: { ipv6: 0 } }, /^hashPrefix\.ipv6: must be a whole number from 1 to 128/],
    [{ hashPrefix: 24 }, /^hashPrefix: must be an object with ipv4 and ipv6, not 24$/],
    [{ slowStart: '2d' }, /^slowStart: must be a duration/],
    [
      { location: { latitude: 91, longitude: 0 } },
      /^location\.latitude: must be a number of degrees from -90 to 90/,
    ],
    [{ location: { latitude: 0 } }, /^location\.longitude: is required$/],
    [{ quorum: 'all' }, /^quorum: must be one of own, majority/],
    [
      { members: { a: { address: '192.0.2.1', priority: 0 } } },
      /^members\.a\.priority: must be a whole number from 1 to 1000/,
    ],
  ]
  for (const [body, expected] of cases) {
    const { pool, problems } = readPool(body)
    t.equal(pool, null, JSON.stringify(body))
    t.equal(problems.length, 1, problems.join(' | '))
    t.match(problems[0], expected)
  }
})

t.test('a service with everything', async (t) => {
  const body = {
    ttl: { min: '5s', max: '1m' },
    steer: 'geo',
    pools: [
      'eu',
      { pool: 'us', weight: 7 },
      { service: 'inner.example.test', bias: -99, location: { latitude: -33.9, longitude: 151.2 } },
    ],
    whenAllDown: 'fallback',
    fallback: 'sorry',
    geo: {
      cidr: { '192.0.2.0/24': ['us'], '2001:db8::/32': ['inner.example.test', 'eu'] },
      asn: { 64500: ['eu'] },
      subdivision: { 'US-CA': ['us', 'eu'] },
      country: { CH: ['eu'], NO: ['eu'] },
      continent: { EU: ['eu', 'us'] },
      default: ['us', 'eu'],
      beyond: 'default',
    },
    hashPrefix: { ipv6: 48 },
    hysteresis: 0.5,
  }
  const { service, problems } = readService(body)
  t.same(problems, [])
  t.same(service, {
    name: 'www.example.test',
    ttlSeconds: 60,
    minTtlSeconds: 5,
    steer: 'geo',
    choices: [
      poolChoice('eu'),
      poolChoice('us', { weight: 7 }),
      serviceChoice('inner.example.test', { bias: -99, location: { latitude: -33.9, longitude: 151.2 } }),
    ],
    geo: {
      cidr: [
        ['192.0.2.0/24', [1]],
        ['2001:db8::/32', [2, 0]],
      ],
      asn: [[64_500, [0]]],
      subdivision: [['US-CA', [1, 0]]],
      country: [
        ['CH', [0]],
        ['NO', [0]],
      ],
      continent: [['EU', [0, 1]]],
      default: [1, 0],
      beyond: 'default',
    },
    hashPrefix: { ipv4: 24, ipv6: 48 },
    hysteresis: 0.5,
    whenAllDown: 'fallback',
    fallback: 'sorry',
  })
  t.same(formatService(service!), body)
})

t.test('a service with little', async (t) => {
  const { service } = readService({ pools: ['eu', { pool: 'us', weight: 100, bias: 0 }] })
  t.same(service, {
    name: 'www.example.test',
    ...serviceDefaults,
    choices: [poolChoice('eu'), poolChoice('us')],
  })
  t.same(formatService(service!), {
    ttl: '30s',
    steer: 'failover',
    pools: ['eu', 'us'],
    whenAllDown: 'serve-all',
  })
})

t.test('geo in canonical form, whatever the spelling and the order', async (t) => {
  const { service, problems } = readService({
    steer: 'geo',
    pools: ['eu', { service: 'Inner.Example.test.' }],
    geo: {
      cidr: {
        '2001:DB8:0::/48': ['eu'],
        '198.51.100.0/24': ['eu'],
        '2001:db8::/32': ['eu'],
        '10.0.0.0/16': ['eu'],
        '10.0.0.0/8': ['inner.EXAMPLE.test'],
        '9.0.0.0/8': ['eu'],
      },
      asn: { AS64501: ['eu'], 7: ['eu'] },
      subdivision: { 'us-ny': ['eu'], 'US-CA': ['eu'] },
      country: { us: ['eu'], CH: ['eu'] },
      continent: { na: ['eu'], AF: ['eu'] },
    },
  })
  t.same(problems, [])
  const keys = (rules: readonly (readonly [string | number, readonly number[]])[]) =>
    rules.map(([key]) => key)
  t.same(keys(service!.geo!.cidr), [
    '9.0.0.0/8',
    '10.0.0.0/8',
    '10.0.0.0/16',
    '198.51.100.0/24',
    '2001:db8::/32',
    '2001:db8::/48',
  ])
  t.same(service!.geo!.cidr[1], ['10.0.0.0/8', [1]], 'a service by another spelling')
  t.same(keys(service!.geo!.asn), [7, 64_501])
  t.same(keys(service!.geo!.subdivision), ['US-CA', 'US-NY'])
  t.same(keys(service!.geo!.country), ['CH', 'US'])
  t.same(keys(service!.geo!.continent), ['AF', 'NA'])
  t.same(service!.geo!.default, [0, 1], 'every choice in order')
  t.notOk('default' in (formatService(service!).geo as object))
})

t.test('what is wrong with a service', async (t) => {
  const pools = ['eu', 'us']
  const geo = (rules: object) => ({ pools, steer: 'geo', geo: rules })
  const cases: [body: object, problem: RegExp][] = [
    [{}, /^pools: is required$/],
    [
      { pools, steer: 'luck' },
      /^steer: must be one of failover, weighted, hash, geo, nearest, latency, not "luck"$/,
    ],
    [
      { pools, ttl: -1 },
      /^ttl: must be whole seconds, as a number or as a duration.*from 0 to 2147483647, not -1$/,
    ],
    [{ pools, ttl: [] }, /^ttl: must be whole seconds.*, or an object with min and max, not a list$/],
    [{ pools, ttl: { min: 5 } }, /^ttl\.max: is required$/],
    [{ pools, ttl: { min: 5, max: 'soon' } }, /^ttl\.max: must be whole seconds/],
    [{ pools, ttl: { min: 6, max: 5 } }, /^ttl\.min: must not be longer than max \(6s > 5s\)$/],
    [
      { pools, ttl: { min: 5, max: 6, mean: 7 } },
      /^ttl\.mean: unknown field "mean", known here: min, max; did you mean min\?$/,
    ],
    [{ pools: ['EU'] }, /^pools\[0\]: must be a name of 1 to 63.*, not "EU"$/],
    [
      { pools: [7] },
      /^pools\[0\]: must be the name of a pool, or an object with pool or service, and others, not 7: put it in quotation marks$/,
    ],
    [{ pools: [{}] }, /^pools\[0\]: must have one of pool and service$/],
    [{ pools: [{ pool: 'eu', service: 'a.test' }] }, /^pools\[0\]: must have one of pool and service$/],
    [{ pools: [{ service: 'a..test' }] }, /^pools\[0\]\.service: .*empty label/],
    [{ pools: ['eu', { pool: 'eu', weight: 1 }] }, /^pools\[1\]: pool eu is named twice$/],
    [
      { pools: [{ service: 'a.test' }, { service: 'A.test.' }] },
      /^pools\[1\]: service a\.test is named twice$/,
    ],
    [
      { pools: [{ pool: 'eu', weight: 65536 }] },
      /^pools\[0\]\.weight: must be a whole number from 0 to 65535/,
    ],
    [
      { pools: [{ pool: 'eu', bias: 100 }] },
      /^pools\[0\]\.bias: must be a whole number from -99 to 99, not 100$/,
    ],
    [
      { pools: [{ pool: 'eu', location: { longitude: 0 } }] },
      /^pools\[0\]\.location\.latitude: is required$/,
    ],
    [
      { pools: [{ pool: 'eu', share: 1 }] },
      /^pools\[0\]\.share: unknown field "share", known here: pool, service/,
    ],
    [{ pools, geo: {} }, /^geo: is only for steer: geo$/],
    [{ pools, steer: 'geo' }, /^geo: is required when steer is geo/],
    [{ pools, steer: 'geo', geo: [] }, /^geo: must be an object with cidr, asn, subdivision/],
    [geo({ city: {} }), /^geo\.city: unknown field "city", known here: cidr, asn/],
    [geo({ country: { CH: ['asia'] } }), /^geo\.country\.CH\[0\]: "asia" is not in pools$/],
    [geo({ country: { CH: ['eu', 'eu'] } }), /^geo\.country\.CH\[1\]: eu is named twice$/],
    [geo({ country: { CH: [] } }), /^geo\.country\.CH: must have at least 1 item$/],
    [
      geo({ country: { CH: 'eu' } }),
      /^geo\.country\.CH: must be a list of names of entries of pools, not "eu"$/,
    ],
    [
      geo({ country: { CHE: ['eu'] } }),
      /^geo\.country\.CHE: must be a code of ISO 3166-1 of two letters, such as CH/,
    ],
    [geo({ country: { CH: ['eu'], ch: ['us'] } }), /^geo\.country\.ch: CH is there twice$/],
    [
      geo({ continent: { XX: ['eu'] } }),
      /^geo\.continent\.XX: must be one of AF, AN, AS, EU, NA, OC, SA, not "XX"$/,
    ],
    [
      geo({ subdivision: { CA: ['eu'] } }),
      /^geo\.subdivision\.CA: must be a code of ISO 3166-2, such as US-CA/,
    ],
    [geo({ asn: { 0: ['eu'] } }), /^geo\.asn\.0: must be an AS number from 1 to 4294967295/],
    [geo({ asn: { 4294967296: ['eu'] } }), /^geo\.asn\.4294967296: must be an AS number/],
    [geo({ asn: { 64500: ['eu'], as64500: ['us'] } }), /^geo\.asn\.as64500: 64500 is there twice$/],
    [geo({ cidr: { '192.0.2.0': ['eu'] } }), /^geo\.cidr\["192\.0\.2\.0"\]: must be a prefix such as/],
    [geo({ cidr: { '192.0.2.1/24': ['eu'] } }), /without bits beyond its length, not "192\.0\.2\.1\/24"$/],
    [geo({ cidr: { '192.0.2.0/33': ['eu'] } }), /must be a prefix/],
    [geo({ cidr: { '192.0.2.0/024': ['eu'] } }), /must be a prefix/],
    [geo({ cidr: { '192.0.2.0/24/8': ['eu'] } }), /must be a prefix/],
    [geo({ cidr: { '2001:db8::1/127': ['eu'] } }), /must be a prefix/],
    [geo({ cidr: { '::ffff:192.0.2.0/120': ['eu'] } }), /must be a prefix/],
    [geo({ cidr: { '2001:db8::/32': ['eu'], '2001:DB8::/32': ['us'] } }), /2001:db8::\/32 is there twice$/],
    [geo({ default: ['asia'] }), /^geo\.default\[0\]: "asia" is not in pools$/],
    [
      { pools: ['a.test', { service: 'a.test' }], steer: 'geo', geo: {} },
      /^geo: a\.test is a pool and a service in pools, so the name does not tell which$/,
    ],
    [{ pools, hysteresis: 1.1 }, /^hysteresis: must be a number from 0 to 1/],
    [{ pools, hashPrefix: { ipv4: 0 } }, /^hashPrefix\.ipv4: must be a whole number from 1 to 32/],
    [{ pools, whenAllDown: 'fallback' }, /^fallback: is required when whenAllDown is fallback/],
  ]
  for (const [body, expected] of cases) {
    const { service, problems } = readService(body)
    t.equal(service, null, JSON.stringify(body))
    t.equal(problems.length, 1, problems.join(' | '))
    t.match(problems[0], expected)
  }
})

/** Problems of a document of a zone and what is given. */
function problemsOf(text: string): string[] {
  const result = parseDocument(`zones: { z.test: { soa: { mname: n., rname: r. } } }\n${text}`)
  return result.ok ? [] : lines(result.problems)
}

t.test('a name of something that is not there is a problem at its path', async (t) => {
  t.same(
    problemsOf(`
monitors: { c: { type: composite, monitors: [a, c] } }
pools: { p: { monitor: c, whenAllDown: fallback, fallback: q } }
services: { a.z.test: { pools: [p, { service: b.z.test }, { pool: r }] } }
`),
    [
      'monitors.c.monitors[0]: there is no monitor a',
      'monitors.c.monitors: leads back to itself: c -> c',
      'pools.p.fallback: there is no pool q',
      'services["a.z.test"].pools[1]: there is no service b.z.test',
      'services["a.z.test"].pools[2]: there is no pool r',
    ],
  )
})

t.test('names that lead back, and too far', async (t) => {
  t.same(
    problemsOf(`
pools: { p: {} }
services:
  a.z.test: { pools: [{ service: b.z.test }] }
  b.z.test: { pools: [p, { service: c.z.test }] }
  c.z.test: { pools: [{ service: a.z.test }] }
  d.z.test: { pools: [{ service: a.z.test }] }
  e.z.test: { pools: [p] }
`),
    ['services["a.z.test"].pools: leads back to itself: a.z.test -> b.z.test -> c.z.test -> a.z.test'],
  )
  const chain = (length: number) =>
    Array.from({ length }, (_, i) =>
      i === length - 1
        ? `s${i}.z.test: { pools: [p] }`
        : `s${i}.z.test: { pools: [p, { service: s${i + 1}.z.test }] }`,
    )
  const document = (length: number) => `pools: { p: {} }\nservices:\n  ${chain(length).join('\n  ')}\n`
  t.same(problemsOf(document(16)), [])
  const deep = problemsOf(document(18))
  t.equal(deep.length, 1, 'only the first that is too deep')
  t.match(
    deep[0],
    /^services\["s1\.z\.test"\]\.pools: leads through more than 16 names: s1\.z\.test -> s2\.z\.test -> .* -> s17\.z\.test$/,
  )
})

t.test('the nearest wants to know where something is', async (t) => {
  const service = (pools: string) => `services: { a.z.test: { steer: nearest, pools: [${pools}] } }`
  const here = 'location: { latitude: 1, longitude: 2 }'
  t.match(problemsOf(`pools: { p: {}, q: {} }\n${service('p, q')}`), [
    /^services\["a\.z\.test"\]\.pools: service a\.z\.test has no entry with a location, of its own or of its pool/,
  ])
  t.same(problemsOf(`pools: { p: {}, q: { ${here} } }\n${service('p, q')}`), [])
  t.same(problemsOf(`pools: { p: {} }\n${service(`{ pool: p, ${here} }`)}`), [])
})

t.test('a CNAME that a service only leads to', async (t) => {
  const apex = (settings: string) => `
pools:
  p: { hosts: cname, members: { a: { host: lb.example. } } }
  q: {}
  r: { whenAllDown: fallback, fallback: p }
services:
  b.z.test: { pools: [r] }
  c.z.test: { pools: [{ service: b.z.test }] }
  z.test: { ${settings} }
`
  const refused = [/^services\["z\.test"\]: z\.test is a service that pool p answers with a CNAME/]
  t.match(problemsOf(apex('pools: [q, { service: c.z.test }]')), refused)
  t.match(problemsOf(apex('pools: [r]')), refused)
  t.match(problemsOf(apex('pools: [q], whenAllDown: fallback, fallback: p')), refused)
  t.same(problemsOf(apex('pools: [q], whenAllDown: fallback, fallback: r')), [], 'a fallback is served whole')
  t.same(problemsOf(apex('pools: [q]')), [])
})
