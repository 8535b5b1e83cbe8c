import fc from 'fast-check'
import t from 'tap'
import { ZoneCompiler } from '../../../src/dataplane/image/compile.ts'
import { headerAt, ZoneImage } from '../../../src/dataplane/image/image.ts'
import { rdataOf } from '../../../src/dataplane/image/image-contents.ts'
import {
  formatName,
  isSubdomain,
  lowerName,
  parentName,
  parseName,
} from '../../../src/dataplane/wire/name.ts'
import { hashName, NameScan } from '../../../src/dataplane/wire/name-scan.ts'
import { parseRdata, rrTypes } from '../../../src/dataplane/wire/rdata.ts'
import { type ZoneText, zoneImage } from '../zone-text.ts'

function scanOf(name: string | Uint8Array): NameScan {
  const wire = typeof name === 'string' ? parseName(name) : name
  const scan = new NameScan()
  scan.load(wire, 0, wire.length)
  return scan
}

const image = (zone: Partial<ZoneText>) =>
  new ZoneImage(zoneImage({ apex: 'example.test', lines: [], ...zone }))

/** Node of a name, -1 when the zone doesn't have it. */
const nodeOf = (zone: ZoneImage, name: string) => zone.find(scanOf(name), 0)

function wireForm(zone: ZoneImage, rrset: number): string {
  const at = zone.wire(rrset)
  return Buffer.from(zone.bytes.subarray(at, at + zone.wireLength(rrset))).toString('hex')
}

t.test('a zone of nothing but its SOA', async (t) => {
  const zone = image({ ttlSeconds: 300, minimumSeconds: 60 })
  t.equal(zone.apexLength, 14)
  t.equal(zone.apexLabels, 2)
  t.equal(nodeOf(zone, 'example.test.'), 0)
  t.equal(nodeOf(zone, 'www.example.test.'), -1)
  t.equal(zone.rrsetCount(0), 1)
  t.equal(zone.rrset(0, 6), zone.firstRrset(0))
  t.equal(zone.rrset(0, 2), -1)
  t.ok(zone.isApex(scanOf('www.Example.test.'), 1))
  t.notOk(zone.isApex(scanOf('www.Example.test.'), 0))
  t.notOk(zone.isApex(scanOf('www.exbmple.test.'), 1))
})

t.test('an RRset in wire form, with pointers to the question and room for one to the apex', async (t) => {
  const zone = image({ lines: ['@ 300 MX 10 Mail', '@ 300 MX 20 mail.example.net.', '@ 300 MX 30 @'] })
  const mx = zone.rrset(0, 15)
  t.equal(zone.type(mx), 15)
  t.equal(zone.rrCount(mx), 3)
  const head = 'c00c 000f 0001 0000012c '
  const records = [
    `${head} 0009 000a 044d61696c 0000`,
    `${head} 0014 0014 046d61696c 076578616d706c65 036e6574 00`,
    `${head} 0004 001e 0000`,
  ]
  t.equal(wireForm(zone, mx), records.join('').replaceAll(' ', ''))
  t.equal(zone.fixupCount(mx), 2)
  t.same([zone.fixup(mx, 0), zone.fixup(mx, 1)], [12 + 7, 21 + 32 + 12 + 2])
  t.equal(zone.hasTargets(mx), false)
})

t.test('the name that a CNAME leads to, however much of it is left out in the wire form', async (t) => {
  const lines = [
    'whole 300 CNAME www.example.net.',
    'apex 300 CNAME @',
    'below 300 CNAME A.B',
    'owner 300 CNAME Owner',
    'suffix.of.owner 300 CNAME x.of.owner',
    'root 300 CNAME .',
    '*.wild 300 CNAME q.*.wild',
  ]
  const zone = image({ lines })
  const target = new NameScan()
  for (const [owner, expected] of [
    ['whole', 'www.example.net.'],
    ['apex', 'example.test.'],
    ['below', 'a.b.example.test.'],
    ['owner', 'owner.example.test.'],
    ['suffix.of.owner', 'x.of.owner.example.test.'],
    ['root', '.'],
    ['*.wild', 'q.*.wild.example.test.'],
  ] as const) {
    const node = nodeOf(zone, `${owner}.example.test.`)
    zone.loadTarget(node, zone.rrset(node, 5), target)
    t.equal(formatName(target.bytes.subarray(0, target.length)), expected, owner)
  }
})

t.test('names that RFC 3597 forbids to compress stay whole, and so do those of the root zone', async (t) => {
  const srv = image({ lines: ['_x 300 SRV 1 2 3 web'] })
  const rrset = srv.rrset(nodeOf(srv, '_x.example.test.'), 33)
  t.equal(srv.fixupCount(rrset), 0)
  t.equal(
    wireForm(srv, rrset).slice(24),
    '000100020003 03776562 076578616d706c65 0474657374 00'.replaceAll(' ', ''),
  )
  const root = image({ apex: '.', lines: ['test 300 NS ns1.test.'] })
  const ns = root.rrset(nodeOf(root, 'test.'), 2)
  t.equal(root.fixupCount(ns), 1, 'the owner is spelled in the message, the root has nothing to spell')
  t.equal(wireForm(root, ns).slice(24), '036e73310000')
  t.equal(root.apexLabels, 0)
})

t.test('unknown types keep their octets', async (t) => {
  const zone = image({ lines: ['@ 300 TYPE65280 0765ff'] })
  t.equal(wireForm(zone, zone.rrset(0, 65280)), 'c00cff00000100 00012c00030765ff'.replace(' ', ''))
})

t.test('negative answers take the lesser of TTL and MINIMUM', async (t) => {
  for (const [ttlSeconds, minimumSeconds, expected] of [
    [300, 60, 60],
    [30, 60, 30],
    [0xffff_ffff, 0xffff_fffe, 0xffff_fffe],
  ] as const) {
    const zone = image({ ttlSeconds, minimumSeconds })
    const ttl = (rrset: number) => Number.parseInt(wireForm(zone, rrset).slice(12, 20), 16)
    t.equal(ttl(zone.rrset(0, 6)), ttlSeconds)
    t.equal(ttl(zone.negativeSoa), expected)
  }
})

t.test('nodes: empty non-terminals, cuts, wildcards, services', async (t) => {
  const zone = image({
    lines: [
      'a.b.c 1 A 192.0.2.1',
      '*.w 1 A 192.0.2.1',
      'cut 1 NS ns.cut',
      'ns.cut 1 A 192.0.2.1',
      'deep.cut 1 NS a.',
    ],
    services: { www: 3, 'x.y': 0 },
  })
  const node = (name: string) => nodeOf(zone, `${name}.example.test.`)
  for (const name of ['b.c', 'c', 'w', 'y']) {
    t.not(node(name), -1, name)
    t.equal(zone.rrsetCount(node(name)), 0, name)
  }
  t.equal(zone.labels(node('a.b.c')), 5)
  t.equal(zone.wildcard(node('w')), node('*.w'))
  t.equal(zone.wildcard(node('c')), -1)
  t.equal(zone.cut(node('cut')), node('cut'))
  t.equal(zone.cut(node('ns.cut')), node('cut'))
  t.equal(zone.cut(node('deep.cut')), node('cut'), 'the topmost cut')
  t.equal(zone.cut(node('c')), -1)
  t.equal(zone.service(node('www')), 3)
  t.equal(zone.service(node('x.y')), 0)
  t.equal(zone.service(node('y')), -1)
  t.equal(zone.deepestLabel(scanOf('q.a.b.c.example.test.')), 1)
  t.equal(zone.deepestLabel(scanOf('a.b.c.example.test.')), 0)
  t.equal(zone.deepestLabel(scanOf('example.test.')), 0)
  t.equal(zone.deepestLabel(scanOf(`${'q.'.repeat(100)}example.test.`)), 97)
})

t.test('a node has its RRsets in the order of types, whatever the order they came in', async (t) => {
  const zone = image({ lines: ['@ 1 CAA 0 issue a', '@ 1 TXT a', '@ 1 NS a.', '@ 1 A 192.0.2.1'] })
  const types = Array.from({ length: zone.rrsetCount(0) }, (_, i) => zone.type(zone.firstRrset(0) + i))
  t.same(types, [1, 2, 6, 16, 257])
})

t.test('targets with addresses here, each once', async (t) => {
  const zone = image({
    lines: [
      '@ 1 NS ns1',
      '@ 1 NS ns.example.net.',
      '@ 1 NS nowhere',
      '@ 1 NS NS1.Example.Test.',
      '@ 1 NS ns6',
      '@ 1 NS text',
      'ns1 1 A 192.0.2.1',
      'ns6 1 AAAA 2001:db8::1',
      'text 1 TXT a',
      '@ 1 MX 1 ns.example.net.',
      'c 1 CNAME ns1',
    ],
  })
  const ns = zone.rrset(0, 2)
  const node = (name: string) => nodeOf(zone, `${name}.example.test.`)
  t.ok(zone.hasTargets(ns))
  t.same(
    Array.from({ length: 6 }, (_, i) => zone.target(ns, i)),
    [node('ns1'), -1, -1, -1, node('ns6'), -1],
  )
  t.notOk(zone.hasTargets(zone.rrset(0, 15)))
  t.notOk(zone.hasTargets(zone.rrset(node('c'), 5)))
})

/** Two names of one hash. By the birthday paradox some ten thousand names have two such, some hundred thousand many. */
function ofOneHash(zone = 'test'): [string, string] {
  const seen = new Map<number, string>()
  for (let i = 0; ; i++) {
    const name = `h${i}.${zone}`
    const hash = hashName(parseName(`${name}.`))
    const other = seen.get(hash)
    if (other !== undefined) return [other, name]
    seen.set(hash, name)
  }
}

t.test('the table of an image can be filled anew, as by another process', async (t) => {
  const zone = image({ lines: ['www 1 A 192.0.2.1', '*.x.y 1 A 192.0.2.2', 'www.sub 1 A 192.0.2.3'] })
  const before = Int32Array.from(zone.words)
  zone.words.fill(7, zone.words[headerAt.table]!, zone.words[headerAt.nodes]!)
  zone.rehash()
  t.same(zone.words, before)
})

t.test('names of the same hash are told apart', async (t) => {
  const twins = ofOneHash()
  const zone = image({
    apex: 'test',
    lines: [`${twins[0]}. 1 A 192.0.2.1`, `${twins[1]}. 1 A 192.0.2.2`, 'h1 1 A 192.0.2.3'],
  })
  const scans = twins.map((name) => scanOf(`${name}.`))
  t.equal(scans[0]!.hashes[0], scans[1]!.hashes[0])
  const nodes = scans.map((scan) => zone.find(scan, 0))
  t.not(nodes[0], nodes[1])
  for (const [i, node] of nodes.entries())
    t.match(wireForm(zone, zone.rrset(node, 1)), new RegExp(`c000020${i + 1}$`))
  t.equal(image({ apex: 'test', lines: [`${twins[0]}. 1 A 192.0.2.1`] }).find(scans[1]!, 0), -1)
})

t.test('no name points to another one of the same hash', async (t) => {
  for (const names of [ofOneHash(), ofOneHash('net')].map((twins) => twins.map((name) => `${name}.`))) {
    const zone = image({ lines: names.map((name) => `a 1 PTR ${name}`) })
    const rrset = zone.rrset(nodeOf(zone, 'a.example.test.'), 12)
    t.same(
      rdataOf(zone, nodeOf(zone, 'a.example.test.'), rrset),
      names.map((name) => parseName(name)),
    )
    const label = names[1]!.slice(0, names[1]!.indexOf('.'))
    t.match(Buffer.from(wireForm(zone, rrset), 'hex').toString('latin1'), label)
  }
})

t.test('an image of another version is refused', async (t) => {
  t.throws(() => new ZoneImage(new SharedArrayBuffer(64)), { message: 'not a zone image of this version' })
})

t.test('every owner and its ancestors are found, nothing else, in any zone', async () => {
  const apex = parseName('example.test.')
  const label = fc.constantFrom('a', 'b', 'c', '*', 'A')
  const owner = fc.array(label, { maxLength: 4 }).map((labels) => labels.map((text) => `${text}.`).join(''))
  fc.assert(
    fc.property(fc.array(owner, { maxLength: 30 }), fc.array(owner, { maxLength: 10 }), (owners, asked) => {
      const compiler = new ZoneCompiler(apex, {
        rdata: parseRdata('SOA', 'a b 1 2 3 4 5', apex),
        ttlSeconds: 1,
      })
      const existing = new Set<string>(['example.test.'])
      const wires = [...new Set(owners.map((text) => text.toLowerCase()))].map((text) =>
        parseName(`${text}example.test.`),
      )
      for (const wire of wires) {
        compiler.add({ owner: wire, type: rrTypes.get('TXT')!, ttlSeconds: 1, rdata: [Uint8Array.of(0)] })
        for (let name = wire; isSubdomain(name, apex); name = parentName(name)) {
          existing.add(Buffer.from(name).toString('latin1'))
        }
      }
      existing.delete('example.test.')
      existing.add(Buffer.from(apex).toString('latin1'))
      const zone = new ZoneImage(compiler.finish())
      return [...owners, ...asked].every((text) => {
        const wire = parseName(`${text}example.test.`)
        const exists = existing.has(Buffer.from(lowerName(wire)).toString('latin1'))
        return exists === zone.find(scanOf(wire), 0) >= 0
      })
    }),
  )
})
