import t from 'tap'
import { type CheckedRrset, checkRrset, checkZone } from '../../../src/controlplane/rules/zone-data.ts'

const rrset = (owner: string, type: string, ...data: string[]): CheckedRrset => ({ owner, type, data })

t.test('one RRset is judged whatever else the zone holds', async (t) => {
  const table: [CheckedRrset, string[]][] = [
    [rrset('www', 'A', '192.0.2.1', '192.0.2.2'), []],
    [rrset('www', 'CNAME', 'web.example.net.'), []],
    [rrset('*', 'CNAME', 'web.example.net.'), []],
    [rrset('@', 'NS', 'ns1.example.net.'), []],
    [rrset('sub', 'NS', 'ns1.example.net.'), []],
    [rrset('@', 'SOA', 'ns1. host. 1 2 3 4 5'), [`@ SOA: the SOA is the zone's own field "soa"`]],
    [
      rrset('www', 'CNAME', 'a.', 'b.'),
      ['www CNAME: a name has one CNAME at the most (RFC 2181 section 10.1)'],
    ],
    [
      rrset('@', 'CNAME', 'a.'),
      ["@ CNAME: the apex has SOA and NS, so it can't be a CNAME (RFC 1034 section 3.6.2)"],
    ],
    [rrset('*', 'NS', 'a.'), ["* NS: a wildcard can't be a zone cut"]],
    [rrset('*.sub', 'NS', 'a.'), ["*.sub NS: a wildcard can't be a zone cut"]],
    [rrset('sub.*', 'NS', 'a.'), []],
    [rrset('www', 'A', '192.0.2.1', '192.0.2.1'), ['www A: the same RR stands there twice']],
  ]
  for (const [input, problems] of table) {
    t.same(checkRrset('example.test', input), problems, `${input.owner} ${input.type} ${input.data.join()}`)
  }
})

t.test('an RRset that no message can hold', async (t) => {
  const texts = (count: number) =>
    Array.from({ length: count }, (_, i) => `${String(i).padStart(3, '0')}${'x'.repeat(252)}`)
  // Each RR takes 12 octets, a length octet and 255.
  t.same(checkRrset('example.test', rrset('@', 'TXT', ...texts(242))), [])
  t.same(checkRrset('example.test', rrset('@', 'TXT', ...texts(243))), [
    "@ TXT: 65124 octets don't fit a message, the most is 65000",
  ])
})

t.test('a whole zone', async (t) => {
  const sound = {
    apex: 'example.test',
    rrsets: [
      rrset('@', 'NS', 'ns1.example.test.'),
      rrset('ns1', 'A', '192.0.2.53'),
      rrset('ns1', 'AAAA', '2001:db8::53'),
      rrset('www', 'CNAME', 'web.example.test.'),
    ],
  }
  t.same(checkZone(sound), [])
  t.same(checkZone({ apex: '.', rrsets: [] }), [])
  const broken = [
    ...sound.rrsets,
    rrset('www', 'A', '192.0.2.1'),
    rrset('www', 'TXT', 'a'),
    rrset('ns1', 'A', '192.0.2.54'),
    rrset('*', 'NS', 'a.'),
  ]
  t.same(checkZone({ apex: 'example.test', rrsets: broken }), [
    { index: 6, message: 'ns1 A: this RRset stands there twice' },
    { index: 7, message: "* NS: a wildcard can't be a zone cut" },
    {
      index: 3,
      message: 'www CNAME: the name also has A, TXT, and a CNAME stands alone (RFC 1034 section 3.6.2)',
    },
  ])
})
