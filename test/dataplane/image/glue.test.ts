import t from 'tap'
import { query, readResponse } from '../../support/dns-client.ts'
import { serveLines } from '../answer/zone-lines.ts'

const respond = serveLines({
  'example.test.': [
    'cut 60 NS ns1.cut',
    'cut 60 NS NS2.cut',
    'cut 60 NS cut',
    'cut 60 A 192.0.2.1',
    '*.cut 60 A 192.0.2.2',
    'a.ns9.cut 60 A 192.0.2.3',
    'other 60 NS ns1.cut',
    'other 60 NS ns9.cut',
    'other 60 NS ns.example.net.',
    '*.mail 60 MX 1 mx.mail',
    'self 60 MX 1 self',
    'self 60 A 192.0.2.4',
  ],
})
const ask = (name: string, type: 'A' | 'MX') => readResponse(respond(query(name, type)))

t.test(
  'a wildcard below a cut is glue for the names that it stands for, each with its own owner',
  async (t) => {
    const { authority, additional } = ask('q.cut.example.test', 'A')
    t.strictSame(authority, [
      'cut.example.test 60 NS ns1.cut.example.test',
      'cut.example.test 60 NS NS2.cut.example.test',
      'cut.example.test 60 NS cut.example.test',
    ])
    t.strictSame(additional, [
      'ns1.cut.example.test 60 A 192.0.2.2',
      'NS2.cut.example.test 60 A 192.0.2.2',
      'cut.example.test 60 A 192.0.2.1',
    ])
  },
)

t.test('sibling glue; a name that exists without addresses is not for the wildcard', async (t) => {
  t.strictSame(ask('other.example.test', 'A').additional, ['ns1.cut.example.test 60 A 192.0.2.2'])
})

t.test('names that end in the owner point to it', async (t) => {
  const octets = respond(query('cut.example.test', 'A'))
  const question = 12 + 18 + 4
  const authority = 3 * 12 + (4 + 2) + (4 + 2) + 2
  t.equal(octets.length, question + authority + 3 * 16)
  t.strictSame(ask('self.example.test', 'MX').answer, ['self.example.test 60 MX 1 self.example.test'])
})

t.test('not where a wildcard is the owner: it is not spelled in the message', async (t) => {
  t.strictSame(ask('q.mail.example.test', 'MX').answer, ['q.mail.example.test 60 MX 1 mx.mail.example.test'])
})

t.test('glue below the cut comes first and truncates, glue of siblings is left out', async (t) => {
  const many = (owner: string, count: number) =>
    Array.from({ length: count }, (_, i) => `${owner} 60 A 192.0.2.${i + 1}`)
  const referral = (below: number, sibling: number) => {
    const lines = [
      'cut 60 NS ns.other',
      'cut 60 NS ns.cut',
      ...many('ns.cut', below),
      ...many('ns.other', sibling),
    ]
    return readResponse(serveLines({ 'example.test.': lines })(query('q.cut.example.test', 'A')))
  }
  const whole = referral(2, 2)
  t.equal(whole.flags, 'qr rd')
  t.strictSame(
    whole.additional.map((rr) => rr.split(' ')[0]),
    ['ns.cut', 'ns.cut', 'ns.other', 'ns.other'].map((owner) => `${owner}.example.test`),
  )
  const left = referral(20, 20)
  t.equal(left.flags, 'qr rd')
  t.equal(left.additional.length, 20)
  t.ok(left.additional.every((rr) => rr.startsWith('ns.cut.')))
  t.equal(referral(40, 1).flags, 'qr tc rd')
})

t.test('names that share a part of the owner, of the apex or of a name before point there', async (t) => {
  const lines = [
    'a.b.c 60 NS ns1.b.c',
    'a.b.c 60 NS ns1.Provider.test.',
    'a.b.c 60 NS ns2.provider.test.',
    'a.b.c 60 NS provider.test.',
    'a.b.c 60 NS test.',
  ]
  const octets = serveLines({ 'example.test.': lines })(query('a.b.c.example.test', 'A'))
  const question = 12 + 20 + 4
  const names = 4 + 2 + (4 + 9 + 2) + (4 + 2) + 2 + 2
  t.equal(octets.length, question + 5 * 12 + names)
  t.strictSame(
    readResponse(octets).authority.map((rr) => rr.split(' ').at(-1)),
    // The second name's labels are its own, the pointers to them bring their case along.
    ['ns1.b.c.example.test', 'ns1.Provider.test', 'ns2.Provider.test', 'Provider.test', 'test'],
  )
})
