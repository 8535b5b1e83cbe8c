import t from 'tap'
import { query, type TypeName } from '../../support/dns-client.ts'
import { soaText, type ZoneText } from '../zone-text.ts'
import { type Essence, essence, expected, Served } from './served.ts'

const zone: ZoneText = {
  apex: 'example.test',
  ttlSeconds: 300,
  minimumSeconds: 60,
  lines: [
    '@ 3600 NS ns1',
    '@ 3600 NS ns.example.net.',
    '@ 3600 MX 10 mail',
    '@ 3600 MX 20 mail.example.net.',
    '@ 60 TXT "v=spf1 -all" second',
    '@ 60 CAA 0 issue "ca.example.net"',
    'ns1 300 A 192.0.2.53',
    'ns1 300 AAAA 2001:db8::53',
    'mail 300 A 192.0.2.25',
    'www 300 A 192.0.2.1',
    'www 300 A 192.0.2.2',
    '_sip._tcp 300 SRV 1 2 5060 mail',
    '1 300 PTR www',
    'alias 300 CNAME www',
    'sub 300 NS ns.sub',
    'sub 300 NS ns1',
    'sub 300 NS ns.example.net.',
    'ns.sub 300 A 192.0.2.54',
    'ns.sub 300 AAAA 2001:db8::54',
    'host.sub 300 A 192.0.2.99',
    'unsigned 300 NS ns.example.net.',
    '*.wild 300 A 192.0.2.7',
    '*.wild 300 MX 5 mail',
    '*.far 300 CNAME www',
    'a.ent 300 TXT x',
  ],
}
const soa = soaText(zone).replaceAll('. ', ' ')
const negative = [`example.test 60 SOA ${soa}`]

t.test('each type, with the addresses that go along', async (t) => {
  const table: [string, TypeName, Partial<Essence>][] = [
    [
      'www.example.test',
      'A',
      { answer: ['www.example.test 300 A 192.0.2.1', 'www.example.test 300 A 192.0.2.2'] },
    ],
    ['ns1.example.test', 'AAAA', { answer: ['ns1.example.test 300 AAAA 2001:db8::53'] }],
    [
      'example.test',
      'NS',
      {
        answer: ['example.test 3600 NS ns1.example.test', 'example.test 3600 NS ns.example.net'],
        additional: ['ns1.example.test 300 A 192.0.2.53', 'ns1.example.test 300 AAAA 2001:db8::53'],
      },
    ],
    ['example.test', 'SOA', { answer: [`example.test 300 SOA ${soa}`] }],
    ['alias.example.test', 'CNAME', { answer: ['alias.example.test 300 CNAME www.example.test'] }],
    [
      'example.test',
      'MX',
      {
        answer: ['example.test 3600 MX 10 mail.example.test', 'example.test 3600 MX 20 mail.example.net'],
        additional: ['mail.example.test 300 A 192.0.2.25'],
      },
    ],
    ['example.test', 'TXT', { answer: ['example.test 60 TXT "v=spf1 -all" "second"'] }],
    [
      '_sip._tcp.example.test',
      'SRV',
      {
        answer: ['_sip._tcp.example.test 300 SRV 1 2 5060 mail.example.test'],
        additional: ['mail.example.test 300 A 192.0.2.25'],
      },
    ],
    ['example.test', 'CAA', { answer: ['example.test 60 CAA 0 issue "ca.example.net"'] }],
    ['1.example.test', 'PTR', { answer: ['1.example.test 300 PTR www.example.test'] }],
    // One RRset of the lowest type is enough for ANY (RFC 8482).
    [
      'www.example.test',
      'ANY',
      { answer: ['www.example.test 300 A 192.0.2.1', 'www.example.test 300 A 192.0.2.2'] },
    ],
    ['alias.example.test', 'ANY', { answer: ['alias.example.test 300 CNAME www.example.test'] }],
  ]
  for (const [name, type, fields] of table) {
    const served = new Served([zone])
    const response = served.ask(name, type)
    t.same(essence(response), expected(fields), `${name} ${type}`)
    t.match(response, { id: 0x1234, opcode: 0, question: `${name} IN ${type}` })
    t.same(served.counted(), { [`ipv4 ${type}`]: 1, NOERROR: 1 })
  }
})

t.test('clients are counted by family', async (t) => {
  const served = new Served([zone])
  served.respond(query('www.example.test', 'A'), undefined, true)
  served.respond(query('www.example.test', 65))
  served.respond(query('www.example.test', 1234))
  t.same(served.counted(), { 'ipv6 A': 1, 'ipv4 HTTPS': 1, 'ipv4 other': 1, NOERROR: 3 })
})

t.test('NODATA and NXDOMAIN carry the SOA with the lesser TTL', async (t) => {
  const served = new Served([zone])
  const nodata: [string, TypeName | number][] = [
    ['www.example.test', 'AAAA'],
    ['www.example.test', 65280],
    ['www.example.test', 'DS'],
    ['example.test', 'A'],
    ['example.test', 'DS'],
    ['ent.example.test', 'A'],
    ['_tcp.example.test', 'ANY'],
    ['q.wild.example.test', 'TXT'],
  ]
  for (const [name, type] of nodata) {
    t.same(essence(served.ask(name, type)), expected({ authority: negative }), `${name} ${type}`)
  }
  for (const name of [
    'nowhere.example.test',
    'a.www.example.test',
    'b.ent.example.test',
    'far.far.exampl.example.test',
  ]) {
    t.same(essence(served.ask(name, 'A')), expected({ rcode: 3, authority: negative }), name)
  }
  t.match(served.counted(), { NOERROR: nodata.length, NXDOMAIN: 4 })

  const short = new Served([{ ...zone, ttlSeconds: 30 }])
  t.same(short.ask('nowhere.example.test', 'A').authority, [`example.test 30 SOA ${soa}`])
})

t.test('a referral below a cut, with glue and without AA', async (t) => {
  const referral = {
    flags: 'qr rd',
    authority: [
      'sub.example.test 300 NS ns.sub.example.test',
      'sub.example.test 300 NS ns1.example.test',
      'sub.example.test 300 NS ns.example.net',
    ],
    additional: [
      'ns.sub.example.test 300 A 192.0.2.54',
      'ns.sub.example.test 300 AAAA 2001:db8::54',
      'ns1.example.test 300 A 192.0.2.53',
      'ns1.example.test 300 AAAA 2001:db8::53',
    ],
  }
  for (const [name, type] of [
    ['sub.example.test', 'A'],
    ['sub.example.test', 'NS'],
    ['sub.example.test', 'SOA'],
    ['sub.example.test', 'ANY'],
    ['host.sub.example.test', 'A'], // data below the cut is the child's
    ['ns.sub.example.test', 'AAAA'],
    ['a.b.c.sub.example.test', 'DS'],
  ] as const) {
    t.same(essence(new Served([zone]).ask(name, type)), expected(referral), `${name} ${type}`)
  }
  const served = new Served([zone])
  t.same(
    essence(served.ask('x.unsigned.example.test', 'A')),
    expected({ flags: 'qr rd', authority: ['unsigned.example.test 300 NS ns.example.net'] }),
  )
  t.same(served.counted(), { 'ipv4 A': 1, NOERROR: 1 })
})

t.test("DS at a cut is the parent zone's", async (t) => {
  const parent = { ...zone, lines: [...zone.lines, 'sub 300 TYPE43 1234050201'] }
  const child: ZoneText = {
    apex: 'sub.example.test',
    lines: ['@ 300 NS ns', 'ns 300 A 192.0.2.1', 'ds 300 CNAME @'],
  }
  const childSoa = [`sub.example.test 60 SOA ${soaText(child).replaceAll('. ', ' ')}`]
  const ds = 'sub.example.test 300 DS 4660 5 2 01'
  const ask = (zones: readonly ZoneText[], name: string, type: TypeName) =>
    essence(new Served(zones).ask(name, type))
  for (const zones of [[parent], [parent, child], [child, parent]]) {
    t.same(ask(zones, 'sub.example.test', 'DS'), expected({ answer: [ds] }))
  }
  const both = [parent, child]
  t.same(
    ask(both, 'sub.example.test', 'NS'),
    expected({
      answer: ['sub.example.test 300 NS ns.sub.example.test'],
      additional: ['ns.sub.example.test 300 A 192.0.2.1'],
    }),
  )
  t.same(ask(both, 'x.sub.example.test', 'DS'), expected({ rcode: 3, authority: childSoa }))
  t.same(ask(both, 'unsigned.example.test', 'DS'), expected({ authority: negative }))
  t.same(
    ask(both, 'ds.sub.example.test', 'DS'),
    expected({ answer: ['ds.sub.example.test 300 CNAME sub.example.test', ds] }),
    'at the end of a chain too',
  )
  // The child answers when it is the only one here.
  t.same(ask([child], 'sub.example.test', 'DS'), expected({ authority: childSoa }))
  const root = [{ apex: '.', lines: ['@ 1 NS a.'] }]
  t.same(ask(root, '.', 'DS'), expected({ authority: ['. 60 SOA ns1 hostmaster 7 3600 600 86400 60'] }))
})

t.test('a wildcard stands in for names that do not exist, and for no others', async (t) => {
  const ask = (name: string, type: TypeName) => essence(new Served([zone]).ask(name, type))
  t.same(ask('q.wild.example.test', 'A'), expected({ answer: ['q.wild.example.test 300 A 192.0.2.7'] }))
  t.same(
    ask('Q.r.Wild.example.test', 'MX'),
    expected({
      answer: ['Q.r.Wild.example.test 300 MX 5 mail.example.test'],
      additional: ['mail.example.test 300 A 192.0.2.25'],
    }),
  )
  t.same(ask('*.wild.example.test', 'A'), expected({ answer: ['*.wild.example.test 300 A 192.0.2.7'] }))
  t.same(
    ask('q.far.example.test', 'A'),
    expected({
      answer: [
        'q.far.example.test 300 CNAME www.example.test',
        'www.example.test 300 A 192.0.2.1',
        'www.example.test 300 A 192.0.2.2',
      ],
    }),
  )
})

t.test('the case of the question is kept, and names in the answer follow it', async (t) => {
  const served = new Served([zone])
  t.match(served.ask('wWw.eXAMPLE.Test', 'A'), {
    question: 'wWw.eXAMPLE.Test IN A',
    answer: ['wWw.eXAMPLE.Test 300 A 192.0.2.1', 'wWw.eXAMPLE.Test 300 A 192.0.2.2'],
  })
  t.match(served.ask('NOWHERE.example.TEST', 'A'), { question: 'NOWHERE.example.TEST IN A', rcode: 3 })
})

t.test('outside of our zones, other classes and meta types are refused', async (t) => {
  const refused = expected({ flags: 'qr rd', rcode: 5 })
  for (const [name, type, fields] of [
    ['example.net', 'A', {}],
    ['test', 'SOA', {}],
    ['.', 'NS', {}],
    ['example.test', 'AXFR', {}],
    ['example.test', 'IXFR', {}],
    ['example.test', 'OPT', {}],
    ['example.test', 253, {}],
    ['example.test', 'DS', { class: 3 }],
    ['www.example.test', 'A', { class: 255 }],
    ['version.bind', 'TXT', { class: 3 }],
  ] as const) {
    const served = new Served([zone])
    t.same(essence(served.ask(name, type, fields)), refused, `${name} ${type}`)
    t.match(served.counted(), { REFUSED: 1 })
  }
  t.same(essence(new Served([]).ask('example.test', 'DS')), refused)
})

t.test('the deepest zone answers, and a root zone for all the rest', async (t) => {
  const served = new Served([
    zone,
    { apex: 'deep.example.test', lines: ['@ 1 TXT deep'] },
    { apex: '.', lines: ['net 1 NS ns.net.', 'ns.net 1 A 192.0.2.9', '@ 1 NS ns.net.'] },
  ])
  const ask = (name: string, type: TypeName) => essence(served.ask(name, type))
  t.same(ask('deep.example.test', 'TXT'), expected({ answer: ['deep.example.test 1 TXT "deep"'] }))
  t.match(ask('x.deep.example.test', 'A'), { rcode: 3, authority: [/^deep\.example\.test 60 SOA/] })
  t.same(
    ask('www.example.net', 'A'),
    expected({ flags: 'qr rd', authority: ['net 1 NS ns.net'], additional: ['ns.net 1 A 192.0.2.9'] }),
  )
  t.match(ask('org', 'A'), { rcode: 3, authority: [/^\. 60 SOA ns1 hostmaster/] })
  t.same(ask('.', 'NS'), expected({ answer: ['. 1 NS ns.net'], additional: ['ns.net 1 A 192.0.2.9'] }))
})
