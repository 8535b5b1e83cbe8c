import t from 'tap'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import type { TypeName } from '../../support/dns-client.ts'
import { soaText, type ZoneText } from '../zone-text.ts'
import { essence, expected, Served } from './served.ts'

const example: ZoneText = {
  apex: 'example.test',
  lines: [
    '@ 60 A 192.0.2.80',
    'www 300 A 192.0.2.1',
    'a 60 CNAME b',
    'b 60 CNAME Www',
    'toapex 60 CNAME @',
    'toent 60 CNAME ent',
    'x.ent 60 TXT x',
    'tonowhere 60 CNAME nowhere',
    'out 60 CNAME www.example.net.',
    'tosub 60 CNAME deep.name.sub',
    'sub 60 NS ns.sub',
    'ns.sub 60 A 192.0.2.54',
    'toother 60 CNAME www.other.org.',
    'tochild 60 CNAME www.child',
    'tochildapex 60 CNAME child',
    'tochildcut 60 CNAME a.b.cut.child',
    'tochildnowhere 60 CNAME nowhere.child',
    'toservice 60 CNAME lb',
    'toservice2 60 CNAME down',
    'self 60 CNAME self',
    'loop1 60 CNAME loop2',
    'loop2 60 CNAME loop3',
    'loop3 60 CNAME loop2',
    '*.wild 60 CNAME x.wild',
    '*.twice 60 CNAME www',
    'totwice 60 CNAME q.twice',
    ...Array.from({ length: 22 }, (_, i) => `c${i} 60 CNAME c${i + 1}`),
    'c22 60 A 192.0.2.12',
    ...Array.from({ length: 17 }, (_, i) => `n${i} 60 CNAME n${i + 1}`),
  ],
  services: { lb: 0, down: 1 },
}
const other: ZoneText = {
  apex: 'other.org',
  lines: [
    'www 60 CNAME web.Example.test.',
    '@ 60 MX 1 mail',
    'mail 60 A 192.0.2.25',
    'back 60 CNAME a.example.test.',
  ],
}
const child: ZoneText = {
  apex: 'child.example.test',
  lines: [
    '@ 60 A 192.0.2.81',
    'www 60 A 192.0.2.82',
    'toparent 60 CNAME www.example.test.',
    'cut 60 NS ns.cut',
    'ns.cut 60 A 192.0.2.55',
    'ns.cut 60 AAAA 2001:db8::55',
    'toapex 60 CNAME @',
    'tomail 60 CNAME other.org.',
  ],
}
const plans = [
  {
    kind: 'answer',
    gives: 'addresses',
    select: 'rotate',
    answers: 2,
    ttlSeconds: 10,
    candidates: [
      { address: parseAddress('192.0.2.101')!, weight: 1, counter: 1, key: 1 },
      { address: parseAddress('192.0.2.102')!, weight: 1, counter: 2, key: 2 },
    ],
  },
  { kind: 'answer', gives: 'servfail', select: 'rotate', answers: 0, ttlSeconds: 10, candidates: [] },
] as const
const ask = (name: string, type: TypeName) =>
  essence(new Served([example, other, child], plans).ask(name, type))
const soaOf = (zone: ZoneText) => [`${zone.apex} 60 SOA ${soaText(zone).replaceAll('. ', ' ')}`]

t.test('inside a zone', async (t) => {
  t.same(
    ask('a.example.test', 'A'),
    expected({
      answer: [
        'a.example.test 60 CNAME b.example.test',
        'b.example.test 60 CNAME Www.example.test',
        'Www.example.test 300 A 192.0.2.1',
      ],
    }),
  )
  t.same(
    ask('TOAPEX.Example.Test', 'A'),
    expected({ answer: ['TOAPEX.Example.Test 60 CNAME Example.Test', 'Example.Test 60 A 192.0.2.80'] }),
  )
  t.same(ask('a.example.test', 'CNAME'), expected({ answer: ['a.example.test 60 CNAME b.example.test'] }))
})

t.test('the rcode is that of the end of the chain', async (t) => {
  t.same(
    ask('toent.example.test', 'A'),
    expected({ answer: ['toent.example.test 60 CNAME ent.example.test'], authority: soaOf(example) }),
  )
  t.same(
    ask('tonowhere.example.test', 'A'),
    expected({
      rcode: 3,
      answer: ['tonowhere.example.test 60 CNAME nowhere.example.test'],
      authority: soaOf(example),
    }),
  )
  t.same(ask('out.example.test', 'A'), expected({ answer: ['out.example.test 60 CNAME www.example.net'] }))
  t.same(
    ask('a.example.test', 'AAAA'),
    expected({
      answer: ['a.example.test 60 CNAME b.example.test', 'b.example.test 60 CNAME Www.example.test'],
      authority: soaOf(example),
    }),
  )
})

t.test('into a cut: a referral, authoritative for the alias', async (t) => {
  t.same(
    ask('tosub.example.test', 'A'),
    expected({
      answer: ['tosub.example.test 60 CNAME deep.name.sub.example.test'],
      authority: ['sub.example.test 60 NS ns.sub.example.test'],
      additional: ['ns.sub.example.test 60 A 192.0.2.54'],
    }),
  )
})

t.test('across our zones, in every direction', async (t) => {
  t.same(
    ask('toother.example.test', 'A'),
    expected({
      rcode: 3,
      answer: ['toother.example.test 60 CNAME www.other.org', 'www.other.org 60 CNAME web.Example.test'],
      authority: ['Example.test 60 SOA ns1.Example.test hostmaster.Example.test 7 3600 600 86400 60'],
    }),
  )
  t.same(
    ask('tochild.example.test', 'A'),
    expected({
      answer: [
        'tochild.example.test 60 CNAME www.child.example.test',
        'www.child.example.test 60 A 192.0.2.82',
      ],
    }),
  )
  t.same(
    ask('tochildapex.example.test', 'A'),
    expected({
      answer: ['tochildapex.example.test 60 CNAME child.example.test', 'child.example.test 60 A 192.0.2.81'],
    }),
  )
  t.same(
    ask('tochildnowhere.example.test', 'A'),
    expected({
      rcode: 3,
      answer: ['tochildnowhere.example.test 60 CNAME nowhere.child.example.test'],
      authority: soaOf(child),
    }),
  )
  t.same(
    ask('tochildcut.example.test', 'A'),
    expected({
      answer: ['tochildcut.example.test 60 CNAME a.b.cut.child.example.test'],
      authority: ['cut.child.example.test 60 NS ns.cut.child.example.test'],
      additional: [
        'ns.cut.child.example.test 60 A 192.0.2.55',
        'ns.cut.child.example.test 60 AAAA 2001:db8::55',
      ],
    }),
  )
  t.same(
    ask('toparent.child.example.test', 'A'),
    expected({
      answer: ['toparent.child.example.test 60 CNAME www.example.test', 'www.example.test 300 A 192.0.2.1'],
    }),
  )
  t.same(
    ask('tomail.child.example.test', 'MX'),
    expected({
      answer: ['tomail.child.example.test 60 CNAME other.org', 'other.org 60 MX 1 mail.other.org'],
      additional: ['mail.other.org 60 A 192.0.2.25'],
    }),
  )
  t.same(
    ask('back.other.org', 'A'),
    expected({
      answer: [
        'back.other.org 60 CNAME a.example.test',
        'a.example.test 60 CNAME b.example.test',
        'b.example.test 60 CNAME Www.example.test',
        'Www.example.test 300 A 192.0.2.1',
      ],
    }),
  )
})

t.test('to a service', async (t) => {
  const served = new Served([example, other, child], plans)
  t.same(
    essence(served.ask('toservice.example.test', 'A')),
    expected({
      answer: [
        'toservice.example.test 60 CNAME lb.example.test',
        'lb.example.test 10 A 192.0.2.101',
        'lb.example.test 10 A 192.0.2.102',
      ],
    }),
  )
  t.same([served.answers(1), served.answers(2)], [1, 1])
  t.same(
    ask('toservice.example.test', 'AAAA'),
    expected({ answer: ['toservice.example.test 60 CNAME lb.example.test'], authority: soaOf(example) }),
  )
  t.same(
    ask('toservice2.example.test', 'A'),
    expected({ rcode: 2, answer: ['toservice2.example.test 60 CNAME down.example.test'] }),
  )
})

t.test('loops end where they close', async (t) => {
  t.same(
    ask('self.example.test', 'A'),
    expected({ answer: ['self.example.test 60 CNAME self.example.test'] }),
  )
  t.same(
    ask('loop1.example.test', 'A'),
    expected({
      answer: [
        'loop1.example.test 60 CNAME loop2.example.test',
        'loop2.example.test 60 CNAME loop3.example.test',
        'loop3.example.test 60 CNAME loop2.example.test',
      ],
    }),
  )
  t.same(
    ask('q.wild.example.test', 'A'),
    expected({
      answer: [
        'q.wild.example.test 60 CNAME x.wild.example.test',
        'x.wild.example.test 60 CNAME x.wild.example.test',
      ],
    }),
    'a wildcard that leads to itself: its CNAME stands for many names, each followed once',
  )
  t.same(
    ask('totwice.example.test', 'A'),
    expected({
      answer: [
        'totwice.example.test 60 CNAME q.twice.example.test',
        'q.twice.example.test 60 CNAME www.example.test',
        'www.example.test 300 A 192.0.2.1',
      ],
    }),
  )
})

t.test('the end of seventeen aliases says how they end', async (t) => {
  const { answer, authority, rcode } = ask('n0.example.test', 'A')
  t.equal(answer.length, 17)
  t.equal(rcode, 3)
  t.equal(authority.length, 1)
})

t.test('a chain has eighteen links at the most', async (t) => {
  const { answer, authority, rcode } = ask('c0.example.test', 'A')
  t.equal(answer.length, 18)
  t.equal(answer.at(-1), 'c17.example.test 60 CNAME c18.example.test')
  t.same([authority, rcode], [[], 0])
  t.same(ask('c4.example.test', 'A').answer.length, 18)
  t.equal(ask('c4.example.test', 'A').answer.at(-1), 'c21.example.test 60 CNAME c22.example.test')
  t.equal(ask('c5.example.test', 'A').answer.at(-1), 'c22.example.test 60 A 192.0.2.12')
})

t.test('a zone that is gone ends the chain', async (t) => {
  const alone = new Served([example])
  t.same(
    essence(alone.ask('toother.example.test', 'A')),
    expected({ answer: ['toother.example.test 60 CNAME www.other.org'] }),
  )
})
