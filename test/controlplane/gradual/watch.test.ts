/** What takes a gradual change back, row by row. */
import t from 'tap'
import { failureOf, type Watched } from '../../../src/controlplane/gradual/watch.ts'
import type { GradualPart, HaltCondition } from '../../../src/controlplane/model/gradual.ts'

const pools: GradualPart = {
  kind: 'service',
  name: 'www.example.test',
  weights: [
    { key: 'pool eu', before: 100, after: 0 },
    { key: 'pool us', before: 0, after: 50 },
    { key: 'service asia.example.test', before: 0, after: 50 },
  ],
}
const members: GradualPart = {
  kind: 'pool',
  name: 'mixed',
  weights: [
    { key: 'old', before: 100, after: 50 },
    { key: 'new', before: 0, after: 50 },
  ],
}

type Facts = Readonly<Record<string, string>>

/** @param facts by `pool us`, `service www.example.test` or `us/a` */
const watched = (facts: Facts): Watched => ({
  catalog: {
    // biome-ignore lint/suspicious/noExplicitAny: the names of members are all that is looked at
    pools: new Map(['eu', 'us', 'asia'].map((name) => [name, { name, members: [{ name: 'a' }] } as any])),
    poolsOf: (service) => new Set(service === 'asia.example.test' ? ['asia'] : []),
  },
  condition: (kind, name) => {
    const condition = facts[`${kind} ${name}`]
    return condition === undefined ? null : { condition, reason: 'so it is' }
  },
  member: (pool, member) => {
    const state = facts[`${pool}/${member}`]
    return state === undefined ? null : { state: state as 'down', reason: 'so it is' }
  },
})

const rows: readonly (readonly [HaltCondition, GradualPart, Facts, string | null])[] = [
  ['degraded', pools, {}, null],
  ['degraded', pools, { 'pool us': 'healthy', 'service asia.example.test': 'up' }, null],
  ['degraded', pools, { 'pool eu': 'down', 'pool us': 'healthy' }, null],
  ['degraded', pools, { 'pool us': 'degraded' }, 'pool us is degraded: so it is'],
  ['degraded', pools, { 'pool us': 'down' }, 'pool us is down: so it is'],
  [
    'degraded',
    pools,
    { 'service asia.example.test': 'degraded' },
    'service asia.example.test is degraded: so it is',
  ],
  ['degraded', pools, { 'us/a': 'down' }, null],
  ['degraded', members, { 'pool mixed': 'degraded', 'mixed/old': 'down' }, null],
  ['degraded', members, { 'mixed/new': 'down' }, 'member mixed/new is down: so it is'],
  ['degraded', members, { 'mixed/new': 'unknown' }, null],
  ['down', pools, { 'pool us': 'degraded' }, null],
  ['down', pools, { 'pool us': 'down' }, 'pool us is down: so it is'],
  ['down', members, { 'mixed/new': 'down', 'pool mixed': 'degraded' }, null],
  ['down', members, { 'pool mixed': 'down' }, 'pool mixed is down: so it is'],
  ['member-down', pools, { 'eu/a': 'down', 'pool us': 'down' }, null],
  ['member-down', pools, { 'us/a': 'down' }, 'member us/a is down: so it is'],
  ['member-down', pools, { 'asia/a': 'down' }, 'member asia/a is down: so it is'],
  ['member-down', members, { 'mixed/new': 'down' }, 'member mixed/new is down: so it is'],
]

t.test('what takes it back', async (t) => {
  for (const [when, part, facts, failure] of rows) {
    const found = failureOf({ haltWhen: [when], parts: [part] }, watched(facts))
    t.equal(found, failure, `${when}, ${part.kind}, ${JSON.stringify(facts)}`)
  }
  const both = failureOf(
    { haltWhen: ['down', 'member-down'], parts: [members, pools] },
    watched({ 'us/a': 'down' }),
  )
  t.equal(both, 'member us/a is down: so it is', 'any of several')
})
