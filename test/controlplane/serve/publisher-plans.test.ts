/** When plans are made, and when they are handed over: by whatever they depend on, and not twice. */
import { setImmediate as immediate } from 'node:timers/promises'
import t from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import type { Vitals } from '../../../src/controlplane/health/checked-member.ts'
import type { AreaRequest, ServiceMap } from '../../../src/controlplane/location/location-thread.ts'
import type { HealthState } from '../../../src/controlplane/model/observation.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import type { Choice, Service } from '../../../src/controlplane/model/service.ts'
import { AnswerCounters } from '../../../src/controlplane/serve/answer-counters.ts'
import { HandedOut } from '../../../src/controlplane/serve/handed-out.ts'
import { ImagePump } from '../../../src/controlplane/serve/image-pump.ts'
import { LocationMaps } from '../../../src/controlplane/serve/location-maps.ts'
import type { TakeTurn } from '../../../src/controlplane/serve/plan-turns.ts'
import { Planner, type PlannerOptions } from '../../../src/controlplane/serve/planner.ts'
import { PoolWatch } from '../../../src/controlplane/serve/pool-watch.ts'
import { Publisher } from '../../../src/controlplane/serve/publisher.ts'
import { serviceStatus } from '../../../src/controlplane/serve/service-status.ts'
import { ServiceWatch } from '../../../src/controlplane/serve/service-watch.ts'
import { oneTurn } from '../../../src/controlplane/timing/in-turns.ts'
import { AnswerReader } from '../../../src/dataplane/counters.ts'
import { compileLocationMap } from '../../../src/dataplane/image/location-map.ts'
import type { ServingUpdate } from '../../../src/dataplane/image/serving-set.ts'
import { poolChoice, serviceChoice } from '../model/defaults.ts'
import { hostMember, member, pool, service } from '../store/suite/samples.ts'
import { takeWhole } from './whole-turns.ts'

const start = Date.parse('2026-05-01T12:00:00Z')
const nothing: Vitals = {
  near: false,
  latencyMs: null,
  weightPercent: null,
  backSince: null,
  certificate: null,
  own: { state: 'up', reason: '' },
}
/** Everybody is in area 0. */
const anyMap = (areas: ServiceMap['areas'] = [[0], [1]]): ServiceMap => ({
  areas,
  image: compileLocationMap({
    ipv4: { starts: Uint32Array.of(0), areas: Uint16Array.of(0) },
    ipv6: { starts: BigUint64Array.of(0n), areas: Uint16Array.of(0) },
  }),
})

function catalogOf(revision: number, pools: readonly Pool[], services: readonly Service[]): Catalog {
  return new Catalog({
    revision,
    monitors: new Map(),
    pools: new Map(pools.map((one) => [one.name, one])),
    services: new Map(services.map((one) => [one.name, { ...one, zone: 'test' }])),
    zones: new Map(),
    overrides: new Map(),
  })
}

interface SetUp {
  areas?: (request: AreaRequest) => Promise<ServiceMap>
  resolution?: PlannerOptions['resolution']
  takeTurn?: TakeTurn
}

function setUp(options: SetUp = {}) {
  const clock = { ms: start }
  const now = () => new Date(clock.ms)
  const updates: ServingUpdate[] = []
  const measured = new Map<string, HealthState>()
  const vitals = new Map<string, Partial<Vitals>>()
  const problems: string[] = []
  const answers = new AnswerCounters(() => new AnswerReader([]))
  const locations = new LocationMaps({
    areas: options.areas ?? (() => Promise.reject(new Error('there is no location data'))),
    onProblem: (problem) => problems.push(problem),
  })
  const planner = new Planner({
    answers,
    facts: {
      measured: (poolName, name) => measured.get(`${poolName}/${name}`) ?? 'up',
      lastKnown: () => null,
      vitals: (poolName, name) => ({ ...nothing, ...vitals.get(`${poolName}/${name}`) }),
      latencyMs: (poolName, name) => vitals.get(`${poolName}/${name}`)?.latencyMs ?? null,
    },
    resolution: options.resolution ?? (() => t.fail('there is no host') as never),
    locations,
    now,
    onRamp: () => {},
  })
  const changed: string[] = []
  const failures: string[] = []
  const publisher = new Publisher({
    pump: new ImagePump(async (update) => void updates.push(update)),
    planner,
    locations,
    handedOut: new HandedOut(now),
    pools: new PoolWatch(),
    services: new ServiceWatch(),
    onServices: () => {},
    onPools: (changes) => changed.push(...changes.map(({ pool, from, to }) => `${pool} ${from}>${to}`)),
    onServed: () => {},
    takeTurn: options.takeTurn ?? takeWhole,
    onError: (what, error) => failures.push(`${what}: ${(error as Error).message}`),
  })
  const { signal } = new AbortController()
  let last: Catalog | null = null
  const adopt = async (pools: readonly Pool[], services: readonly Service[], only?: readonly string[]) => {
    const catalog = catalogOf((last?.revision ?? 0) + 1, pools, services)
    last = catalog
    await publisher.adopt(
      {
        catalog,
        services: only ?? [...catalog.services.keys()],
        pools: only === undefined ? [...catalog.pools.keys()] : [],
      },
      await locations.prepare(catalog, signal),
    )
  }
  /** Slots of the plans that the workers have been handed since the last look. */
  const handed = () => updates.splice(0).flatMap(({ plans = [] }) => plans.map(([slot]) => slot))
  const slot = (name: string) => publisher.planSlots.take(name)
  const status = (name: string) => serviceStatus(publisher.selections(name), publisher.unplanned(name))
  return {
    clock,
    publisher,
    planner,
    locations,
    answers,
    measured,
    vitals,
    changed,
    failures,
    updates,
    problems,
    adopt,
    handed,
    slot,
    status,
  }
}

const pools = [
  pool('eu', [member('fra-1', '192.0.2.1'), member('fra-2', '192.0.2.2')], { monitor: 'm' }),
  pool('us', [member('nyc-1', '192.0.2.3')], { monitor: 'm' }),
]
const nested = (name: string, choices: readonly Choice[], change: Partial<Service> = {}): Service => ({
  ...service(name, [], change),
  choices,
})

t.test('a plan that comes out the same is not handed over again', async (t) => {
  const { publisher, measured, vitals, adopt, handed, changed } = setUp()
  await adopt(pools, [service('www.test', ['eu', 'us'])])
  t.same(handed(), [0])
  await adopt(pools, [service('www.test', ['eu', 'us'])])
  t.same(handed(), [], 'another revision, the same answers')
  vitals.set('eu/fra-1', { near: true, latencyMs: 9 })
  await publisher.refresh(['eu'])
  measured.set('us/nyc-1', 'down')
  await publisher.refresh(['us'])
  t.same(handed(), [], 'a pool that is not answered from')
  t.same(changed.splice(0), ['us healthy>down'], 'which is a change of the pool all the same')
  measured.set('eu/fra-1', 'down')
  await publisher.refresh(['eu'])
  t.same(handed(), [0])
  measured.set('eu/fra-1', 'up')
  await publisher.refresh(['eu'])
  t.same(handed(), [0], 'what was handed over before that last one does not count')
  t.same(changed, ['eu healthy>degraded', 'eu degraded>healthy'])
})

t.test('a service that is deleted and made anew is handed over', async (t) => {
  const { adopt, handed } = setUp()
  await adopt(pools, [service('www.test', ['eu'])])
  await adopt(pools, [])
  t.same(handed(), [0, 0])
  await adopt(pools, [service('www.test', ['eu'])])
  t.same(handed(), [0])
})

t.test('near a change, with a TTL that depends on it', async (t) => {
  const { publisher, vitals, adopt, handed } = setUp()
  await adopt(pools, [service('www.test', ['eu'], { minTtlSeconds: 5 })])
  handed()
  vitals.set('eu/fra-1', { near: true })
  await publisher.refresh(['eu'])
  t.same(handed(), [0])
})

t.test('services of services go with the pools below them', async (t) => {
  const { publisher, measured, adopt, handed, slot, status } = setUp()
  const services = [
    nested('top.test', [serviceChoice('middle.test'), poolChoice('us')]),
    nested('middle.test', [serviceChoice('bottom.test')]),
    service('bottom.test', ['eu']),
    service('other.test', ['us']),
  ]
  await adopt(pools, services)
  handed()
  measured.set('eu/fra-1', 'down').set('eu/fra-2', 'down')
  await publisher.refresh(['eu'])
  t.same(new Set(handed()), new Set(['top.test'].map(slot)), 'the others answer with everything: serve-all')
  t.match(status('top.test'), { state: 'up', pool: 'us' })
  t.match(status('middle.test'), { state: 'down', pool: 'eu' })
  t.match(publisher.selectionsInSlot(slot('middle.test'))?.ipv4, { by: 'serve-all' })
  t.equal(publisher.selectionsInSlot(99), undefined)

  const moved = services.map((one) => (one.name === 'bottom.test' ? service('bottom.test', ['us']) : one))
  await adopt(pools, moved, ['bottom.test'])
  t.match(status('middle.test'), { state: 'up', pool: 'us' }, 'and with the services')
  t.same(new Set(handed()), new Set(['middle.test', 'bottom.test'].map(slot)), 'top was there already')
})

t.test('counters are freed when members leave the answers for good', async (t) => {
  const { publisher, answers, measured, adopt } = setUp()
  const names = () => answers.read().map(({ service, pool, member }) => `${service} ${pool}/${member}`)
  await adopt(pools, [service('www.test', ['eu', 'us'])])
  t.same(names(), ['www.test eu/fra-1', 'www.test eu/fra-2'])
  measured.set('eu/fra-1', 'down').set('eu/fra-2', 'down')
  await publisher.refresh(['eu'])
  t.same(names(), ['www.test eu/fra-1', 'www.test eu/fra-2', 'www.test us/nyc-1'])
  await adopt(
    [{ ...pools[0]!, members: pools[0]!.members.slice(1) }, pools[1]!],
    [service('www.test', ['eu', 'us'])],
  )
  t.same(names(), ['www.test eu/fra-2', 'www.test us/nyc-1'])
  await adopt(pools, [service('www.test', ['us'])])
  t.same(names(), ['www.test us/nyc-1'])
  await adopt(pools, [])
  t.same(names(), [])
})

t.test('probe times are looked at for the services that go by them', async (t) => {
  const { publisher, vitals, adopt, handed, slot, status } = setUp()
  await adopt(pools, [
    service('fast.test', ['eu', 'us'], { steer: 'latency' }),
    nested('outer.test', [serviceChoice('fast.test')]),
    service('slow.test', ['eu', 'us']),
  ])
  handed()
  vitals
    .set('eu/fra-1', { latencyMs: 40 })
    .set('eu/fra-2', { latencyMs: 40 })
    .set('us/nyc-1', { latencyMs: 36 })
  await publisher.refreshLatencies()
  t.equal(status('fast.test')?.pool, 'eu', 'as good as as fast: no reason to move')
  vitals.set('us/nyc-1', { latencyMs: 10 })
  handed()
  await publisher.refreshLatencies()
  t.equal(status('fast.test')?.pool, 'us')
  t.same(new Set(handed()), new Set([slot('fast.test'), slot('outer.test')]))
  await publisher.refreshLatencies()
  t.same(handed(), [])
})

t.test('slow start: the weight rises by steps, and is whole at the end', async (t) => {
  const { clock, publisher, vitals, adopt, handed, planner } = setUp()
  t.teardown(() => planner[Symbol.dispose]())
  const slow = pools.map((one) => ({ ...one, slowStartMs: 20_000, select: 'weighted' as const }))
  vitals.set('eu/fra-1', { backSince: new Date(start) })
  await adopt(slow, [service('www.test', ['eu'])])
  handed()
  const weights: number[] = []
  for (let second = 0; second <= 20; second++) {
    clock.ms = start + second * 1000
    await publisher.refresh(['eu'])
    const { tree } = publisher.selections('www.test')!.ipv4
    weights.push(tree.kind === 'answer' ? tree.members[0]!.weight : Number.NaN)
  }
  t.equal(weights[0], 10)
  t.equal(weights[10], 55)
  t.equal(weights[20], 100)
  t.equal(handed().length, 20, 'one plan for each step')
})

const geo = {
  cidr: [],
  asn: [],
  subdivision: [],
  country: [],
  continent: [['NA', [1]]],
  default: [0],
  beyond: 'none',
} as const

t.test('other location data: new maps and the plans that go by them, in one update', async (t) => {
  let areas: ServiceMap['areas'] = [[0], [1]]
  const { publisher, locations, adopt, updates, slot } = setUp({ areas: async () => anyMap(areas) })
  const { signal } = new AbortController()
  await adopt(pools, [
    service('www.test', ['eu', 'us'], { steer: 'geo', geo }),
    nested('outer.test', [serviceChoice('www.test')]),
    service('other.test', ['us']),
  ])
  t.equal(updates.splice(0)[0]?.maps?.length, 1)
  areas = [[0], [1], [1, 0]]
  await publisher.relocate((await locations.renew(() => publisher.catalog, signal))!)
  t.equal(updates.length, 1)
  t.same(new Set(updates[0]!.plans!.map(([at]) => at)), new Set([slot('www.test'), slot('outer.test')]))
  t.equal(updates.splice(0)[0]?.maps?.length, 1)
  await publisher.relocate((await locations.renew(() => publisher.catalog, signal))!)
  t.equal(updates.splice(0)[0]?.plans, undefined, 'the same areas elsewhere: the maps alone')
})

/** Enough for several turns. */
const many = Array.from({ length: 2000 }, (_, number) => `s${number}.test`)

t.test('a large step is handed over in turns, and a verdict comes between two of them', async (t) => {
  const { publisher, measured, adopt, updates, slot, changed } = setUp({
    areas: async () => anyMap(),
    takeTurn: oneTurn,
  })
  const before = many.map((name, number) =>
    service(name, ['us'], number === 0 ? { steer: 'geo', geo } : { ttlSeconds: 10 }),
  )
  const last = service('last.test', ['own'])
  const own = pool('own', [member('a', '192.0.2.8'), member('b', '192.0.2.9')], { monitor: 'm' })
  await adopt([...pools, own], [...before, last])
  updates.splice(0)
  measured.set('us/nyc-1', 'down')
  const after = many.map((name) => service(name, ['us', 'eu'], { ttlSeconds: 20 }))
  const adopted = adopt([...pools, own], [...after, last])
  let isOver = false
  void adopted.then(() => (isOver = true))
  while (updates.length === 0) await immediate()
  t.notOk(isOver, 'not all at once')
  t.ok(updates[0]!.plans!.length < many.length)
  t.equal(
    publisher.catalog.services.get(many.at(-1)!)!.ttlSeconds,
    20,
    'though all is of the new configuration',
  )
  measured.set('own/a', 'down')
  await publisher.refresh(['own'])
  t.notOk(isOver)
  const slots = updates.flatMap(({ plans = [] }) => plans.map(([at]) => at))
  t.ok(slots.includes(slot('last.test')), 'the services of a verdict go before those of a step')
  await adopted
  t.same(changed, ['us healthy>down', 'own healthy>degraded'])
  const planned = new Set(updates.flatMap(({ plans = [] }) => plans.map(([at]) => at)))
  t.same(
    many.filter((name) => !planned.has(slot(name))),
    [],
    'and none is left',
  )
  const withMaps = updates.filter(({ maps = [] }) => maps.length > 0)
  t.same(
    withMaps.map(({ maps }) => maps),
    [[[0, null]]],
    'a map that is of no use',
  )
  t.equal(withMaps[0], updates.at(-1), 'goes when no plan goes by it any more')
})

t.test('a map that could be made only later', async (t) => {
  let broken = true
  const { adopt, handed, problems, updates, publisher } = setUp({
    areas: async () => {
      if (broken) throw new Error('out of time')
      return anyMap()
    },
  })
  const services = [service('www.test', ['eu', 'us'], { steer: 'geo', geo }), service('other.test', ['us'])]
  await adopt(pools, services)
  t.same(problems, ['a location map was not made: out of time'])
  t.equal(publisher.selections('www.test')?.ipv4.tree.kind, 'answer', 'everybody gets the default')
  handed()
  broken = false
  await adopt(pools, services, ['other.test'])
  t.equal(updates[0]?.maps?.length, 1)
  t.same(handed(), [0], 'its plan is made anew with it')
  t.equal(publisher.selections('www.test')?.ipv4.tree.kind, 'located')
})

t.test('a service whose plan can not be made takes nobody along', async (t) => {
  const { adopt, publisher, handed, slot, failures, status } = setUp()
  const members = Array.from({ length: 3000 }, (_, index) =>
    member(`m${index}`, `10.${index >> 8}.${index & 0xff}.1`),
  )
  // More candidates than a plan holds, in pools of which none has too many.
  const pools = Array.from({ length: 50 }, (_, index) => pool(`p${index}`, members))
  const names = pools.map(({ name }) => name)
  const wide = service('wide.test', names, { steer: 'weighted' })
  const other = service('other.test', ['p0'])
  await adopt(pools, [wide, other])
  t.same(handed(), [slot('other.test')])
  t.match(failures.splice(0), [/^service wide\.test has no plan and is answered as before: /])
  t.equal(publisher.revision, 1, 'the step is served')
  await publisher.refresh(['p0'])
  t.same(failures, [], 'it is said once')
  t.match(status('wide.test'), { state: 'down', reason: /^answered as before.*at most 131072 candidates/ })
  t.match(status('other.test'), { state: 'up' })
})

t.test('hosts that come to have more addresses than a pool can choose among are told of', async (t) => {
  const counts = new Map([
    ['a.test.', 4000],
    ['b.test.', 96],
  ])
  const { adopt, publisher, updates, failures, status } = setUp({
    resolution: (host) => ({
      host,
      state: 'fresh',
      addresses: Array.from(
        { length: counts.get(host)! },
        (_, index) => `10.${host.charCodeAt(0)}.${index >> 8}.${index & 255}`,
      ),
      since: new Date(0),
      expiresAt: new Date(start + 60_000),
      error: null,
    }),
  })
  await adopt(
    [
      pool('p', [hostMember('a', 'a.test.'), hostMember('b', 'b.test.')]),
      pool('q', [member('a', '192.0.2.1')]),
    ],
    [service('wide.test', ['p', 'q'], { steer: 'weighted' })],
  )
  t.match(status('wide.test'), {
    state: 'up',
    reason: /^p: 2 of 2 members answer, of 4096 IPv4 addresses at most 4094 in one/,
  })
  t.same(failures, [])
  counts.set('b.test.', 97)
  await publisher.refresh(['p'])
  const said = '1121 of the 4097 addresses of its hosts are answered, for a pool can choose among 4096'
  t.match(status('wide.test'), { state: 'up', reason: `p: 2 of 2 members answer, ${said}; q: 1` })
  t.same(failures.splice(0), [`service wide.test answers with a part of its addresses: pool p: ${said}`])
  counts.set('b.test.', 98)
  await publisher.refresh(['p'])
  t.same(failures, [], 'it is said once')
  counts.set('b.test.', 1)
  await publisher.refresh(['p'])
  counts.set('b.test.', 97)
  await publisher.refresh(['p'])
  t.equal(failures.length, 1, 'and again when it came to be so again')
  t.ok(updates.length > 0)
})
