import { readdir } from 'node:fs/promises'
import t, { type Test } from 'tap'
import { Catalog, type CatalogZone } from '../../../src/controlplane/catalog/catalog.ts'
import {
  allDuties,
  plainSigning,
  type ServedKey,
  type SigningReport,
} from '../../../src/controlplane/model/dnssec.ts'
import { ServiceSignatures } from '../../../src/controlplane/signing/service-signatures.ts'
import type { SigningReply, SigningRequest } from '../../../src/controlplane/signing/set-signer.ts'
import { SigningThread } from '../../../src/controlplane/signing/signing-thread.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { service, soa } from '../store/suite/samples.ts'
import { apex, daySeconds, isGood, keyFolder, setKey } from './signing-fixture.ts'

const rdata = (last: number) => [Uint8Array.of(192, 0, last >>> 8, last & 0xff)]
const key = (last: number) => setKey(types.a, rdata(last))
const keys = (from: number, count: number) => Array.from({ length: count }, (_, i) => key(from + i))

const zone = (served: readonly ServedKey[] | null): CatalogZone => ({
  apex,
  soa,
  ttlSeconds: 300,
  serial: 1,
  dnssec: served === null ? null : plainSigning,
  ...(served === null ? {} : { keys: served }),
})

function catalogOf(served: readonly ServedKey[] | null, names: readonly string[], ttlSeconds = 60): Catalog {
  const services = names.map((name) => {
    const full = `${name}.${apex}`
    return [full, { ...service(full, [], { ttlSeconds }), zone: apex }] as const
  })
  return new Catalog({
    ...Catalog.empty,
    services: new Map(services),
    zones: new Map([[apex, zone(served)]]),
  })
}

const zoneIn = ({ zones }: Catalog) => zones.get(apex)!
const bookIn = (signatures: ServiceSignatures, catalog: Catalog, name = 'www') =>
  signatures.bookOf(catalog.services.get(`${name}.${apex}`)!, zoneIn(catalog))
const retain = (signatures: ServiceSignatures, catalog: Catalog) =>
  signatures.retain(catalog.services, () => zoneIn(catalog))

/** Resolves with what comes next. */
class Told<T> {
  readonly all: T[] = []
  #next = Promise.withResolvers<T>()

  onTold = () => {}

  readonly tell = (each: T) => {
    this.all.push(each)
    this.onTold()
    this.#next.resolve(each)
    this.#next = Promise.withResolvers()
  }

  get next(): Promise<T> {
    return this.#next.promise
  }
}

async function setUp(t: Test) {
  const { directory, keyFile, key: served } = await keyFolder(t)
  const thread = new SigningThread({ directory, keyFile, graceMs: 1000 })
  t.teardown(() => thread.stop())
  const signed = new Told<ReadonlySet<string>>()
  const reports = new Told<readonly SigningReport[]>()
  const errors = new Told<unknown>()
  const time = { seconds: Math.floor(Date.now() / 1000) }
  const signatures = new ServiceSignatures({
    thread,
    onSigned: signed.tell,
    onReports: reports.tell,
    onProgress: () => {},
    onDamaged: t.fail,
    onError: errors.tell,
    nowSeconds: () => time.seconds,
  })
  t.teardown(() => signatures.stop())
  return { directory, thread, served, signatures, signed, reports, errors, time }
}

t.test('what is asked for is signed, and told', async (t) => {
  const { signatures, served, signed, reports } = await setUp(t)
  const catalog = catalogOf([served], ['www', 'api'])
  const book = bookIn(signatures, catalog)!
  t.equal(bookIn(signatures, catalogOf([{ ...served }], ['www'])), book, 'of the same keys it is the same')
  const told = reports.next
  const news = signed.next
  signatures.need(book, new Set(keys(1, 3)), 'answers')
  t.same(signatures.waiting, { answers: 3, ahead: 0 }, 'nothing waits for them')
  t.same(await news, new Set([`www.${apex}`]))
  const [rrsig] = book.of(key(1))!
  t.ok(isGood(rrsig!, `www.${apex}`, key(1), served))
  t.match(await told, [{ apex, signatures: 3, made: 3, trouble: null }])
  signatures.ask(bookIn(signatures, catalog, 'api')!, keys(1, 2), 'ahead')
  await reports.next
  t.equal(signed.all.length, 1, 'nobody waits for what is signed ahead')
  await signatures.settled()
})

t.test('a service of a zone that is not signed has no book', async (t) => {
  const { signatures } = await setUp(t)
  t.equal(bookIn(signatures, catalogOf(null, ['www'])), null)
})

t.test('what answers wait for goes before what is signed ahead', async (t) => {
  const asked: string[][] = []
  const first = Promise.withResolvers<void>()
  const sign = async (requests: readonly SigningRequest[]): Promise<SigningReply[]> => {
    asked.push(requests.flatMap(({ owners }) => owners.flatMap(({ sets }) => sets)))
    if (asked.length === 1) await first.promise
    const octets = new Uint8Array(100)
    return requests.map(({ owners }) => {
      const counts = owners.flatMap(({ sets }) => sets.map(() => 0))
      return { octets, rrsigLength: 0, counts, made: 0, trouble: null, kept: 0, damaged: null }
    })
  }
  const reports = new Told<readonly SigningReport[]>()
  const signatures = new ServiceSignatures({
    thread: { sign, retain: async () => {}, forget: async () => {} },
    onSigned: () => {},
    onReports: reports.tell,
    onProgress: () => {},
    onDamaged: t.fail,
    onError: (error) => void t.fail(String(error)),
  })
  const book = bookIn(signatures, catalogOf([], ['www', 'api']))!
  const other = bookIn(signatures, catalogOf([], ['www', 'api']), 'api')!
  const done = reports.next
  signatures.ask(book, keys(0, 600), 'ahead')
  t.same(signatures.waiting, { answers: 0, ahead: 600 - 64 })
  signatures.need(book, new Set(keys(3000, 300)), 'answers')
  signatures.need(book, new Set(keys(2000, 2)), 'first')
  signatures.need(book, new Set(keys(2000, 300)), 'answers')
  signatures.ask(book, keys(1000, 3), 'step')
  signatures.need(other, new Set(keys(4000, 1)), 'first')
  t.same(signatures.waiting, { answers: 300 + 3 + 1, ahead: 600 - 64 })
  let isSettled = false
  const settled = signatures.settled().then(() => {
    isSettled = true
  })
  t.notOk(isSettled)
  first.resolve()
  await settled
  await done
  t.same(
    asked.map(({ length }) => length),
    [64, 1, 3, 64, 64, 64, 64, 44, ...new Array(8).fill(64), 24],
    'what a plan lacks now takes the place of what it lacked before',
  )
})

t.test('what a service lacks that goes while the thread fails is not asked for again', async (t) => {
  const asked: string[][] = []
  const first = Promise.withResolvers<SigningReply[]>()
  // The pause before it is tried again keeps no process alive, and here is no thread that would.
  const alive = setInterval(() => {}, 60_000)
  t.teardown(() => clearInterval(alive))
  const sign = async (requests: readonly SigningRequest[]): Promise<SigningReply[]> => {
    asked.push(requests.flatMap(({ owners }) => owners.map(({ owner }) => owner)))
    if (asked.length === 1) return await first.promise
    const octets = new Uint8Array(100)
    return requests.map(({ owners }) => {
      const counts = owners.flatMap(({ sets }) => sets.map(() => 0))
      return { octets, rrsigLength: 0, counts, made: 0, trouble: null, kept: 0, damaged: null }
    })
  }
  const reports = new Told<readonly SigningReport[]>()
  const signatures = new ServiceSignatures({
    thread: { sign, retain: async () => {}, forget: async () => {} },
    onSigned: () => {},
    onReports: reports.tell,
    onProgress: () => {},
    onDamaged: t.fail,
    onError: () => {},
  })
  const [www, api] = ['www', 'api'].map((name) => bookIn(signatures, catalogOf([], ['www', 'api']), name)!)
  const done = reports.next
  signatures.need(www!, new Set(keys(1, 300)), 'first')
  signatures.need(api!, new Set(keys(1, 1)), 'answers')
  retain(signatures, catalogOf([], ['api']))
  first.reject(new Error('the thread has failed'))
  await done
  const text = ({ owner }: { readonly owner: Uint8Array }) => Buffer.from(owner).toString('latin1')
  t.same(asked, [[text(www!)], [text(api!)]])
  t.same(signatures.waiting, { answers: 0, ahead: 0 })
})

t.test('thousands of RRsets of a service are told now and then, and at last', async (t) => {
  const { signatures, served, signed, reports } = await setUp(t)
  const book = bookIn(signatures, catalogOf([served], ['www']))!
  const left: number[] = []
  signed.onTold = () => left.push(signatures.waiting.answers)
  signatures.need(book, new Set(keys(0, 2300)), 'answers')
  // One comes while it takes long, too.
  while (left.at(-1) !== 0) await reports.next
  t.same(left, [2300 - 18 * 64, 2300 - 27 * 64, 2300 - 32 * 64, 2300 - 34 * 64, 0])
})

t.test('when the thread fails, it is tried again, and nobody waits for ever', async (t) => {
  const { signatures, served, errors, signed } = await setUp(t)
  const book = bookIn(signatures, catalogOf([served], ['www']))!
  // A defect: this can't be sent to the thread.
  const evil = { ...served, evil: () => undefined }
  const bad = signatures.bookOf(service(`x.${apex}`, []), zone([evil]))!
  signatures.ask(bad, keys(1, 1), 'step')
  await signatures.settled()
  t.equal(errors.all.length, 1)
  signatures.need(book, new Set(keys(1, 1)), 'answers')
  retain(signatures, catalogOf([served], ['www']))
  await signed.next
  t.ok(book.of(key(1)))
})

t.test(
  'another TTL or other keys are another book, beside the one before until that is let go',
  async (t) => {
    const { signatures, served, reports } = await setUp(t)
    const before = catalogOf([served], ['www', 'api'])
    const book = bookIn(signatures, before)!
    const after = catalogOf([served], ['www'], 30)
    const next = bookIn(signatures, after)!
    t.not(next, book)
    t.equal(bookIn(signatures, before), book)
    const ksk = { ...served, duties: { ...allDuties, signsZone: false } }
    t.not(bookIn(signatures, catalogOf([ksk], ['www'])), book)
    t.equal(bookIn(signatures, catalogOf([served], ['www'], 30 * daySeconds))!.ttlSeconds, 3 * daySeconds)
    signatures.ask(next, keys(1, 2), 'step')
    await signatures.settled()
    const told = reports.next
    retain(signatures, after)
    t.match(await told, [{ signatures: 2 }])
    t.equal(bookIn(signatures, after), next)
    t.not(bookIn(signatures, before), book, 'it is gone')
  },
)

t.test('a zone that is signed no more is forgotten, on disk too', async (t) => {
  const { signatures, served, thread, directory } = await setUp(t)
  await thread.persist()
  t.equal(thread.trouble, null)
  const book = bookIn(signatures, catalogOf([served], ['www']))!
  signatures.ask(book, keys(1, 2), 'step')
  await signatures.settled()
  await thread.persist()
  t.equal((await readdir(directory)).length, 1)
  retain(signatures, catalogOf(null, ['www']))
  // Behind what it was told before.
  await thread.persist()
  t.equal((await readdir(directory)).length, 0)
})

t.test('what is due is made anew, and what was refused is tried again', async (t) => {
  const { signatures, served, signed, reports, time } = await setUp(t)
  const other = { ...served, sealed: served.sealed.replace(/.{8}$/, 'AAAAAAA=') }
  const bad = bookIn(signatures, catalogOf([other], ['www']))!
  const refused = reports.next
  signatures.ask(bad, keys(1, 1), 'step')
  t.match(await refused, [{ signatures: 0, trouble: /can't be opened/ }])
  const again = signed.next
  signatures.renew([apex])
  t.same(await again, new Set([`www.${apex}`]))

  const book = bookIn(signatures, catalogOf([served], ['www']))!
  const done = reports.next
  signatures.ask(book, keys(1, 2), 'step')
  t.match(await done, [{ trouble: null }])
  const count = signed.all.length
  const nothing = reports.next
  retain(signatures, catalogOf([served], ['www']))
  signatures.renew([apex])
  t.match(await nothing, [{ made: 0, signatures: 2 }])
  t.equal(signed.all.length, count, 'nothing is due')
  time.seconds += 8 * daySeconds
  const anew = signed.next
  signatures.renew([apex])
  t.same(await anew, new Set([`www.${apex}`]))
})

t.test('the thread forgets what is of no use here any more', async (t) => {
  const { signatures, served, thread, reports } = await setUp(t)
  const catalog = catalogOf([served], ['www'])
  for (let round = 0; round < 3; round++) {
    const book = bookIn(signatures, catalog)!
    const done = reports.next
    signatures.ask(book, keys(round * 1000, 1000), 'step')
    await done
    // Another TTL, and back: the signatures here are gone, those of the thread are not.
    retain(signatures, catalogOf([served], []))
  }
  const book = bookIn(signatures, catalog)!
  const done = reports.next
  signatures.ask(book, keys(0, 1), 'step')
  await done
  const reply = await thread.sign([{ apex, keys: [served], owners: [] }])
  t.equal(reply[0]!.kept, 1)
})

t.test('a zone whose keys are none keeps none of another zone from being signed', async (t) => {
  const { signatures, served, errors, reports } = await setUp(t)
  const book = bookIn(signatures, catalogOf([served], ['www']))!
  const publicKey = undefined as unknown as string
  const bad = signatures.bookOf(service('www.bad.test', []), {
    ...zone([{ ...served, publicKey }]),
    apex: 'bad.test',
  })!
  const told = reports.next
  // They go to the thread together.
  signatures.ask(bad, keys(1, 1), 'step')
  signatures.ask(book, keys(1, 2), 'step')
  signatures.ask(bad, keys(2, 1), 'step')
  await signatures.settled()
  t.ok(book.of(key(1)))
  t.notOk(bad.of(key(2)))
  t.match(await told, [
    { apex: 'bad.test', trouble: /^services of zone bad\.test can't be signed: / },
    { apex, trouble: null },
  ])
  t.same(errors.all, [])
})
