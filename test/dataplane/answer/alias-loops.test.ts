import t from 'tap'
import { query, readResponse } from '../../support/dns-client.ts'
import { serveLines } from './zone-lines.ts'

const respond = serveLines({
  'example.test.': [
    '*.wild 60 CNAME a.b.wild',
    '*.back 60 CNAME *.back',
    'self 60 CNAME self',
    'x.self 60 CNAME self',
    'ping 60 CNAME pong',
    'pong 60 CNAME ping',
    ...Array.from({ length: 22 }, (_, i) => `c${i} 60 CNAME c${i + 1}`),
  ],
})
const ask = (name: string) => readResponse(respond(query(name, 'A')))

t.test('one CNAME at a wildcard stands for many names, each once', async (t) => {
  t.strictSame(ask('q.wild.example.test').answer, [
    'q.wild.example.test 60 CNAME a.b.wild.example.test',
    'a.b.wild.example.test 60 CNAME a.b.wild.example.test',
  ])
  t.strictSame(ask('q.back.example.test').answer, [
    'q.back.example.test 60 CNAME *.back.example.test',
    '*.back.example.test 60 CNAME *.back.example.test',
  ])
  t.strictSame(ask('*.back.example.test').answer, ['*.back.example.test 60 CNAME *.back.example.test'])
})

t.test('loops end where they began', async (t) => {
  t.strictSame(ask('self.example.test').answer, ['self.example.test 60 CNAME self.example.test'])
  t.equal(ask('x.self.example.test').answer.length, 2)
  t.equal(ask('ping.example.test').answer.length, 2)
})

t.test('a chain has eighteen CNAMEs at the most', async (t) => {
  const { rcode, answer, authority } = ask('c0.example.test')
  t.equal(rcode, 0)
  t.equal(answer.length, 18)
  t.strictSame(authority, [])
})
