import { encode } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import {
  encodeDnsQuery,
  readDnsAnswer,
  readDnsSections,
} from '../../../../src/controlplane/health/probes/dns-message.ts'
import { formatName, parseName } from '../../../../src/dataplane/wire/name.ts'
import { formatRdata } from '../../../../src/dataplane/wire/rdata.ts'
import { query } from '../../../support/dns-client.ts'

const question = { name: parseName('www.example.test.'), type: 1 }

t.test('a query is what any client sends', async (t) => {
  t.same(encodeDnsQuery(0x1234, question), query('www.example.test', 'A', { edns: {} }))
})

t.test('what dns-packet writes is read', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.ipV4(), { maxLength: 20 }),
      fc.nat(15),
      fc.nat(0xffff),
      (addresses, rcode, id) => {
        const message = encode({
          type: 'response',
          id,
          flags: rcode,
          questions: [{ name: 'WWW.example.test', type: 'A' }],
          answers: addresses.map((data) => ({ type: 'A', name: 'www.example.test', data })),
          authorities: [{ type: 'NS', name: 'example.test', data: 'ns.example.test' }],
        })
        const answer = readDnsAnswer(message, id, question, false)
        if (typeof answer === 'string') return false
        return answer.rcode === rcode && answer.data.map((data) => data.join('.')).join() === addresses.join()
      },
    ),
  )
})

t.test('octets of any kind are an answer or a complaint', async () => {
  const head = encode({ type: 'response', id: 1, questions: [{ name: 'www.example.test', type: 'MX' }] })
  const mx = { name: question.name, type: 15 }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(5), fc.nat(5), (tail, answers, additionals) => {
      const message = Buffer.concat([head, tail])
      message.writeUInt16BE(answers, 6)
      message.writeUInt16BE(additionals, 10)
      const answer = readDnsAnswer(message, 1, mx, false)
      return typeof answer === 'string' || answer.data.length <= answers
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
      readDnsAnswer(octets, 0, mx, true)
    }),
  )
})

t.test('names that do not end', async (t) => {
  const mx = { name: question.name, type: 15 }
  const head = encode({ type: 'response', id: 1, questions: [{ name: 'www.example.test', type: 'MX' }] })
  head.writeUInt16BE(1, 6)
  // The exchange points at itself.
  const at = head.length + 12 + 2
  const loop = Buffer.concat([
    head,
    Buffer.of(0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, 4, 0, 10, 0xc0 | (at >> 8), at & 0xff),
  ])
  t.equal(readDnsAnswer(loop, 1, mx, false), 'is malformed: its pointers do not end')
  const escaping = Buffer.concat([
    head,
    Buffer.of(0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, 3, 0, 10, 1, 0x61, 0),
  ])
  t.equal(readDnsAnswer(escaping, 1, mx, false), 'is malformed: a name leaves its RDATA')
  const strange = Buffer.concat([head, Buffer.of(0x80, 0)])
  t.equal(readDnsAnswer(strange, 1, mx, false), 'is malformed: a label is of no known kind')
})

t.test('the sections of a response, with the names in them written out', async (t) => {
  const head = encode({ type: 'response', id: 1, questions: [{ name: 'www.example.test', type: 'MX' }] })
  head.writeUInt16BE(2, 6)
  head.writeUInt16BE(1, 8)
  const message = Buffer.concat([
    head,
    Buffer.of(0xc0, 12, 0, 15, 0, 1, 0, 0, 1, 0, 0, 6, 0, 10, 1, 0x61, 0xc0, 16),
    Buffer.of(0xc0, 12, 0xff, 0x00, 0, 1, 0, 0, 0, 5, 0, 2, 0xc0, 12),
    Buffer.of(0xc0, 16, 0, 2, 0, 1, 0, 0, 0, 60, 0, 2, 0xc0, 12),
  ])
  const { answers, authorities } = readDnsSections(message)
  const text = ({ owner, type, ttlSeconds, rdata }: (typeof answers)[number]) =>
    `${formatName(owner)} ${ttlSeconds} ${type} ${formatRdata(type, rdata)}`
  t.same(answers.map(text), [
    'www.example.test. 256 15 10 a.example.test.',
    'www.example.test. 5 65280 \\# 2 C00C',
  ])
  t.same(authorities.map(text), ['example.test. 60 2 www.example.test.'])
  for (let length = 0; length < message.length; length++) {
    t.throws(() => readDnsSections(message.subarray(0, length)), /breaks off/, `${length} octets`)
  }
})
