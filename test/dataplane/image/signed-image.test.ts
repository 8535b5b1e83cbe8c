/** Signatures in zone images: found once, kept by edits, and never missing. */
import fc from 'fast-check'
import t from 'tap'
import { editZone } from '../../../src/dataplane/image/edit.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { nameOf, rdataOf } from '../../../src/dataplane/image/image-contents.ts'
import { nsecNode } from '../../../src/dataplane/image/nsec-search.ts'
import { nsecVariants } from '../../../src/dataplane/image/nsec-variants.ts'
import { hashedIndex } from '../../../src/dataplane/image/nsec3-search.ts'
import { RrsetEncoder, type WireRrset } from '../../../src/dataplane/image/rrset-encoder.ts'
import { UnsignedError } from '../../../src/dataplane/image/signatures.ts'
import { compareNames } from '../../../src/dataplane/wire/canonical.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { formatName, hostnameToWire, lowerName, parseName } from '../../../src/dataplane/wire/name.ts'
import { NameScan } from '../../../src/dataplane/wire/name-scan.ts'
import { hashLabelLength, hashWords, writeHashLabel } from '../../../src/dataplane/wire/owner-hash.ts'
import { formatRdata } from '../../../src/dataplane/wire/rdata.ts'
import { hashLabel, TestSigner } from '../test-signer.ts'
import { compilerOf, type ZoneText, zoneImage, zoneRrsets, zoneSoa } from '../zone-text.ts'

const apex = hostnameToWire('example.test')
const zone: ZoneText = {
  apex: 'example.test',
  lines: [
    '@ 300 NS ns1',
    '@ 300 MX 10 mail',
    'ns1 300 A 192.0.2.53',
    'mail 300 A 192.0.2.25',
    'cut 300 NS ns.cut',
    'cut 300 TXT hidden',
    'ns.cut 300 A 192.0.2.54',
    'a.ent 300 TXT x',
    '*.wild 300 A 192.0.2.7',
    'd 300 DNAME a.ent',
    'below.d 300 TXT hidden',
  ],
}

/** What is signed in an image, as `owner type`. */
function signedIn(image: ZoneImage): string[] {
  const signed: string[] = []
  for (let node = 0; node < image.nodeCount; node++) {
    const end = image.firstRrset(node) + image.rrsetCount(node)
    for (let rrset = image.firstRrset(node); rrset < end; rrset++)
      if (image.signatureCount(rrset) > 0)
        signed.push(`${formatName(nameOf(image, node))} ${image.type(rrset)}`)
  }
  return signed.sort()
}

/** All octets of RRsets and signatures, by owner and type. */
function octetsIn(image: ZoneImage): string[] {
  const found: string[] = []
  for (let node = 0; node < image.nodeCount; node++) {
    const end = image.firstRrset(node) + image.rrsetCount(node)
    for (let rrset = image.firstRrset(node); rrset < end; rrset++) {
      const from = image.wire(rrset)
      const length = image.wireLength(rrset) + image.signatureLength(rrset)
      const octets = Buffer.from(image.bytes.slice(from, from + length)).toString('hex')
      found.push(`${formatName(nameOf(image, node))} ${octets}`)
    }
  }
  return found.sort()
}

function nodeOf(image: ZoneImage, name: Uint8Array): number {
  const scan = new NameScan()
  scan.load(name, 0, name.length)
  return image.find(scan, 0)
}

t.test("what is the zone's own is signed, and nothing else", async (t) => {
  const image = new ZoneImage(zoneImage({ ...zone, signer: new TestSigner() }))
  const expected = [
    ...['2', '6', '15', '47', '48'].map((type) => `example.test. ${type}`),
    ...['1', '47'].map((type) => `ns1.example.test. ${type}`),
    ...['1', '47'].map((type) => `mail.example.test. ${type}`),
    'cut.example.test. 47',
    ...['16', '47'].map((type) => `a.ent.example.test. ${type}`),
    ...['1', '47'].map((type) => `*.wild.example.test. ${type}`),
    ...['39', '47'].map((type) => `d.example.test. ${type}`),
  ]
  t.same(signedIn(image), expected.sort())
  t.equal(image.isSigned, true)
  t.equal(image.isBroken, false)
  t.equal(image.signatureCount(image.negativeSoa), 1)
  const unsigned = new ZoneImage(zoneImage(zone))
  t.equal(unsigned.isSigned, false)
  t.same(signedIn(unsigned), [])
})

t.test('the NSEC that speaks for a name', async (t) => {
  const image = new ZoneImage(zoneImage({ ...zone, signer: new TestSigner() }))
  const scan = new NameScan()
  const speaking = (name: string, label = 0, wildcard = false) => {
    const wire = lowerName(parseName(name, apex))
    scan.load(wire, 0, wire.length)
    return formatName(nameOf(image, nsecNode(image, scan, label, wildcard))).replace('.example.test.', '')
  }
  const table: [name: string, owner: string][] = [
    ['!', 'example.test.'],
    ['0', 'example.test.'],
    ['mail', 'mail'],
    ['x.mail', 'mail'],
    ['mail0', 'mail'],
    ['ent', 'd'],
    ['b.ent', 'a.ent'],
    ['a.a.ent', 'a.ent'],
    ['wild', 'ns1'],
    ['*.wild', '*.wild'],
    ['!.wild', 'ns1'],
    ['a.b.c.wild', '*.wild'],
    ['\\255', '*.wild'],
  ]
  for (const [name, owner] of table) t.equal(speaking(name), owner, name)
  t.equal(speaking('x.wild', 1, true), '*.wild')
  t.equal(speaking('x.y.ent', 2, true), 'd')
  t.equal(speaking('x', 1, true), 'example.test.')
})

t.test('it is the last that is not behind the name, whatever the names are', async () => {
  const label = fc.constantFrom('!', '*', '+', 'a', 'aaaa', 'aaaab', 'AAAAC', 'aaaa\\000', '\\255', '\\000')
  const name = fc.array(label, { minLength: 1, maxLength: 4 }).map((labels) => labels.join('.'))
  const signer = new TestSigner()
  const scan = new NameScan()
  fc.assert(
    fc.property(
      fc.uniqueArray(name, { maxLength: 12 }),
      fc.array(name, { maxLength: 20 }),
      (names, asked) => {
        const image = new ZoneImage(
          zoneImage({ apex: 'example.test', lines: names.map((owner) => `${owner} 1 A 192.0.2.1`), signer }),
        )
        const wires = [...names, '@'].map((text) => lowerName(parseName(text, apex))).sort(compareNames)
        return [...asked, ...names].every((text) => {
          const wire = lowerName(parseName(text, apex))
          scan.load(wire, 0, wire.length)
          const before = (wanted: Uint8Array) => wires.findLast((owner) => compareNames(owner, wanted) <= 0)!
          const same = (node: number, wanted: Uint8Array) => compareNames(nameOf(image, node), wanted) === 0
          const below = lowerName(parseName('*', wire))
          // What stands in the node is what is found.
          const node = image.find(scan, 0)
          const kept = node < 0 || image.wildcard(node) >= 0 || same(image.wildcardNsec(node), before(below))
          return (
            kept &&
            same(nsecNode(image, scan, 0, false), before(wire)) &&
            same(nsecNode(image, scan, 0, true), before(below))
          )
        })
      },
    ),
    { numRuns: 300 },
  )
})

t.test('an edit keeps the signatures of what it copies', async (t) => {
  const signer = new TestSigner()
  const before = new ZoneImage(zoneImage({ ...zone, signer }))
  signer.asked.length = 0
  // The cut goes, so that its glue is the zone's own, and has to be signed.
  const lines = [
    ...zone.lines.filter((line) => !/^(cut|mail) /.test(line)),
    'mail 300 A 192.0.2.26',
    'new 1 TXT x',
  ]
  const whole = signer.complete(apex, zoneRrsets({ ...zone, lines }))
  const edited = ['cut', 'mail', 'new', 'ns.cut', 'a.ent', '*.wild', '*'].map((text) =>
    lowerName(parseName(text, apex)),
  )
  const isEdited = (rrset: WireRrset) => edited.some((owner) => Buffer.compare(owner, rrset.owner) === 0)
  const names = edited.filter((owner) => formatName(owner) !== 'ns.cut.example.test.')
  // Their NSECs name other ones now.
  const others = [apex, lowerName(parseName('d', apex))]
  const left = new Map(
    others.map((owner) => [before.rrset(nodeOf(before, owner), types.nsec), nodeOf(before, owner)]),
  )
  const compiler = editZone(before, apex, zoneSoa(zone), names, signer.of(apex), left)
  for (const rrset of whole) {
    const isNew =
      isEdited(rrset) && (formatName(rrset.owner) !== 'ns.cut.example.test.' || rrset.type === types.nsec)
    const isLeft = rrset.type === types.nsec && others.some((owner) => compareNames(owner, rrset.owner) === 0)
    if (isNew || isLeft) compiler.add(rrset)
  }
  const after = new ZoneImage(compiler.finish())
  const asked = [...signer.asked]
  const anew = new ZoneImage(compilerOf({ ...zone, lines }, whole, { signatures: signer.of(apex) }).finish())
  t.same(octetsIn(after), octetsIn(anew))
  t.notOk(asked.includes('ns1.example.test. A'), 'nobody was asked for what was copied')
  t.notOk(asked.includes('example.test. MX'), 'nor for what was taken apart')
  t.ok(asked.includes('ns.cut.example.test. A'))
})

t.test('nothing is served that lacks a signature or an NSEC', async (t) => {
  const signer = new TestSigner()
  const whole = signer.complete(apex, zoneRrsets(zone))
  const compile = (rrsets: readonly WireRrset[], unsigned: string) => () => {
    const all = signer.of(apex)
    const signatures: typeof all = {
      find: (owner, type, ttl, data) =>
        formatName(owner) === unsigned && type !== types.nsec ? undefined : all.find(owner, type, ttl, data),
    }
    return compilerOf(zone, rrsets, { signatures }).finish()
  }
  t.doesNotThrow(compile(whole, 'ns.cut.example.test.'), 'glue needs none')
  t.throws(
    compile(whole, 'mail.example.test.'),
    new UnsignedError(parseName('mail.example.test.'), 1, 'has no signature'),
  )
  t.throws(compile(whole, 'example.test.'), { message: 'example.test. NS has no signature' })
  for (const name of ['cut', 'mail']) {
    const left = whole.filter(
      ({ owner, type }) => type !== types.nsec || formatName(owner) !== `${name}.example.test.`,
    )
    t.throws(compile(left, ''), { name: 'UnsignedError', message: `${name}.example.test. NSEC is missing` })
  }
})

t.test('a service has all its NSECs, or there is no image', async (t) => {
  const signer = new TestSigner()
  const signed = { ...zone, services: { svc: 0 } }
  const name = hostnameToWire('svc.example.test')
  const whole = signer.complete(apex, zoneRrsets(zone), [name])
  const compiled = (rrsets: readonly WireRrset[]) =>
    new ZoneImage(compilerOf(signed, rrsets, { signatures: signer.of(apex) }).finish())
  const image = compiled(whole)
  const scan = new NameScan()
  scan.load(name, 0, name.length)
  const node = image.find(scan, 0)
  t.equal(image.rrsetCount(node), nsecVariants.length)
  const isNsec = ({ owner, type }: WireRrset) => type === types.nsec && Buffer.compare(owner, name) === 0
  const first = whole.find(isNsec)!
  t.throws(() => compiled(whole.filter((rrset) => !isNsec(rrset) || rrset === first)), {
    name: 'UnsignedError',
    message: /svc\.example\.test\. NSEC is not all that a service needs/,
  })
  t.throws(() => compiled(whole.filter((rrset) => !isNsec(rrset))), UnsignedError)
  // Whoever asks for what a cut hides is referred elsewhere.
  const hidden = { ...zone, services: { 'svc.insecure': 0 } }
  const below = signer.complete(
    apex,
    zoneRrsets({ ...hidden, lines: [...zone.lines, 'insecure 300 NS ns.elsewhere.example.'] }),
  )
  t.ok(compilerOf(hidden, below, { signatures: signer.of(apex) }).finish())
})

t.test('NSEC3s belong to no node, and stand in the order of their hashes', async (t) => {
  const image = new ZoneImage(zoneImage({ ...zone, signer: new TestSigner(1, 1, true) }))
  t.same([image.isSigned, image.isHashed], [true, true])
  t.notOk(signedIn(image).some((each) => / (47|50)$/.test(each)))
  const labels = (of: ZoneImage) =>
    Array.from({ length: of.chainLength }, (_, index) => {
      const label = new Uint8Array(hashLabelLength)
      writeHashLabel(of.words, of.chain + hashWords * index, label, 0)
      t.equal(of.type(of.firstHashed + index), types.nsec3)
      t.equal(of.signatureCount(of.firstHashed + index), 1)
      return Buffer.from(label.subarray(1)).toString()
    })
  const names = ['@', 'ns1', 'mail', 'cut', 'a.ent', 'ent', '*.wild', 'wild', 'd']
  const hashOf = (name: string) => hashLabel(lowerName(parseName(name, apex)))
  t.same(labels(image), names.map(hashOf).sort())
  t.equal(image.nodesInOrder().length, image.nodeCount)

  const scan = new NameScan()
  const label = fc.constantFrom('a', 'b', 'ent', 'wild', 'mail', 'www', '*')
  fc.assert(
    fc.property(fc.array(label, { maxLength: 3 }), fc.boolean(), (asked, wildcard) => {
      const wire = lowerName(parseName([...asked, 'example.test.'].join('.')))
      scan.load(wire, 0, wire.length)
      const wanted = hashLabel(wildcard ? lowerName(parseName('*', wire)) : wire)
      const all = labels(image)
      const place = all.findLastIndex((each) => each <= wanted)
      return hashedIndex(image, scan, 0, wildcard) === (place < 0 ? all.length - 1 : place)
    }),
  )
})

t.test('an edit keeps NSEC3s, but for those that are left out', async (t) => {
  const signer = new TestSigner(1, 1, true)
  const before = new ZoneImage(zoneImage({ ...zone, signer }))
  const lines = [...zone.lines.filter((line) => !/^mail /.test(line)), 'new 1 TXT x']
  const whole = signer.complete(apex, zoneRrsets({ ...zone, lines }))
  signer.asked.length = 0
  const edited = ['mail', 'new'].map((text) => lowerName(parseName(text, apex)))
  const hashed = whole.filter(({ type }) => type === types.nsec3)
  // Every one of which the next is another one: here all are left out, and come again.
  const left = new Map(
    Array.from({ length: before.chainLength }, (_, index) => [before.firstHashed + index, 0]),
  )
  const kept = before.firstHashed + 3
  const label = new Uint8Array(hashLabelLength)
  writeHashLabel(before.words, before.chain + hashWords * 3, label, 0)
  const isKept = ({ owner }: WireRrset) => Buffer.compare(owner.subarray(0, hashLabelLength), label) === 0
  left.delete(kept)
  const compiler = editZone(before, apex, zoneSoa(zone), edited, signer.of(apex), left)
  for (const rrset of [
    ...whole.filter(({ owner }) => edited.some((each) => compareNames(each, owner) === 0)),
  ])
    compiler.add(rrset)
  for (const rrset of hashed) if (!isKept(rrset)) compiler.add(rrset)
  const after = new ZoneImage(compiler.finish())
  t.notOk(signer.asked.includes('ns1.example.test. A'), 'nobody was asked for what was copied')
  t.notOk(signer.asked.includes(`${Buffer.from(label.subarray(1)).toString()}.example.test. NSEC3`))
  const anew = new ZoneImage(compilerOf({ ...zone, lines }, whole, { signatures: signer.of(apex) }).finish())
  t.same(octetsIn(after), octetsIn(anew))
  t.same(
    after.words.slice(after.chain, after.chain + hashWords * after.chainLength),
    anew.words.slice(anew.chain, anew.chain + hashWords * anew.chainLength),
  )
  // Without signatures NSEC3s are nothing of the zone's.
  const unsigned = new ZoneImage(editZone(before, apex, zoneSoa(zone), []).finish())
  t.equal(unsigned.isSigned, false)
})

t.test('a service has all its NSEC3s, and a name that only services need one', async (t) => {
  const signer = new TestSigner(1, 1, true)
  const services = { 'a.only': 0, ns1: 1, 'ns.cut': 2 }
  const names = Object.keys(services).map((text) => lowerName(parseName(text, apex)))
  const whole = signer.complete(apex, zoneRrsets(zone), names)
  const compiled = (rrsets: readonly WireRrset[]) =>
    new ZoneImage(compilerOf({ ...zone, services }, rrsets, { signatures: signer.of(apex) }).finish())
  const image = compiled(whole)
  // Those of the two services that no cut hides four times more.
  t.equal(image.chainLength, 9 + 2 + 2 * 4)
  const scan = new NameScan()
  for (const name of names.slice(0, 2)) {
    scan.load(name, 0, name.length)
    const place = hashedIndex(image, scan, 0, false)
    const bitmaps = nsecVariants.map((_, variant) => {
      const rdata = rdataOf(image, 0, image.firstHashed + place + variant)[0]!
      return formatRdata(types.nsec3, rdata).split(' ').slice(5).join(' ')
    })
    t.same(bitmaps, ['A CNAME AAAA RRSIG', 'A AAAA RRSIG', 'AAAA RRSIG', 'A RRSIG', 'RRSIG'])
  }
  const isOf = ({ owner, type }: WireRrset, name: Uint8Array) =>
    type === types.nsec3 && Buffer.from(owner.subarray(1, 33)).toString() === hashLabel(name)
  const first = whole.find((rrset) => isOf(rrset, names[0]!))!
  t.throws(() => compiled(whole.filter((rrset) => !isOf(rrset, names[0]!) || rrset === first)), UnsignedError)
})

t.test('one NSEC3 for each name, and no two of one hash', async (t) => {
  const signer = new TestSigner(1, 1, true)
  const whole = signer.complete(apex, zoneRrsets(zone))
  const compile = (rrsets: readonly WireRrset[]) => () =>
    compilerOf(zone, rrsets, { signatures: signer.of(apex) }).finish()
  const [first, ...others] = whole.filter(({ type }) => type === types.nsec3)
  const rest = whole.filter(({ type }) => type !== types.nsec3)
  t.doesNotThrow(compile([...rest, first!, ...others]))
  t.throws(compile([...rest, ...others]), { name: 'UnsignedError', message: /NSEC3 is missing/ })
  // Also of the last in the order of hashes, behind which no other hash shows that it ends.
  const inOrder = [first!, ...others].toSorted((a, b) => Buffer.compare(a.owner, b.owner))
  t.throws(compile([...rest, ...inOrder.slice(1), inOrder.at(-1)!]), {
    message: /two names that have one hash/,
  })
  t.throws(compile([...rest, first!, first!, ...others.slice(1)]), {
    message: /two names that have one hash/,
  })
  const all = signer.of(apex)
  const signatures: typeof all = {
    find: (owner, type, ttl, data) => (type === types.nsec3 ? undefined : all.find(owner, type, ttl, data)),
  }
  t.throws(() => compilerOf(zone, whole, { signatures }).finish(), { message: /NSEC3 has no signature/ })
})

t.test('more signatures than an RRset can have', async (t) => {
  const encoder = new RrsetEncoder(apex, 0)
  t.throws(() => encoder.sign(new Array(256).fill(new Uint8Array(10)), 1), RangeError)
})
