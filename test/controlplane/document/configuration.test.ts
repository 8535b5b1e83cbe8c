import fc from 'fast-check'
import t from 'tap'
import { stringify } from 'yaml'
import { formatConfiguration, parseConfiguration } from '../../../src/controlplane/document/configuration.ts'
import { crossProblems } from '../../../src/controlplane/document/references.ts'
import { parseDocument } from '../../../src/controlplane/document/yaml-text.ts'
import type { Configuration } from '../../../src/controlplane/model/configuration.ts'
import { configurationArbitrary } from './configuration-arbitrary.ts'

const example = `
monitors:
  web: { type: http, port: 8080, path: /healthz, expect: { codes: [200-299], body: ok },
         interval: 10s, timeout: 3s, rise: 2, fall: 3 }
pools:
  web-eu:
    monitor: web
    select: weighted        # all | weighted | failover | hash
    answers: 1              # most members in one answer
    minUp: 0.5
    members:
      fra-1: { address: 192.0.2.10, weight: 100 }
      fra-2: { address: 2001:DB8::0:11, weight: 50 }
  web-us: { members: { a: { address: 192.0.2.20 } } }
services:
  WWW.example.test:
    ttl: 30
    steer: failover
    pools: [web-eu, web-us]
    whenAllDown: serve-all
zones:
  example.test:
    soa: { mname: ns1.example.test., rname: hostmaster.example.test., refresh: 1h, retry: 10m, expire: 14d, minimum: 60s }
    ttl: 5m
    rrsets:
      - { name: "@", type: NS, data: [ns1.example.test.] }
      - { name: NS1, type: a, data: [192.0.2.53] }
      - { name: "@", type: MX, ttl: 1h, data: ["10 mail"] }
`

/** The problems of a document, as `path: message` lines. */
function problemsOf(text: string): string[] {
  const result = parseDocument(text)
  return result.ok ? [] : result.problems.map(({ path, message }) => `${path}: ${message}`)
}

t.test('the document of the design is read into the model', async (t) => {
  const result = parseDocument(example)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  const { monitors, pools, services, zones } = result.configuration
  t.match(monitors, [
    {
      name: 'web',
      method: 'GET',
      host: null,
      expectCodes: [{ from: 200, to: 299 }],
      expectBody: { contains: 'ok' },
      intervalMs: 10_000,
      timeoutMs: 3000,
    },
  ])
  t.match(pools[0], { name: 'web-eu', monitor: 'web', select: 'weighted', answers: 1, minUp: 0.5 })
  t.same(pools[0]!.members[1], {
    name: 'fra-2',
    address: '2001:db8::11',
    moreAddresses: [],
    host: null,
    weight: 50,
    weightFeed: null,
    shed: null,
    priority: 1,
    probeAddress: null,
    probePort: null,
  })
  t.match(pools[1], { monitor: null, select: 'all', answers: null, minUp: 0, members: [{ weight: 100 }] })
  t.match(services, [
    {
      name: 'www.example.test',
      ttlSeconds: 30,
      minTtlSeconds: null,
      choices: [{ kind: 'pool', name: 'web-eu', weight: 100 }, { name: 'web-us' }],
      fallback: null,
    },
  ])
  t.match(zones, [{ apex: 'example.test', ttlSeconds: 300, soa: { expireSeconds: 1_209_600 } }])
  t.same(zones[0]!.rrsets[1], { owner: 'ns1', type: 'A', ttlSeconds: null, data: ['192.0.2.53'] })
  t.same(zones[0]!.rrsets[2]!.data, ['10 mail.example.test.'], 'relative RDATA takes the apex')
})

t.test('the same document as JSON', async (t) => {
  const yaml = parseDocument(example)
  t.ok(yaml.ok)
  if (!yaml.ok) return
  const json = JSON.stringify(formatConfiguration(yaml.configuration))
  t.same(parseDocument(json), yaml)
})

t.test('what a document leaves out has its default', async (t) => {
  const result = parseDocument(`
monitors: { plain: {}, secure: { type: https, interval: 2s } }
pools: { p: {} }
services:
zones: { z.test: { soa: { mname: ns.z.test., rname: root.z.test. } } }
`)
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  t.match(result.configuration.monitors, [
    {
      type: 'http',
      method: 'GET',
      path: '/',
      port: 80,
      intervalMs: 10_000,
      timeoutMs: 3000,
      rise: 2,
      fall: 3,
    },
    { type: 'https', port: 443, intervalMs: 2000, timeoutMs: 2000 },
  ])
  t.same(result.configuration.services, [])
  t.match(result.configuration.zones[0], {
    ttlSeconds: 300,
    soa: { refreshSeconds: 3600, retrySeconds: 600, expireSeconds: 1_209_600, minimumSeconds: 60 },
    rrsets: [],
  })
})

t.test('an empty document is an empty configuration', async (t) => {
  const empty = { feeds: [], monitors: [], pools: [], services: [], zones: [] }
  for (const text of ['', '{}', '# nothing\n'])
    t.same(parseDocument(text), { ok: true, configuration: empty })
  t.same(parseDocument(formatDocument(empty)), { ok: true, configuration: empty })
})

/** YAML of a configuration, as people and pipelines write it. */
function formatDocument(configuration: Configuration): string {
  return stringify(formatConfiguration(configuration), { aliasDuplicateObjects: false, lineWidth: 0 })
}

t.test('property: what is formatted parses to the same, and formats to the same text', async (t) => {
  fc.assert(
    fc.property(configurationArbitrary, (configuration) => {
      const text = formatDocument(configuration)
      const result = parseDocument(text)
      if (!result.ok) throw new Error(JSON.stringify(result.problems))
      t.same(result.configuration, configuration)
      t.equal(formatDocument(result.configuration), text)
    }),
    { numRuns: 150 },
  )
})

t.test('property: any JSON is a configuration or a list of problems, never an exception', async () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.jsonValue(),
        fc.record({
          monitors: fc.dictionary(fc.string(), fc.jsonValue()),
          pools: fc.dictionary(
            fc.string(),
            fc.oneof(fc.jsonValue(), fc.record({ members: fc.dictionary(fc.string(), fc.jsonValue()) })),
          ),
          services: fc.dictionary(
            fc.string(),
            fc.record(
              {
                pools: fc.jsonValue(),
                ttl: fc.jsonValue(),
                whenAllDown: fc.jsonValue(),
                fallback: fc.string(),
              },
              { requiredKeys: [] },
            ),
          ),
          zones: fc.dictionary(
            fc.string(),
            fc.record({
              soa: fc.jsonValue(),
              rrsets: fc.array(
                fc.record({
                  name: fc.string(),
                  type: fc.constantFrom('A', 'TXT', 'x'),
                  data: fc.array(fc.string()),
                }),
              ),
            }),
          ),
        }),
      ),
      (input) => {
        const result = parseConfiguration(input)
        return result.ok || result.problems.length > 0
      },
    ),
    { numRuns: 500 },
  )
})

t.test('syntax errors name line and column', async (t) => {
  t.match(problemsOf('pools:\n  a: [1,\n  b: }\n')[0], /line 3, column/)
  t.match(problemsOf('pools: {}\npools: {}\n')[0], /pools: is there twice at line 2, column 1/)
  t.match(problemsOf('{"pools": {"a": {}, "a": {}}}')[0], /pools\.a: is there twice at line 1/)
  t.match(problemsOf('pools: *nothing\n')[0], /nothing/)
  t.match(problemsOf('a: 1\n---\nb: 2\n')[0], /there are 2 documents in it/)
  t.match(problemsOf('pools: !!js/function "x"\n')[0], /tag/i)
  for (const text of [
    'pools: !!set { a }',
    'pools: !!omap [a: 1]',
    'pools: { p: { monitor: !!binary aGk= } }',
  ])
    t.match(problemsOf(text), [/has a tag \(!name\), and none is taken here/], text)
  const plain = problemsOf('pools: !!map {}\nservices: { a.test: { pools: !!seq [!!str eu], ttl: !!int 5 } }')
  t.notMatch(plain.join(), /tag \(/, 'what JSON has may be said')
  t.match(problemsOf('pools: *nope')[0], /there is no &nope before \*nope/)
  t.match(problemsOf('just text')[0], /must be a map/)
  t.match(problemsOf('[1, 2]')[0], /not a list/)
})

t.test('a document that grows or nests without end is refused', async (t) => {
  const names = 'abcdefghij'
  const lines = ['a: &a [x, x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < names.length; i++) {
    const one = `*${names[i - 1]}`
    lines.push(`${names[i]}: &${names[i]} [${Array(10).fill(one).join(', ')}]`)
  }
  t.match(problemsOf(lines.join('\n'))[0], /alias/i)
  t.ok(problemsOf('['.repeat(200_000)).length > 0)
})

t.test('a bound on the number of problems', async (t) => {
  const members = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`m${i}`, { address: 'x' }]))
  const result = parseConfiguration({ pools: { p: { members } } })
  t.equal(result.ok, false)
  if (!result.ok) t.equal(result.problems.length, 1000)
})

t.test('what is missing between the parts', async (t) => {
  t.strictSame(
    problemsOf(`
pools: { p: { monitor: nowhere } }
services:
  a.z.test: { pools: [p, q] }
  b.z.test: { pools: [p], whenAllDown: fallback, fallback: r }
  c.other.test: { pools: [p] }
  d.z.test: { pools: [p] }
  e.sub.z.test: { pools: [p] }
  f.z.test: { pools: [p] }
  h.g.f.z.test: { pools: [p] }
zones:
  z.test:
    soa: { mname: n., rname: r. }
    rrsets:
      - { name: d, type: CNAME, data: [x] }
      - { name: e.sub, type: TXT, data: [x] }
      - { name: f, type: DNAME, data: [x] }
`),
    [
      'pools.p.monitor: there is no monitor nowhere',
      'services["a.z.test"].pools[1]: there is no pool q',
      'services["b.z.test"].fallback: there is no pool r',
      'services["c.other.test"]: service c.other.test lies in no zone',
      'services["d.z.test"]: d.z.test is a service, which gives the addresses of its name itself, so its zone can\'t have CNAME there',
      'services["h.g.f.z.test"]: h.g.f.z.test is a service below the DNAME at f.z.test, and nothing can be there (RFC 6672 section 2.3)',
    ],
  )
  t.same(crossProblems({ feeds: [], monitors: [], pools: [], services: [], zones: [] }), [])
})

t.test('every bad input names its path', async (t) => {
  const soa = 'soa: { mname: n., rname: r. }'
  const cases: [document: string, path: string, message: RegExp][] = [
    ['servers: {}', 'servers', /unknown field "servers", known here: feeds, monitors, pools/],
    ['pools: []', 'pools', /must be a map by name, not a list/],
    ['pools: { p: }', 'pools.p', /must be an object with the fields of a pool, not null/],
    ['pools: { Web: {} }', 'pools.Web', /lower-case.*not "Web"/],
    ['pools: { "-a": {} }', 'pools.-a', /must be a name/],
    ['pools: { p: { member: {} } }', 'pools.p.member', /unknown field "member", known here: monitor, select/],
    ['pools: { p: { members: { a: {} } } }', 'pools.p.members.a.address', /is required, or host/],
    [
      'pools: { p: { members: { a: { address: 192.0.2.1, host: lb.example. } } } }',
      'pools.p.members.a.address',
      /one of the two/,
    ],
    ['pools: { p: { members: { a: { host: 192.0.2.1 } } } }', 'pools.p.members.a.host', /a host name/],
    ['pools: { p: { members: { a: { host: "a b" } } } }', 'pools.p.members.a.host', /a host name/],
    ['pools: { p: { members: { a: { host: "." } } } }', 'pools.p.members.a.host', /a host name/],
    [
      `pools: { p: { members: { a: { host: ${'a.'.repeat(128)} } } } }`,
      'pools.p.members.a.host',
      /a host name/,
    ],
    [
      `pools: { p: { members: { a: { host: ${`${'a'.repeat(63)}.`.repeat(3)}${'a'.repeat(62)} } } } }`,
      'pools.p.members.a.host',
      /a host name/,
    ],
    [
      'pools: { p: { members: { a: { host: lb.example. }, b: { host: LB.example } } } }',
      'pools.p.members.b.host',
      /already the host of member a/,
    ],
    ['pools: { p: { hosts: alias } }', 'pools.p.hosts', /one of resolve, cname/],
    [
      'pools: { p: { hosts: cname, members: { a: { host: lb.example. }, b: { address: 192.0.2.1 } } } }',
      'pools.p.members.b.address',
      /only members with a host/,
    ],
    ['pools: { p: { members: { a: 1.2.3.4 } } }', 'pools.p.members.a', /must be an object.*not "1.2.3.4"/],
    [
      'pools: { p: { members: { a: { address: 192.0.2.256 } } } }',
      'pools.p.members.a.address',
      /IPv4 or IPv6/,
    ],
    [
      'pools: { p: { members: { a: { address: "fe80::1%eth0" } } } }',
      'pools.p.members.a.address',
      /zone index/,
    ],
    [
      'pools: { p: { members: { a: { address: "::ffff:1.2.3.4" } } } }',
      'pools.p.members.a.address',
      /mapped/,
    ],
    [
      'pools: { p: { members: { a: { address: 7 } } } }',
      'pools.p.members.a.address',
      /must be an IPv4.*not 7/,
    ],
    [
      'pools: { p: { members: { a: { address: 192.0.2.1, weight: -1 } } } }',
      'pools.p.members.a.weight',
      /0 to 65535/,
    ],
    [
      'pools: { p: { members: { a: { address: 192.0.2.1, probe: { port: 0 } } } } }',
      'pools.p.members.a.probe.port',
      /1 to 65535/,
    ],
    [
      'pools: { p: { members: { a: { address: 192.0.2.1 }, b: { address: 192.0.2.1 } } } }',
      'pools.p.members.b.address',
      /already the address of member a/,
    ],
    [
      'pools: { p: { members: { "a b": { address: 192.0.2.1 } } } }',
      'pools.p.members["a b"]',
      /must be a name/,
    ],
    ['pools: { p: { members: [] } }', 'pools.p.members', /must be an object, not a list/],
    [
      'pools: { p: { select: best } }',
      'pools.p.select',
      /must be one of all, weighted, failover, hash, not "best"/,
    ],
    ['pools: { p: { minUp: 2 } }', 'pools.p.minUp', /a number from 0 to 1, not 2/],
    ['pools: { p: { minUp: .nan } }', 'pools.p.minUp', /a number from 0 to 1/],
    ['pools: { p: { answers: 1.5 } }', 'pools.p.answers', /a whole number/],
    [
      'monitors: { m: { timeout: 4s, interval: 3s } }',
      'monitors.m.timeout',
      /longer than the interval \(4s > 3s\)/,
    ],
    ['monitors: { m: { timeout: 11s } }', 'monitors.m.timeout', /longer than the interval \(11s > 10s\)/],
    [
      'monitors: { m: { interval: 10 parsecs } }',
      'monitors.m.interval',
      /a duration such as.*not "10 parsecs"/,
    ],
    ['monitors: { m: { interval: 10ms } }', 'monitors.m.interval', /from 100ms to 1d/],
    ['monitors: { m: { type: icmp } }', 'monitors.m.type', /one of http, https, tcp, .*, not "icmp"/],
    ['monitors: { m: { port: 65536 } }', 'monitors.m.port', /1 to 65535/],
    ['monitors: { m: { path: health } }', 'monitors.m.path', /begins with "\/"/],
    ['monitors: { m: { path: "/a b" } }', 'monitors.m.path', /visible ASCII/],
    ['monitors: { m: { host: "a b" } }', 'monitors.m.host', /host name/],
    [
      'monitors: { m: { expect: { codes: [299-200] } } }',
      'monitors.m.expect.codes[0]',
      /status code or a range/,
    ],
    ['monitors: { m: { expect: { codes: [] } } }', 'monitors.m.expect.codes', /at least 1 item/],
    ['monitors: { m: { expect: { code: 200 } } }', 'monitors.m.expect.code', /unknown field "code"/],
    ['monitors: { m: { expect: { body: "" } } }', 'monitors.m.expect.body', /1 to 1024/],
    ['monitors: { m: { rise: 0 } }', 'monitors.m.rise', /1 to 1000/],
    ['monitors: { m: { followRedirects: true } }', 'monitors.m.followRedirects', /0 to 10, not true/],
    ['services: { a.test: {} }', 'services["a.test"].pools', /is required/],
    ['services: { a.test: { pools: [] } }', 'services["a.test"].pools', /at least 1 item/],
    ['services: { a.test: { pools: [p, p] } }', 'services["a.test"].pools[1]', /pool p is named twice/],
    [
      'services: { a.test: { pools: [p], ttl: -1 } }',
      'services["a.test"].ttl',
      /from 0 to 2147483647, not -1/,
    ],
    ['services: { a.test: { pools: [p], ttl: 1500ms } }', 'services["a.test"].ttl', /whole seconds/],
    [
      'services: { a.test: { pools: [p], whenAllDown: fallback } }',
      'services["a.test"].fallback',
      /is required when/,
    ],
    [
      'services: { a.test: { pools: [p], fallback: p } }',
      'services["a.test"].fallback',
      /only for whenAllDown/,
    ],
    ['services: { a..test: { pools: [p] } }', 'services["a..test"]', /empty label/],
    ['zones: { z.test: {} }', 'zones["z.test"].soa', /is required/],
    ['zones: { z.test: { soa: { mname: n } } }', 'zones["z.test"].soa.mname', /final dot/],
    ['zones: { z.test: { soa: { mname: n. } } }', 'zones["z.test"].soa.rname', /is required/],
    [`zones: { z.test: { ${soa}, ttl: 2147483648 } }`, 'zones["z.test"].ttl', /from 0 to 2147483647/],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: A, data: [1.2.3] }] } }`,
      'zones["z.test"].rrsets[0].data[0]',
      /A address/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: A, ttl: -1, data: [1.2.3.4] }] } }`,
      'zones["z.test"].rrsets[0].ttl',
      /from 0/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a.other., type: A, data: [1.2.3.4] }] } }`,
      'zones["z.test"].rrsets[0].name',
      /outside of the zone z.test./,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: NOPE, data: [x] }] } }`,
      'zones["z.test"].rrsets[0].type',
      /type NOPE is not known/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: any, data: [x] }] } }`,
      'zones["z.test"].rrsets[0].type',
      /type any stands for no data/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: TYPE6, data: [x] }] } }`,
      'zones["z.test"].rrsets[0].type',
      /field soa/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: TYPE65280, data: ["10"] }] } }`,
      'zones["z.test"].rrsets[0].data[0]',
      /TYPE65280: must be written/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: DNAME, data: [b.] }, { name: c.a, type: A, data: [1.2.3.4] }] } }`,
      'zones["z.test"].rrsets[1]',
      /a has a DNAME, below which nothing can be/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: "@", type: SOA, data: [x] }] } }`,
      'zones["z.test"].rrsets[0].type',
      /field soa/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: A, data: [1.2.3.4, 1.2.3.4] }] } }`,
      'zones["z.test"].rrsets[0].data[1]',
      /is the same as/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: A, data: [1.2.3.4] }, { name: A.z.test., type: a, data: [1.2.3.5] }] } }`,
      'zones["z.test"].rrsets[1]',
      /a A is already in/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: A, data: [] }] } }`,
      'zones["z.test"].rrsets[0].data',
      /at least 1 item/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: a, type: A, data: [1.2.3.4] }, { name: a, type: CNAME, data: [b] }] } }`,
      'zones["z.test"].rrsets[1]',
      /a CNAME stands alone/,
    ],
    [
      `zones: { z.test: { ${soa}, rrsets: [{ name: "@", type: CNAME, data: [b] }] } }`,
      'zones["z.test"].rrsets[0]',
      /apex/,
    ],
    [
      `zones: { z.test: { ${soa} }, Z.test.: { ${soa} } }`,
      'zones["Z.test."]',
      /z.test is in the document twice/,
    ],
  ]
  for (const [document, path, message] of cases) {
    const result = parseDocument(document)
    if (result.ok) {
      t.fail(`accepted: ${document}`)
      continue
    }
    const found = result.problems.find((problem) => problem.path === path)
    if (found === undefined) t.fail(`${document} names other paths`, { problems: result.problems })
    else t.match(found.message, message, document)
  }
})

t.test('all problems at once, across fields and resources', async (t) => {
  t.strictSame(
    problemsOf(`
monitors: { m: { colour: red, interval: 1s, timeout: 2s } }
pools: { p: { select: best, members: { a: { address: x }, b: { address: 192.0.2.1 }, c: { address: 192.0.2.1 } } } }
services: { a.test: { pools: [p, p], ttl: soon, whenAllDown: fallback } }
`).map((line) => line.split(': ')[0]),
    [
      'monitors.m.colour',
      'monitors.m.timeout',
      'pools.p.select',
      'pools.p.members.a.address',
      'pools.p.members.c.address',
      'services["a.test"].ttl',
      'services["a.test"].pools[1]',
      'services["a.test"].fallback',
    ],
  )
})

t.test('a kind that could not be read lacks nothing that others name', (t) => {
  const read = parseConfiguration({
    pools: [{ name: 'eu' }],
    services: { 'www.example.test': { pools: ['eu'], whenAllDown: 'fallback', fallback: 'us' } },
    zones: 'example.test',
  })
  t.match(read, {
    ok: false,
    problems: [
      { path: 'pools', message: 'must be a map by name, not a list' },
      { path: 'zones', message: /^must be a map by name, not / },
    ],
  })
  t.equal(read.ok ? 0 : read.problems.length, 2)
  t.end()
})

t.test('names that JavaScript knows are names like others', async (t) => {
  const result = parseDocument('pools: { constructor: { members: { valueof: { address: 192.0.2.1 } } } }')
  t.ok(result.ok && result.configuration.pools[0]?.name === 'constructor')
  t.match(problemsOf('{"pools": {"__proto__": {"members": {}}}}')[0], /__proto__/)
  t.match(problemsOf('{"pools": {"p": {"__proto__": {}}}}')[0], /__proto__/)
})

t.test('status is ignored, so that what was read can be written back', async (t) => {
  const result = parseDocument(
    'pools: { p: { status: { x: 1 }, members: { a: { address: 192.0.2.1, status: up } } } }',
  )
  t.ok(result.ok)
})

const aliasDocument = (service: string, rrsets = '', settings = 'pools: [p]') => `
pools: { p: { hosts: cname, members: { a: { host: LB.provider.example } } }, q: {} }
services: { ${service}: { ${settings} } }
zones: { example.test: { soa: { mname: n., rname: r. }, rrsets: [${rrsets}] } }
`

t.test('members that are hosts', async (t) => {
  const result = parseDocument(aliasDocument('www.example.test'))
  if (!result.ok) throw new Error(JSON.stringify(result.problems))
  t.match(result.configuration.pools, [{ hosts: 'cname' }, { hosts: 'resolve' }])
  t.same(result.configuration.pools[0]!.members, [
    {
      name: 'a',
      address: null,
      moreAddresses: [],
      host: 'lb.provider.example.',
      weight: 100,
      weightFeed: null,
      shed: null,
      priority: 1,
      probeAddress: null,
      probePort: null,
    },
  ])
  t.match(
    formatDocument(result.configuration),
    /hosts: cname\n +members:\n +a:\n +host: lb\.provider\.example\./,
  )
})

t.test('a CNAME in the place of a pool stands alone', async (t) => {
  const apex = [
    'services["example.test"]: example.test is a service that pool p answers with a CNAME .* apex of zone example\\.test .* hosts: resolve',
  ]
  const beside = [
    'services["www.example.test"]: www.example.test is a service that pool p answers with a CNAME .* beside the TXT .*',
  ]
  const txt = '{ name: www, type: TXT, data: [x] }'
  const fallback = 'pools: [q], whenAllDown: fallback, fallback: p'
  for (const [text, expected] of [
    [aliasDocument('example.test'), apex],
    [aliasDocument('example.test', '', 'pools: [q, p]'), apex],
    [aliasDocument('example.test', '', fallback), apex],
    [aliasDocument('example.test', '', 'pools: [q]'), []],
    [aliasDocument('www.example.test', txt), beside],
    [aliasDocument('www.example.test', txt, 'pools: [q]'), []],
    [aliasDocument('www.example.test', '{ name: a.www, type: TXT, data: [x] }'), []],
  ] as const) {
    const problems = problemsOf(text)
    t.equal(problems.length, expected.length, text)
    for (const [index, pattern] of expected.entries()) {
      t.match(problems[index], new RegExp(pattern.replaceAll(/[[\]]/g, '\\$&')))
    }
  }
})
