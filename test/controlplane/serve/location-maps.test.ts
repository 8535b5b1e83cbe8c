import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Catalog } from '../../../src/controlplane/catalog/catalog.ts'
import { LocationSource } from '../../../src/controlplane/location/location-source.ts'
import type { AreaRequest, ServiceMap } from '../../../src/controlplane/location/location-thread.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import type { GeoRules, Service } from '../../../src/controlplane/model/service.ts'
import { LocationMaps } from '../../../src/controlplane/serve/location-maps.ts'
import { mmdbFile } from '../../support/mmdb-writer.ts'
import { poolChoice, serviceChoice } from '../model/defaults.ts'
import { pool, service } from '../store/suite/samples.ts'

const rules = (code: string): GeoRules => ({
  cidr: [],
  asn: [],
  subdivision: [],
  country: [[code, [1]]],
  continent: [],
  default: [0],
  beyond: 'none',
})
const geo = (name: string, code: string): Service =>
  service(name, ['eu', 'us'], { steer: 'geo', geo: rules(code) })
const never = new AbortController().signal
const nobody = new Set<string>()

let revision = 0
function catalogOf(services: readonly Service[], pools: readonly Pool[] = []): Catalog {
  return new Catalog({
    revision: ++revision,
    monitors: new Map(),
    pools: new Map(pools.map((one) => [one.name, one])),
    services: new Map(services.map((one) => [one.name, { ...one, zone: 'test' }])),
    zones: new Map(),
    overrides: new Map(),
  })
}

async function realSource(t: Test) {
  const directory = await mkdtemp(join(tmpdir(), 'pooldns-maps-'))
  const path = join(directory, 'country.mmdb')
  await writeFile(path, mmdbFile([['192.0.2.0/24', { country_code: 'CH' }]]))
  const source = new LocationSource({ paths: [path], onChange: () => {}, onProblem: (text) => t.fail(text) })
  t.teardown(async () => {
    await source.stop()
    await rm(directory, { recursive: true, force: true })
  })
  return source
}

t.test(
  'services with the same rules share a map, others have their own, and slots are used again',
  async (t) => {
    const source = await realSource(t)
    const asked: AreaRequest[] = []
    const maps = new LocationMaps({
      areas: (request, signal) => {
        asked.push(request)
        return source.areas(request, signal)
      },
      onProblem: (text) => t.fail(text),
    })
    const take = async (...services: Service[]) => {
      const come = maps.take(await maps.prepare(catalogOf(services), never), nobody)
      return [...come, ...maps.free()].map(([slot, image]) => [slot, image !== null])
    }
    t.same(await take(geo('a.test', 'CH'), geo('b.test', 'CH'), service('plain.test', ['eu'])), [[0, true]])
    t.equal(asked.length, 1)
    t.same(maps.of('a.test'), { mapSlot: 0, areas: [[0], [1]] })
    t.same(maps.of('b.test'), maps.of('a.test'))
    t.equal(maps.of('plain.test'), null)
    t.same([...maps.services], ['a.test', 'b.test'])
    t.same(await take(geo('a.test', 'CH'), geo('b.test', 'CH')), [], 'nothing new')
    t.equal(asked.length, 1)
    t.same(await take(geo('a.test', 'CH'), geo('b.test', 'DE')), [[1, true]])
    t.same(await take(geo('b.test', 'DE')), [[0, false]])
    t.equal(maps.of('a.test'), null)
    t.same(await take(geo('b.test', 'FR')), [
      [0, true],
      [1, false],
    ])
  },
)

t.test('by distance: where a choice is, its pool or itself', async (t) => {
  const requests: AreaRequest[] = []
  const source = await realSource(t)
  const maps = new LocationMaps({
    areas: (request, signal) => {
      requests.push(request)
      return source.areas(request, signal)
    },
    onProblem: (text) => t.fail(text),
  })
  const zurich = { latitude: 47, longitude: 8 }
  const tokyo = { latitude: 35, longitude: 139 }
  const near: Service = {
    ...service('near.test', [], { steer: 'nearest' }),
    choices: [
      poolChoice('eu', { bias: 10 }),
      poolChoice('us', { location: tokyo }),
      serviceChoice('inner.test'),
      poolChoice('nowhere'),
    ],
  }
  const pools = [
    pool('eu', [], { location: zurich }),
    pool('us', [], { location: zurich }),
    pool('nowhere', []),
  ]
  await maps.prepare(catalogOf([near], pools), never)
  t.same(requests, [
    {
      steer: 'nearest',
      choices: [
        { bias: 10, location: zurich },
        { bias: 0, location: tokyo },
        { bias: 0, location: null },
        { bias: 0, location: null },
      ],
    },
  ])
})

t.test('maps of a plan are made one after the other, and no more when the time is over', async (t) => {
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  const problems: string[] = []
  let [asked, atOnce, most] = [0, 0, 0]
  const maps = new LocationMaps({
    areas: async (_request, signal) => {
      most = Math.max(most, ++atOnce)
      try {
        // The third takes longer than anybody waits.
        if (++asked === 3) await once(signal, 'abort')
        signal.throwIfAborted()
        return { image: new SharedArrayBuffer(4), areas: [[0]] }
      } finally {
        atOnce--
      }
    },
    onProblem: (text) => problems.push(text),
    patienceMs: 50,
  })
  const countries = ['CH', 'DE', 'FR', 'IT', 'AT']
  const catalog = catalogOf(countries.map((country, nth) => geo(`${nth}.test`, country)))
  const { keys, made } = await maps.foresee(catalog, never)
  t.match({ keys: keys.size, made: made.size, asked, most }, { keys: 5, made: 2, asked: 3, most: 1 })
  t.match(problems, [/^a location map of a plan was not made: /])
  const stopping = new AbortController()
  stopping.abort(new Error('the client is gone'))
  await t.rejects(maps.foresee(catalog, stopping.signal), /the client is gone/)
})

t.test('what can not be made is left out, and tried again with the next step', async (t) => {
  const problems: string[] = []
  // Its patience alone does not keep a process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(alive))
  let patient = false
  const maps = new LocationMaps({
    areas: async (_request, signal) => {
      if (patient) return { image: new SharedArrayBuffer(4), areas: [[0]] }
      if (!signal.aborted) await once(signal, 'abort')
      throw signal.reason
    },
    onProblem: (text) => problems.push(text),
    patienceMs: 20,
  })
  const catalog = catalogOf([geo('a.test', 'CH')])
  t.same(maps.take(await maps.prepare(catalog, never), nobody), [])
  t.match(problems, [/^a location map was not made: .*timeout/])
  t.equal(maps.of('a.test'), null)
  patient = true
  t.equal(maps.take(await maps.prepare(catalog, never), nobody).length, 1)
  const stopping = new AbortController()
  stopping.abort(new Error('the daemon is stopping'))
  patient = false
  await t.rejects(
    maps.renew(() => catalog, stopping.signal),
    /stopping/,
  )
})

t.test('what could not be made is made as soon as it can be, and why not is told once', async (t) => {
  const problems: string[] = []
  let fails: Error | null = new Error('the thread died')
  const maps = new LocationMaps({
    areas: async () => {
      if (fails !== null) throw fails
      return { image: new SharedArrayBuffer(4), areas: [[0]] }
    },
    onProblem: (text) => problems.push(text),
  })
  let served = catalogOf([geo('a.test', 'CH'), service('plain.test', ['eu'])])
  const complete = () => maps.complete(() => served, never)
  maps.take(await maps.prepare(served, never), nobody)
  t.equal(await complete(), null)
  t.same(problems, ['a location map was not made: the thread died'])
  fails = new Error('it died again')
  t.equal(await complete(), null)
  t.same(problems.slice(1), ['a location map was not made: it died again'])
  fails = null
  const late = complete()
  const step = catalogOf([geo('b.test', 'DE')])
  served = step
  t.equal(await late, null, 'the step makes its own')
  served = catalogOf([geo('a.test', 'CH')])
  t.equal(maps.take((await complete())!, nobody).length, 1)
  t.same(maps.of('a.test'), { mapSlot: 0, areas: [[0]] })
  t.equal(await complete(), null, 'nothing is missing')
  // One of other data could not be made, and that of before stays until it can be.
  fails = new Error('the thread died')
  maps.take((await maps.renew(() => served, never))!, nobody)
  t.same(maps.of('a.test'), { mapSlot: 0, areas: [[0]] })
  fails = null
  t.equal(maps.take((await complete())!, nobody).length, 1)
  t.equal(await complete(), null)
})

/** Maps that are made when the test says so. */
function byHand(t: Test) {
  const open: { readonly request: AreaRequest; readonly make: (name: string) => void }[] = []
  let asked = Promise.withResolvers<void>()
  const maps = new LocationMaps({
    areas: (request) => {
      const { promise, resolve } = Promise.withResolvers<ServiceMap>()
      const image = new SharedArrayBuffer(4)
      open.push({ request, make: (name) => resolve({ image, areas: [[name.length]] }) })
      asked.resolve()
      return promise
    },
    onProblem: (text) => t.fail(text),
  })
  const next = async () => {
    while (open.length === 0) {
      asked = Promise.withResolvers()
      await asked.promise
    }
    return open.shift()!
  }
  return { maps, next }
}

t.test('maps that were made from data that has been replaced meanwhile are made again', async (t) => {
  const { maps, next } = byHand(t)
  const old = catalogOf([geo('a.test', 'CH')])
  const step = catalogOf([geo('a.test', 'CH'), geo('b.test', 'DE')])
  const prepared = maps.prepare(step, never)
  const [a, b] = [await next(), await next()]
  const renewed = maps.renew(() => old, never)
  const again = await next()
  a.make('x')
  b.make('x')
  const [a2, b2] = [await next(), await next()]
  a2.make('xxx')
  b2.make('xxx')
  maps.take(await prepared, nobody)
  t.same(maps.of('b.test')?.areas, [[3]])
  again.make('xxx')
  t.ok(await renewed)
})

t.test('a renewal for a catalog that is no longer served begins again', async (t) => {
  const { maps, next } = byHand(t)
  let served = catalogOf([geo('a.test', 'CH')])
  const renewed = maps.renew(() => served, never)
  const before = await next()
  served = catalogOf([geo('b.test', 'DE')])
  before.make('x')
  ;(await next()).make('xx')
  t.same([...(await renewed)!.keys.keys()], ['b.test'])
})

t.test('of two renewals the later one counts, whichever ends first', async (t) => {
  const { maps, next } = byHand(t)
  const catalog = catalogOf([geo('a.test', 'CH')])
  const first = maps.renew(() => catalog, never)
  const one = await next()
  const second = maps.renew(() => catalog, never)
  const two = await next()
  two.make('xx')
  maps.take((await second)!, nobody)
  one.make('x')
  t.equal(await first, null)
  t.same(maps.of('a.test')?.areas, [[2]])
})

t.test('a service that leaves keeps its map until it is gone', async (t) => {
  const maps = new LocationMaps({
    areas: async () => ({ areas: [[0], [1]], image: new SharedArrayBuffer(8) }),
    onProblem: (text) => t.fail(text),
  })
  const take = async (services: Service[], leaving: string[]) => {
    const come = maps.take(await maps.prepare(catalogOf(services), never), new Set(leaving))
    return [...come, ...maps.free()].map(([slot, image]) => [slot, image !== null])
  }
  t.same(await take([geo('old.test', 'CH')], []), [[0, true]])
  t.same(
    await take([geo('new.test', 'DE')], ['old.test', 'plain.test']),
    [[1, true]],
    'the slot is not given away',
  )
  t.same(await take([geo('new.test', 'DE')], []), [[0, false]])
  t.same([...maps.services], ['new.test'])
})
