/** What the command refuses before it asks anybody, and the text that it makes; it is run against a server in `e2e`. */
import t from 'tap'
import { allCommands } from '../../src/commands/all.ts'
import { explainText } from '../../src/commands/explain-text.ts'
import { runWords } from '../../src/commands/frame/program.ts'
import type { ExplainReply } from '../../src/controlplane/api/operations/explain.ts'

t.test('explain refuses what is wrong before it asks anybody', async (t) => {
  const wrong: readonly (readonly [args: string[], message: RegExp])[] = [
    [[], /missing required argument 'name'/],
    [['a', 'A', 'b'], /too many arguments/],
    [['a..b'], /empty label/],
    [['a', 'AXFR'], /type AXFR/],
    [['a', 'NONE'], /type NONE is not known/],
    [['a', '--client', 'nobody'], /--client: "nobody" is not an IPv4 or IPv6 address/],
    [['a', '--dance'], /dance/],
    [['a', '--server', 'nowhere'], /--server: "nowhere" is not accepted/],
  ]
  for (const [args, message] of wrong) {
    await t.rejects(
      runWords(['explain', ...args], allCommands),
      { name: 'UsageError', message },
      args.join(' '),
    )
  }
})

type Member = ExplainReply['services'][number]['pools'][number]['members'][number]

const up: Member = {
  name: 'fra-1',
  address: '192.0.2.1',
  addresses: ['192.0.2.1'],
  host: null,
  given: true,
  answers: true,
  kept: true,
  why: 'up',
  weight: { configured: 100, effective: 100, percent: null, feed: null },
  shed: null,
  near: false,
  latencyMs: 3.1234,
  own: null,
  status: {
    state: 'up',
    since: '2026-05-01T12:00:00.123Z',
    reason: 'status 200',
    answered: true,
    safeAt: null,
    override: null,
  },
}

const reply: ExplainReply = {
  gradualChanges: [],
  name: 'www.example.test',
  type: 'A',
  client: '198.51.100.7',
  zone: 'example.test',
  why: 'service www.example.test answers from pool web',
  answer: {
    rcode: 'NOERROR',
    authoritative: true,
    ttl: 5,
    scope: 24,
    byChance: true,
    records: [{ name: 'www.example.test.', ttl: 5, type: 'A', data: '192.0.2.1' }],
    authority: [],
    signatures: [],
    proofs: [],
    chain: [],
  },
  place: {
    continent: 'EU',
    country: 'CH',
    subdivision: null,
    asn: 64500,
    location: { latitude: 47.40001, longitude: 8.5 },
  },
  services: [
    {
      name: 'www.example.test',
      state: 'up',
      outcome: 'up',
      pool: 'web',
      ttl: 60,
      minTtl: 5,
      unsettled: true,
      why: 'service www.example.test answers from pool web',
      levels: [
        {
          service: 'www.example.test',
          steer: 'geo',
          up: true,
          met: true,
          area: { number: 1, choices: ['pool web', 'service inner.test'] },
          choices: [
            {
              kind: 'pool',
              name: 'web',
              weight: 100,
              up: true,
              absent: false,
              used: true,
              taken: true,
              latencyMs: 12.3,
              why: 'first',
            },
            {
              kind: 'service',
              name: 'inner.test',
              weight: 100,
              up: false,
              absent: false,
              used: false,
              taken: false,
              latencyMs: null,
              why: 'down',
            },
          ],
        },
        { service: 'inner.test', steer: 'failover', up: false, met: false, area: null, choices: [] },
      ],
      pools: [
        {
          name: 'web',
          select: 'weighted',
          answers: 1,
          monitor: 'http',
          capacity: null,
          minUp: 0,
          met: true,
          condition: 'degraded',
          reason: '1 of 1 member up, 1 draining, minUp 0',
          moreMembers: 0,
          members: [
            up,
            {
              ...up,
              name: 'fra-2',
              address: '2001:db8::2',
              given: false,
              answers: false,
              kept: false,
              why: 'draining',
              weight: { configured: 100, effective: 12.5, percent: 50, feed: null },
              near: true,
              latencyMs: null,
              own: { state: 'down', reason: 'timeout' },
              status: {
                ...up.status,
                reason: 'odd\u001b[31m\ntext',
                answered: false,
                safeAt: '2026-05-01T12:01:00.000Z',
                override: {
                  state: 'drain',
                  until: '2026-05-01T13:00:00Z',
                  reason: 'disks',
                  pattern: 'web/*',
                  status: { since: '2026-05-01T12:00:00Z', actor: 'token:ann' },
                },
              },
            },
          ],
        },
      ],
    },
  ],
}

t.test('the text marks what the answer came by and aligns its columns', async (t) => {
  const lines = explainText(reply).split('\n')
  t.same(lines.slice(0, 16), [
    'Question  www.example.test A, from 198.51.100.7',
    'Place     EU, CH, AS64500, 47.4, 8.5',
    'Zone      example.test',
    'Answer    NOERROR, authoritative, good for 5 s, for clients that share 24 bits with 198.51.100.7, another query may get another one',
    'Why       service www.example.test answers from pool web',
    '',
    '  www.example.test.  5  A  192.0.2.1',
    '',
    'Service www.example.test: up',
    '  TTL  60 s, 5 s while the answer may change soon, as now',
    '  Why  service www.example.test answers from pool web',
    '',
    '  Choices: by geo, area 1: pool web, service inner.test',
    '     CHOICE              STATE  LATENCY  WHY',
    '  *  pool web            up     12 ms    first',
    '     service inner.test  down            down',
  ])
  t.equal(lines[17], '  Choices of service inner.test: by failover, none is up')
  t.equal(
    lines[19],
    '  * Pool web: degraded, 1 of 1 member up, 1 draining, minUp 0; weighted, at most 1 in an answer; monitor http',
  )
  t.match(lines[20], /^ {5}MEMBER +ADDRESS +STATE +SINCE +WEIGHT +LATENCY +WHY +MEASURED +OVERRIDE +CLIENTS$/)
  t.match(
    lines[21],
    /^ {2}\* {2}fra-1 +192\.0\.2\.1 +up +2026-05-01T12:00:00Z +100 +3\.1 ms +up +status 200$/,
  )
  t.match(
    lines[22],
    /^ {5}fra-2 +2001:db8::2 +up, about to change \(here: down, timeout\) .* 12\.5 of 100 +draining +odd\?\[31m\?text +drain by token:ann \(web\/\*\) until 2026-05-01T13:00:00Z: disks +may have it until 2026-05-01T12:01:00Z$/,
  )
})

t.test('the text leaves out what says nothing', async (t) => {
  const answer = {
    ...reply.answer,
    rcode: 'REFUSED',
    authoritative: false,
    ttl: null,
    scope: 0,
    byChance: false,
    records: [],
  }
  const refused = {
    ...reply,
    zone: null,
    place: null,
    answer,
    services: [],
    why: 'no zone here holds the name',
  }
  t.equal(
    explainText(refused),
    'Question  www.example.test A, from 198.51.100.7\n' +
      'Zone      none of ours\n' +
      'Answer    REFUSED\n' +
      'Why       no zone here holds the name\n',
  )
  const [service] = reply.services
  const [choice] = service!.levels[0]!.choices
  const nothing = explainText({
    ...reply,
    services: [
      {
        ...service!,
        state: 'absent',
        levels: [
          {
            ...service!.levels[0]!,
            up: false,
            choices: [{ ...choice!, up: false, absent: true, taken: false }],
          },
        ],
        pools: [
          {
            ...service!.pools[0]!,
            met: false,
            condition: 'absent',
            reason: 'it has no member of IPv6',
            moreMembers: 0,
            members: [],
          },
        ],
      },
    ],
  })
  t.match(nothing, /^Service www\.example\.test: has nothing of that family$/m)
  t.match(nothing, /^ {2}Choices: by geo, area 1/m)
  t.match(nothing, /^ {2}Pool web: it has no member of IPv6; /m)
  t.notMatch(nothing, /down/)
  const plain = {
    ...up,
    latencyMs: null,
    status: { ...up.status, since: null, reason: 'the pool has no monitor' },
  }
  const pools = [
    { ...service!.pools[0]!, met: false, monitor: null, answers: null, members: [plain], moreMembers: 3 },
  ]
  const text = explainText({
    ...reply,
    place: { continent: null, country: null, subdivision: null, asn: null, location: null },
    services: [{ ...service!, minTtl: null, pools }],
  })
  t.match(text, /^Place {5}unknown$/m)
  t.match(text, /^ {2}TTL {2}60 s$/m)
  t.match(
    text,
    /^ {2}Pool web: .*; weighted; not monitored\n {5}MEMBER {2}ADDRESS {4}STATE {2}WEIGHT {2}WHY\n {2}\* {2}fra-1 +192\.0\.2\.1 +up +100 +up$/m,
  )
})

t.test('the text says how old values of feeds are, and that there is none', async (t) => {
  const fed = {
    feed: 'load',
    entity: 'fra-1',
    column: 'cpu',
    state: 'good',
    value: 90,
    at: '2026-05-01T12:00:00.000Z',
    age: 5.1,
  } as const
  const weight = { ...up.weight, feed: { ...fed, column: 'free', weight: 10 } }
  const [service] = reply.services
  const poolOf = (capacity: ExplainReply['services'][number]['pools'][number]['capacity']) => {
    const members = [{ ...up, weight, shed: { ...fed, share: 0.5 } }]
    const pools = [{ ...service!.pools[0]!, monitor: null, answers: null, members, capacity }]
    return explainText({ ...reply, services: [{ ...service!, pools }] })
  }
  const used = { ...fed, entity: 'web', column: 'sessions', limit: 50, share: 0.25 }
  const text = poolOf({ ...used, value: 100 })
  t.match(text, /; sessions 100 of 50, 5\.1 s old, 25 % of its answers go on$/m)
  t.match(text, / WHY +AGE OF VALUES +MEASURED$/m)
  t.match(text, / up +free 5\.1 s, cpu 5\.1 s +status 200$/m)
  t.match(
    poolOf({ ...used, state: 'missing', value: null, at: null, age: null, share: 0 }),
    /; limit 50, but sessions of web in feed load is missing: it spills nothing$/m,
  )
})
