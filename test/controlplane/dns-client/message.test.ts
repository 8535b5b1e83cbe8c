import { encode } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { decodeAnswer, decodeSections, encodeQuery } from '../../../src/controlplane/dns-client/message.ts'
import { formatName, parseName } from '../../../src/dataplane/wire/name.ts'
import { formatRdata } from '../../../src/dataplane/wire/rdata.ts'
import { query } from '../../support/dns-client.ts'

const question = { name: parseName('www.example.test.'), type: 1 }

t.test('a query is what any client sends', async (t) => {
  t.same(encodeQuery(0x1234, question), query('www.example.test', 'A', { edns: {} }))
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
        const answer = decodeAnswer(message, id, question, false)
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
      const answer = decodeAnswer(message, 1, mx, false)
      return typeof answer === 'string' || answer.data.length <= answers
    }),
  )
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
      decodeAnswer(octets, 0, mx, true)
    }),
  )
})

t.test('a name that does not end, or leaves its RDATA, is a complaint', async (t) => {
  const mx = { name: question.name, type: 15 }
  const head = encode({ type: 'response', id: 1, questions: [{ name: 'www.example.test', type: 'MX' }] })
  head.writeUInt16BE(1, 6)
  // The exchange points at itself.
  const at = head.length + 12 + 2
  const loop = Buffer.concat([
    head,
    Buffer.of(0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, 4, 0, 10, 0xc0 | (at >> 8), at & 0xff),
  ])
  t.equal(decodeAnswer(loop, 1, mx, false), 'is malformed: its pointers do not end')
  const escaping = Buffer.concat([
    head,
    Buffer.of(0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, 3, 0, 10, 1, 0x61, 0),
  ])
  t.equal(decodeAnswer(escaping, 1, mx, false), 'is malformed: a name leaves its RDATA')
  const strange = Buffer.concat([head, Buffer.of(0x80, 0)])
  t.equal(decodeAnswer(strange, 1, mx, false), 'is malformed: a label is of no known kind')
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
  const { answers, authorities } = decodeSections(message)
  const text = ({ owner, type, ttlSeconds, rdata }: (typeof answers)[number]) =>
    `${formatName(owner)} ${ttlSeconds} ${type} ${formatRdata(type, rdata)}`
  t.same(answers.map(text), [
    'www.example.test. 256 15 10 a.example.test.',
    'www.example.test. 5 65280 \\# 2 C00C',
  ])
  t.same(authorities.map(text), ['example.test. 60 2 www.example.test.'])
  for (let length = 0; length < message.length; length++) {
    t.throws(() => decodeSections(message.subarray(0, length)), /breaks off/, `${length} octets`)
  }
})

const mx = { name: question.name, type: 15 }

/** A response to `mx` with RRs as octets, the first `answers` of them in the answer section. */
function responseOf(records: readonly Buffer[], { answers = records.length, authorities = 0 } = {}): Buffer {
  const head = encode({ type: 'response', id: 1, questions: [{ name: 'www.example.test', type: 'MX' }] })
  head.writeUInt16BE(answers, 6)
  head.writeUInt16BE(authorities, 8)
  return Buffer.concat([head, ...records])
}

t.test('counts that promise more RRs than there are octets end where the octets do', async (t) => {
  const rr = Buffer.of(0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, 3, 0, 10, 0)
  const message = responseOf([rr, rr], { answers: 0xffff, authorities: 0xffff })
  t.equal(decodeAnswer(message, 1, mx, true), 'is malformed: it breaks off')
  t.throws(() => decodeSections(message), /breaks off/)
})

t.test('what is wrong with an RR that nobody asked for harms no other', async (t) => {
  const wanted = Buffer.of(0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, 3, 0, 10, 0)
  const loopAt = responseOf([wanted]).length
  // Its owner points at itself.
  const loop = Buffer.of(0xc0 | (loopAt >> 8), loopAt & 0xff, 0, 2, 0, 1, 0, 0, 0, 0, 0, 1, 0)
  const message = responseOf([wanted, loop], { answers: 1, authorities: 1 })
  t.same(decodeAnswer(message, 1, mx, true), { truncated: false, rcode: 0, data: [Uint8Array.of(0, 10, 0)] })
  t.throws(() => decodeSections(message), /pointers do not end/)
})

t.test('a name through 127 pointers is read, one through more is a complaint', async (t) => {
  /** An RR of opaque data: a name of `labels` labels, each with a pointer to the one before it. */
  const answerWith = (labels: number) => {
    const dataAt = responseOf([]).length + 11
    const data = [0]
    let name = dataAt
    for (let label = 0; label < labels; label++) {
      const at = dataAt + data.length
      data.push(1, 0x61, 0xc0 | (name >> 8), name & 0xff)
      name = at
    }
    const opaque = Buffer.of(0, 0xff, 0, 0, 1, 0, 0, 0, 0, data.length >> 8, data.length & 0xff, ...data)
    const rr = Buffer.of(0xc0, 12, 0, 15, 0, 1, 0, 0, 0, 0, 0, 4, 0, 10, 0xc0 | (name >> 8), name & 0xff)
    return decodeAnswer(responseOf([opaque, rr]), 1, mx, true)
  }
  t.match(answerWith(126), { data: [{ length: 2 + 253 }] })
  t.equal(answerWith(127), 'is malformed: its pointers do not end')
})
