/** What a server must do with a message whatever is asked: the lines on silence, FORMERR and the header. */
import t from 'tap'
import {
  flagBits,
  optRecord,
  query,
  readResponse,
  TcpClient,
  UdpClient,
  u16Octets,
  wireName,
} from '../support/dns-client.ts'
import { apex, exchange, option, type Serving, serve, soaLine } from './serving.ts'

const formerr = 1
const notimp = 4
const refused = 5

let serving: Serving
t.before(async () => {
  serving = await serve()
})
t.teardown(() => serving[Symbol.asyncDispose]())

/** Header of a query with these counts. */
function header(questions: number, answers = 0, authorities = 0, additionals = 0, flags = 0): Buffer {
  return u16Octets(0x1234, flags, questions, answers, authorities, additionals)
}

const question = Buffer.concat([wireName(`www.${apex}`), u16Octets(1, 1)])
const opt = optRecord({})
const good = query(`www.${apex}`, 'A', { id: 0x7777 })

t.test('responses and messages without a whole header are never answered', async (t) => {
  const silent: readonly (readonly [string, Buffer])[] = [
    ['a response (QR=1)', query(`www.${apex}`, 'A', { flags: flagBits.qr })],
    ['a response to an unknown opcode', header(0, 0, 0, 0, flagBits.qr | (15 << 11))],
    ['eleven octets', header(1).subarray(0, 11)],
    ['one octet', Buffer.of(0)],
    ['nothing', Buffer.alloc(0)],
  ]
  for (const { label, transport, endpoint } of serving.ways) {
    for (const [title, message] of silent) {
      if (transport === 'udp') {
        await using client = await UdpClient.open(endpoint)
        client.send(message)
        client.send(good)
        t.equal((await client.next()).readUInt16BE(0), 0x7777, `${label}: ${title}`)
      } else {
        using client = await TcpClient.open(endpoint)
        client.send(message)
        t.equal(await client.next(), null, `${label}: ${title} ends the connection`)
      }
    }
  }
})

t.test('FORMERR, and the next query is answered', async (t) => {
  const malformed: readonly (readonly [string, Buffer])[] = [
    ['no question', header(0)],
    ['two questions', Buffer.concat([header(2), question, question])],
    ['a name that is cut off', Buffer.concat([header(1), question.subarray(0, 6)])],
    ['a question without its class', Buffer.concat([header(1), question.subarray(0, -2)])],
    ['a header alone that promises a question', header(1)],
    [
      'a label above 63',
      Buffer.concat([header(1), Buffer.of(64), Buffer.alloc(64, 0x61), Buffer.of(0, 0, 1, 0, 1)]),
    ],
    [
      'a name above 255',
      Buffer.concat([
        header(1),
        ...new Array<Buffer>(4).fill(Buffer.concat([Buffer.of(63), Buffer.alloc(63, 0x61)])),
        Buffer.of(0, 0, 1, 0, 1),
      ]),
    ],
    ['a compression pointer to itself', Buffer.concat([header(1), Buffer.of(0xc0, 12, 0, 1, 0, 1)])],
    [
      'a compression pointer to the header',
      Buffer.concat([header(1), Buffer.of(1, 0x61, 0xc0, 0, 0, 1, 0, 1)]),
    ],
    ['an additional section that is not there', Buffer.concat([header(1, 0, 0, 1), question])],
    ['a second OPT', Buffer.concat([header(1, 0, 0, 2), question, opt, opt])],
    [
      'an option that runs over',
      Buffer.concat([
        header(1, 0, 0, 1),
        question,
        optRecord({ options: Buffer.from('00640005aabb', 'hex') }),
      ]),
    ],
    [
      'an OPT that runs over',
      Buffer.concat([header(1, 0, 0, 1), question, opt.subarray(0, -1), Buffer.of(9)]),
    ],
    ['an OPT of another name', Buffer.concat([header(1, 0, 0, 1), question, Buffer.of(1, 0x61), opt])],
    [
      'an OPT of another name behind another record',
      Buffer.concat([
        header(1, 0, 0, 2),
        question,
        Buffer.from('00 0001 0001 00000000 0004 c0000201'.replaceAll(' ', ''), 'hex'),
        Buffer.of(1, 0x61),
        opt,
      ]),
    ],
  ]
  for (const way of serving.ways) {
    for (const [title, message] of malformed) {
      const { rcode, flags, answer } = readResponse(await exchange(way, message))
      t.strictSame(
        { rcode, flags, answer },
        { rcode: formerr, flags: 'qr', answer: [] },
        `${way.label}: ${title}`,
      )
      t.equal(readResponse(await exchange(way, good)).rcode, 0)
    }
  }
})

t.test('trailing garbage is ignored', async (t) => {
  for (const way of serving.ways) {
    for (const message of [good, Buffer.concat([header(1, 0, 0, 1), question, opt])]) {
      const { rcode, answer } = readResponse(
        await exchange(way, Buffer.concat([message, Buffer.from('garbage')])),
      )
      t.equal(rcode, 0, way.label)
      t.equal(answer.length, 1)
    }
  }
})

/** One row: what is sent, the bits and the rcode that come back. */
const headers: readonly (readonly [title: string, message: Buffer, flags: string, rcode: number])[] = [
  ['AA=1 on answers', query(apex, 'SOA', { flags: 0 }), 'qr aa', 0],
  ['AA=1 on NODATA', query(apex, 'MX', { flags: 0 }), 'qr aa', 0],
  ['AA=1 on NXDOMAIN', query(`no.${apex}`, 'A', { flags: 0 }), 'qr aa', 3],
  ['AA=0 on referrals', query(`a.sub.${apex}`, 'A', { flags: 0 }), 'qr', 0],
  ['AA=0 outside of our zones', query('example.net', 'A', { flags: 0 }), 'qr', refused],
  ['RA=0 and RD echoed', query(apex, 'SOA', { flags: flagBits.rd | flagBits.ra }), 'qr aa rd', 0],
  ['AA and TC of a query mean nothing', query(apex, 'SOA', { flags: flagBits.aa | flagBits.tc }), 'qr aa', 0],
  ['AD=0', query(apex, 'SOA', { flags: flagBits.ad }), 'qr aa', 0],
  ['CD cleared', query(apex, 'SOA', { flags: flagBits.cd }), 'qr aa', 0],
  ['Z not echoed', query(apex, 'SOA', { flags: flagBits.z }), 'qr aa', 0],
  ['NOTIFY is refused', query(apex, 'SOA', { flags: 0, opcode: 4 }), 'qr', refused],
  ...[1, 2, 3, 5, 6, 15].flatMap((opcode): [string, Buffer, string, number][] => [
    [`opcode ${opcode}`, query(apex, 'SOA', { flags: 0, opcode }), 'qr', notimp],
    [`opcode ${opcode}, a header alone`, header(0, 0, 0, 0, opcode << 11), 'qr', notimp],
  ]),
]

t.test('flags, rcode, id and opcode of a response are those that the query asks for', async (t) => {
  for (const way of serving.ways) {
    for (const [title, message, flags, rcode] of headers) {
      const response = readResponse(await exchange(way, message))
      t.strictSame([response.flags, response.rcode], [flags, rcode], `${way.label}: ${title}`)
      t.equal(response.id, 0x1234)
      t.equal(response.opcode, (message[2]! >>> 3) & 0xf)
    }
  }
})

t.test('the question is copied with its case', async (t) => {
  const name = 'wWw.ExAmPlE.tEsT'
  for (const way of serving.ways) {
    const octets = await exchange(way, query(name, 'A'))
    t.strictSame(octets.subarray(12, 12 + name.length + 2), wireName(name), way.label)
    t.strictSame(readResponse(octets).answer, [`${name} 300 A 192.0.2.1`])
  }
})

t.test('cookie-only queries aside, a query has a question', async (t) => {
  const message = Buffer.concat([header(0, 0, 0, 1), optRecord({ options: option(10, '0102030405060708') })])
  for (const way of serving.ways) {
    const { rcode, question: copied, edns } = readResponse(await exchange(way, message))
    t.strictSame([rcode, copied], [0, null], way.label)
    t.ok(edns)
  }
})

t.test('a plain query for comparison', async (t) => {
  for (const way of serving.ways) {
    t.strictSame(readResponse(await exchange(way, query(apex, 'SOA'))).answer, [soaLine], way.label)
  }
})
