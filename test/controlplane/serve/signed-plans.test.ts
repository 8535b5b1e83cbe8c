/** Plans of services in signed zones: what waits for signatures, and what does not. The signing thread is the real one. */
import { setImmediate as immediate } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { Catalog, type CatalogZone } from '../../../src/controlplane/catalog/catalog.ts'
import type { Vitals } from '../../../src/controlplane/health/checked-member.ts'
import { plainSigning, type ServedKey } from '../../../src/controlplane/model/dnssec.ts'
import type { HealthState } from '../../../src/controlplane/model/observation.ts'
import type { Pool } from '../../../src/controlplane/model/pool.ts'
import type { Service } from '../../../src/controlplane/model/service.ts'
import { AnswerCounters } from '../../../src/controlplane/serve/answer-counters.ts'
import { HandedOut } from '../../../src/controlplane/serve/handed-out.ts'
import type { ZonesToServe } from '../../../src/controlplane/serve/handed-zones.ts'
import { ImagePump } from '../../../src/controlplane/serve/image-pump.ts'
import { LocationMaps } from '../../../src/controlplane/serve/location-maps.ts'
import { PlanSigning } from '../../../src/controlplane/serve/plan-signing.ts'
import { Planner } from '../../../src/controlplane/serve/planner.ts'
import { PoolWatch } from '../../../src/controlplane/serve/pool-watch.ts'
import { Publisher } from '../../../src/controlplane/serve/publisher.ts'
import { ServiceWatch } from '../../../src/controlplane/serve/service-watch.ts'
import { SignAhead } from '../../../src/controlplane/serve/sign-ahead.ts'
import { ServiceSignatures } from '../../../src/controlplane/signing/service-signatures.ts'
import { SigningThread } from '../../../src/controlplane/signing/signing-thread.ts'
import { oneTurn } from '../../../src/controlplane/timing/in-turns.ts'
import { AnswerReader } from '../../../src/dataplane/counters.ts'
import { few, maxSets } from '../../../src/dataplane/image/answer-sets.ts'
import { PlanImage } from '../../../src/dataplane/image/plan.ts'
import type { ServingUpdate } from '../../../src/dataplane/image/serving-set.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { apex, isGood, keyFolder, setKey } from '../signing/signing-fixture.ts'
import { member, pool, service, soa } from '../store/suite/samples.ts'
import { takeWhole } from './whole-turns.ts'

const { signal } = new AbortController()
const www = `www.${apex}`
const web = pool(
  'web',
  [1, 2, 3].map((last) => member(`m${last}`, `192.0.2.${last}`)),
  { monitor: 'm' },
)
const key = (...last: number[]) =>
  setKey(
    types.a,
    last.map((octet) => Uint8Array.of(192, 0, 2, octet)),
  )

const zoneOf = (name: string, keys: readonly ServedKey[] | null): CatalogZone => ({
  apex: name,
  soa,
  ttlSeconds: 300,
  serial: 1,
  dnssec: keys === null ? null : plainSigning,
  ...(keys === null ? {} : { keys }),
})

interface World {
  readonly pools?: readonly Pool[]
  /** With the apexes of their zones. */
  readonly services?: readonly (readonly [service: Service, zone: string])[]
  readonly zones: readonly CatalogZone[]
}

/** @param takeTurn what a turn of planning does */
async function setUp(t: Test, takeTurn = takeWhole) {
  const { directory, keyFile, key: served, makeKey } = await keyFolder(t)
  const thread = new SigningThread({ directory, keyFile, graceMs: 1000 })
  t.teardown(() => thread.stop())
  const updates: ServingUpdate[] = []
  const measured = new Map<string, HealthState>()
  const percents = new Map<string, number>()
  const now = () => new Date()
  const answers = new AnswerCounters(() => new AnswerReader([]))
  const locations = new LocationMaps({
    areas: () => Promise.reject(new Error('there is no location data')),
    onProblem: (problem) => t.fail(problem),
  })
  let onSigned: (services: ReadonlySet<string>) => void = () => {}
  let signed = Promise.withResolvers<void>()
  let reported = Promise.withResolvers<void>()
  const signatures = new ServiceSignatures({
    thread,
    onSigned: (services) => {
      onSigned(services)
      signed.resolve()
      signed = Promise.withResolvers()
    },
    onReports: () => {
      reported.resolve()
      reported = Promise.withResolvers()
    },
    onProgress: () => {},
    onDamaged: (line) => t.fail(line),
    onError: (error) => t.fail(String(error)),
  })
  t.teardown(() => signatures.stop())
  const signing = new PlanSigning(signatures)
  const planner = new Planner({
    answers,
    facts: {
      measured: (poolName, name) => measured.get(`${poolName}/${name}`) ?? 'up',
      lastKnown: () => null,
      vitals: (_, name) => {
        const weightPercent = percents.get(name)
        return weightPercent === undefined ? null : ({ weightPercent, backSince: null } as Vitals)
      },
      latencyMs: () => null,
    },
    resolution: () => t.fail('there is no host') as never,
    locations,
    signing,
    now,
    onRamp: () => {},
  })
  t.teardown(() => planner[Symbol.dispose]())
  const publisher = new Publisher({
    pump: new ImagePump(async (update) => void updates.push(update)),
    planner,
    locations,
    handedOut: new HandedOut(now),
    signing,
    pools: new PoolWatch(),
    onPools: () => {},
    services: new ServiceWatch(),
    onServices: () => {},
    onServed: () => {},
    takeTurn,
    onError: (what, error) => t.fail(`${what}: ${(error as Error).message}`),
  })
  onSigned = (services) => void publisher.refreshSigned(services)
  let revision = 0
  const catalogOf = ({
    pools = [web],
    services = [[service(www, ['web'], { ttlSeconds: 30 }), apex]],
    zones,
  }: World) =>
    new Catalog({
      ...Catalog.empty,
      revision: ++revision,
      pools: new Map(pools.map((one) => [one.name, one])),
      services: new Map(services.map(([one, zone]) => [one.name, { ...one, zone }])),
      zones: new Map(zones.map((one) => [one.apex, one])),
    })
  const stepOf = (world: World) => {
    const catalog = catalogOf(world)
    return { catalog, services: [...catalog.services.keys()], pools: [...catalog.pools.keys()] }
  }
  /** Plans of a service that the workers have been handed since the last look. */
  const plans = (name = www) => {
    const slot = publisher.planSlots.take(name)
    return updates
      .splice(0)
      .flatMap(({ plans = [] }) =>
        plans.flatMap(([at, image]) =>
          at === slot && image !== null ? [new PlanImage(image as SharedArrayBuffer)] : [],
        ),
      )
  }
  const adopt = async (world: World) => {
    const step = stepOf(world)
    const maps = await locations.prepare(step.catalog, signal)
    await publisher.prepare(step, maps)
    await publisher.adopt(step, maps)
  }
  const serve = async (zones: ZonesToServe) => {
    await publisher.prepareZones(zones)
    await publisher.serve(zones)
  }
  const handed = (zone: CatalogZone, ...names: string[]) => {
    return { zone, image: new SharedArrayBuffer(4), services: names.map((name) => ({ name })) }
  }
  const signAhead = () => {
    const ahead = new SignAhead({
      catalog: () => planner.catalog,
      measured: (poolName, name) => measured.get(`${poolName}/${name}`) ?? 'up',
      foresee: (other) => planner.foresee(other),
      bookOf: (name) => signing.bookOf(name, planner.catalog),
      ask: (book, keys) => signatures.ask(book, keys, 'ahead'),
      onError: (error) => t.fail(String(error)),
    })
    t.teardown(() => ahead[Symbol.dispose]())
    signing.ahead = ahead
  }
  return {
    publisher,
    signatures,
    signing,
    planner,
    locations,
    measured,
    percents,
    served,
    makeKey,
    updates,
    stepOf,
    plans,
    adopt,
    serve,
    handed,
    signAhead,
    rrsig: (set: string, name = www) => {
      const book = signing.bookOf(name, planner.catalog)!
      return book.of(set)?.[0]
    },
    nextSigned: () => signed.promise,
    nextReport: () => reported.promise,
  }
}

const isLost = ([plan]: readonly PlanImage[]) => plan?.only?.a.lost
const answersOf = ([plan]: readonly PlanImage[]) => plan?.only?.a.count

t.test('what is prepared is served with its signatures, in the step that brings it', async (t) => {
  const { adopt, plans, served, rrsig } = await setUp(t)
  await adopt({ zones: [zoneOf(apex, [served])] })
  const made = plans()
  t.equal(made.length, 1)
  t.ok(made[0]!.only!.a.sets, 'it is signed')
  t.equal(answersOf(made), 3)
  t.ok(isGood(rrsig(key(1, 2, 3))!, www, key(1, 2, 3), served))
})

t.test(
  'a plan whose signatures are missing waits for them; the one before is served meanwhile',
  async (t) => {
    const { adopt, plans, served, measured, publisher, nextSigned } = await setUp(t)
    await adopt({ zones: [zoneOf(apex, [served])] })
    plans()
    measured.set('web/m3', 'down')
    const signed = nextSigned()
    await publisher.refresh(['web'])
    t.equal(plans().length, 0)
    // A newer one takes its place.
    measured.set('web/m3', 'up')
    await publisher.refresh(['web'])
    await signed
    t.equal(plans().length, 0, 'the plan is the one that there is')
    measured.set('web/m3', 'down')
    await publisher.refresh(['web'])
    t.equal(answersOf(plans()), 2, 'by now it is signed')
  },
)

/** Of which 91,390 different sets of four may be answered. */
const forty = (fields: Partial<Pool> = {}) =>
  pool(
    'forty',
    Array.from({ length: 40 }, (_, i) => member(`m${i}`, `192.0.2.${i + 1}`)),
    { select: 'weighted', answers: 4, monitor: 'm', ...fields },
  )
const fortyAlone = (served: ServedKey): World => ({
  pools: [forty()],
  services: [[service(www, ['forty'], { ttlSeconds: 30 }), apex]],
  zones: [zoneOf(apex, [served])],
})
const setsOf = ([plan]: readonly PlanImage[]) => plan?.only?.a.sets?.count ?? 0

t.test('of very many sets those without the member that failed are answered at once', async (t) => {
  const { adopt, plans, served, measured, publisher, signatures, nextSigned } = await setUp(t)
  await adopt(fortyAlone(served))
  const all = setsOf(plans())
  t.ok(all > 3900)
  measured.set('forty/m7', 'down')
  const signed = nextSigned()
  await publisher.refresh(['forty'])
  const atOnce = plans()
  t.equal(answersOf(atOnce), 39, 'in the turn of its verdict')
  t.ok(setsOf(atOnce) > 0.87 * all && setsOf(atOnce) < 0.93 * all, 'nine in ten')
  t.ok(signatures.waiting.answers < 0.13 * maxSets, 'one in ten is to be signed')
  await signed
  while (setsOf(plans()) < 3900) await nextSigned()
  measured.set('forty/m7', 'up')
  await publisher.refresh(['forty'])
  const again = plans()
  t.equal(answersOf(again), 40)
  t.equal(setsOf(again), all, 'and all are found again when it is back')
})

t.test('weights that change faster than answers are signed hold up no verdict', async (t) => {
  const { adopt, plans, served, publisher, measured, percents, signatures } = await setUp(t)
  await adopt(fortyAlone(served))
  plans()
  measured.set('forty/m0', 'down')
  for (let percent = 1; percent <= 8; percent++) {
    for (let i = 1; i < 40; i++) percents.set(`m${i}`, ((i * percent) % 99) + 1)
    await publisher.refresh(['forty'])
    t.equal(answersOf(plans()), 39, 'each is answered by at once')
    t.ok(signatures.waiting.answers <= maxSets, 'no more is signed than the last needs')
  }
})

const behind = (served: ServedKey): World => ({
  pools: [pool('front', [member('f', '192.0.2.99')], { monitor: 'm' }), forty()],
  services: [[service(www, ['front', 'forty'], { ttlSeconds: 30 }), apex]],
  zones: [zoneOf(apex, [served])],
})

t.test('where nothing is signed yet, a few sets are first, and the others follow', async (t) => {
  const { adopt, plans, served, measured, publisher, signatures, nextSigned } = await setUp(t)
  await adopt(behind(served))
  plans()
  measured.set('front/f', 'down')
  const signed = nextSigned()
  await publisher.refresh(['front'])
  t.equal(plans().length, 0)
  t.equal(signatures.waiting.answers, 0, 'few, which are under way')
  await signed
  t.equal(setsOf(plans()), few)
  const counts: number[] = []
  for (let count = 0; count < 3900; counts.push(count)) {
    await nextSigned()
    count = setsOf(plans())
  }
  t.same(
    counts,
    counts.toSorted((a, b) => a - b),
  )
  t.ok(counts.length < 10, 'it is not compiled for each batch')
})

t.test('a few sets of what would take over are signed ahead', async (t) => {
  const { adopt, plans, served, measured, publisher, signAhead, signatures, nextReport } = await setUp(t)
  signAhead()
  const front = { ...forty({ minUp: 1 }), name: 'front' }
  const members = Array.from({ length: 40 }, (_, i) => member(`b${i}`, `198.51.100.${i + 1}`))
  await adopt({ ...behind(served), pools: [front, forty({ members })] })
  const reported = nextReport()
  t.ok(setsOf(plans()) > 3900)
  await reported
  t.equal(signatures.waiting.ahead, 0)
  measured.set('front/m1', 'down')
  await publisher.refresh(['front'])
  t.equal(setsOf(plans()), few)
})

t.test('what one member less or more comes to is signed ahead', async (t) => {
  const { adopt, plans, served, measured, publisher, signAhead, rrsig, nextReport } = await setUp(t)
  signAhead()
  const reported = nextReport()
  await adopt({ zones: [zoneOf(apex, [served])] })
  await reported
  const until = async (check: () => boolean) => {
    while (!check()) await nextReport()
  }
  await until(() => [key(1, 2), key(1, 3), key(2, 3)].every((set) => rrsig(set) !== undefined))
  plans()
  measured.set('web/m2', 'down')
  await publisher.refresh(['web'])
  t.equal(answersOf(plans()), 2, 'in the turn of its verdict')
  await until(() => [key(1), key(3)].every((set) => rrsig(set) !== undefined))
  measured.set('web/m2', 'up')
  await publisher.refresh(['web'])
  t.equal(answersOf(plans()), 3)
})

t.test('signing ahead waits while services are planned again and again, and not for ever', async (t) => {
  const { adopt, served, signAhead, signing, rrsig } = await setUp(t)
  signAhead()
  await adopt({ zones: [zoneOf(apex, [served])] })
  while ([key(1, 2), key(1, 3), key(2, 3)].some((set) => rrsig(set) === undefined)) {
    signing.ahead!.mark(www)
    await immediate()
  }
  t.pass()
})

t.test('windows of a large pool are not signed for each member that may go', async (t) => {
  const { adopt, plans, served, measured, publisher, planner, signAhead, signing, rrsig, ...rest } =
    await setUp(t)
  signAhead()
  const members = Array.from({ length: 40 }, (_, i) => member(`m${i}`, `192.0.2.${i + 1}`))
  const wide = pool('wide', members, { monitor: 'm', answers: 4 })
  const last = `last.${apex}`
  const services = [service(www, ['wide'], { ttlSeconds: 30 }), service(last, ['web'], { ttlSeconds: 30 })]
  const reported = rest.nextReport()
  await adopt({
    pools: [wide, web],
    services: services.map((one) => [one, apex] as const),
    zones: [zoneOf(apex, [served])],
  })
  t.equal(setsOf(plans()), 40)
  await reported
  // That comes behind all of the other one.
  while ([key(1, 2), key(1, 3), key(2, 3)].some((set) => rrsig(set, last) === undefined)) {
    await rest.nextReport()
  }
  t.equal(signing.bookOf(www, planner.catalog)!.size, 40)
  const signed = rest.nextSigned()
  measured.set('wide/m0', 'down')
  await publisher.refresh(['wide'])
  t.equal(setsOf(plans()), 36, 'the windows that it was not in are answered with at once')
  await signed
  while (rest.signatures.waiting.answers > 0) await rest.nextReport()
  await immediate()
  t.equal(setsOf(plans()), 39)
})

t.test('a service with very many sets forgets those of weights that it had before', async (t) => {
  const { adopt, served, signAhead, signing, planner, signatures } = await setUp(t)
  signAhead()
  const many = (first: number) =>
    pool(
      'web',
      Array.from({ length: 100 }, (_, i) =>
        member(`m${i}`, `192.0.2.${i + 1}`, { weight: i === 0 ? first : 10 + i }),
      ),
      { select: 'weighted', answers: 3 },
    )
  for (const weight of [1, 2, 3, 4]) {
    await adopt({ pools: [many(weight)], zones: [zoneOf(apex, [served])] })
    await signatures.settled()
  }
  const book = signing.bookOf(www, planner.catalog)!
  // Four times what a plan has were signed.
  while (book.size > 2 * maxSets) await immediate()
  t.ok(book.size > 1024, 'those of the last plan are there')
})

t.test('a service is signed as its zone is whose image is served', async (t) => {
  const { adopt, plans, served, serve, handed, rrsig } = await setUp(t)
  const [plain, signed] = [zoneOf(apex, null), zoneOf(apex, [served])]
  await adopt({ zones: [plain] })
  await serve(new Map([[apex, handed(plain, www)]]))
  t.notOk(plans()[0]!.only!.a.sets)

  await adopt({ zones: [signed] })
  t.equal(plans().length, 0, 'the image of the zone has not come')
  await serve(new Map([[apex, handed(signed, www)]]))
  const made = plans()
  t.equal(made.length, 1)
  t.ok(made[0]!.only!.a.sets)
  t.ok(isGood(rrsig(key(1, 2, 3))!, www, key(1, 2, 3), served))
  await serve(new Map([[apex, handed(signed, www)]]))
  t.equal(plans().length, 0, 'an edit of the zone signs no service')

  const below = `www.${apex}`
  await adopt({
    services: [[service(www, ['web'], { ttlSeconds: 30 }), below]],
    zones: [signed, zoneOf(below, null)],
  })
  t.equal(plans().length, 0, 'a zone cut moves it when that is served')
  await serve(
    new Map([
      [apex, handed(signed)],
      [below, handed(zoneOf(below, null), www)],
    ]),
  )
  t.notOk(plans()[0]!.only!.a.sets)

  await adopt({ zones: [signed] })
  await serve(
    new Map([
      [below, null],
      [apex, handed(signed, www)],
    ]),
  )
  t.ok(plans()[0]!.only!.a.sets, 'and back')
  await adopt({ zones: [plain] })
  await serve(new Map([[apex, handed(plain, www)]]))
  t.notOk(plans()[0]!.only!.a.sets)
})

t.test(
  'of a rollover plans follow the zone in turns; where the keys of before prove nothing, they go with it',
  async (t) => {
    const { adopt, served: old, makeKey, serve, handed, updates, signing } = await setUp(t, oneTurn)
    const names = Array.from({ length: 1000 }, (_, number) => `s${number}.${apex}`)
    const services = names.map((name) => [service(name, ['web'], { ttlSeconds: 30 }), apex] as const)
    /** @returns how many plans go with the zone's image, and how many there are */
    const take = async (...keys: ServedKey[]) => {
      const zone = zoneOf(apex, keys)
      await adopt({ services, zones: [zone] })
      updates.splice(0)
      await serve(new Map([[apex, handed(zone, ...names)]]))
      t.same(signing.apexesBehind, new Set(), 'then nothing is behind')
      const [first, ...others] = updates.map(({ plans = [] }) => plans.length)
      t.equal(updates[0]!.zones!.length, 1)
      return [first!, others.reduce((sum, count) => sum + count, first!)] as const
    }
    const next = makeKey()
    const only = (key: ServedKey, ...duties: (keyof ServedKey['duties'])[]): ServedKey => {
      const none = { published: false, signsKeys: false, signsZone: false, atParent: false }
      return { ...key, duties: { ...none, ...Object.fromEntries(duties.map((duty) => [duty, true])) } }
    }
    await take(old)
    t.same(
      await take(old, only(next, 'published', 'signsKeys')),
      [0, 0],
      'published alone, it signs no service',
    )
    const [withSwitch, all] = await take(only(old, 'published', 'signsKeys'), next)
    t.equal(all, names.length)
    t.ok(withSwitch < all / 2, 'in the switch of a rollover most follow')
    t.same(await take(next), [0, 0], 'the key that has gone signed nothing any more')
    t.same(await take(makeKey()), [names.length, names.length], 'another one in its place')
    const other = { ...makeKey(), algorithm: 15 } as const
    t.same(
      await take(only(next, 'published', 'signsKeys', 'signsZone'), other),
      [names.length, names.length],
      'of another algorithm, which was to sign first',
    )
  },
)

t.test('what can not be signed is left out: SERVFAIL, never unsigned', async (t) => {
  const { adopt, plans, served, signatures, nextSigned } = await setUp(t)
  const broken = { ...served, sealed: served.sealed.replace(/.{8}$/, 'AAAAAAA=') }
  await adopt({ zones: [zoneOf(apex, [broken])] })
  t.equal(isLost(plans()), true)
  const signed = nextSigned()
  signatures.renew([apex])
  await signed
  t.equal(plans().length, 0, 'still so')
  await adopt({ zones: [zoneOf(apex, [served])] })
  t.equal(isLost(plans()), false)
})

t.test('a dry run signs nothing', async (t) => {
  const { adopt, served, planner, signatures, stepOf } = await setUp(t)
  await adopt({ zones: [zoneOf(apex, [served])] })
  const step = stepOf({
    pools: [pool('web', [member('m9', '192.0.2.9')], { monitor: 'm' })],
    zones: [zoneOf(apex, [served])],
  })
  t.ok(planner.preview(step.catalog, () => null)(www))
  t.same(signatures.waiting, { answers: 0, ahead: 0 })
})
