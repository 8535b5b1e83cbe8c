import t from 'tap'
import type { AnswerNode, PlanNode } from '../../../src/dataplane/image/plan-tree.ts'
import { stableKey } from '../../../src/dataplane/image/stable-key.ts'
import { answer, choicesOf, type World } from './world.ts'

/** The leaves in order, those of shared nodes again and again. */
function leaves(node: PlanNode): AnswerNode[] {
  switch (node.kind) {
    case 'answer':
      return [node]
    case 'weighted':
    case 'hash':
      return node.children.flatMap((child) => leaves(child.node))
    case 'located':
      return node.areas.flatMap(leaves)
  }
}
const ttls = (world: World, asked?: string) =>
  leaves(answer(world, asked).plan).map(({ ttlSeconds }) => ttlSeconds)

t.test('a TTL that is tied to health is short while the answer may change soon', async (t) => {
  const rows: [string, number, string][] = [
    ['a up, b up', 300, 'all is well'],
    ['a unknown, b up', 300, 'unknown counts as up'],
    ['a near, b up', 10, 'a member is about to change'],
    ['a up, b down', 10, 'the pool is degraded'],
    ['a down, b down', 10, 'the pool is down, and serves all'],
    ['a drained, b up', 300, 'a drained member does not count'],
  ]
  const changes = { ttlSeconds: 300, minTtlSeconds: 10, choices: choicesOf('web') }
  for (const [web, ttl, why] of rows) {
    t.same(ttls({ members: { web }, services: { www: changes } }), [ttl], why)
    const fixed = { ...changes, minTtlSeconds: null }
    t.same(
      ttls({ members: { web }, services: { www: fixed } }),
      [300],
      `${why}, but the TTL is not tied to it`,
    )
  }
  const policies = [
    { whenAllDown: 'nodata' },
    { whenAllDown: 'servfail' },
    { whenAllDown: 'fallback', fallback: 'other' },
  ]
  for (const policy of policies) {
    const www = { ...changes, ...policy } as World['services'][string]
    t.same(ttls({ members: { web: 'a down', other: 'b up' }, services: { www } }), [10], policy.whenAllDown)
  }
  const nearAndDrained = { web: 'a up, b drained' }
  const near = { near: (_: string, member: string) => member === 'b' }
  t.same(ttls({ members: nearAndDrained, services: { www: changes }, conditions: near }), [300])
  const upsideDown = { ...changes, minTtlSeconds: 900 }
  t.same(ttls({ members: { web: 'a down' }, services: { www: upsideDown } }), [300], 'never above the most')
})

t.test('each leaf has the TTL of its pool, and the service that was asked says which', async (t) => {
  const world: World = {
    members: { eu: 'e up', us: 'u near' },
    services: {
      www: {
        steer: 'weighted',
        choices: choicesOf('service inner', 'us'),
        ttlSeconds: 300,
        minTtlSeconds: 10,
      },
      inner: { choices: choicesOf('eu'), ttlSeconds: 7, minTtlSeconds: 1 },
    },
  }
  t.same(ttls(world), [300, 10])
  t.same(ttls(world, 'inner'), [7])
})

t.test('a failover pool that a later tier serves', async (t) => {
  const world = (web: string): World => ({
    members: { web },
    pools: { web: { select: 'failover' } },
    memberSettings: { b: { priority: 2 } },
    services: { www: { choices: choicesOf('web'), ttlSeconds: 300, minTtlSeconds: 10 } },
  })
  t.same(ttls(world('a up, b up')), [300])
  t.same(ttls(world('a drained, b up')), [10])
})

t.test('what is one node of the selection is one node of the plan', async (t) => {
  const { plan } = answer({
    members: { eu: 'e up', us: 'u up' },
    services: {
      www: { steer: 'geo', choices: choicesOf('eu', 'us', 'service inner') },
      inner: { steer: 'weighted', choices: choicesOf('us', 'eu') },
    },
    areas: { www: { mapSlot: 3, areas: [[0], [1], [2], [0], [2]] } },
  })
  t.ok(plan.kind === 'located' && plan.mapSlot === 3)
  if (plan.kind !== 'located') return
  const [eu, us, both] = plan.areas
  t.equal(plan.areas[3], eu)
  t.equal(plan.areas[4], both)
  t.ok(both?.kind === 'weighted')
  t.same(both?.kind === 'weighted' && both.children.map(({ node }) => [node === us, node === eu]), [
    [true, false],
    [false, true],
  ])
})

t.test('the keys of choices are of their kind and name', async (t) => {
  const { plan } = answer({
    members: { eu: 'e up', us: 'u up' },
    services: {
      www: { steer: 'hash', choices: choicesOf('eu', 'service us'), hashPrefix: { ipv4: 16, ipv6: 32 } },
      us: { choices: choicesOf('us') },
    },
  })
  t.match(plan, {
    kind: 'hash',
    prefix: { ipv4: 16, ipv6: 32 },
    children: [{ key: stableKey('pool eu') }, { key: stableKey('service us') }],
  })
})
