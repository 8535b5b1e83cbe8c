/** Answers of signed zones: with DO, signatures and proofs (RFC 4035 section 3.1); without it, what an unsigned zone says. */
import t from 'tap'
import { compileBrokenZone } from '../../../src/dataplane/image/compile.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { type QueryFields, query, type TypeName } from '../../support/dns-client.ts'
import { TestSigner } from '../test-signer.ts'
import { soaText, type ZoneText } from '../zone-text.ts'
import { type Essence, essence, expected, Served } from './served.ts'

const dnssec: QueryFields = { edns: { flags: 0x8000 } }
const edns = { payload: 1232, version: 0, flags: 0x8000 }

const lines = [
  '@ 300 NS ns1',
  '@ 300 MX 10 mail',
  '@ 300 MX 20 a.wild',
  'ns1 300 A 192.0.2.53',
  'mail 300 A 192.0.2.25',
  'www 300 A 192.0.2.1',
  'www 300 A 192.0.2.2',
  'www 300 CAA 0 issue "ca"',
  'only 300 CAA 0 issue "ca"',
  'alias 300 CNAME www',
  'lost 300 CNAME nothing',
  'out 300 CNAME www.elsewhere.test.',
  'odd 300 CNAME b.wild',
  '*.wild 300 A 192.0.2.7',
  '*.away 300 CNAME www',
  'x.*.star 300 TXT x',
  'a.b.ent 300 TXT x',
  'd 300 DNAME away',
  'signed 300 NS ns.signed',
  'signed 300 DS 1 15 2 0000000000000000000000000000000000000000000000000000000000000000',
  'ns.signed 300 A 192.0.2.54',
  'unsigned 300 NS ns.unsigned',
  'ns.unsigned 300 A 192.0.2.55',
]
const zone: ZoneText = { apex: 'example.test', lines, signer: new TestSigner() }
const other: ZoneText = {
  apex: 'elsewhere.test',
  lines: ['@ 300 NS ns.elsewhere.example.', 'www 300 A 192.0.2.9', '*.w 300 A 192.0.2.8', 'f 300 CNAME b.w'],
  signer: new TestSigner(2),
}
const unsigned: ZoneText = {
  apex: 'plain.test',
  lines: ['@ 300 NS ns.elsewhere.example.', 'to 300 CNAME nothing.example.test.', 'w 300 A 192.0.2.8'],
}
const served = new Served([zone, other, unsigned])

const apex = 'example.test'
const sig = (
  owner: string,
  covered: string,
  fields: { labels?: number; ttl?: number; signed?: number } = {},
) => {
  const { labels = owner.split('.').length, ttl = 300, signed = 300 } = fields
  const signer = owner.endsWith(apex) ? apex : 'elsewhere.test'
  return `${owner} ${ttl} RRSIG ${covered} ${labels} ${signed} ${signer}`
}
const nsecs: Readonly<Record<string, string>> = {
  '@': 'alias.example.test NS SOA MX RRSIG NSEC DNSKEY',
  alias: '*.away.example.test CNAME RRSIG NSEC',
  '*.away': 'd.example.test CNAME RRSIG NSEC',
  d: 'a.b.ent.example.test DNAME RRSIG NSEC',
  'a.b.ent': 'lost.example.test TXT RRSIG NSEC',
  lost: 'mail.example.test CNAME RRSIG NSEC',
  mail: 'ns1.example.test A RRSIG NSEC',
  ns1: 'odd.example.test A RRSIG NSEC',
  odd: 'only.example.test CNAME RRSIG NSEC',
  only: 'signed.example.test RRSIG NSEC CAA',
  signed: 'x.*.star.example.test NS DS RRSIG NSEC',
  'x.*.star': 'unsigned.example.test TXT RRSIG NSEC',
  unsigned: '*.wild.example.test NS RRSIG NSEC',
  '*.wild': 'www.example.test A RRSIG NSEC',
  www: 'example.test A RRSIG NSEC CAA',
}
const nsec = (name: string) => {
  const owner = name === '@' ? apex : `${name}.${apex}`
  const labels = owner.split('.').filter((label, i) => i > 0 || label !== '*').length
  return [`${owner} 60 NSEC ${nsecs[name]}`, sig(owner, 'NSEC', { labels, ttl: 60, signed: 60 })]
}
const soa = [`${apex} 60 SOA ${soaText(zone).replaceAll('. ', ' ')}`, sig(apex, 'SOA', { ttl: 60 })]
const www = [
  'www.example.test 300 A 192.0.2.1',
  'www.example.test 300 A 192.0.2.2',
  sig('www.example.test', 'A'),
]
const wild = (owner: string) => [`${owner} 300 A 192.0.2.7`, sig(owner, 'A', { labels: 3 })]
const cname = (owner: string, to: string, labels?: number) => [
  `${owner} 300 CNAME ${to}`,
  sig(owner, 'CNAME', labels === undefined ? {} : { labels }),
]

type Row = readonly [name: string, type: TypeName | number, fields: Partial<Essence>]

const table: readonly Row[] = [
  ['www.example.test', 'A', { answer: www }],
  ['www.example.test', 'MX', { authority: [...soa, ...nsec('www')] }],
  ['nothing.example.test', 'A', { rcode: 3, authority: [...soa, ...nsec('mail'), ...nsec('@')] }],
  // One NSEC covers the name and the wildcard.
  ['a.example.test', 'A', { rcode: 3, authority: [...soa, ...nsec('@')] }],
  ['deep.er.www.example.test', 'A', { rcode: 3, authority: [...soa, ...nsec('www')] }],
  // Below an empty non-terminal.
  ['z.ent.example.test', 'A', { rcode: 3, authority: [...soa, ...nsec('a.b.ent'), ...nsec('d')] }],
  ['ent.example.test', 'A', { authority: [...soa, ...nsec('d')] }],
  ['a.wild.example.test', 'A', { answer: wild('a.wild.example.test'), authority: nsec('*.wild') }],
  ['0.wild.example.test', 'A', { answer: wild('0.wild.example.test'), authority: nsec('*.wild') }],
  ['a.b.wild.example.test', 'A', { answer: wild('a.b.wild.example.test'), authority: nsec('*.wild') }],
  ['*.wild.example.test', 'A', { answer: wild('*.wild.example.test') }],
  ['a.wild.example.test', 'TXT', { authority: [...soa, ...nsec('*.wild')] }],
  [
    'a.away.example.test',
    'TXT',
    {
      answer: cname('a.away.example.test', 'www.example.test', 3),
      authority: [...soa, ...nsec('*.away'), ...nsec('www')],
    },
  ],
  // A wildcard that is an empty non-terminal: what speaks for it covers it.
  ['q.star.example.test', 'A', { authority: [...soa, ...nsec('x.*.star'), ...nsec('signed')] }],
  ['alias.example.test', 'A', { answer: [...cname('alias.example.test', 'www.example.test'), ...www] }],
  [
    'lost.example.test',
    'A',
    {
      rcode: 3,
      answer: cname('lost.example.test', 'nothing.example.test'),
      authority: [...soa, ...nsec('mail'), ...nsec('@')],
    },
  ],
  [
    'odd.example.test',
    'A',
    {
      answer: [...cname('odd.example.test', 'b.wild.example.test'), ...wild('b.wild.example.test')],
      authority: nsec('*.wild'),
    },
  ],
  // Each hop with its own zone's proofs.
  [
    'out.example.test',
    'A',
    {
      answer: [
        ...cname('out.example.test', 'www.elsewhere.test'),
        'www.elsewhere.test 300 A 192.0.2.9',
        sig('www.elsewhere.test', 'A'),
      ],
    },
  ],
  [
    'f.elsewhere.test',
    'A',
    {
      answer: [
        ...cname('f.elsewhere.test', 'b.w.elsewhere.test'),
        'b.w.elsewhere.test 300 A 192.0.2.8',
        sig('b.w.elsewhere.test', 'A', { labels: 3 }),
      ],
      authority: [
        '*.w.elsewhere.test 60 NSEC www.elsewhere.test A RRSIG NSEC',
        sig('*.w.elsewhere.test', 'NSEC', { labels: 3, ttl: 60, signed: 60 }),
      ],
    },
  ],
  [
    'to.plain.test',
    'A',
    {
      rcode: 3,
      answer: ['to.plain.test 300 CNAME nothing.example.test'],
      authority: [...soa, ...nsec('mail'), ...nsec('@')],
    },
  ],
  [
    'x.d.example.test',
    'A',
    {
      answer: [
        'd.example.test 300 DNAME away.example.test',
        sig('d.example.test', 'DNAME'),
        'x.d.example.test 300 CNAME x.away.example.test',
        ...cname('x.away.example.test', 'www.example.test', 3),
        ...www,
      ],
      authority: nsec('*.away'),
    },
  ],
  [
    'x.signed.example.test',
    'A',
    {
      flags: 'qr rd',
      authority: [
        'signed.example.test 300 NS ns.signed.example.test',
        `signed.example.test 300 DS 1 15 2 ${'00'.repeat(32)}`,
        sig('signed.example.test', 'DS'),
      ],
      additional: ['ns.signed.example.test 300 A 192.0.2.54'],
    },
  ],
  [
    'unsigned.example.test',
    'A',
    {
      flags: 'qr rd',
      authority: ['unsigned.example.test 300 NS ns.unsigned.example.test', ...nsec('unsigned')],
      additional: ['ns.unsigned.example.test 300 A 192.0.2.55'],
    },
  ],
  [
    'signed.example.test',
    'DS',
    {
      answer: [`signed.example.test 300 DS 1 15 2 ${'00'.repeat(32)}`, sig('signed.example.test', 'DS')],
    },
  ],
  ['unsigned.example.test', 'DS', { authority: [...soa, ...nsec('unsigned')] }],
  ['example.test', 'DS', { authority: [...soa, ...nsec('@')] }],
  [
    'example.test',
    'MX',
    {
      answer: [
        'example.test 300 MX 10 mail.example.test',
        'example.test 300 MX 20 a.wild.example.test',
        sig(apex, 'MX'),
      ],
      additional: [
        'mail.example.test 300 A 192.0.2.25',
        sig('mail.example.test', 'A'),
        ...wild('a.wild.example.test'),
      ],
    },
  ],
  ['www.example.test', 'ANY', { answer: www }],
  [
    'only.example.test',
    'ANY',
    { answer: ['only.example.test 300 CAA 0 issue "ca"', sig('only.example.test', 'CAA')] },
  ],
  ['www.example.test', 'RRSIG', { answer: [www[2]!] }],
  ['alias.example.test', 'RRSIG', { answer: [sig('alias.example.test', 'CNAME')] }],
  ['ent.example.test', 'RRSIG', { authority: [...soa, ...nsec('d')] }],
  ['www.example.test', 'NSEC', { answer: nsec('www') }],
  [
    'w.plain.test',
    'RRSIG',
    {
      authority: [`plain.test 60 SOA ${soaText(unsigned).replaceAll('. ', ' ')}`],
    },
  ],
]

t.test('with DO, signatures and proofs', async (t) => {
  for (const [name, type, fields] of table)
    t.same(essence(served.ask(name, type, dnssec)), expected({ edns, ...fields }), `${name} ${type}`)
})

t.test('without DO, as if nothing were signed', async (t) => {
  const plain = new Served([zone, other, unsigned].map(({ signer: _, ...rest }) => rest))
  for (const [name, type] of table) {
    if (type === 'RRSIG' || type === 'NSEC') continue
    t.same(essence(served.ask(name, type)), essence(plain.ask(name, type)), `${name} ${type}`)
  }
  t.same(served.ask('www.example.test', 'NSEC').answer, nsec('www').slice(0, 1), 'NSEC is data')
  t.same(served.ask('www.example.test', 'RRSIG').answer, [www[2]!], 'and so is RRSIG')
})

t.test("what doesn't fit is left out whole, or the response is truncated", async (t) => {
  const limited = (name: string, type: TypeName, payload: number) =>
    served.ask(name, type, { edns: { flags: 0x8000, payload } })
  const whole = served.ask('example.test', 'MX', dnssec)
  // The smallest payload is 512 octets, so a name makes up what is missing.
  const long = ['l'.repeat(60), 'l'.repeat(60), 'l'.repeat(60)].join('.')
  const many = new Served([
    {
      apex: `${long}.test`,
      lines: [
        '@ 300 NS ns.elsewhere.example.',
        '@ 300 MX 10 mail',
        'mail 300 A 192.0.2.25',
        '*.w 300 A 192.0.2.1',
      ],
      signer: new TestSigner(3),
    },
  ])
  const fields = (payload: number): QueryFields => ({ edns: { flags: 0x8000, payload } })
  const mx = many.ask(`${long}.test`, 'MX', fields(1232))
  t.equal(mx.additional.length, 2)
  const bare = many.ask(`${long}.test`, 'MX', fields(mx.length - 1))
  t.equal(bare.flags, 'qr aa rd')
  t.same(bare.answer, mx.answer)
  t.same(bare.additional, mx.additional.slice(0, 1), 'the address without its signature')
  t.ok(whole.length < 1232)
  const proof = many.ask(`x.w.${long}.test`, 'A', fields(1232))
  t.equal(proof.authority.length, 2)
  const cut = many.ask(`x.w.${long}.test`, 'A', fields(proof.length - 1))
  t.same([cut.flags, cut.answer, cut.authority], ['qr aa tc rd', [], []], 'no answer without its proof')
  for (const [name, type] of [
    [`nothing.${long}.test`, 'A'],
    [`${long}.test`, 'SRV'],
  ] as const) {
    const negative = many.ask(name, type, fields(1232))
    const without = many.ask(name, type, fields(negative.length - 1))
    t.same([without.flags, without.authority], ['qr aa tc rd', []], `${name} ${type}`)
  }
  t.equal(limited('www.example.test', 'A', 512).flags, 'qr aa rd')
})

t.test('whatever does not fit, no part of an RRset and no half of a proof is shown', async (t) => {
  const label = 'l'.repeat(63)
  const long: ZoneText = {
    apex: `${label}.test`,
    lines: [
      '@ 300 NS ns.elsewhere.example.',
      `cut.${label}.${label} 300 NS ns.elsewhere.example.`,
      `signed 300 NS ns.elsewhere.example.`,
      `signed 300 DS 1 15 2 ${'00'.repeat(32)}`,
      `*.w.${label} 300 CNAME out.test.`,
      'd 300 DNAME w',
      'x 300 CNAME d',
    ],
    signer: new TestSigner(5, 3),
  }
  const served = new Served([long])
  const questions: readonly (readonly [name: string, type: TypeName])[] = [
    ['nothing', 'A'],
    [`a.${label}.${label}`, 'A'],
    [`a.cut.${label}.${label}`, 'A'],
    ['a.signed', 'A'],
    [`a.w.${label}`, 'A'],
    ['a.d', 'A'],
    ['d', 'RRSIG'],
    ['d', 'TXT'],
  ]
  for (const [name, type] of questions) {
    const ask = (payload: number) =>
      served.ask(`${name}.${label}.test`, type, { edns: { flags: 0x8000, payload } })
    const whole = ask(1232)
    for (let payload = 512; payload <= 1232; payload += 24) {
      const { flags, answer, authority } = ask(payload)
      const isWhole = !flags.includes('tc')
      t.equal(
        isWhole,
        !whole.flags.includes('tc') && payload >= whole.length,
        `${name} ${type} in ${payload}`,
      )
      t.same(
        { answer, authority },
        isWhole ? { answer: whole.answer, authority: whole.authority } : { answer: [], authority: [] },
      )
    }
  }
})

t.test('over a stream, a chain ends before its names are out of reach', async (t) => {
  const label = (i: number) => [`${i}`.padStart(63, 'c'), 'm'.repeat(63), 'n'.repeat(63)].join('.')
  const chain = Array.from({ length: 18 }, (_, i) => `${label(i)} 300 CNAME ${label(i + 1)}`)
  const streamed = new Served(
    [{ apex: 'example.test', lines: ['@ 300 NS ns1', ...chain], signer: new TestSigner(6, 4) }],
    [],
    { stream: true },
  )
  const { answer, flags, rcode } = streamed.ask(`${label(0)}.example.test`, 'A', dnssec)
  t.same([flags, rcode], ['qr aa rd', 0])
  const aliases = answer.filter((rr) => rr.includes(' CNAME c'))
  t.ok(aliases.length > 8 && aliases.length < 18, `${aliases.length} aliases`)
  t.equal(answer.length, 5 * aliases.length, 'each with its signatures')
})

t.test('a question that comes back to a DNAME by its own target', async (t) => {
  const circle = new Served([
    {
      apex: 'example.test',
      lines: ['@ 300 NS ns1', 'd 300 DNAME example.test.', 'e 300 A 192.0.2.1'],
      signer: new TestSigner(),
    },
  ])
  // Its signatures stand there already.
  const { answer } = circle.ask('d.d.example.test', 'RRSIG', dnssec)
  t.equal(new Set(answer).size, answer.length)
})

t.test('over a stream, a proof behind more than a pointer reaches', async (t) => {
  const text = `"${'t'.repeat(255)}" `.repeat(80).trim()
  const streamed = new Served(
    [{ apex: 'example.test', lines: ['@ 300 NS ns1', `*.w 300 TXT ${text}`], signer: new TestSigner(4, 2) }],
    [],
    { stream: true },
  )
  const { answer, authority } = streamed.ask('x.w.example.test', 'TXT', dnssec)
  t.same(answer.slice(1), [
    sig('x.w.example.test', 'TXT', { labels: 3 }),
    sig('x.w.example.test', 'TXT', { labels: 3 }),
  ])
  const own = sig('*.w.example.test', 'NSEC', { labels: 3, ttl: 60, signed: 60 })
  t.same(authority, ['*.w.example.test 60 NSEC example.test TXT RRSIG NSEC', own, own])
})

t.test('a zone that is broken', async (t) => {
  const broken = new Served([zone, unsigned])
  broken.state.apply({ generation: 2, zones: [[0, compileBrokenZone(hostnameToWire('example.test'))]] })
  const ede = (response: Buffer, code: number) =>
    response.subarray(-6).equals(Buffer.of(0, 15, 0, 2, 0, code))
  for (const name of ['example.test', 'www.example.test', 'nothing.example.test']) {
    const octets = broken.respond(query(name, 'A', dnssec))!
    t.equal(octets[3]! & 0xf, 2, `${name}: SERVFAIL`)
    t.ok(ede(octets, 7), 'signature expired (RFC 8914 section 4.8)')
    t.same(essence(broken.ask(name, 'A')), expected({ flags: 'qr rd', rcode: 2 }))
  }
  // An alias into it.
  t.equal(broken.ask('to.plain.test', 'A').rcode, 2)
  t.equal(broken.ask('w.plain.test', 'A').rcode, 0)
})

t.test("NXNAME can't be asked for (RFC 9824 section 3.5)", async (t) => {
  for (const name of ['www.example.test', 'w.plain.test', 'not.ours']) {
    const octets = served.respond(query(name, 128, dnssec))!
    t.equal(octets[3]! & 0xf, 1, `${name}: FORMERR`)
    t.ok(octets.subarray(-6).equals(Buffer.of(0, 15, 0, 2, 0, 30)), 'invalid query type')
  }
  t.equal(served.ask('www.example.test', 128, { class: 3 }).rcode, 5, 'of another class')
})

t.test('a signed root', async (t) => {
  const root = new Served([
    { apex: '.', lines: ['@ 300 NS ns.a.', 'a 300 A 192.0.2.1'], signer: new TestSigner() },
  ])
  const { rcode, authority } = root.ask('b.c', 'A', dnssec)
  t.equal(rcode, 3)
  t.same(
    authority.map((rr) => rr.split(' ').slice(0, 4).join(' ')),
    ['. 60 SOA ns1', '. 60 RRSIG SOA', 'a 60 NSEC .', 'a 60 RRSIG NSEC', '. 60 NSEC a', '. 60 RRSIG NSEC'],
  )
})
