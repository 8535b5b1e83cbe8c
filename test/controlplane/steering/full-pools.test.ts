/** Members that shed and pools that are full: who answers in their place, by every way of choosing. */
import t from 'tap'
import { decodeSections } from '../../../src/controlplane/dns-client/message.ts'
import type { Capacity, FedWeight, Shed } from '../../../src/controlplane/model/feed-use.ts'
import type { Member, Pool } from '../../../src/controlplane/model/pool.ts'
import type { Service } from '../../../src/controlplane/model/service.ts'
import type { FedMember, FedShare } from '../../../src/controlplane/steering/fed.ts'
import { OwnZones } from '../../../src/dataplane/answer/own-zones.ts'
import { compilePlan } from '../../../src/dataplane/image/plan-compiler.ts'
import type { PlanNode } from '../../../src/dataplane/image/plan-tree.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { servingUpdate } from '../../dataplane/zone-text.ts'
import { answer, choicesOf, type World } from './world.ts'

const use = { feed: 'load', entity: '{member}', column: 'percent', maxAgeMs: 60_000 }
const shed: Shed = { ...use, above: 0, to: 1, back: 0 }
const capacity: Capacity = { ...use, entity: '{pool}', limit: 100, back: 10 }
const weightFeed: FedWeight = { ...use, scale: 1 }
const key = { feed: 'load', entity: 'e', column: 'percent' }
const now = new Date()
const reading = (value: number) => ({ key, state: 'good' as const, reading: { value, at: now, from: now } })

/** Shares that members shed, by name, and that pools spill. */
function fedBy(sheds: Readonly<Record<string, number>>, spills: Readonly<Record<string, number>> = {}) {
  return {
    fed: (_pool: Pool, { name }: Member): FedMember => ({
      weight: null,
      shed: { ...reading(0), share: sheds[name] ?? 0 },
    }),
    full: ({ name }: Pool): FedShare => ({ ...reading(150), share: spills[name] ?? 0 }),
  }
}

const sheddings = (names: string) => Object.fromEntries(names.split(' ').map((name) => [name, { shed }]))
const full = { capacity }

/**
 * In which share of the answers each member is, for clients of an area, and each pool (by `pool:`): of a pool that is answered whole,
 * all of its members are in each.
 */
function sharesIn(world: World, area = 0, asked = 'www'): Record<string, number> {
  const { plan, names } = answer(world, asked)
  compilePlan(plan)
  const shares: Record<string, number> = {}
  const add = (name: string, share: number) => {
    shares[name] = (shares[name] ?? 0) + share
  }
  const walk = (node: PlanNode, share: number): void => {
    if (node.kind === 'located') {
      walk(node.areas[area] ?? node.areas[0]!, share)
      return
    }
    if (node.kind !== 'answer') {
      const all = node.children.reduce((sum, { weight }) => sum + weight, 0)
      for (const child of node.children) walk(child.node, (share * child.weight) / all)
      return
    }
    const all = node.candidates.reduce((sum, { weight }) => sum + weight, 0)
    const pools = new Set<string>()
    for (const { counter, weight } of node.candidates) {
      const [pool, member] = names[counter]!.split('/')
      pools.add(pool!)
      add(member!, node.select === 'rotate' ? share : (share * weight) / all)
    }
    for (const pool of pools) add(`${pool}:`, share)
  }
  walk(plan, 1)
  return Object.fromEntries(Object.entries(shares).map(([name, share]) => [name, round(share)]))
}

const round = (share: number) => Math.round(share * 10_000) / 10_000

t.test('a member that sheds weighs less, in `weighted` and in `hash`', async (t) => {
  for (const select of ['weighted', 'hash'] as const) {
    const world: World = {
      members: { eu: 'a up, b up' },
      pools: { eu: { select } },
      memberSettings: sheddings('a b'),
      services: { www: { choices: choicesOf('eu') } },
      conditions: fedBy({ a: 0.4 }),
    }
    t.match(sharesIn(world), { a: round(60 / 160), b: round(100 / 160) }, select)
    t.match(
      sharesIn({ ...world, conditions: fedBy({ a: 1 }) }),
      { b: 1 },
      'one that sheds all is a last resort',
    )
    t.match(sharesIn({ ...world, conditions: fedBy({ a: 1, b: 1 }) }), { a: 0.5, b: 0.5 }, 'as ever')
  }
})

t.test('by `all` a member that sheds is left out of as many answers', async (t) => {
  const world = (sheds: Record<string, number>): World => ({
    members: { eu: 'a up, b up, c up' },
    memberSettings: sheddings('a b c'),
    services: { www: { choices: choicesOf('eu') } },
    conditions: fedBy(sheds),
  })
  t.same(sharesIn(world({})), { a: 1, b: 1, c: 1, 'eu:': 1 })
  t.same(sharesIn(world({ a: 0.4 })), { a: 0.6, b: 1, c: 1, 'eu:': 1 })
  t.same(sharesIn(world({ a: 0.4, b: 0.7 })), { a: 0.6, b: 0.3, c: 1, 'eu:': 1 })
  t.same(sharesIn(world({ a: 1, b: 0.5 })), { b: 0.5, c: 1, 'eu:': 1 })
  t.same(sharesIn(world({ a: 1, b: 1, c: 1 })), { a: 1, b: 1, c: 1, 'eu:': 1 }, 'all alike: as if none did')
  t.same(sharesIn(world({ a: 0.5, b: 0.5, c: 0.5 })), { a: 1, b: 1, c: 1, 'eu:': 1 })
  t.equal(answer(world({ a: 0.4 })).selection.tree.kind, 'weighted')
})

t.test(
  'in a pool with many members that shed, shares are rounded, and a large one leaves nobody out',
  async (t) => {
    const many = (count: number): World => {
      const names = Array.from({ length: count }, (_, nth) => `m${nth}`)
      return {
        members: { eu: names.map((name) => `${name} up`).join(', ') },
        memberSettings: sheddings(names.join(' ')),
        services: { www: { choices: choicesOf('eu') } },
        conditions: fedBy(Object.fromEntries(names.map((name, nth) => [name, nth / count]))),
      }
    }
    const shares = sharesIn(many(40))
    for (let nth = 0; nth < 40; nth++) {
      const off = Math.abs((shares[`m${nth}`] ?? 0) - (1 - nth / 40))
      t.ok(off <= 1 / 16, `m${nth} is off by ${off}`)
    }
    t.equal(answer(many(300)).selection.tree.kind, 'answer')
  },
)

t.test('by `failover` what a tier sheds goes to the next one that is up', async (t) => {
  const world = (sheds: Record<string, number>, members = 'a up, b up, c up'): World => ({
    members: { eu: members },
    pools: { eu: { select: 'failover' } },
    memberSettings: {
      a: { shed, priority: 1 },
      b: { shed, priority: 2 },
      c: { shed, priority: 3 },
    },
    services: { www: { choices: choicesOf('eu') } },
    conditions: fedBy(sheds),
  })
  t.same(sharesIn(world({ a: 0.4 })), { a: 0.6, b: 0.4, 'eu:': 1 })
  t.same(sharesIn(world({ a: 0.4, b: 0.5 })), { a: 0.6, b: 0.2, c: 0.2, 'eu:': 1 })
  t.same(sharesIn(world({ a: 0.4 }, 'a up, b down, c up')), { a: 0.6, c: 0.4, 'eu:': 1 })
  t.same(sharesIn(world({ a: 0.4 }, 'a up, b down, c down')), { a: 1, 'eu:': 1 }, 'nobody else is there')
  t.same(sharesIn(world({ a: 1 })), { b: 1, 'eu:': 1 })
})

const two = (
  steer: Service['steer'],
  spills: Record<string, number>,
  changes: Partial<World> = {},
): World => ({
  members: { eu: 'e up', us: 'u up', ap: 'a up' },
  pools: { eu: full, us: full, ap: full },
  services: { www: { steer, choices: choicesOf('eu', 'us', 'ap') } },
  conditions: fedBy({}, spills),
  ...changes,
})

t.test('a full pool spills to the next one, and that to the one behind it', async (t) => {
  t.same(sharesIn(two('failover', {})), { e: 1, 'eu:': 1 })
  t.match(sharesIn(two('failover', { eu: 0.25 })), { 'eu:': 0.75, 'us:': 0.25 })
  t.match(sharesIn(two('failover', { eu: 0.25, us: 0.5 })), { 'eu:': 0.75, 'us:': 0.125, 'ap:': 0.125 })
  const all = two('failover', { eu: 0.25, us: 0.5, ap: 0.5 })
  t.match(sharesIn(all), { 'eu:': 0.75, 'us:': 0.125, 'ap:': 0.125 }, 'the last one keeps what nobody takes')
  t.match(sharesIn(two('failover', { eu: 1 })), { 'eu:': 0, 'us:': 1 })
})

t.test('a full pool that has nobody to spill to answers by itself, and says so', async (t) => {
  const world = two('failover', { eu: 0.25 }, { services: { www: { choices: choicesOf('eu') } } })
  const { selection, text } = answer(world)
  t.equal(text, 'eu: e')
  t.equal(selection.keepsSpill, true)
  t.equal(answer(two('failover', { eu: 0.25 })).selection.keepsSpill, false)
  const down = { ...two('failover', { eu: 0.25 }), members: { eu: 'e up', us: 'u down', ap: 'a down' } }
  t.equal(answer(down).text, 'eu: e')
})

t.test('where pools are drawn, others are drawn more often', async (t) => {
  for (const steer of ['weighted', 'hash'] as const) {
    t.match(sharesIn(two(steer, {})), { 'eu:': 0.3333, 'us:': 0.3333, 'ap:': 0.3333 }, steer)
    t.match(sharesIn(two(steer, { eu: 0.3 })), { 'eu:': 0.2333, 'us:': 0.3833, 'ap:': 0.3833 }, steer)
    t.match(
      sharesIn(two(steer, { eu: 0.3, us: 0.6 })),
      { 'eu:': 0.2333, 'us:': 0.1333, 'ap:': 0.6333 },
      steer,
    )
    const none = { 'eu:': 0.3333, 'us:': 0.3333, 'ap:': 0.3333 }
    t.match(sharesIn(two(steer, { eu: 0.3, us: 0.6, ap: 0.1 })), none, `${steer}: all are full`)
  }
})

t.test('with latency the next is the next fastest', async (t) => {
  const times: Record<string, number> = { eu: 10, us: 30, ap: 20 }
  const world = two('latency', { eu: 0.25 })
  const conditions = { ...world.conditions, latencyMs: (pool: string) => times[pool]! }
  t.match(sharesIn({ ...world, conditions }), { 'eu:': 0.75, 'ap:': 0.25 })
})

t.test('clients of an area go on in their own list, and no further', async (t) => {
  const world = (spills: Record<string, number>): World => ({
    ...two('geo', spills),
    services: {
      www: {
        steer: 'geo',
        choices: choicesOf('eu', 'us', 'ap'),
        geo: {
          cidr: [],
          asn: [],
          subdivision: [],
          country: [],
          continent: [],
          default: [0, 1],
          beyond: 'none',
        },
      },
    },
    areas: { www: { mapSlot: 0, areas: [[0, 1], [1], [2, 0]] } },
  })
  t.match(sharesIn(world({ eu: 0.25 }), 0), { 'eu:': 0.75, 'us:': 0.25 })
  t.match(sharesIn(world({ us: 0.25 }), 1), { 'us:': 1 }, 'nobody else is for them')
  t.match(sharesIn(world({ ap: 0.5, eu: 0.5 }), 2), { 'ap:': 0.5, 'eu:': 0.5 })
})

t.test('what a nested service can not take goes on outside of it', async (t) => {
  const world = (spills: Record<string, number>, steer: Service['steer'] = 'failover'): World => ({
    members: { eu: 'e up', us: 'u up', ap: 'a up' },
    pools: { eu: full, us: full, ap: full },
    services: {
      inner: { steer, choices: choicesOf('eu', 'us') },
      www: { choices: choicesOf('service inner', 'ap') },
    },
    conditions: fedBy({}, spills),
  })
  t.match(sharesIn(world({ eu: 0.25 })), { 'eu:': 0.75, 'us:': 0.25 }, 'inside, as long as there is room')
  t.match(sharesIn(world({ eu: 0.25, us: 0.5 })), { 'eu:': 0.75, 'us:': 0.125, 'ap:': 0.125 })
  t.match(sharesIn(world({ eu: 0.2, us: 0.6 }, 'weighted')), { 'eu:': 0.4, 'us:': 0.2, 'ap:': 0.4 })
  t.match(
    sharesIn(world({ eu: 0.25, us: 0.5 }), 0, 'inner'),
    { 'eu:': 0.75, 'us:': 0.25 },
    'by itself it has nobody',
  )
  const drawn: World = {
    ...world({ eu: 0.25, us: 0.4 }),
    services: {
      inner: { choices: choicesOf('eu', 'us') },
      www: { steer: 'weighted', choices: choicesOf('service inner', 'ap') },
    },
  }
  t.match(sharesIn(drawn), { 'eu:': 0.375, 'us:': 0.075, 'ap:': 0.55 })
})

t.test('clients that the next one has nothing for stay where they are', async (t) => {
  const geo = { cidr: [], asn: [], subdivision: [], country: [], continent: [], default: [0] }
  const world: World = {
    members: { eu: 'e up', us: 'u up', ap: 'a down' },
    pools: { eu: full },
    services: {
      inner: { steer: 'geo', choices: choicesOf('us', 'ap'), geo: { ...geo, beyond: 'none' } },
      www: { choices: choicesOf('eu', 'service inner'), whenAllDown: 'servfail' },
    },
    areas: { inner: { mapSlot: 3, areas: [[0], [1]] } },
    conditions: fedBy({}, { eu: 0.25 }),
  }
  t.match(sharesIn(world, 0), { 'eu:': 0.75, 'us:': 0.25 })
  t.match(sharesIn(world, 1), { 'eu:': 1 })
})

t.test('clients of a `hash` pool that spills keep their side', async (t) => {
  const world = two('failover', { eu: 0.25 }, { pools: { eu: { ...full, select: 'hash' } } })
  const { tree } = answer(world).selection
  t.equal(tree.kind, 'hash')
  t.match(sharesIn(world), { 'eu:': 0.75, 'us:': 0.25 })
})

/** The address that each of 2,000 clients gets. */
function answersOf(world: World): string[] {
  const state = new ServingState()
  state.apply(servingUpdate([{ apex: 'test', lines: [], services: { www: 0 } }], [answer(world).plan], 1, []))
  const zones = new OwnZones(state)
  return Array.from({ length: 2000 }, (_, nth) => {
    const { message } = zones.explain('www.test', 'A', `10.${nth >> 8}.${nth & 0xff}.1`)
    return decodeSections(message)
      .answers.map(({ rdata }) => rdata.join('.'))
      .join()
  })
}

t.test('of a `hash` pool only the clients move that have to', async (t) => {
  const weighing = (weight: number): World => ({
    members: { eu: 'a up, b up, c up' },
    pools: { eu: { select: 'hash' } },
    memberSettings: { a: { weightFeed } },
    services: { www: { choices: choicesOf('eu') } },
    conditions: {
      fed: (_, { name }) => ({ weight: name === 'a' ? { ...reading(0), weight } : null, shed: null }),
    },
  })
  const [light, heavy] = [answersOf(weighing(100)), answersOf(weighing(200))]
  const moved = light.flatMap((before, nth) => (before === heavy[nth] ? [] : [heavy[nth]]))
  t.same([...new Set(moved)], ['192.0.2.1'], 'to the one that weighs more, and from nobody else to anybody')
  const share = moved.length / light.length
  t.ok(Math.abs(share - (0.5 - 1 / 3)) < 0.04, `${share} of them`)
  const spilling = (share: number) =>
    answersOf({
      ...two('failover', { eu: share }, { pools: { eu: { ...full, select: 'hash' } } }),
      members: { eu: 'e up', us: 'x down, u up', ap: 'a up' },
    })
  const [little, more] = [spilling(0.25), spilling(0.5)]
  const own = '192.0.2.1'
  const back = little.filter((before, nth) => before !== own && more[nth] === own)
  t.same(back, [], 'who has gone stays gone while more go')
  const gone = more.filter((address) => address !== own).length / more.length
  t.ok(Math.abs(gone - 0.5) < 0.05, `${gone} have gone`)
})

t.test('a weight that a feed says stands in the place of the own one', async (t) => {
  const world: World = {
    members: { eu: 'a up, b up' },
    pools: { eu: { select: 'weighted' } },
    memberSettings: { a: { weight: 100, weightFeed } },
    services: { www: { choices: choicesOf('eu') } },
  }
  const by = (weight: number | null) => ({
    ...world,
    conditions: { fed: (): FedMember => ({ weight: { ...reading(0), weight }, shed: null }) },
  })
  t.match(sharesIn(by(300)), { a: 0.75, b: 0.25 })
  t.match(sharesIn(by(null)), { a: 0.5, b: 0.5 }, 'without a good value its own holds')
  t.match(sharesIn(by(0.5)), { a: round(0.5 / 100.5) })
  t.match(sharesIn(by(0)), { b: 1 }, 'a last resort')
  t.match(sharesIn(world), { a: 0.5, b: 0.5 }, 'without readings')
})
