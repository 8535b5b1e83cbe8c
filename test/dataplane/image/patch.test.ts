/** An image of a zone that is edited says what one laid out anew says, and is as large: edits that touch few names, and those that touch many. */
import fc from 'fast-check'
import t from 'tap'
import { checkHashes } from '../../../src/dataplane/image/chain-writer.ts'
import { ZoneCompiler } from '../../../src/dataplane/image/compile.ts'
import { editZone } from '../../../src/dataplane/image/edit.ts'
import { insert, remove } from '../../../src/dataplane/image/hash-table.ts'
import { ZoneImage } from '../../../src/dataplane/image/image.ts'
import { Splices } from '../../../src/dataplane/image/patch/splices.ts'
import type { WireRrset } from '../../../src/dataplane/image/rrset-encoder.ts'
import type { Signatures } from '../../../src/dataplane/image/signatures.ts'
import { types } from '../../../src/dataplane/wire/constants.ts'
import { formatName, hostnameToWire, lowerName, parseName } from '../../../src/dataplane/wire/name.ts'
import { hashLabelLength, hashWords, writeHashLabel } from '../../../src/dataplane/wire/owner-hash.ts'
import { contentsOf } from '../../support/image-contents.ts'
import { TestSigner } from '../test-signer.ts'
import { compilerOf, type ZoneText, zoneRrsets, zoneSoa } from '../zone-text.ts'

const apex = hostnameToWire('example.test')
const wire = (name: string) => lowerName(parseName(name, apex))

interface Zone {
  readonly lines: readonly string[]
  readonly services: readonly string[]
}

/** With all that signing adds, and what signs it. */
interface Signed {
  readonly signer: TestSigner | undefined
  readonly text: ZoneText
  readonly rrsets: readonly WireRrset[]
}

function signed({ lines, services }: Zone, signer: TestSigner | undefined): Signed {
  const text = {
    apex: 'example.test',
    lines: ['@ 300 NS ns.elsewhere.test.', ...lines],
    services: Object.fromEntries(services.map((name, slot) => [name, slot])),
  }
  const given = zoneRrsets(text)
  const rrsets = signer === undefined ? given : signer.complete(apex, given, services.map(wire))
  return { signer, text, rrsets }
}

function anew({ signer, text, rrsets }: Signed): ZoneImage {
  const options = signer === undefined ? {} : { signatures: signer.of(apex) }
  return new ZoneImage(compilerOf(text, rrsets, options).finish())
}

/** By owner, what differs: NSEC3s of one hash, or all that a name owns. */
function changed(before: Signed, after: Signed, hashed: boolean): string[] {
  const by = ({ rrsets }: Signed) =>
    Map.groupBy(
      rrsets.filter(({ type }) => (type === types.nsec3) === hashed),
      ({ owner }) => formatName(owner),
    )
  const [old, now] = [by(before), by(after)]
  const text = (rrsets: readonly WireRrset[] | undefined) =>
    rrsets?.map(({ type, ttlSeconds, rdata }) => [type, ttlSeconds, rdata.map((one) => one.join())].join(' '))
  return [...new Set([...old.keys(), ...now.keys()])].filter(
    (owner) => text(old.get(owner))?.join() !== text(now.get(owner))?.join(),
  )
}

function edited(image: ZoneImage, before: Signed, after: Signed, signatures?: Signatures): ZoneImage {
  const owners = changed(before, after, false)
  const hashed = new Set(changed(before, after, true))
  const left = new Map<number, number>()
  for (let place = 0; image.isHashed && place < image.chainLength; place++) {
    const label = new Uint8Array(hashLabelLength)
    writeHashLabel(image.words, image.chain + hashWords * place, label, 0)
    if (hashed.has(`${Buffer.from(label.subarray(1)).toString()}.example.test.`))
      left.set(image.firstHashed + place, 0)
  }
  const editor = editZone(
    image,
    apex,
    zoneSoa(after.text),
    owners.map((name) => parseName(name)),
    signatures ?? after.signer?.of(apex),
    left,
  )
  for (const rrset of after.rrsets) {
    const name = formatName(rrset.owner)
    if (rrset.type === types.nsec3 ? hashed.has(name) : owners.includes(name)) editor.add(rrset)
  }
  for (const [name, slot] of Object.entries(after.text.services!)) editor.addService(wire(name), slot)
  return new ZoneImage(editor.finish())
}

const owner = fc.constantFrom(
  '@',
  'a',
  'b',
  '*',
  'x.a',
  '*.x.a',
  'y.x.a',
  'd.e.f',
  'e.f',
  'c',
  'ns.c',
  'z.ns.c',
)
const data = fc.constantFrom(
  'A 192.0.2.1',
  'AAAA 2001:db8::1',
  'TXT x',
  'NS ns.c',
  'NS ns.elsewhere.test.',
  'MX 10 a',
  'MX 10 y.x.a',
  'MX 10 nowhere.a',
  'SRV 1 2 3 ns.c',
  'DNAME b',
  'HTTPS 1 .',
  'HTTPS 0 .',
  'HTTPS 1 x.a',
  'SVCB 1 b',
)
const line = fc
  .tuple(owner, data)
  .filter(([name, text]) => name !== '@' || !text.startsWith('NS'))
  .map(([name, text]) => `${name} 300 ${text}`)
const zone: fc.Arbitrary<Zone> = fc
  .record({
    lines: fc.uniqueArray(line, {
      maxLength: 14,
      selector: (text) => text.split(' ').slice(0, 3).join(' '),
    }),
    services: fc.subarray(['a', 'svc', 'in.ent', 'c', 'x.a']),
  })
  // The signer of these tests does not know what a service at a cut has.
  .map(({ lines, services }) => ({
    lines,
    services: services.filter((name) => !lines.some((text) => text.startsWith(`${name} 300 NS `))),
  }))

const signers = {
  unsigned: undefined,
  nsec: new TestSigner(),
  nsec3: new TestSigner(1, 2, true),
}

for (const [kind, signer] of Object.entries(signers))
  t.test(`${kind}: edits of few names`, async (t) => {
    fc.assert(
      fc.property(fc.array(zone, { minLength: 2, maxLength: 4 }), (zones) => {
        const all = zones.map((each) => signed(each, signer))
        let image = anew(all[0]!)
        for (let i = 1; i < all.length; i++) {
          image = edited(image, all[i - 1]!, all[i]!)
          t.same(contentsOf(image), contentsOf(anew(all[i]!)))
        }
        return t.passing()
      }),
      { numRuns: 100 },
    )
  })

const many = (count: number, others: readonly string[] = []): Zone => ({
  lines: [
    ...Array.from({ length: count }, (_, i) => `${i % 2 === 0 ? 'x.' : ''}h${i} 300 A 192.0.2.1`),
    'mail 300 MX 10 x.h2',
    'mail 300 MX 10 h151',
    ...others,
  ],
  services: ['svc'],
})

for (const [kind, signer] of Object.entries(signers))
  t.test(`${kind}: edits of many names, and names that come and go among many`, async (t) => {
    const states = [
      many(30, ['cut 300 NS ns.cut', 'ns.cut 300 A 192.0.2.1']),
      many(150, ['ns.cut 300 A 192.0.2.1']),
      many(150, ['cut 300 NS ns.cut', 'ns.cut 300 MX 1 new']),
      many(150, ['new 300 A 192.0.2.1', 'ns.cut 300 MX 1 new']),
      many(150, ['new 300 A 192.0.2.2', 'ns.cut 300 MX 1 new']),
      many(250),
      many(251, ['new 300 TXT x', '*.x.h2 300 A 192.0.2.2']),
      many(30),
      many(29, ['h29.h29 300 A 192.0.2.1', '*.h29 300 MX 1 h29.h29']),
    ].map((each) => signed(each, signer))
    let image = anew(states[0]!)
    for (const [i, after] of states.slice(1).entries()) {
      image = edited(image, states[i]!, after)
      t.same(contentsOf(image), contentsOf(anew(after)))
    }
  })

for (const signer of [signers.nsec, signers.nsec3])
  t.test('signatures that are made anew', async (t) => {
    const zone = signed(many(20), signer)
    const image = anew(zone)
    const left = new Map<number, number>()
    for (let node = 0; node < image.nodeCount; node++) {
      const rrset = image.rrset(node, types.a)
      if (rrset >= 0) left.set(rrset, node)
    }
    const editor = editZone(image, apex, zoneSoa(zone.text), [], signer.of(apex), left)
    for (const rrset of zone.rrsets) if (rrset.type === types.a) editor.add(rrset)
    editor.addService(wire('svc'), 0)
    t.same(contentsOf(new ZoneImage(editor.finish())), contentsOf(image))
  })

t.test('a zone that an edit begins or ends to sign is laid out anew', async (t) => {
  const [plain, by] = [signed(many(3), undefined), signed(many(3), signers.nsec)]
  t.same(contentsOf(edited(anew(plain), plain, by)), contentsOf(anew(by)))
  const without = { ...by, signer: undefined }
  t.notOk(edited(anew(by), by, without).isSigned)
})

t.test('an edit that leaves out what a signed zone must have gives no image', async (t) => {
  const before = signed(many(3), signers.nsec)
  const after = signed(many(3, ['new 300 A 192.0.2.9', 'cut 300 NS a.']), signers.nsec)
  const image = anew(before)
  const lacking = (isLeft: (rrset: WireRrset) => boolean) => () =>
    edited(image, before, { ...after, rrsets: after.rrsets.filter((rrset) => !isLeft(rrset)) })
  for (const name of ['new', 'cut'])
    t.throws(
      lacking(({ owner, type }) => type === types.nsec && formatName(owner) === `${name}.example.test.`),
      { name: 'UnsignedError', message: `${name}.example.test. NSEC is missing` },
    )
  t.throws(
    lacking(({ owner, type }) => type === types.nsec && formatName(owner) === 'svc.example.test.'),
    { name: 'UnsignedError', message: 'svc.example.test. NSEC is not all that a service needs' },
  )
  t.throws(() => edited(image, before, after, { find: () => undefined }), {
    name: 'UnsignedError',
    message: /has no signature/,
  })
})

t.test('two names that have one hash', async (t) => {
  const words = (count: number) => new Int32Array(hashWords * count)
  t.doesNotThrow(() => checkHashes(words(1), 0, 1, apex))
  t.doesNotThrow(() => checkHashes(words(5), 0, 5, apex))
  t.throws(() => checkHashes(words(2), 0, 2, apex), {
    message: 'example.test. NSEC3 is of two names that have one hash',
  })
})

t.test('the longest of names has no wildcard below it', async (t) => {
  const long = [...Array.from({ length: 3 }, () => 'x'.repeat(63)), 'y'.repeat(48)].join('.')
  t.equal(parseName(long, apex).length, 255)
  for (const signer of Object.values(signers)) {
    const [before, after] = [signed(many(3), signer), signed(many(3, [`${long} 300 TXT x`]), signer)]
    const image = edited(anew(before), before, after)
    t.same(contentsOf(image), contentsOf(anew(after)))
    t.same(contentsOf(edited(image, after, before)), contentsOf(anew(before)))
  }
})

t.test('the root as a zone has all targets in it', async (t) => {
  const root = Uint8Array.of(0)
  const rrset = (name: string, type: number, rdata: Uint8Array): WireRrset => ({
    owner: parseName(name),
    type,
    ttlSeconds: 300,
    rdata: [rdata],
  })
  const soa = { rdata: Buffer.concat([root, root, Buffer.alloc(20)]), ttlSeconds: 300 }
  const first = new ZoneCompiler(root, soa)
  first.add(rrset('test.', types.ns, parseName('ns.test.')))
  const before = new ZoneImage(first.finish())
  const editor = editZone(before, root, soa, [parseName('ns.test.')])
  editor.add(rrset('ns.test.', types.a, Buffer.of(192, 0, 2, 1)))
  const image = new ZoneImage(editor.finish())
  const at = Array.from({ length: image.nodeCount }, (_, node) => image.rrset(node, types.ns)).find(
    (n) => n >= 0,
  )!
  t.ok(image.hasTargets(at))
})

t.test('a table of names is as if what was taken out had never been there', async () => {
  const mask = 15
  const number = fc.integer({ min: 0, max: 40 })
  fc.assert(
    fc.property(fc.uniqueArray(number, { maxLength: 8 }), fc.nat(7), (hashes, count) => {
      const words = new Int32Array(2 * (mask + 1))
      for (const hash of hashes) insert(words, 0, mask, hash, hash + 1)
      const gone = hashes.slice(0, count)
      for (const hash of gone) remove(words, 0, mask, hash, hash + 1)
      const find = (hash: number) => {
        let slot = hash & mask
        for (; words[2 * slot + 1] !== 0; slot = (slot + 1) & mask) if (words[2 * slot] === hash) return true
        return false
      }
      return hashes.every((hash) => find(hash) !== gone.includes(hash))
    }),
  )
})

t.test('splices say where what stays has gone', async () => {
  const edit = fc.record({ at: fc.nat(20), removed: fc.nat(3), inserted: fc.nat(3) })
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 6 }), (edits) => {
      const splices = new Splices()
      const stays = Array.from({ length: 24 }, () => true)
      const before = new Map<number, number[]>()
      let end = 0
      for (const { at, removed, inserted } of edits.sort((a, b) => a.at - b.at)) {
        // No two take the same.
        if (at < end) continue
        splices.add(at, removed, inserted)
        before.set(at, [...(before.get(at) ?? []), inserted])
        for (let i = at; i < at + removed; i++) stays[i] = false
        end = at + removed
      }
      splices.seal()
      const old = Int32Array.from({ length: 24 }, (_, i) => i + 1)
      const wanted = [...old].flatMap((value, i) => [
        ...(before.get(i) ?? []).flatMap((count) => Array.from({ length: count }, () => 0)),
        ...(stays[i] ? [value] : []),
      ])
      const written = new Int32Array(24 + splices.growth)
      splices.copy(old, 0, 24, written, 0)
      const moved = [...old].every((value, i) => !stays[i] || written[splices.map(i)] === value)
      return moved && written.join() === wanted.join()
    }),
  )
})
