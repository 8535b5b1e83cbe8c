import fc from 'fast-check'
import t from 'tap'
import { ZoneCompiler } from '../../../src/dataplane/image/compile.ts'
import { editZone } from '../../../src/dataplane/image/edit.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { nameOf, rdataOf, ttlOf } from '../../../src/dataplane/image/image-contents.ts'
import type { WireRrset } from '../../../src/dataplane/image/rrset-encoder.ts'
import { lowerName, parseName } from '../../../src/dataplane/wire/name.ts'
import { parseRdata, rrTypes } from '../../../src/dataplane/wire/rdata.ts'
import { TextError } from '../../../src/dataplane/wire/text-error.ts'
import { contentsOf } from '../../support/image-contents.ts'

const text = (octets: Uint8Array) => Buffer.from(octets).toString('latin1')
const apex = parseName('example.test.')
const soaOf = (serial: number) => ({
  rdata: parseRdata('SOA', `ns1.example.net. ns1.example.net. ${serial} 3600 600 86400 60`, apex),
  ttlSeconds: 300,
})

interface Line {
  readonly owner: string
  readonly type: string
  readonly ttlSeconds: number
  readonly data: readonly string[]
}

const wireOf = ({ owner, type, ttlSeconds, data }: Line): WireRrset => ({
  owner: lowerName(parseName(owner, apex)),
  type: rrTypes.get(type)!,
  ttlSeconds,
  rdata: data.map((line) => parseRdata(type, line, apex)),
})

function compile(lines: readonly Line[], services: readonly string[], serial = 1): ZoneImage {
  const compiler = new ZoneCompiler(apex, soaOf(serial))
  for (const line of lines) compiler.add(wireOf(line))
  for (const [slot, owner] of services.entries()) compiler.addService(lowerName(parseName(owner, apex)), slot)
  return new ZoneImage(compiler.finish())
}

const label = fc.constantFrom('a', 'b', 'ns1', '*', 'Mail', 'example')
const below = fc.array(label, { minLength: 1, maxLength: 3 }).map((labels) => labels.join('.'))
const owner = fc.oneof(fc.constant('@'), below).map((name) => name.toLowerCase())
const target = fc.oneof(
  owner,
  fc
    .tuple(below, fc.constantFrom('net.', 'example.net.', 'test.', ''))
    .map(([name, end]) => `${name}.${end}`),
  fc.constant('.'),
)
const data: Readonly<Record<string, fc.Arbitrary<string>>> = {
  A: fc.integer({ min: 0, max: 9 }).map((last) => `192.0.2.${last}`),
  AAAA: fc.constant('2001:db8::1'),
  NS: target,
  MX: target.map((name) => `10 ${name}`),
  SRV: target.map((name) => `1 2 3 ${name}`),
  PTR: target,
  DNAME: target,
  MINFO: fc.tuple(target, target).map(([one, other]) => `${one} ${other}`),
  TXT: fc.integer({ min: 0, max: 200 }).map((length) => `"${'x'.repeat(length)}"`),
}
const line: fc.Arbitrary<Line> = fc.constantFrom(...Object.keys(data)).chain((type) =>
  fc.record({
    owner,
    type: fc.constant(type),
    ttlSeconds: fc.constantFrom(0, 60, 0x7fff_ffff),
    data: fc.uniqueArray(data[type]!, { minLength: 1, maxLength: 4 }),
  }),
)
const zone = fc.uniqueArray(line, { maxLength: 25, selector: ({ owner, type }) => `${owner} ${type}` })
const sorted = (octets: readonly Uint8Array[]) => octets.map((one) => text(lowerName(one)))

t.test('an image gives back what it was compiled from', async (t) => {
  fc.assert(
    fc.property(zone, (lines) => {
      const image = compile(lines, [])
      const wires = lines.map(wireOf)
      for (let node = 0; node < image.nodeCount; node++) {
        for (let i = 0; i < image.rrsetCount(node); i++) {
          const rrset = image.firstRrset(node) + i
          const type = image.type(rrset)
          if (type === 6) continue
          const found = wires.find(
            (wire) => wire.type === type && text(wire.owner) === text(nameOf(image, node)),
          )!
          if (ttlOf(image, rrset) !== found.ttlSeconds) return false
          if (sorted(rdataOf(image, node, rrset)).join() !== sorted(found.rdata).join()) return false
        }
      }
      return true
    }),
    { numRuns: 500 },
  )
  const soa = compile([], [])
  t.same(rdataOf(soa, 0, soa.rrset(0, 6)), [soaOf(1).rdata])
})

const someEdits = fc.array(fc.record({ lines: zone, services: fc.array(owner, { maxLength: 3 }) }), {
  minLength: 1,
  maxLength: 4,
})

t.test('an image that is edited again and again says what one compiled anew does', async (t) => {
  fc.assert(
    fc.property(zone, fc.array(owner, { maxLength: 3 }), someEdits, (first, services, edits) => {
      let lines = first
      let image = compile(first, services)
      for (const [index, edit] of edits.entries()) {
        const edited = new Set(edit.lines.map((line) => line.owner))
        // Some of them lose all that they have.
        const came = edit.lines.filter((line) => line.ttlSeconds > 0)
        lines = [...lines.filter((line) => !edited.has(line.owner)), ...came]
        const names = [...edited].map((owner) => lowerName(parseName(owner, apex)))
        const editor = editZone(image, apex, soaOf(index + 2), names)
        for (const line of came) editor.add(wireOf(line))
        for (const [slot, owner] of edit.services.entries())
          editor.addService(lowerName(parseName(owner, apex)), slot)
        image = new ZoneImage(editor.finish())
        t.same(contentsOf(image), contentsOf(compile(lines, edit.services, index + 2)))
      }
      return t.passing()
    }),
    { numRuns: 500 },
  )
})

t.test('an edit of many names lays out the zone anew, and what stays keeps its names', async (t) => {
  const names = Array.from({ length: 200 }, (_, i) => `h${i}`)
  const lines = names.flatMap((owner): Line[] => [
    { owner, type: 'PTR', ttlSeconds: 60, data: [`${owner}.ptr`, 'mail.example.net.'] },
    { owner, type: 'MINFO', ttlSeconds: 60, data: [`a.${owner} b.example.test.`] },
  ])
  const edited = new Set(names.slice(0, 120))
  const owners = Array.from(edited, (owner) => parseName(owner, apex))
  const image = new ZoneImage(editZone(compile(lines, []), apex, soaOf(2), owners).finish())
  const wanted = lines.filter(({ owner }) => !edited.has(owner))
  t.same(contentsOf(image), contentsOf(compile(wanted, [], 2)))
})

t.test('an edit of a zone of many names', async (t) => {
  const lines = Array.from({ length: 1000 }, (_, i) => ({
    owner: `h${i}`,
    type: 'TXT',
    ttlSeconds: 1,
    data: [`"${'x'.repeat(i % 200)}"`],
  }))
  const compiler = editZone(compile(lines, []), apex, soaOf(2), [
    parseName('h7', apex),
    parseName('no', apex),
  ])
  const wanted = compile(
    lines.filter(({ owner }) => owner !== 'h7'),
    [],
    2,
  )
  t.same(contentsOf(new ZoneImage(compiler.finish())), contentsOf(wanted))
})

t.test('an RRset of malformed octets is left out', async (t) => {
  const compiler = new ZoneCompiler(apex, soaOf(1))
  const rrset = { owner: apex, type: 2, ttlSeconds: 1 }
  const sound = Uint8Array.of(1, 0x61, 0)
  t.throws(() => compiler.add({ ...rrset, rdata: [sound, Uint8Array.of(9, 1)] }), TextError)
  const image = new ZoneImage(compiler.finish())
  t.equal(image.rrset(0, 2), -1)
  t.equal(image.rrsetCount(0), 1)
})
