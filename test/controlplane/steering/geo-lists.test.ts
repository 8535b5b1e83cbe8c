/** What clients get when nothing of their list is up, and that no client gets what its list does not have. */
import fc from 'fast-check'
import t from 'tap'
import { allDownPolicies } from '../../../src/controlplane/model/pool.ts'
import {
  type GeoBeyond,
  type GeoRules,
  geoBeyonds,
  type Service,
  serviceSteers,
} from '../../../src/controlplane/model/service.ts'
import type { AnswerTree, PoolAnswer } from '../../../src/controlplane/steering/selection.ts'
import { leavesOf } from '../../../src/dataplane/image/plan-tree.ts'
import { answer, choicesOf, type World } from './world.ts'

const geo = (beyond: GeoBeyond = 'none'): GeoRules => {
  return { cidr: [], asn: [], subdivision: [], country: [], continent: [], default: [0], beyond }
}

const choices = choicesOf('public', 'internal', 'far')
/** Clients of area 1 are those inside. */
const lists = { mapSlot: 2, areas: [[0], [1]] }
const members = { public: 'p down', internal: 'i up', far: 'f up', sorry: 's down' }
const located = (changes: Partial<Service> = {}, words: World['members'] = {}): World => ({
  members: { ...members, ...words },
  services: { www: { steer: 'geo', choices, geo: geo(), ...changes } },
  areas: { www: lists },
})

t.test('a client gets nothing that its list does not have, but where that is asked for', async (t) => {
  t.equal(answer(located()).text, 'area 0 [public: p], area 1 [internal: i]')
  const fallback = { whenAllDown: 'fallback', fallback: 'sorry' } as const
  t.equal(answer(located(fallback)).text, 'area 0 [sorry: s], area 1 [internal: i]')
  t.equal(answer(located({ whenAllDown: 'servfail' })).text, 'area 0 [SERVFAIL], area 1 [internal: i]')
  t.equal(answer(located({ whenAllDown: 'nodata' })).text, 'area 0 [NODATA], area 1 [internal: i]')
  t.equal(answer(located({ geo: geo('any') })).text, 'area 0 [internal: i], area 1 [internal: i]')
  const inside = { public: 'p up', internal: 'i down' }
  t.equal(answer(located(fallback, inside)).text, 'area 0 [public: p], area 1 [sorry: s]')
  t.equal(answer(located({ geo: geo('default') }, inside)).text, 'area 0 [public: p], area 1 [public: p]')
  const both = { internal: 'i down' }
  const beyondDefault = answer(located({ geo: geo('default'), whenAllDown: 'nodata' }, both))
  t.equal(beyondDefault.text, 'NODATA', 'far is up, but in no list that anybody has')
  t.equal(beyondDefault.selection.judgement.up, false)
  t.equal(answer(located({ geo: geo('any') }, both)).text, 'area 0 [far: f], area 1 [far: f]')
})

t.test('an operator who takes a list out leaves its clients with it, and not with another', async (t) => {
  const drained = { public: 'p up', internal: 'i drained' }
  t.equal(answer(located({}, drained)).text, 'area 0 [public: p], area 1 [internal: i]')
  t.equal(answer(located({}, { public: '', internal: 'i up' })).text, 'area 0 [NODATA], area 1 [internal: i]')
})

t.test('each client has its own first choice when everything is down', async (t) => {
  const down = { internal: 'i down', far: 'f down' }
  for (const whenAllDown of ['serve-all', 'last-known'] as const) {
    const text = 'area 0 [public: p], area 1 [internal: i]'
    t.equal(answer(located({ whenAllDown }, down)).text, text, whenAllDown)
    const nested = located({ whenAllDown }, down)
    const inner = { ...nested.services.www }
    const services = { www: { choices: choicesOf('service inner', 'far'), whenAllDown }, inner }
    t.equal(answer({ ...nested, services, areas: { inner: lists } }).text, text, 'through a nested service')
  }
  const near = { steer: 'nearest', geo: null } as const
  const world = located(near, down)
  const nearest = {
    ...world,
    areas: {
      www: {
        mapSlot: 2,
        areas: [
          [0, 1, 2],
          [2, 1, 0],
          [1, 2, 0],
        ],
      },
    },
  }
  t.equal(answer(nearest).text, 'area 0 [public: p], area 1 [far: f], area 2 [internal: i]')
  const drained = { ...nearest, members: { ...nearest.members, far: 'f drained' } }
  t.equal(answer(drained).text, 'area 0 [public: p], area 1 [internal: i], area 2 [internal: i]')
})

t.test('last-known gives each client what its list had', async (t) => {
  const members = { public: 'p down, q down', internal: 'i down, j up', far: 'f down' }
  const known: World['known'] = {
    pools: [
      ['public', ['q']],
      ['internal', ['j']],
    ],
    services: [['www', ['pool internal']]],
  }
  const world = { ...located({ whenAllDown: 'last-known' }, members), known }
  t.equal(answer(world).text, 'area 0 [public: q], area 1 [internal: j]', 'down for some alone')
  const all = { ...world, members: { ...world.members, internal: 'i down, j down' } }
  t.equal(answer(all).text, 'area 0 [public: q], area 1 [internal: j]', 'and for all')
})

t.test('a service around it goes on to its next choice, for the clients that got nothing', async (t) => {
  const around = (changes: Partial<Service>, pools: World['members'] = {}): World => ({
    members: { ...members, ...pools },
    services: { www: changes, inner: { steer: 'geo', choices, geo: geo(), whenAllDown: 'servfail' } },
    areas: { inner: lists, www: { mapSlot: 3, areas: [[0, 1]] } },
  })
  const failover = { choices: choicesOf('service inner', 'far') }
  t.equal(answer(around(failover)).text, 'area 0 [far: f], area 1 [internal: i]')
  t.equal(answer(around(failover, { far: 'f down' })).text, 'area 0 [public: p], area 1 [internal: i]')
  const nearest = { ...failover, steer: 'nearest' } as const
  t.equal(answer(around(nearest)).text, 'area 0 [far: f], area 1 [internal: i]')
  const geoOfGeo = { ...failover, steer: 'geo', geo: { ...geo(), default: [0, 1] } } as const
  t.equal(answer(around(geoOfGeo)).text, 'area 0 [far: f], area 1 [internal: i]')
  const latency = { ...failover, steer: 'latency' } as const
  t.equal(answer(around(latency)).text, 'area 0 [far: f], area 1 [internal: i]')
  const weighted = {
    choices: choicesOf('service inner 30', 'far 50', 'sorry 20'),
    steer: 'weighted',
  } as const
  t.equal(
    answer(around(weighted, { sorry: 's up' })).text,
    '30 x [area 0 [50 x [far: f], 20 x [sorry: s]], area 1 [internal: i]], 50 x [far: f], 20 x [sorry: s]',
    'the others by their shares',
  )
  const alone = { choices: choicesOf('service inner'), whenAllDown: 'nodata' } as const
  t.equal(
    answer(around(alone)).text,
    'area 0 [NODATA], area 1 [internal: i]',
    'by the policy of who was asked',
  )
  t.equal(answer(around(alone), 'inner').text, 'area 0 [SERVFAIL], area 1 [internal: i]')
})

t.test('many choices with something for some clients alone', async (t) => {
  const names = Array.from({ length: 12 }, (_, index) => `inner${index}`)
  const inner = { steer: 'geo', choices: choicesOf('public', 'internal'), geo: geo() } as const
  for (const steer of ['failover', 'weighted', 'hash', 'latency'] as const) {
    const { selection } = answer({
      members,
      services: {
        www: {
          steer,
          choices: choicesOf(...names.map((name) => `service ${name}`), 'far'),
          whenAllDown: 'nodata',
        },
        ...Object.fromEntries(names.map((name) => [name, inner])),
      },
      areas: Object.fromEntries(names.map((name, index) => [name, { mapSlot: index, areas: [[0], [1]] }])),
    })
    const pools = new Set(leavesOf(selection.tree).map(({ pool }) => pool?.name))
    t.same([...pools].sort(), ['far', 'internal'], steer)
  }
})

/** The leaves for clients that are in these areas, by slot of the map. */
function leavesFor(tree: AnswerTree, areas: readonly number[]): PoolAnswer[] {
  if (tree.kind === 'answer') return [tree]
  if (tree.kind !== 'located') return tree.children.flatMap(({ node }) => leavesFor(node, areas))
  return leavesFor(tree.areas[areas[tree.mapSlot]!] ?? tree.areas[0]!, areas)
}

t.test('no client is answered from a pool that its list does not have', async () => {
  const words = fc.constantFrom('m up', 'm down', 'm drained', 'm forced-down', 'm unknown', '')
  const list = fc.uniqueArray(fc.nat(2), { minLength: 1 })
  const pools = ['public', 'internal', 'far'] as const
  fc.assert(
    fc.property(
      fc.tuple(words, words, words),
      fc.array(list, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(...geoBeyonds),
      fc.constantFrom(...allDownPolicies.filter((policy) => policy !== 'fallback')),
      fc.subarray([...pools]),
      fc.constantFrom(...serviceSteers.filter((steer) => steer !== 'geo' && steer !== 'nearest')),
      (states, areas, beyond, whenAllDown, known, steer) => {
        const inner = {
          steer: 'geo',
          choices,
          geo: { ...geo(beyond), default: areas[0]! },
          whenAllDown,
        } as const
        const { selection } = answer({
          members: Object.fromEntries(pools.map((name, index) => [name, states[index]!])),
          services: { www: { steer, choices: choicesOf('service inner'), whenAllDown }, inner },
          areas: { inner: { mapSlot: 0, areas } },
          known: {
            pools: known.map((name) => [name, ['m']]),
            services: [
              ['www', ['service inner']],
              ['inner', known.map((name) => `pool ${name}`)],
            ],
          },
        })
        return areas.every((own, area) => {
          const allowed = beyond === 'none' ? own : beyond === 'default' ? [...own, ...areas[0]!] : [0, 1, 2]
          const leaves = leavesFor(selection.tree, [area])
          const inList = leaves.every(
            ({ pool }) => pool === null || allowed.some((index) => pools[index] === pool.name),
          )
          const up = allowed.some((index) => states[index] === 'm up' || states[index] === 'm unknown')
          return inList && (!up || leaves.every(({ by }) => by === 'up'))
        })
      },
    ),
    { numRuns: 2000 },
  )
})
