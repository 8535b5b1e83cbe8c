/** What the publisher takes note of beside the images: who is answered, and until when clients may have who was. */
import t from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import { ControlError } from '../../../src/controlplane/model/errors.ts'
import { formatMemberKey } from '../../../src/controlplane/model/member-key.ts'
import type { HealthState } from '../../../src/controlplane/model/observation.ts'
import type { Override } from '../../../src/controlplane/model/override.ts'
import { AnswerCounters } from '../../../src/controlplane/serve/answer-counters.ts'
import { HandedOut } from '../../../src/controlplane/serve/handed-out.ts'
import { ImagePump } from '../../../src/controlplane/serve/image-pump.ts'
import { LocationMaps } from '../../../src/controlplane/serve/location-maps.ts'
import { Planner } from '../../../src/controlplane/serve/planner.ts'
import { PoolWatch } from '../../../src/controlplane/serve/pool-watch.ts'
import { Publisher } from '../../../src/controlplane/serve/publisher.ts'
import { ServiceWatch } from '../../../src/controlplane/serve/service-watch.ts'
import { AnswerReader } from '../../../src/dataplane/counters.ts'
import type { ServingUpdate } from '../../../src/dataplane/image/serving-set.ts'
import { patience } from '../../support/patience.ts'
import { member, pool, service } from '../store/suite/samples.ts'
import { takeWhole } from './whole-turns.ts'

const start = Date.parse('2026-05-01T12:00:00Z')
const drain = (poolName: string, memberName: string, until: Date | null = null): Override => ({
  pool: poolName,
  member: memberName,
  state: 'drain',
  until,
  reason: '',
  actor: 'ann',
  since: new Date(start),
})

function catalogOf(revision: number, overrides: Override[], changes: Partial<Catalog> = {}): Catalog {
  const pools = [
    pool('web-eu', [member('fra-1', '192.0.2.1'), member('fra-2', '192.0.2.2')], { monitor: 'm' }),
    pool('web-us', [member('nyc-1', '192.0.2.3')]),
    pool('api', [member('fra-1', '192.0.2.4'), member('lon-1', '192.0.2.5')]),
  ]
  const services = [
    service('eu.test', ['web-eu', 'web-us'], { ttlSeconds: 30 }),
    service('api.test', ['api'], { ttlSeconds: 60 }),
  ]
  return new Catalog({
    revision,
    monitors: new Map(),
    pools: new Map(pools.map((one) => [one.name, one])),
    services: new Map(services.map((one) => [one.name, { ...one, zone: 'test' }])),
    zones: new Map(),
    overrides: new Map(overrides.map((one) => [formatMemberKey(one), one])),
    ...changes,
  })
}

/** A publisher whose workers acknowledge when the test says so. */
function setUp() {
  const clock = { ms: start }
  const now = () => new Date(clock.ms)
  const updates: { update: ServingUpdate; acknowledge: () => void; fail: (error: Error) => void }[] = []
  const errors: string[] = []
  let arrived = () => {}
  const pump = new ImagePump((update) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    updates.push({ update, acknowledge: resolve, fail: reject })
    arrived()
    return promise
  })
  const measured = new Map<string, HealthState>()
  const handedOut = new HandedOut(now)
  let noted = 0
  const locations = new LocationMaps({
    areas: () => Promise.reject(new Error('there is no location data')),
    onProblem: (problem) => t.fail(problem),
  })
  const planner = new Planner({
    answers: new AnswerCounters(() => new AnswerReader([])),
    facts: {
      measured: (poolName, name) => measured.get(formatMemberKey({ pool: poolName, member: name })) ?? 'up',
      lastKnown: () => null,
      vitals: () => null,
      latencyMs: () => null,
    },
    resolution: () => t.fail('there is no host') as never,
    locations,
    now,
    onRamp: () => t.fail('nobody comes back'),
  })
  const changed: string[] = []
  const publisher = new Publisher({
    pump,
    planner,
    locations,
    handedOut,
    pools: new PoolWatch(),
    services: new ServiceWatch(),
    onServices: () => {},
    onPools: (changes) => changed.push(...changes.map(({ pool, from, to }) => `${pool} ${from}>${to}`)),
    onServed: () => noted++,
    takeTurn: takeWhole,
    onError: (what) => errors.push(what),
    againMs: 5,
  })
  /** The update with this number, from 0, once the workers are handed it. */
  const update = async (number: number) => {
    while (updates.length <= number) await new Promise<void>((resolve) => (arrived = resolve))
    return updates[number]!
  }
  const step = (catalog: Catalog, pools: string[] = [], services = [...catalog.services.keys()]) =>
    publisher.adopt({ catalog, services, pools }, { keys: new Map(), made: new Map() })
  const state = (poolName: string, name: string) => {
    const { answered, safeAt } = handedOut.state(poolName, name)
    return answered ? 'answered' : safeAt === null ? null : (safeAt.getTime() - start) / 1000
  }
  return {
    clock,
    measured,
    publisher,
    state,
    step,
    update,
    changed,
    errors,
    noted: () => noted,
    handedOver: () => updates.length,
  }
}

t.test('who is answered, by what the workers have acknowledged', async (t) => {
  const { clock, publisher, state, step, update, noted } = setUp()
  const first = step(catalogOf(1, []))
  t.equal(state('api', 'fra-1'), 'answered', 'as soon as it is handed over')
  const { acknowledge } = await update(0)
  acknowledge()
  await first
  t.equal(noted(), 1)
  t.same(
    [state('web-eu', 'fra-1'), state('web-us', 'nyc-1'), state('api', 'lon-1')],
    ['answered', null, 'answered'],
    'the pool that is chosen',
  )

  const drained = catalogOf(2, [drain('*', 'fra-1')])
  const second = step(drained, [...drained.poolsMatching([drain('*', 'fra-1')])], [])
  const published = await update(1)
  t.equal(published.update.plans?.length, 2)
  clock.ms += 1000
  t.equal(state('api', 'fra-1'), 'answered', 'a worker may still have the old plan')
  published.acknowledge()
  const reached = publisher.reached(2, patience()).then(() => state('api', 'fra-1'))
  await second
  t.equal(await reached, 61, 'known to whoever waits for the revision')
  t.same([state('web-eu', 'fra-1'), state('web-eu', 'fra-2')], [31, 'answered'])
})

t.test('only the services of pools that a pattern holds are made again', async (t) => {
  const { step, update } = setUp()
  const first = step(catalogOf(1, []))
  ;(await update(0)).acknowledge()
  await first
  const catalog = catalogOf(2, [drain('web-*', 'fra-?')])
  void step(catalog, [...catalog.poolsMatching([drain('web-*', 'fra-?')])], [])
  const { update: published } = await update(1)
  t.same(
    published.plans!.map(([slot]) => slot),
    [0],
    'of eu.test',
  )
})

t.test('an override that ends is none for the next plan', async (t) => {
  const { clock, publisher, state, step, update } = setUp()
  const until = new Date(start + 1000)
  const first = step(catalogOf(1, [drain('api', '*', until)]))
  ;(await update(0)).acknowledge()
  await first
  t.same([state('api', 'fra-1'), state('api', 'lon-1')], ['answered', 'answered'], 'all drained: serve-all')
  const second = step(catalogOf(2, [drain('api', 'fra-*', until)]), ['api'], [])
  ;(await update(1)).acknowledge()
  await second
  t.equal(state('api', 'fra-1'), 60)
  clock.ms = until.getTime()
  const ended = publisher.refresh(publisher.catalog.poolsMatching([drain('api', 'fra-*')]))
  ;(await update(2)).acknowledge()
  await ended
  t.equal(state('api', 'fra-1'), 'answered')
})

t.test('a plan that did not reach the workers is handed over again', async (t) => {
  // What is planned again keeps no process alive.
  const alive = setInterval(() => undefined, 1000)
  t.teardown(() => clearInterval(alive))
  const { clock, errors, publisher, state, step, update } = setUp()
  const first = step(catalogOf(1, []))
  const { update: wanted, acknowledge } = await update(0)
  acknowledge()
  await first
  const drained = catalogOf(2, [drain('api', 'fra-1')])
  const second = step(drained, ['api'], [])
  const lost = await update(1)
  t.equal(lost.update.plans?.length, 1)
  lost.fail(new Error('no memory'))
  await t.rejects(second, { message: 'no memory' })
  t.same(errors, ['a change did not reach the DNS workers'])
  t.equal(state('api', 'fra-1'), 'answered', 'by the plan that is served')
  const again = await update(2)
  t.same(again.update.plans, lost.update.plans)
  again.acknowledge()
  await publisher.settled(patience())
  t.equal(state('api', 'fra-1'), 60, 'safe when caches have forgotten it')
  // What it is to be next may be what it was before all that.
  clock.ms += 1000
  const third = step(catalogOf(3, []), ['api'], [])
  const back = await update(3)
  const ofApi = lost.update.plans![0]![0]
  t.same(
    back.update.plans,
    wanted.plans!.filter(([slot]) => slot === ofApi),
  )
  back.acknowledge()
  await third
})

t.test('but not by a server that stops', async (t) => {
  const { publisher, state, step, update, handedOver } = setUp()
  const first = step(catalogOf(1, [drain('api', 'fra-1')]))
  const { acknowledge } = await update(0)
  acknowledge()
  await first
  const second = step(catalogOf(2, []), ['api'], [])
  const last = await update(1)
  last.fail(new ControlError('unavailable', 'the server stops'))
  await t.rejects(second, { message: 'the server stops' })
  await publisher.refresh(['api'])
  t.equal(handedOver(), 2)
  t.equal(state('api', 'fra-1'), 'answered', 'as the next start may')
})

t.test('changes that the workers never saw count for nothing', async (t) => {
  const { clock, measured, publisher, state, step, update, noted } = setUp()
  const first = step(catalogOf(1, []))
  ;(await update(0)).acknowledge()
  await first
  measured.set('web-eu/fra-1', 'down')
  const second = publisher.refresh(['web-eu'])
  const slow = await update(1)
  measured.set('web-eu/fra-1', 'up').set('web-eu/fra-2', 'down')
  const third = publisher.refresh(['web-eu'])
  measured.set('web-eu/fra-2', 'up').set('web-eu/fra-1', 'down')
  const fourth = publisher.refresh(['web-eu'])
  t.same([state('web-eu', 'fra-1'), state('web-eu', 'fra-2')], ['answered', 'answered'])
  clock.ms += 1000
  slow.acknowledge()
  await second
  t.equal(state('web-eu', 'fra-1'), 31)
  clock.ms += 1000
  ;(await update(2)).acknowledge()
  await Promise.all([third, fourth])
  t.same([state('web-eu', 'fra-1'), state('web-eu', 'fra-2')], [31, 'answered'])
  t.equal(noted(), 3)
})

t.test('a service that is deleted leaves its members with what it handed out', async (t) => {
  const { state, step, update } = setUp()
  const first = step(catalogOf(1, []))
  ;(await update(0)).acknowledge()
  await first
  const all = catalogOf(2, [])
  const second = step(
    catalogOf(2, [], { services: new Map([['eu.test', all.services.get('eu.test')!]]) }),
    [],
    [],
  )
  ;(await update(1)).acknowledge()
  await second
  t.same([state('api', 'fra-1'), state('web-eu', 'fra-1')], [60, 'answered'])
  const third = step(catalogOf(3, [], { services: new Map(), pools: new Map() }), [], [])
  ;(await update(2)).acknowledge()
  await third
  t.same([state('api', 'fra-1'), state('web-eu', 'fra-1')], [null, null], 'forgotten with their pools')
})

t.test('settled: nothing is being handed over', async (t) => {
  const { publisher, step, update } = setUp()
  const never = new AbortController().signal
  await publisher.settled(never)
  const first = step(catalogOf(1, []))
  let settled = false
  const settling = publisher.settled(never).then(() => {
    settled = true
  })
  const { acknowledge } = await update(0)
  const drained = catalogOf(2, [drain('*', 'fra-1')])
  const second = step(drained, [...drained.poolsMatching([drain('*', 'fra-1')])], [])
  acknowledge()
  await first
  const next = await update(1)
  t.equal(settled, false, 'what came meanwhile is waited for, too')
  const impatient = new AbortController()
  const waiting = publisher.settled(impatient.signal)
  impatient.abort()
  await waiting
  await publisher.settled(AbortSignal.abort())
  t.equal(settled, false)
  next.acknowledge()
  await Promise.all([second, settling])
})
