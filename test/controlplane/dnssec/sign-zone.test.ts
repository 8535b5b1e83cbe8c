import { createPublicKey, verify } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { canonicalKey } from '../../../src/controlplane/dnssec/canonical-names.ts'
import { nsecChain, signedOwners } from '../../../src/controlplane/dnssec/nsec-chain.ts'
import { SigningError } from '../../../src/controlplane/dnssec/rrset-signer.ts'
import { isGiven, signZone } from '../../../src/controlplane/dnssec/sign-zone.ts'
import { SignatureBook } from '../../../src/controlplane/dnssec/signature-book.ts'
import {
  dsOf,
  makeKeyParts,
  type SigningKey,
  sealKey,
  signersOf,
  signingKey,
} from '../../../src/controlplane/dnssec/zone-key.ts'
import { allDuties, denials, plainSigning } from '../../../src/controlplane/model/dnssec.ts'
import type { WireRrset } from '../../../src/dataplane/image/rrset-encoder.ts'
import { allocateSigns, beatIn, readSigns } from '../../../src/dataplane/life/signs.ts'
import { canonicalRdata, compareNames, sortRdata } from '../../../src/dataplane/wire/canonical.ts'
import { formatName, hostnameToWire, lowerName, parseName } from '../../../src/dataplane/wire/name.ts'
import { formatRdata, parseRdata, parseType, typeName } from '../../../src/dataplane/wire/rdata.ts'

const apex = 'example.test'
const name = hostnameToWire(apex)
const dayS = 86_400
const nowS = 1_800_000_000

const rrset = (owner: string, type: string, ...data: string[]): WireRrset => ({
  owner: lowerName(parseName(owner, name)),
  type: parseType(type),
  ttlSeconds: 300,
  rdata: data.map((text) => parseRdata(type, text, name)),
})
const soa = { rdata: parseRdata('SOA', 'ns1 hostmaster 7 3600 600 86400 60', name), ttlSeconds: 300 }
const zone = (...rrsets: WireRrset[]) => ({ apex, name, signing: plainSigning, soa, rrsets })

const key = (algorithm: 13 | 15, duties = allDuties): SigningKey => {
  const secret = Buffer.alloc(32, 1)
  return signingKey(() => secret, apex, { ...sealKey(secret, apex, makeKeyParts(algorithm)), duties })
}

const everything = [
  rrset('@', 'NS', 'ns1', 'ns.Other.test.'),
  rrset('@', 'MX', '10 Mail', '10 Mail2'),
  rrset('ns1', 'A', '192.0.2.1'),
  rrset('*.wild', 'A', '192.0.2.2'),
  rrset('a.b.ent', 'TXT', '"x"'),
  rrset('alias', 'CNAME', 'ns1'),
  rrset('d', 'DNAME', 'ent'),
  rrset('insecure', 'NS', 'ns.insecure'),
  rrset('ns.insecure', 'A', '192.0.2.3'),
  rrset('secure', 'NS', 'ns.secure'),
  rrset('secure', 'DS', `1 13 2 ${'ab'.repeat(32)}`),
  rrset('ns.secure', 'AAAA', '2001:db8::1'),
  rrset('svc', 'HTTPS', '1 Target.example.test. alpn=h2'),
]

t.test('the chain names what has authority in canonical order, and comes back to the apex', async (t) => {
  const owners = signedOwners(name, [
    { owner: name, type: 6, ttlSeconds: 300, rdata: [soa.rdata] },
    ...everything,
  ])
  const chain = nsecChain(owners, 60)
  t.same(
    chain.map(({ owner, type, rdata }) => `${formatName(owner)} ${formatRdata(type, rdata[0]!)}`),
    [
      'example.test. alias.example.test. NS SOA MX RRSIG NSEC',
      'alias.example.test. d.example.test. CNAME RRSIG NSEC',
      'd.example.test. a.b.ent.example.test. DNAME RRSIG NSEC',
      // Neither b.ent nor ent, which own nothing.
      'a.b.ent.example.test. insecure.example.test. TXT RRSIG NSEC',
      'insecure.example.test. ns1.example.test. NS RRSIG NSEC',
      'ns1.example.test. secure.example.test. A RRSIG NSEC',
      'secure.example.test. svc.example.test. NS DS RRSIG NSEC',
      'svc.example.test. *.wild.example.test. RRSIG NSEC HTTPS',
      '*.wild.example.test. example.test. A RRSIG NSEC',
    ],
  )
})

t.test('a service has an NSEC for each thing that it may lack', async (t) => {
  const served = (text: string) => ({ name: lowerName(parseName(text, name)), slot: 0 })
  const services = ['svc', 'alias2.ent', 'insecure', 'below.insecure'].map(served)
  const { rrsets } = signZone({ ...zone(...everything), services }, [key(15)], new SignatureBook(), nowS)
  const shown = rrsets
    .filter(({ owner, type }) => type === 47 && /^(svc|alias2|b?e?l?o?w?\.?insecure)/.test(formatName(owner)))
    .map(({ owner, type, rdata }) => `${formatName(owner)} ${formatRdata(type, rdata[0]!)}`)
  t.same(shown, [
    'alias2.ent.example.test. a.b.ent.example.test. A CNAME AAAA RRSIG NSEC',
    'alias2.ent.example.test. a.b.ent.example.test. A AAAA RRSIG NSEC',
    'alias2.ent.example.test. a.b.ent.example.test. AAAA RRSIG NSEC',
    'alias2.ent.example.test. a.b.ent.example.test. A RRSIG NSEC',
    'alias2.ent.example.test. a.b.ent.example.test. RRSIG NSEC',
    // Who is asked for it there is referred to others.
    'insecure.example.test. ns1.example.test. NS RRSIG NSEC',
    'svc.example.test. *.wild.example.test. A CNAME AAAA RRSIG NSEC HTTPS',
    'svc.example.test. *.wild.example.test. A AAAA RRSIG NSEC HTTPS',
    'svc.example.test. *.wild.example.test. AAAA RRSIG NSEC HTTPS',
    'svc.example.test. *.wild.example.test. A RRSIG NSEC HTTPS',
    'svc.example.test. *.wild.example.test. RRSIG NSEC HTTPS',
  ])
})

t.test('the order is that of RFC 4034 section 6.1, and of any octets', async (t) => {
  const sorted = String.raw`example a.example yljkjljk.a.example Z.a.example zABC.a.EXAMPLE z.example \001.z.example *.z.example \200.z.example`
  const names = sorted.split(' ').map((text) => lowerName(parseName(`${text}.`)))
  t.same(
    [...names].reverse().sort((a, b) => (canonicalKey(a) < canonicalKey(b) ? -1 : 1)),
    names,
  )
  const label = fc
    .uint8Array({ minLength: 1, maxLength: 3 })
    .map((octets) => octets.map((octet) => octet % 4))
  const wire = fc
    .array(label, { maxLength: 3 })
    .map((labels) => Uint8Array.from([...labels.flatMap((octets) => [octets.length, ...octets]), 0]))
  fc.assert(
    fc.property(wire, wire, (a, b) => {
      const [left, right] = [canonicalKey(a), canonicalKey(b)]
      return Math.sign(compareNames(a, b)) === (left < right ? -1 : Number(left > right))
    }),
  )
})

/** Whether an RRSIG signs an RRset, worked out anew. */
function isSigned(by: SigningKey, { owner, type, ttlSeconds, rdata }: WireRrset, rrsig: Uint8Array): boolean {
  const data = sortRdata(rdata.map((octets) => canonicalRdata(type, octets)))
  const rrs = data.map((octets) => {
    const fixed = Buffer.alloc(10)
    fixed.writeUInt16BE(type, 0)
    fixed.writeUInt16BE(1, 2)
    fixed.writeUInt32BE(ttlSeconds, 4)
    fixed.writeUInt16BE(octets.length, 8)
    return Buffer.concat([owner, fixed, octets])
  })
  const signed = Buffer.concat([rrsig.subarray(0, -64), ...rrs])
  const publicKey = createPublicKey(by.privateKey!)
  const options = { key: publicKey, dsaEncoding: 'ieee-p1363' as const }
  return verify(by.algorithm === 13 ? 'sha256' : null, signed, options, rrsig.subarray(-64))
}

for (const algorithm of [13, 15] as const) {
  t.test(`algorithm ${algorithm}: what has authority is signed, and nothing else`, async (t) => {
    const by = key(algorithm)
    const signed = signZone(zone(...everything), [by], new SignatureBook(), nowS)
    const whole = [{ owner: name, type: 6, ...soa, rdata: [soa.rdata] }, ...signed.rrsets]
    const unsigned: string[] = []
    for (const each of whole) {
      const data = sortRdata(each.rdata.map((octets) => canonicalRdata(each.type, octets)))
      const rrsigs = signed.signatures.find(each.owner, each.type, each.ttlSeconds, data)
      const called = `${formatName(each.owner)} ${typeName(each.type)}`
      if (rrsigs === undefined) unsigned.push(called)
      else t.ok(rrsigs.length === 1 && isSigned(by, each, rrsigs[0]!), called)
    }
    t.same(unsigned, [
      'insecure.example.test. NS',
      'ns.insecure.example.test. A',
      'secure.example.test. NS',
      'ns.secure.example.test. AAAA',
    ])
    const wild = everything[3]!
    const [rrsig] = signed.signatures.find(wild.owner, 1, 300, wild.rdata)!
    t.match(formatRdata(46, rrsig!), /^A 1[35] 3 300 /, 'the asterisk is no label')
    t.equal(signed.signatures.find(name, 6, 300, [canonicalRdata(6, soa.rdata)])?.length, 1)
    t.equal(signed.signatures.find(name, 6, 301, [canonicalRdata(6, soa.rdata)]), undefined)
    t.equal(signed.signatures.find(wild.owner, 1, 300, [Buffer.of(1, 2, 3, 4)]), undefined, 'other data')
    t.same(signed.rrsets.filter(({ type }) => isGiven(type)).length, everything.length)
    t.equal(signed.report.made, signed.book.size)
  })
}

t.test('TTLs are capped, so that nothing outlives its signature in a cache', async (t) => {
  const long = { ...rrset('a', 'A', '192.0.2.1'), ttlSeconds: 30 * dayS }
  const { rrsets } = signZone(zone(long), [key(15)], new SignatureBook(), nowS)
  t.equal(rrsets.find(({ type }) => type === 1)!.ttlSeconds, 3 * dayS)
})

t.test(
  'what has not changed is not signed again; an edit signs it, the SOA and what the chain says otherwise',
  async (t) => {
    const by = key(13)
    const first = signZone(zone(...everything), [by], new SignatureBook(), nowS)
    const again = signZone(zone(...everything), [by], SignatureBook.parse(first.book.format()), nowS + 3600)
    t.equal(again.report.made, 0)
    t.equal(again.report.signatures, first.report.signatures)
    const edited = signZone(
      zone(...everything, rrset('new', 'A', '192.0.2.9')),
      [by],
      again.book,
      nowS + 3600,
    )
    // The RRset, its NSEC, and that of the name before it.
    t.equal(edited.report.made, 3)
    const other = signZone(zone(...everything), [key(13)], first.book, nowS)
    t.equal(other.report.made, first.report.made, 'another key signs all')
  },
)

t.test(
  'signatures are good from an hour ago for 13 to 14 days, and made anew in their last week',
  async (t) => {
    const by = key(15)
    const first = signZone(zone(...everything), [by], new SignatureBook(), nowS)
    const written = Buffer.from(first.book.format())
    const ends = Array.from({ length: first.book.size }, (_, index) => {
      // Behind what says that it is a book: the id, and then the two times.
      const at = 8 + 104 * index + 32
      t.equal(written.readUInt32BE(at), nowS - 3600)
      return written.readUInt32BE(at + 4) - nowS
    })
    t.ok(ends.every((left) => left > 13 * dayS && left <= 14 * dayS))
    t.ok(new Set(ends).size > ends.length / 2, 'they do not end together')
    const { report, book } = first
    t.equal(report.renewAt, report.expiresAt - 7 * dayS)
    t.equal(signZone(zone(...everything), [by], book, report.renewAt - 1).report.made, 0)
    const some = signZone(zone(...everything), [by], book, report.renewAt)
    t.ok(some.report.made >= 1 && some.report.made < report.signatures, `${some.report.made}`)
    t.equal(signZone(zone(...everything), [by], book, nowS + 8 * dayS).report.made, report.signatures)
    t.equal(
      signZone(zone(...everything), [by], book, nowS - 2 * 3600).report.made,
      report.signatures,
      'a clock set back',
    )
  },
)

t.test('each type is signed by the keys whose duty it is', async (t) => {
  const none = { published: false, signsKeys: false, signsZone: false, atParent: false }
  const ksk = key(13, { ...none, published: true, signsKeys: true, atParent: true })
  const zsk = key(13, { ...none, published: true, signsZone: true })
  const next = key(13, { ...none, published: true, signsKeys: true })
  const hidden = key(15, { ...none, signsKeys: true, signsZone: true })
  const keys = [ksk, zsk, next, hidden]
  const signed = signZone(zone(...everything), keys, new SignatureBook(), nowS)
  const tags = (type: number) => signersOf(keys, type, true).map(({ tag }) => tag)
  for (const [type, by] of [
    ['DNSKEY', [ksk, next, hidden]],
    ['CDS', [ksk, next, hidden]],
    ['CDNSKEY', [ksk, next, hidden]],
    ['NS', [zsk, hidden]],
    ['NSEC', [zsk, hidden]],
  ] as const) {
    const number = parseType(type)
    t.same(
      tags(number),
      by.map(({ tag }) => tag),
      type,
    )
    const { ttlSeconds, rdata } = signed.rrsets.find(
      (each) => each.type === number && each.owner.length === name.length,
    )!
    const data = sortRdata(rdata.map((octets) => canonicalRdata(number, octets)))
    const rrsigs = signed.signatures.find(name, number, ttlSeconds, data)!
    t.same(
      rrsigs.map((rrsig) => Buffer.from(rrsig).readUInt16BE(16)),
      tags(number),
      `RRSIG of ${type}`,
    )
  }
  const rdataOf = (type: string) => signed.rrsets.find((each) => each.type === parseType(type))!.rdata
  t.same(
    rdataOf('DNSKEY'),
    [ksk, zsk, next].map(({ dnskey }) => dnskey),
  )
  t.same(rdataOf('CDNSKEY'), [ksk.dnskey])
  t.same(rdataOf('CDS'), [dsOf(apex, ksk.dnskey)])
})

t.test('without the key what was signed is good as long as it lasts, and nothing else is', async (t) => {
  const by = key(13)
  const closed = { ...by, privateKey: null, trouble: 'key 1 of zone example.test is away' }
  const { book } = signZone(zone(...everything), [by], new SignatureBook(), nowS)
  const later = signZone(zone(...everything), [closed], book, nowS + 12 * dayS)
  t.equal(later.report.made, 0)
  t.equal(later.report.trouble, closed.trouble)
  t.throws(() => signZone(zone(...everything, rrset('new', 'A', '192.0.2.9')), [closed], book, nowS), {
    constructor: SigningError,
    message: /^zone example\.test: \S+ \S+ can't be signed: key 1 of zone example\.test is away$/,
  })
  t.throws(() => signZone(zone(...everything), [closed], book, nowS + 15 * dayS), SigningError)
})

t.test('a book of signatures that is none is refused', async (t) => {
  const { book } = signZone(zone(), [key(15)], new SignatureBook(), nowS)
  const octets = book.format()
  t.throws(() => SignatureBook.parse(octets.subarray(0, -1)), /no signatures of this version/)
  t.throws(() => SignatureBook.parse(Buffer.alloc(octets.length)), /no signatures of this version/)
})

t.test(
  'signing gives signs of life, so that nobody takes a large zone for a thread that hangs',
  async (t) => {
    const many = Array.from({ length: 200 }, (_, i) => rrset(`h${i}`, 'A', '192.0.2.1'))
    for (const denial of denials) {
      const signs = allocateSigns()
      beatIn(signs)
      const { report } = signZone({ ...zone(...many), denial }, [key(15)], new SignatureBook(), nowS)
      // While names are sorted, while the chain is made, and while each RRset is signed.
      t.ok(readSigns(signs).beats >= report.signatures + 2 * many.length)
    }
  },
)
