/** Frames of dnstap, field by field. That the tools of others read them is shown in test/e2e/dnstap.test.ts. */
import t from 'tap'
import { localEnd } from '../../../src/dataplane/answer/client.ts'
import { mostLabels } from '../../../src/dataplane/answer/tap.ts'
import type { TapSettings } from '../../../src/dataplane/image/answer-settings.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import {
  allocateTapRing,
  logRingOctets,
  ringOctets,
  TapReader,
  TapWriter,
  wholeFrames,
} from '../../../src/dataplane/tap-ring.ts'
import { formatName } from '../../../src/dataplane/wire/name.ts'
import { query } from '../../support/dns-client.ts'
import { alias, leaf } from '../trees.ts'
import { Served, type ServeOptions } from './served.ts'

type Fields = ReadonlyMap<number, number | Buffer>

/** Protocol Buffers: varints, 32 bits, and what has a length. */
function fieldsOf(octets: Buffer): Fields {
  const fields = new Map<number, number | Buffer>()
  let at = 0
  const varint = () => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const octet = octets[at++]!
      value += (octet & 0x7f) * scale
      if (octet < 0x80) return value
    }
  }
  while (at < octets.length) {
    const tag = varint()
    const number = tag >>> 3
    if ((tag & 7) === 0) fields.set(number, varint())
    else if ((tag & 7) === 5) {
      fields.set(number, octets.readUInt32LE(at))
      at += 4
    } else {
      const length = varint()
      fields.set(number, octets.subarray(at, at + length))
      at += length
    }
  }
  return fields
}

function framesOf(ring: SharedArrayBuffer): { frame: Fields; message: Fields }[] {
  const reader = new TapReader(ring)
  const octets = Buffer.from(reader.read())
  reader.take(octets.length)
  const frames = []
  for (let at = 0; at < octets.length; ) {
    const length = octets.readUInt32BE(at)
    const frame = fieldsOf(octets.subarray(at + 4, at + 4 + length))
    frames.push({ frame, message: fieldsOf(frame.get(14) as Buffer) })
    at += 4 + length
  }
  return frames
}

const tap: TapSettings = {
  to: { path: '/tap' },
  queries: true,
  responses: true,
  every: 1,
  identity: 'ns1',
  version: 'pooldns 1',
}
const zones = [
  { apex: 'one.test', lines: ['a 60 A 192.0.2.9', 'w 60 CNAME www'], services: { www: 0, c: 1 } },
  { apex: '.', lines: ['root 60 A 192.0.2.8'] },
]
const many = Array.from({ length: mostLabels + 1 }, (_, i) => `192.0.2.${i}`)

function serve(settings: Partial<TapSettings> = {}, options: ServeOptions = {}) {
  const ring = allocateTapRing()
  const plans = [
    leaf(['192.0.2.1', '192.0.2.2', '192.0.2.3'], { answers: 2 }, 11),
    alias(['x.else.test'], {}, 14),
  ]
  const served = new Served(zones, plans, {
    ...options,
    tap: ring,
    settings: { ...options.settings, tap: { ...tap, ...settings } },
  })
  return { served, frames: () => framesOf(ring) }
}

const label = (slot: number, text: string) => [slot, new TextEncoder().encode(text)] as const

t.test('a query, and its response with who answered', async (t) => {
  const { served, frames } = serve()
  served.client.port = 40_000
  served.client.local = localEnd('::ffff:192.0.2.53', 53)
  served.state.apply({ generation: 2, labels: [label(11, 'm1'), label(12, 'm2'), label(13, 'm3')] })
  const before = Date.now()
  const request = query('w.one.test', 'A', { id: 7 })
  const response = served.respond(request)!
  const [asked, answered] = frames()
  t.same(String(asked!.frame.get(1)), 'ns1')
  t.same(String(asked!.frame.get(2)), 'pooldns 1')
  t.equal(asked!.frame.get(15), 1)
  t.notOk(asked!.frame.has(3))
  const address = Buffer.from([192, 0, 2, 1])
  const local = Buffer.from([192, 0, 2, 53])
  const ends = { 2: 1, 3: 1, 4: address, 5: local, 6: 40_000, 7: 53 }
  const fields = ({ message }: { message: Fields }, ...numbers: number[]) =>
    Object.fromEntries(numbers.map((number) => [number, message.get(number)]))
  t.same(fields(asked!, 1, 2, 3, 4, 5, 6, 7, 10), { 1: 1, ...ends, 10: request })
  t.notOk(asked!.message.has(12))
  t.same(fields(answered!, 1, 2, 3, 4, 5, 6, 7, 14), { 1: 2, ...ends, 14: response })
  t.equal(formatName(answered!.message.get(11) as Buffer), 'one.test.')
  const at = (answered!.message.get(12) as number) * 1000 + (answered!.message.get(13) as number) / 1e6
  t.ok(at > before - 60_000 && at <= Date.now())
  t.equal(answered!.message.get(8), answered!.message.get(12))
  t.match(String(answered!.frame.get(3)), /^m[123]; m[123]$/)
  t.same(served.tapped(), { written: 2, dropped: 0 })
})

t.test('over a stream, over IPv6, of an alias, without a name, and of no zone', async (t) => {
  const { served, frames } = serve({ queries: false }, { stream: true })
  served.state.apply({ generation: 2, labels: [label(14, 'x')] })
  served.respond(query('c.one.test', 'A'), undefined, true)
  served.respond(query('www.one.test', 'A'))
  served.respond(query('a.one.test', 'A'))
  served.respond(query('version.bind', 'TXT', { class: 3 }))
  const [alias, unnamed, static_, refused] = frames()
  t.same([alias!.message.get(2), alias!.message.get(3)], [2, 2])
  t.equal((alias!.message.get(4) as Buffer).length, 16)
  t.notOk(alias!.message.has(5), 'an end that is not known is left out')
  t.equal(String(alias!.frame.get(3)), 'x')
  t.notOk(unnamed!.frame.has(3), 'nobody has said what these are called')
  t.notOk(static_!.frame.has(3))
  t.notOk(refused!.message.has(11))
})

t.test('of members of which some are named, those are', async (t) => {
  const { served, frames } = serve({ queries: false })
  served.state.apply({ generation: 2, labels: [label(12, 'm2')] })
  for (let turn = 0; turn < 3; turn++) served.respond(query('www.one.test', 'A'))
  const extras = frames().map(({ frame }) => String(frame.get(3)))
  t.same(extras.sort(), ['m2', 'm2', 'undefined'])
})

t.test('only some of it, and nothing of what is no message or gets no response', async (t) => {
  const queries = serve({ responses: false })
  queries.served.respond(query('a.one.test', 'A'))
  queries.served.respond(query('a.one.test', 'A'), 5)
  t.same(
    queries.frames().map(({ message }) => message.get(1)),
    [1],
  )
  const some = serve({ every: 3, queries: false })
  for (let id = 0; id < 7; id++) some.served.respond(query('a.one.test', 'A', { id }))
  t.same(
    some.frames().map(({ message }) => (message.get(14) as Buffer).readUInt16BE(0)),
    [0, 3, 6],
  )
  const limited = serve(
    { queries: false },
    { settings: { rateLimit: { perSecond: 1, slip: 0, logOnly: false, exempt: [] } } },
  )
  for (let id = 0; id < 5; id++) limited.served.respond(query('a.one.test', 'A', { id }))
  t.equal(limited.frames().length, limited.served.counted().NOERROR)
  // Without a ring nobody is told, whatever the settings say.
  t.equal(new Served(zones, [], { settings: { tap } }).ask('a.one.test', 'A').rcode, 0)
})

t.test('a full ring drops frames and no answer; what is said may change', async (t) => {
  const ring = allocateTapRing()
  const writer = new TapWriter(ring)
  writer.reserve(ringOctets - 100)
  writer.commit(ringOctets - 100)
  writer.publish()
  const served = new Served(zones, [], { tap: ring, settings: { tap } })
  const frames = () => framesOf(ring)
  t.equal(served.ask('a.one.test', 'A').rcode, 0)
  t.same(served.tapped(), { written: 0, dropped: 2 })
  new TapReader(ring).take(ringOctets - 100)
  const other = { ...served.state.settings, tap: { ...tap, identity: 'ns2' } }
  served.state.apply({ generation: 2, settings: [[0, other]] })
  served.ask('a.one.test', 'A')
  t.same(
    frames().map(({ frame }) => String(frame.get(1))),
    ['ns2', 'ns2'],
  )
  const { tap: _, ...without } = served.state.settings
  served.state.apply({ generation: 3, settings: [[0, without]] })
  served.ask('a.one.test', 'A')
  t.equal(frames().length, 0)
})

t.test('of an answer with very many members some are named', async (t) => {
  const ring = allocateTapRing()
  const services = [{ apex: 'one.test', lines: [], services: { www: 0 } }]
  const plans = [leaf(many, { answers: many.length }, 1)]
  const served = new Served(services, plans, { tap: ring, stream: true, settings: { tap } })
  served.state.apply({ generation: 2, labels: many.map((_, i) => label(i + 1, 'm')) })
  served.respond(query('www.one.test', 'A'))
  t.equal(String(framesOf(ring)[1]!.frame.get(3)), Array(mostLabels).fill('m').join('; '))
})

t.test('where a query came to', async (t) => {
  t.same(localEnd('192.0.2.1', 53), { octets: Uint8Array.of(192, 0, 2, 1), port: 53 })
  t.equal(localEnd('2001:db8::1', 53).octets.length, 16)
  for (const any of ['::', '0.0.0.0', '']) t.same(localEnd(any, 53), { octets: new Uint8Array(), port: 53 })
})

t.test('the query log is told beside a collector, or alone, of what it has chosen', async (t) => {
  const [ring, log] = [allocateTapRing(), allocateTapRing(logRingOctets)]
  const queryLog = { ...tap, queries: false, every: 2 }
  const served = new Served(zones, [], { tap: ring, queryLog: log, settings: { tap, queryLog } })
  for (let i = 0; i < 4; i++) served.respond(query('a.one.test', 'A'))
  t.equal(framesOf(ring).length, 8)
  t.equal(framesOf(log).length, 2)
  t.same(served.tapped('queryLog'), { written: 2, dropped: 0 })
  const { tap: _, ...alone } = served.state.settings
  served.state.apply({ generation: 3, settings: only({ ...alone, queryLog: { ...queryLog, every: 1 } }) })
  served.respond(query('a.one.test', 'A'))
  t.equal(framesOf(ring).length, 0)
  t.equal(framesOf(log).length, 1)
})

t.test('a small ring goes round', async (t) => {
  const ring = allocateTapRing(1024)
  const [writer, reader] = [new TapWriter(ring), new TapReader(ring)]
  for (let i = 0; i < 100; i++) {
    const at = writer.reserve(100)
    writer.octets.set([0, 0, 0, 96, i], at)
    writer.commit(100)
    writer.publish()
    t.equal(reader.read()[4], i)
    t.equal(wholeFrames(reader.read(), 1).length, 100)
    reader.take(100)
  }
})
