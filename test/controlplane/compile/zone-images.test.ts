import t from 'tap'
import type { CatalogZone } from '../../../src/controlplane/catalog/catalog.ts'
import { type CompileJob, ZoneImages } from '../../../src/controlplane/compile/zone-images.ts'
import { parseZone } from '../../../src/controlplane/document/zone.ts'
import type { Problem } from '../../../src/controlplane/model/errors.ts'
import type { Rrset } from '../../../src/controlplane/model/zone.ts'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { Responder } from '../../../src/dataplane/answer/responder.ts'
import { allocateCounters, Counters } from '../../../src/dataplane/counters.ts'
import { compileDirectory } from '../../../src/dataplane/image/directory.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import { ServingState } from '../../../src/dataplane/image/state.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { parseType } from '../../../src/dataplane/wire/rdata.ts'
import { rdataExamples } from '../../dataplane/wire/rdata-examples.ts'
import { query } from '../../support/dns-client.ts'
import { readRrs } from '../../support/rr-reader.ts'

const apex = 'example.test'
const soa = { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' }

/** The text of the first RR of that owner and type in the response of a zone's image. */
function ask(image: SharedArrayBuffer, owner: string, type: number): string | undefined {
  return askAll(image, owner, type)[0]
}

function askAll(image: SharedArrayBuffer, owner: string, type: number): string[] {
  const state = new ServingState()
  const directory = only(compileDirectory(new Map([[0, hostnameToWire(apex)]])))
  state.apply({ generation: 1, directory, zones: [[0, image]] })
  const responder = new Responder(state, new Counters(allocateCounters()), { stream: true })
  const out = Buffer.alloc(65535)
  const request = query(`${owner}.${apex}`, type)
  const length = responder.respond(request, request.length, new Client(), out)
  return readRrs(out.subarray(0, length)).flatMap((rr) =>
    rr.type === type ? [rr.rdata.toString('hex')] : [],
  )
}

/** Rows as the store packs them. */
const pack = (rrsets: readonly Rrset[]) =>
  JSON.stringify(rrsets.map(({ owner, type, ttlSeconds, data }) => [owner, type, ttlSeconds, data]))

function headOf(): CatalogZone {
  const head = parseZone(apex, { soa }, '', [])
  if (head === null) throw new Error('no zone')
  return { ...head, serial: 1 }
}

function compile(images: ZoneImages, rrsets: readonly Rrset[], job: Partial<CompileJob> = {}) {
  images.begin({
    revision: 1,
    stamp: 's1',
    jobs: [{ zone: headOf(), services: [], edit: null, ...job }],
    gone: [],
  })
  images.add([{ apex, text: pack(rrsets) }])
  return images.finish()
}

const a = (owner: string, address: string): Rrset => ({ owner, type: 'A', ttlSeconds: null, data: [address] })

t.test('every type goes from the document to a response', async (t) => {
  const examples = rdataExamples.filter(({ type }) => type !== 'SOA')
  const rrsets = examples.map(({ type, text }, index) => ({ name: `o${index}`, type, data: [text] }))
  const problems: Problem[] = []
  const zone = parseZone(apex, { soa, rrsets }, '', problems)
  t.same(problems, [])
  if (zone === null) return
  t.equal(zone.rrsets.at(-1)?.type, 'A', 'TYPE1 is a spelling of A')
  const { images, bad } = compile(new ZoneImages(), zone.rrsets)
  t.same(bad, [])
  const image = images[0]![1]
  for (const [index, { type, text, octets }] of examples.entries()) {
    t.equal(ask(image, `o${index}`, parseType(type)), octets, `${type} ${text}`)
  }
})

const messagesOf = (bad: readonly { readonly message: string }[]) => bad.map(({ message }) => message)

t.test('in the place of a row that can not be used there is what was good before', async (t) => {
  const images = new ZoneImages()
  const mx = { owner: 'm', type: 'MX', ttlSeconds: 60, data: ['10 mail.example.test.'] }
  const before = compile(images, [a('a', '192.0.2.1'), a('b', '192.0.2.2'), mx]).images[0]![1]
  t.equal(images.held.get(apex)!.bad, undefined)
  const rows = [
    a('a', 'nonsense'),
    a('b', '192.0.2.9'),
    { ...mx, data: ['x'] },
    a('new', 'nonsense'),
    a('..', 'x'),
  ]
  const check = (image: SharedArrayBuffer, what: string) => {
    t.same(
      ['a', 'b', 'new'].map((owner) => ask(image, owner, 1)),
      ['c0000201', 'c0000209', undefined],
      what,
    )
    t.equal(ask(image, 'm', parseType('MX')), ask(before, 'm', parseType('MX')), what)
    t.equal(images.held.get(apex)!.bad, true, what)
  }
  const edit = { owners: ['a', 'b', 'm', 'new'], text: pack(rows) }
  const order = { revision: 2, stamp: 's2', gone: [] }
  const edited = images.edit({ ...order, jobs: [{ zone: headOf(), services: [], edit }] })
  t.match(edited.bad, [{ apex, owner: 'a', type: 'A' }, { owner: 'm' }, { owner: 'new' }, { owner: '..' }])
  check(edited.images[0]![1], 'by an edit')
  check(compile(images, rows).images[0]![1], 'compiled whole')
  const other = { owners: ['c'], text: pack([a('c', '192.0.2.3')]) }
  images.edit({ ...order, jobs: [{ zone: headOf(), services: [], edit: other }] })
  t.equal(images.held.get(apex)!.bad, true, 'an edit of others heals nothing')
  const healed = compile(images, [a('a', '192.0.2.8')])
  t.same([healed.bad, images.held.get(apex)!.bad], [[], undefined])
  t.equal(ask(healed.images[0]![1], 'a', 1), 'c0000208')
})

t.test('a zone that can not be compiled keeps its image and holds up no other', async (t) => {
  const images = new ZoneImages()
  compile(images, [a('a', '192.0.2.1')])
  const before = images.held.get(apex)!.image
  const head = headOf()
  const broken = { ...head, soa: { ...head.soa, mname: 'no dot..' } }
  const other = { ...head, apex: 'other.test' }
  const jobs = [broken, other].map((zone) => ({ zone, services: [], edit: null }))
  images.begin({ revision: 2, stamp: 's2', jobs, gone: [] })
  images.add([{ apex, text: pack([a('a', '192.0.2.2')]) }])
  const { images: compiled, bad, kept } = images.finish()
  t.same(
    compiled.map(([name]) => name),
    ['other.test'],
  )
  t.same(kept, [apex])
  t.match(messagesOf(bad), [/^zone example\.test can't be compiled: /])
  t.equal(images.held.get(apex)!.image, before)
  const edit = { owners: ['a'], text: '[]' }
  t.same(
    images.edit({ revision: 3, stamp: 's3', jobs: [{ zone: broken, services: [], edit }], gone: [] }).missing,
    [apex],
    'its image lacks what came before the edit',
  )
})

t.test('a row whose type or data is none of ours is left out and told', async (t) => {
  const rrset = (type: string, data: string) => ({ owner: 'a', type, ttlSeconds: null, data: [data] })
  const rows = [
    rrset('NOPE', 'x'),
    rrset('OPT', '\\# 0'),
    rrset('HTTPS', '1 . port=x'),
    rrset('A', '192.0.2.1'),
  ]
  const { images, bad } = compile(new ZoneImages(), rows)
  t.same(messagesOf(bad), [
    'zone example.test, owner a, type NOPE: type NOPE is not known; one without a name here is written TYPE123',
    'zone example.test, owner a, type OPT: type OPT stands for no data, so no RRset has it',
    'zone example.test, owner a, type HTTPS: HTTPS params: port: "x" is not a number from 0 to 65535',
  ])
  t.equal(ask(images[0]![1], 'a', 1), 'c0000201')
})

t.test('rows that hold one RR in two spellings are answered once', async (t) => {
  const data = [
    '10 mail.example.test.',
    '10 MAIL.example.test.',
    '20 mail.example.test.',
    '20 mail.example.test.',
  ]
  const { images } = compile(new ZoneImages(), [{ owner: 'm', type: 'MX', ttlSeconds: null, data }])
  t.equal(askAll(images[0]![1], 'm', parseType('MX')).length, 2)
})

t.test('an edit replaces the RRsets of its owners and nothing else', async (t) => {
  const images = new ZoneImages()
  compile(images, [a('a', '192.0.2.1'), a('b', '192.0.2.2'), a('c', '192.0.2.3')])
  const edit = { owners: ['b', 'c', 'd'], text: pack([a('b', '192.0.2.9'), a('d', '192.0.2.4')]) }
  const {
    images: edited,
    bad,
    missing,
  } = images.edit({
    revision: 2,
    stamp: 's2',
    jobs: [{ zone: headOf(), services: [{ name: `svc.${apex}`, slot: 7 }], edit }],
    gone: [],
  })
  t.same([bad, missing], [[], []])
  const image = edited[0]![1]
  t.same(
    ['a', 'b', 'c', 'd'].map((owner) => ask(image, owner, 1)),
    ['c0000201', 'c0000209', undefined, 'c0000204'],
  )
  const held = images.held.get(apex)!
  t.equal(held.image, image)
  t.match(held, { revision: 2, stamp: 's2', services: [{ name: `svc.${apex}`, slot: 7 }] })
})

t.test('an edit without an image is missing; a zone without rows has its SOA', async (t) => {
  const images = new ZoneImages()
  const edit = { owners: [], text: '[]' }
  const editOf = { revision: 1, stamp: 's1', jobs: [{ zone: headOf(), services: [], edit }], gone: [] }
  t.same(images.edit(editOf), { images: [], bad: [], kept: [], missing: [apex], signed: [] })
  images.begin({ revision: 1, stamp: 's1', jobs: [{ zone: headOf(), services: [], edit: null }], gone: [] })
  const { images: compiled } = images.finish()
  t.equal(new ZoneImage(compiled[0]![1]).rrset(0, 6), 0)
  t.throws(() => images.finish(), { message: 'nothing was begun to be compiled' })
})

t.test('an edit of an owner that is no name has the whole zone compiled', async (t) => {
  const images = new ZoneImages()
  compile(images, [a('a', '192.0.2.1')])
  const edit = { owners: ['a', 'bad..owner'], text: '[]' }
  const editOf = { revision: 2, stamp: 's2', jobs: [{ zone: headOf(), services: [], edit }], gone: [] }
  t.same(images.edit(editOf), { images: [], bad: [], kept: [], missing: [apex], signed: [] })
  const { images: compiled } = compile(images, [a('b', '192.0.2.2')])
  t.same(
    ['a', 'b'].map((owner) => ask(compiled[0]![1], owner, 1)),
    [undefined, 'c0000202'],
  )
})

t.test('rows of several zones, in batches; an order that was not finished is forgotten', async (t) => {
  const images = new ZoneImages()
  const zones = ['one.test', 'two.test', 'three.test'].map((name) => ({ ...headOf(), apex: name }))
  const jobs = zones.map((zone) => ({ zone, services: [], edit: null }))
  images.begin({ revision: 1, stamp: 's1', jobs: jobs, gone: [] })
  images.add([{ apex: 'one.test', text: pack([a('x', '192.0.2.1')]) }])
  images.begin({ revision: 2, stamp: 's2', jobs: jobs, gone: [] })
  images.add([
    { apex: 'one.test', text: pack([a('y', '192.0.2.2')]) },
    { apex: 'other.test', text: pack([a('y', '192.0.2.2')]) },
    { apex: 'two.test', text: pack([a('a', '192.0.2.3')]) },
  ])
  images.add([{ apex: 'two.test', text: pack([a('b', '192.0.2.4')]) }])
  const { images: compiled } = images.finish()
  t.same(
    compiled.map(([name]) => name),
    ['one.test', 'two.test', 'three.test'],
  )
  const totals = compiled.map(([, image]) => new ZoneImage(image).rrsetTotal - 2)
  t.same(totals, [1, 2, 0])
  images.edit({ revision: 3, stamp: 's3', jobs: [], gone: ['one.test'] })
  t.same([...images.held.keys()], ['two.test', 'three.test'])
  const unwritten = images.takeUnwritten()
  t.match(unwritten, { changed: [{ zone: { apex: 'two.test' } }, { zone: { apex: 'three.test' } }] })
  t.same(unwritten.gone, ['one.test'])
  t.same(images.takeUnwritten(), { changed: [], gone: [] })
  images.giveBack(unwritten)
  t.match(images.takeUnwritten(), { changed: { length: 2 }, gone: ['one.test'] })
})

t.test('an edit between the rows of another zone disturbs neither', async (t) => {
  const images = new ZoneImages()
  compile(images, [a('a', '192.0.2.1')])
  const large = { ...headOf(), apex: 'large.test' }
  images.begin({ revision: 2, stamp: 's2', jobs: [{ zone: large, services: [], edit: null }], gone: [] })
  images.add([{ apex: 'large.test', text: pack([a('x', '192.0.2.1')]) }])
  const edit = { owners: ['a'], text: pack([a('a', '192.0.2.9')]) }
  const edited = images.edit({
    revision: 3,
    stamp: 's3',
    jobs: [{ zone: headOf(), services: [], edit }],
    gone: [],
  })
  t.equal(ask(edited.images[0]![1], 'a', 1), 'c0000209')
  images.add([{ apex: 'large.test', text: pack([a('y', '192.0.2.2')]) }])
  const { images: compiled } = images.finish()
  t.same(
    compiled.map(([name, image]) => [name, new ZoneImage(image).rrsetTotal - 2]),
    [['large.test', 2]],
  )
  t.equal(images.held.get('large.test')?.revision, 2)
  t.equal(images.held.get(apex)?.revision, 3)
})

t.test('a zone that goes while it is compiled leaves no image', async (t) => {
  const images = new ZoneImages()
  const jobs = ['one.test', 'two.test', 'three.test'].map((name) => {
    return { zone: { ...headOf(), apex: name }, services: [], edit: null }
  })
  images.begin({ revision: 1, stamp: 's1', jobs, gone: [] })
  images.add([{ apex: 'one.test', text: pack([a('x', '192.0.2.1')]) }])
  images.edit({ revision: 2, stamp: 's2', jobs: [], gone: ['one.test', 'two.test'] })
  images.add([{ apex: 'one.test', text: pack([a('y', '192.0.2.1')]) }])
  const { images: compiled } = images.finish()
  t.same(
    compiled.map(([name]) => name),
    ['three.test'],
  )
  t.same([...images.held.keys()], ['three.test'])
})
