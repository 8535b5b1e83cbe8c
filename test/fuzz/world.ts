/** What is asked in fuzzing: zones with something of each kind, and services. */
import type { AnswerNode } from '../../src/dataplane/image/plan-tree.ts'
import { parseAddress } from '../../src/dataplane/wire/address.ts'
import { alias, hashed, leaf, prefix, weighted } from '../dataplane/trees.ts'

const plan: AnswerNode = {
  kind: 'answer',
  gives: 'addresses',
  select: 'weighted',
  answers: 2,
  ttlSeconds: 30,
  candidates: ['192.0.2.1', '192.0.2.2', '192.0.2.3', '2001:db8::1'].map((text, index) => ({
    address: parseAddress(text)!,
    weight: index + 1,
    counter: index,
    key: index,
  })),
}

export const servedPlans = [
  plan,
  hashed({
    a: alias(['www.example.test', 'x.sub.example.test']),
    b: weighted([1, { ...plan, select: 'hash', prefix }], [1, leaf([], { gives: 'servfail' })]),
  }),
]

export const servedZones = [
  {
    apex: 'example.test',
    lines: [
      '@ 300 NS ns1',
      '@ 300 MX 10 mail',
      'ns1 300 A 192.0.2.53',
      'mail 300 AAAA 2001:db8::25',
      'a 300 CNAME b',
      'b 300 CNAME www.example.org.',
      '*.wild 300 CNAME x.y.wild',
      'dname 300 DNAME example.org.',
      'svcb 300 SVCB 1 . alpn=h2 ipv4hint=192.0.2.1',
      'sub 300 NS ns.sub',
      'ns.sub 300 A 192.0.2.54',
      ...Array.from({ length: 9 }, (_, index) => `big 300 TXT "${'x'.repeat(250)}${index}"`),
    ],
    services: { www: 0, '*.lb': 0, tree: 1 },
  },
  { apex: 'example.org', lines: ['www 300 CNAME www.example.test.'] },
]
