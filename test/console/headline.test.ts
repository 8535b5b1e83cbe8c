/** The first words of the console, and the times and shares in them. */
import t from 'tap'
import { clock, list, percent, span } from '../../src/console/format.ts'
import { headlineOf } from '../../src/console/headline.ts'
import type { OverviewReply } from '../../src/controlplane/api/operations/overview.ts'

const now = Date.UTC(2027, 0, 31, 3, 6)
const at = new Date(Date.UTC(2027, 0, 31, 3, 2)).toISOString()
const time = clock(at, now)

const quiet: OverviewReply = {
  at: new Date(now).toISOString(),
  node: { id: 'n1', version: '1' },
  revision: 7,
  database: 'up',
  missing: [],
  warnings: [],
  suspicion: null,
  counts: { services: { up: 2 }, pools: { healthy: 1 }, members: { up: 3, down: 0 } },
  nodes: [],
  services: [
    { name: 'a.test', state: 'up', since: null, reason: '', pools: ['web'] },
    { name: 'b.test', state: 'up', since: null, reason: '', pools: ['web'] },
  ],
  pools: [],
  members: [],
  overrides: [],
  serviceOverrides: [],
  gradualChanges: [],
  more: {
    ...{ nodes: 0, services: 0, pools: 0, members: 0 },
    ...{ overrides: 0, serviceOverrides: 0, gradualChanges: 0 },
  },
}
const node = {
  ...{ id: 'n2', name: 'fra', version: '1', startedAt: at, seenAt: at },
  ...{ revision: 7, suspect: false, live: true, self: false },
}
const member = (name: string, state: 'up' | 'down', override: object | null = null) => ({
  ...{ pool: 'web', member: name, address: '192.0.2.1', waitsForFailBack: false },
  status: { state, since: at, reason: 'status 503', answered: false, override: override as null },
})
const shown = (more: Partial<OverviewReply>) => {
  const { title, mood, lines } = headlineOf({ ...quiet, ...more }, now)
  return [mood, title, ...lines.map(({ service, text }) => [service, text].filter(Boolean).join(' '))]
}

t.test('what is down, since when, why, and what is answered instead', async (t) => {
  t.same(shown({}), ['good', 'All 2 services are up'])
  const down: OverviewReply['services'][number] = {
    name: 'a.test',
    state: 'down',
    since: at,
    reason: 'no member of web is up',
    pools: ['web'],
  }
  t.same(shown({ services: [down], counts: { ...quiet.counts, services: { down: 1, up: 1 } } }), [
    'bad',
    'a.test is down',
    `a.test is down since ${time} (4 min): no member of web is up. Answered from web.`,
  ])
  const gone = { ...down, pools: [], since: null }
  t.same(shown({ services: [gone, down], counts: { ...quiet.counts, services: { down: 2 } } }).slice(0, 3), [
    'bad',
    '2 services are down',
    'a.test is down since before this server looked: no member of web is up. No pool answers for it.',
  ])
  const degraded = { ...down, state: 'degraded' as const }
  t.equal(
    shown({ services: [degraded], counts: { ...quiet.counts, services: { degraded: 1 } } })[1],
    'a.test is degraded, and answered',
  )
  t.same(shown({ members: [member('m1', 'down')], counts: { ...quiet.counts, members: { down: 1 } } }), [
    'doubt',
    '1 member down; every service is answered',
    `web/m1 is down since ${time} (4 min): status 503. It is not answered.`,
  ])
  const drained = { state: 'drain', pattern: 'web/m1' }
  t.same(shown({ members: [member('m1', 'down', drained), member('m2', 'up', drained)] }), [
    'good',
    'All 2 services are up',
  ])
  t.equal(shown({ counts: { ...quiet.counts, services: {} }, services: [] })[1], 'There are no services yet')
  t.same(
    shown({
      suspicion: 'all fail at once',
      nodes: [node, { ...node, live: false }, { ...node, revision: 3 }, { ...node, suspect: true }],
    }).slice(2),
    [
      'This node doubts its own network: all fail at once',
      'Node fra has not been heard of lately',
      'Node fra serves revision 3, behind 7',
      'Node fra doubts its own network',
    ],
  )
  t.equal(shown({ missing: ['the first round of checks'] })[0], 'bad')
  const many = Array.from({ length: 9 }, (_, nth) => member(`m${nth}`, 'down'))
  t.match(headlineOf({ ...quiet, members: many }, now), { lines: { length: 6 }, more: 3 })
})

t.test('times, shares and lists as people say them', async (t) => {
  for (const [seconds, text] of [
    [-5, '0 s'],
    [0, '0 s'],
    [59, '59 s'],
    [90, '1 min 30 s'],
    [600, '10 min'],
    [3600, '1 h'],
    [7500, '2 h 5 min'],
    [200_000, '2 d 7 h'],
  ] as const)
    t.equal(span(seconds * 1000), text)
  t.same(
    [0, 0.0001, 0.001, 0.394, 0.999, 1].map((share) => percent(share).replaceAll('\u00a0', ' ')),
    ['0 %', '< 0.1 %', '0.1 %', '39 %', '99.9 %', '100 %'],
  )
  t.equal(list(['a']), 'a')
  t.equal(list(['a', 'b', 'c']), 'a, b and c')
  t.equal(list(['a', 'b', 'c', 'd', 'e']), 'a, b, c and 2 more')
  t.match(clock(at, now + 86_400_000), /^2027-01-31 /)
})
