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
