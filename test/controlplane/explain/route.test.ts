/** The route of a query, as the walk of the real plan tells it, against where its answer came from. */
import fc from 'fast-check'
import t from 'tap'
import { type Route, routeOf } from '../../../src/controlplane/explain/route.ts'
import { overrideStates } from '../../../src/controlplane/model/override.ts'
import { type Choice, geoBeyonds, type ServiceSteer } from '../../../src/controlplane/model/service.ts'
import type { ServiceAreas } from '../../../src/controlplane/steering/selection.ts'
import { OwnZones } from '../../../src/dataplane/answer/own-zones.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { ranges } from '../../dataplane/trees.ts'
import { servingUpdate } from '../../dataplane/zone-text.ts'
import { answer, choicesOf, type MemberPicture, type World } from '../steering/world.ts'

/** Areas 0, 1 and 2 by the first octet; area 9 is one that no service knows. */
const map = ranges({ '0.0.0.0': 0, '1.0.0.0': 1, '2.0.0.0': 2, '3.0.0.0': 9, '4.0.0.0': 0 })

/** Other areas for the same addresses. */
const otherMap = ranges({ '0.0.0.0': 2, '1.5.0.0': 0, '2.0.0.0': 1 })

const use = { feed: 'load', entity: '{pool}', column: 'used', maxAgeMs: 60_000 }
const capacity = { ...use, limit: 100, back: 10 }
const shed = { ...use, above: 0, to: 1, back: 0 }
const at = new Date()
const fed = {
  key: { feed: 'load', entity: 'eu', column: 'used' },
  reading: { value: 150, at, from: at },
  state: 'good' as const,
}

function routeThrough(world: World, client = '1.2.3.4'): Route {
  const { selection, plan } = answer(world)
  const state = new ServingState()
  state.apply(servingUpdate([{ apex: 'test', lines: [], services: { www: 0 } }], [plan], 1, [map, otherMap]))
  const { services } = new OwnZones(state).explain('www.test', 'A', client)
  return routeOf({ ipv4: selection, ipv6: selection }, services[0]!)
}

/** The choice that was taken at each level that was met, and the area. */
function taken({ levels }: Route): string[] {
  return levels.flatMap(({ judgement, met, taken, area }) =>
    met ? [`${judgement.choices[taken!]!.key}${area === null ? '' : ` in area ${area}`}`] : [],
  )
}

const members = { eu: 'e1 up, e2 up', us: 'u1 up', asia: 'a1 up', dead: 'd1 down' }
const choices = choicesOf('eu', 'us', 'asia')
const areas = (...lists: number[][]): ServiceAreas => ({ mapSlot: 0, areas: lists })

t.test('a query goes through the areas of nested services', async (t) => {
  const world: World = {
    members,
    services: {
      www: { choices: choicesOf('dead', 'service inner') },
      inner: { steer: 'geo', choices, geo: null },
    },
    areas: { inner: areas([0], [1, 0], [2]) },
  }
  t.same(taken(routeThrough(world, '1.0.0.1')), ['service inner', 'pool us in area 1'])
  t.same(taken(routeThrough(world, '2.0.0.1')), ['service inner', 'pool asia in area 2'])
  t.same(taken(routeThrough(world, '3.0.0.1')), ['service inner', 'pool eu in area 0'])
  const withoutMap = { ...world, areas: { inner: areas([2, 1]) } }
  t.same(taken(routeThrough(withoutMap)), ['service inner', 'pool asia in area 0'])
})

t.test('a level that was not met took no choice', async (t) => {
  const { levels } = routeThrough({
    members,
    services: { www: { choices: choicesOf('eu', 'service inner') }, inner: { choices } },
  })
  t.match(levels, [
    { met: true, taken: 0 },
    { met: false, taken: null, area: null },
  ])
})

t.test('what is drawn or takes turns depends on chance, what is hashed does not', async (t) => {
  const one = (pools: World['pools'], text: MemberPicture = 'e1 up, e2 up'): World => ({
    members: { eu: text },
    pools: pools!,
    services: { www: { choices: choicesOf('eu') } },
  })
  const byChance = (world: World) => routeThrough(world).byChance
  t.equal(byChance(one({})), false)
  t.equal(byChance(one({ eu: { answers: 1 } })), true)
  t.equal(byChance(one({ eu: { select: 'weighted' } })), true)
  t.equal(byChance(one({ eu: { select: 'weighted' } }, 'e1 up, e2 down')), false)
  t.equal(byChance(one({ eu: { select: 'weighted', answers: 2 } })), false)
  t.equal(byChance({ ...one({ eu: { select: 'weighted' } }), memberSettings: { e2: { weight: 0 } } }), false)
  t.equal(byChance(one({ eu: { select: 'hash' } })), false)
  t.equal(byChance(one({ eu: { hosts: 'cname' } }, 'e1 lost, e2 lost')), true)
  const weighted = (...texts: string[]): World => ({
    members,
    services: { www: { steer: 'weighted', choices: choicesOf(...texts) } },
  })
  t.equal(byChance(weighted('us', 'asia')), true)
  t.equal(byChance(weighted('us', 'dead', 'asia 0')), false)
  t.equal(byChance({ members, services: { www: { choices, steer: 'hash' } } }), false)
})

t.test('what a full pool spills goes by the next choice', async (t) => {
  const world = (services: World['services'], share: number): World => ({
    members,
    pools: { eu: { capacity } },
    services,
    conditions: { full: () => ({ ...fed, share }) },
  })
  const own = world({ www: { choices: choicesOf('eu', 'us') } }, 1e-9)
  t.same(taken(routeThrough(own)), ['pool eu'])
  const spilling = routeThrough(world({ www: { choices: choicesOf('eu', 'us') } }, 1))
  t.same(taken(spilling), ['pool us'])
  t.same([...spilling.levels[0]!.passed], [0])
  t.equal(spilling.byChance, true)
  t.equal(spilling.nothingUp, false)
  const nested = { www: { choices: choicesOf('service inner', 'us') }, inner: { choices: choicesOf('eu') } }
  t.same(taken(routeThrough(world(nested, 1))), ['pool us'])
  t.same(taken(routeThrough(world({ www: { choices: choicesOf('eu') } }, 1))), ['pool eu'], 'it has nobody')
})

t.test('when nothing is up, the route leads to the pool that the policy answers with', async (t) => {
  const down = { eu: 'e1 down', us: 'u1 down', asia: 'a1 down' }
  const world = (www: World['services'][string], known?: World['known']): World => ({
    members: down,
    services: { www, inner: { choices: choicesOf('us', 'asia') } },
    ...(known === undefined ? {} : { known }),
  })
  const nested = choicesOf('service inner', 'eu')
  t.same(taken(routeThrough(world({ choices: nested }))), ['service inner', 'pool us'])
  const lastKnown = {
    pools: [['asia', ['a1']]] as const,
    services: [
      ['www', ['service inner']],
      ['inner', ['pool asia']],
    ] as const,
  }
  const before = routeThrough(world({ choices: nested, whenAllDown: 'last-known' }, lastKnown))
  t.same(taken(before), ['service inner', 'pool asia'])
  t.equal(before.answer?.by, 'last-known')
  const none = routeThrough(world({ choices: nested, whenAllDown: 'servfail' }))
  t.same(taken(none), [])
  t.equal(none.answer?.by, 'servfail')
  const fallback = routeThrough(world({ choices: choicesOf('eu'), whenAllDown: 'fallback', fallback: 'us' }))
  t.same(taken(fallback), [])
  t.equal(fallback.answer?.pool?.name, 'us')
})

t.test('a walk of another plan says nothing of the answer', async (t) => {
  const { selection } = answer({ members, services: { www: { choices } } })
  const walk = { plan: 0, ipv6: false, leaf: 7, way: [] }
  t.equal(routeOf({ ipv4: selection, ipv6: selection }, walk).answer, null)
})

t.test('the choices that were taken lead to the pool that answered', async () => {
  const steers: readonly ServiceSteer[] = ['failover', 'weighted', 'hash', 'geo', 'latency']
  const picture = fc.constantFrom<MemberPicture>('x up', 'x up, y up', 'x down', 'x unknown, y down')
  const settings = fc.record({
    steer: fc.constantFrom(...steers),
    weights: fc.array(fc.nat(2), { minLength: 3, maxLength: 3 }),
  })
  const spill = fc.constantFrom(0, 0, 0.3, 0.9, 1)
  const lists = fc.array(fc.uniqueArray(fc.nat(2), { minLength: 1 }), { minLength: 1, maxLength: 3 })
  const weigh = (all: readonly Choice[], weights: readonly number[]) =>
    all.map((choice, index) => ({ ...choice, weight: weights[index]! }))
  fc.assert(
    fc.property(
      fc.record({ eu: picture, us: picture, asia: picture, af: picture }),
      settings,
      settings,
      fc.constantFrom(...geoBeyonds),
      lists,
      lists,
      fc.nat(1),
      fc.ipV4(),
      fc.constantFrom(null, null, ...overrideStates),
      fc.record({ eu: spill, us: spill, asia: spill, af: spill, x: spill }),
      fc.constantFrom('all' as const, 'hash' as const),
      (pools, outer, inner, beyond, outerAreas, innerAreas, mapSlot, client, forced, shares, select) => {
        const geo = { cidr: [], asn: [], subdivision: [], country: [], continent: [], default: [0], beyond }
        const route = routeThrough(
          {
            members: pools,
            pools: Object.fromEntries(Object.keys(pools).map((name) => [name, { select, capacity }])),
            memberSettings: { x: { shed } },
            services: {
              www: {
                steer: outer.steer,
                geo,
                choices: weigh(choicesOf('eu', 'service inner', 'us'), outer.weights),
              },
              inner: {
                steer: inner.steer,
                geo,
                choices: weigh(choicesOf('asia', 'us', 'af'), inner.weights),
              },
            },
            areas: { www: areas(...outerAreas), inner: { ...areas(...innerAreas), mapSlot } },
            conditions: {
              forcedService: (service) => (service === 'inner' ? forced : null),
              fed: (_, { name }) => ({ weight: null, shed: { ...fed, share: name === 'x' ? shares.x : 0 } }),
              full: ({ name }) => ({ ...fed, share: shares[name as keyof typeof shares] }),
            },
          },
          client,
        )
        const last = route.levels
          .flatMap(({ judgement, met, taken }) => (met ? [judgement.choices[taken!]!] : []))
          .at(-1)!
        return last.used && last.key === `pool ${route.answer!.pool!.name}`
      },
    ),
  )
})
