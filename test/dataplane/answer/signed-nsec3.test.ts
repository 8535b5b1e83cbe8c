/** Answers of zones with NSEC3: what is proved, by which hashes (RFC 5155 section 7.2). */
import t, { type Test } from 'tap'
import {
  formatName,
  hostnameToWire,
  lowerName,
  parseName,
  rootName,
} from '../../../src/dataplane/wire/name.ts'
import { formatRdata, parseRdata } from '../../../src/dataplane/wire/rdata.ts'
import { type QueryFields, query, type TypeName } from '../../support/dns-client.ts'
import { hashLabel, TestSigner } from '../test-signer.ts'
import { leaf } from '../trees.ts'
import type { ZoneText } from '../zone-text.ts'
import { essence, Served } from './served.ts'
import { faultsOf, readSections } from './validator.ts'

const nsec3 = 50
const dnssec: QueryFields = { edns: { flags: 0x8000 } }
const zone: ZoneText = {
  apex: 'example.test',
  lines: [
    '@ 300 NS ns1',
    'ns1 300 A 192.0.2.53',
    'www 300 A 192.0.2.1',
    'alias 300 CNAME www',
    'lost 300 CNAME nothing',
    'odd 300 CNAME b.wild',
    'out 300 CNAME x.w.elsewhere.test.',
    '*.wild 300 A 192.0.2.7',
    '*.away 300 CNAME www',
    'a.b.ent 300 TXT x',
    'd 300 DNAME away',
    'signed 300 NS ns.signed',
    'signed 300 DS 1 15 2 0000000000000000000000000000000000000000000000000000000000000000',
    'unsigned 300 NS ns.unsigned',
    'ns.unsigned 300 A 192.0.2.55',
    'cut.below 300 NS ns1',
  ],
  signer: new TestSigner(1, 1, true),
}
const other: ZoneText = {
  apex: 'elsewhere.test',
  lines: ['@ 300 NS ns.elsewhere.example.', '*.w 300 A 192.0.2.8', 'x 300 CNAME nothing.example.test.'],
  signer: new TestSigner(2, 2, true),
}
const served = new Served([zone, other])

/** Labels of all NSEC3s of the zone, sorted. */
const owners = (apex: string, names: readonly string[]) =>
  names.map((name) => hashLabel(lowerName(parseName(name, hostnameToWire(apex))))).sort()
const labels: Readonly<Record<string, readonly string[]>> = {
  'example.test': owners('example.test', [
    ...['@', 'ns1', 'www', 'alias', 'lost', 'odd', 'out', 'wild', '*.wild', 'away', '*.away', 'ent', 'b.ent'],
    ...['a.b.ent', 'd', 'signed', 'unsigned', 'below', 'cut.below'],
  ]),
  'elsewhere.test': owners('elsewhere.test', ['@', 'w', '*.w', 'x']),
}
/** The NSEC3 that matches or covers a name: its owner. */
function speaking(name: string, apex: string): string {
  const label = hashLabel(lowerName(parseName(name, hostnameToWire(apex))))
  const all = labels[apex]!
  return `${all.findLast((each) => each <= label) ?? all.at(-1)}.${apex}`
}

type Row = readonly [name: string, type: TypeName | number, rcode: number, proof: readonly string[]]
const table: readonly Row[] = [
  ['www', 'A', 0, []],
  ['www', 'MX', 0, ['www']],
  ['@', 'MX', 0, ['@']],
  ['@', 'DS', 0, ['@']],
  // The closest encloser, the next closer name, and the wildcard.
  ['nothing', 'A', 3, ['@', 'nothing', '*']],
  ['deep.er.www', 'A', 3, ['www', 'er.www', '*.www']],
  ['z.ent', 'A', 3, ['ent', 'z.ent', '*.ent']],
  ['y.z.b.ent', 'A', 3, ['b.ent', 'z.b.ent', '*.b.ent']],
  // Empty ones, also one that only a cut makes.
  ['ent', 'A', 0, ['ent']],
  ['b.ent', 'TXT', 0, ['b.ent']],
  ['below', 'A', 0, ['below']],
  ['wild', 'A', 0, ['wild']],
  // An answer by a wildcard needs the next closer name alone.
  ['a.wild', 'A', 0, ['a.wild']],
  ['a.b.wild', 'A', 0, ['b.wild']],
  ['*.wild', 'A', 0, []],
  // NODATA by a wildcard.
  ['a.b.wild', 'TXT', 0, ['wild', 'b.wild', '*.wild']],
  ['alias', 'A', 0, []],
  ['alias', 'MX', 0, ['www']],
  ['lost', 'A', 3, ['@', 'nothing', '*']],
  ['odd', 'A', 0, ['b.wild']],
  ['a.away', 'TXT', 0, ['a.away', 'www']],
  ['x.d', 'A', 0, ['x.away']],
  ['d', 'A', 0, ['d']],
  ['unsigned', 'A', 0, ['unsigned']],
  ['a.unsigned', 'A', 0, ['unsigned']],
  ['ns.unsigned', 'A', 0, ['unsigned']],
  ['unsigned', 'DS', 0, ['unsigned']],
  ['signed', 'A', 0, []],
  ['a.cut.below', 'A', 0, ['cut.below']],
  // Nobody can ask for NSEC3s: types that are not there, of names that are not there (RFC 5155 section 7.2.8).
  ['www', nsec3, 0, ['www']],
  ['ent', nsec3, 0, ['ent']],
  ['www', 'NSEC', 0, ['www']],
  ['ent', 'ANY', 0, ['ent']],
  ['ent', 'RRSIG', 0, ['ent']],
]

/** Owners of the NSEC3s of a response; each has its signatures. */
function proofOf(t: Test, apex: string, signatures: number, authority: readonly string[], called: string) {
  const rrs = authority.map((rr) => rr.split(' '))
  const found = rrs.filter(([, , type]) => type === 'NSEC3').map(([owner]) => owner!)
  for (const owner of found) {
    const own = rrs.filter(
      ([name, , type, covered]) => name === owner && type === 'RRSIG' && covered === 'NSEC3',
    )
    t.equal(own.length, owner.endsWith(apex) ? signatures : 3 - signatures, called)
  }
  return found
}

t.test('the proofs', async (t) => {
  for (const [name, type, rcode, proof] of table) {
    const full = name === '@' ? 'example.test' : `${name}.example.test`
    const found = essence(served.ask(full, type, dnssec))
    const called = `${name} ${type}`
    t.equal(found.rcode, rcode, called)
    t.same(
      proofOf(t, 'example.test', 1, found.authority, called),
      [...new Set(proof.map((each) => speaking(each, 'example.test')))],
      called,
    )
  }
})

t.test('a hashed name is not there, whatever is asked of it', async (t) => {
  const label = labels['example.test']![3]!
  for (const type of [nsec3, 'RRSIG', 'A', 'ANY'] as const) {
    const { rcode, authority } = served.ask(`${label}.example.test`, type, dnssec)
    t.equal(rcode, 3, `${type}`)
    t.same(proofOf(t, 'example.test', 1, authority, `${type}`), [
      ...new Set(['@', label, '*'].map((each) => speaking(each, 'example.test'))),
    ])
  }
})

t.test('each zone proves its own', async (t) => {
  const { answer, authority, rcode } = served.ask('out.example.test', 'A', dnssec)
  t.equal(rcode, 0)
  t.ok(answer.some((rr) => rr === 'x.w.elsewhere.test 300 A 192.0.2.8'))
  t.same(proofOf(t, 'elsewhere.test', 2, authority, 'out'), [speaking('x.w', 'elsewhere.test')])
  const lost = served.ask('x.elsewhere.test', 'A', dnssec)
  t.equal(lost.rcode, 3)
  t.same(proofOf(t, 'elsewhere.test', 2, lost.authority, 'x'), [
    ...new Set(['@', 'nothing', '*'].map((each) => speaking(each, 'example.test'))),
  ])
})

t.test('an RR as it is written', async (t) => {
  const octets = served.respond(query('a.wild.example.test', 'A', dnssec))!
  const owner = speaking('a.wild', 'example.test').slice(0, 32)
  const all = labels['example.test']!
  const next = all[(all.indexOf(owner) + 1) % all.length]!
  // Algorithm 1, no flags, no iterations, no salt (RFC 9276), and the hash that follows.
  t.ok(octets.includes(Buffer.from(parseRdata('NSEC3', `1 0 0 - ${next}`, rootName))))
  t.ok(octets.includes(`\x20${owner}`))
  const { authority } = served.ask('a.wild.example.test', 'A', dnssec)
  t.equal(authority[1], `${owner}.example.test 60 RRSIG NSEC3 3 60 example.test`)
})

t.test('the absence of an address of a service is told by an NSEC3 that lacks it alone', async (t) => {
  const signer = new TestSigner(1, 1, true)
  const plans = [leaf(['192.0.2.7']), leaf(['2001:db8::7']), leaf([]), leaf(['192.0.2.8'])]
  const services = { svc: 0, six: 1, 'none.deep': 2, '*.w': 3 }
  const lines = ['@ 300 NS ns1', 'to 300 CNAME svc', '*.t 300 CNAME b.w']
  const zone = { apex: 'example.test', lines, services, signer }
  const served = new Served([zone], plans)
  const ask = (name: string, type: TypeName | number) => {
    const octets = served.respond(query(`${name}.example.test`, type, dnssec))!
    t.same(faultsOf(octets, { 'example.test': signer.publicKey }), [], `${name} ${type}`)
    const { rcode, authority } = readSections(octets)
    const nsec3s = authority.filter((rr) => rr.type === nsec3)
    const owners = nsec3s.map(({ owner }) => formatName(owner))
    t.equal(new Set(owners).size, owners.length, 'one of each name')
    return {
      rcode,
      bitmaps: nsec3s.map(({ rdata }) => formatRdata(nsec3, rdata).split(' ').slice(5).join(' ')),
    }
  }
  const none = (...bitmaps: string[]) => ({ rcode: 0, bitmaps })
  t.same(ask('svc', 'A'), none())
  t.same(ask('svc', 'AAAA'), none('A RRSIG'))
  t.same(ask('svc', 'TXT'), none('A AAAA RRSIG'))
  t.same(ask('svc', nsec3), none('A AAAA RRSIG'))
  t.same(ask('to', 'AAAA'), none('A RRSIG'))
  t.same(ask('six', 'A'), none('AAAA RRSIG'))
  t.same(ask('none.deep', 'A'), none('AAAA RRSIG'))
  t.same(ask('none.deep', 'AAAA'), none('A RRSIG'))
  t.same(ask('none.deep', 'ANY'), none('RRSIG'))
  t.same(ask('deep', 'A'), none(''))
  // The wildcard is the last of three, unless it speaks for another of them.
  for (const name of ['a.w', 'b.w', 'c.d.w', 'x.t']) {
    const { rcode, bitmaps } = ask(name, 'AAAA')
    t.equal(rcode, 0)
    t.ok(bitmaps.includes('A RRSIG'), `${name}: ${bitmaps.join(', ')}`)
  }
  t.same(ask('nothing', 'A').rcode, 3)
})

t.test('without DO nothing is proved', async (t) => {
  const plain = new Served([zone, other].map(({ signer: _, ...rest }) => rest))
  for (const [name, type] of table) {
    if (type === 'RRSIG') continue
    const full = name === '@' ? 'example.test' : `${name}.example.test`
    t.same(essence(served.ask(full, type)), essence(plain.ask(full, type)), `${name} ${type}`)
  }
})

t.test('a proof that does not fit', async (t) => {
  const label = 'l'.repeat(63)
  const many = new Served([
    {
      apex: `${label}.test`,
      lines: [
        '@ 300 NS ns.elsewhere.example.',
        'u 300 NS ns.elsewhere.example.',
        '*.w 300 A 192.0.2.1',
        'w 300 TXT x',
      ],
      signer: new TestSigner(3, 2, true),
    },
  ])
  for (const name of ['nothing', 'a.u', 'a.w', 'u.w', '*.w']) {
    for (const type of ['A', 'TXT'] as const) {
      const ask = (payload: number) =>
        many.ask(`${name}.${label}.test`, type, { edns: { flags: 0x8000, payload } })
      const whole = ask(1232)
      for (let payload = 512; payload <= 1232; payload += 12) {
        const { flags, answer, authority } = ask(payload)
        const isWhole = !whole.flags.includes('tc') && payload >= whole.length
        t.equal(!flags.includes('tc'), isWhole, `${name} ${type} in ${payload}`)
        t.same(
          { answer, authority },
          isWhole ? { answer: whole.answer, authority: whole.authority } : { answer: [], authority: [] },
        )
      }
    }
  }
})

t.test('over a stream, behind more than a pointer reaches', async (t) => {
  const text = `"${'t'.repeat(255)}" `.repeat(80).trim()
  const streamed = new Served(
    [
      {
        apex: 'example.test',
        lines: ['@ 300 NS ns1', `*.w 300 TXT ${text}`],
        signer: new TestSigner(4, 2, true),
      },
    ],
    [],
    { stream: true },
  )
  const { authority } = streamed.ask('x.w.example.test', 'TXT', dnssec)
  const [owner] = authority[0]!.split(' ')
  t.equal(authority.length, 3)
  t.same(
    authority.slice(1),
    [1, 2].map(() => `${owner} 60 RRSIG NSEC3 3 60 example.test`),
  )
})

t.test('the root', async (t) => {
  const root = new Served([
    { apex: '.', lines: ['@ 300 NS ns.a.', 'a 300 A 192.0.2.1'], signer: new TestSigner(1, 1, true) },
  ])
  const { rcode, authority } = root.ask('b.c', 'A', dnssec)
  t.equal(rcode, 3)
  const found = authority.map((rr) => rr.split(' ')).filter(([, , type]) => type === 'NSEC3')
  t.ok(found.length >= 1 && found.every(([owner]) => owner!.length === 32))
})
