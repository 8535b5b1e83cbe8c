import { decode, RECURSION_DESIRED } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { isMetaType } from '../../../src/dataplane/wire/constants.ts'
import { Query, type Verdict, verdicts } from '../../../src/dataplane/wire/query.ts'
import { optRecord, query as queryOctets, u16Octets } from '../../support/dns-client.ts'
import { anyName, hostName } from './arbitrary-names.ts'

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const verdictName = (verdict: Verdict) => Object.entries(verdicts).find(([, value]) => value === verdict)![0]

// Parts of messages in hex. A header is ID, flags and the four counts; "www.test A IN" the question.
const asks = '1234 0100 0001 0000 0000 0000'
const asksWithOpt = '1234 0100 0001 0000 0000 0001'
const question = '03777777 0474657374 00 0001 0001'
const opt = '00 0029 04d0 00 00 0000 0000'

t.test('verdict of each kind of message', async (t) => {
  const table: [string, string, keyof typeof verdicts][] = [
    ['nothing', '', 'dropShort'],
    ['11 octets', '1234 0100 0001 0000 0000 00', 'dropShort'],
    ['a response', `1234 8100 0001 0000 0000 0000 ${question}`, 'dropResponse'],
    ['a response of another opcode', '1234 a800 0000 0000 0000 0000', 'dropResponse'],
    ['a header alone', asks, 'formerr'],
    ['no question', `1234 0100 0000 0000 0000 0000`, 'formerr'],
    ['two questions', `1234 0100 0002 0000 0000 0000 ${question}${question}`, 'formerr'],
    ['IQUERY, header alone', '1234 0800 0000 0000 0000 0000', 'notimp'],
    ['STATUS with a question', `1234 1000 0001 0000 0000 0000 ${question}`, 'notimp'],
    ['UPDATE', `1234 2800 0001 0000 0000 0000 ${question}`, 'notimp'],
    ['opcode 15', '1234 7800 0001 0000 0000 0000', 'notimp'],
    ['NOTIFY', `1234 2000 0001 0000 0000 0000 ${question}`, 'other'],
    ['NOTIFY, header alone', '1234 2000 0000 0000 0000 0000', 'formerr'],
    ['a plain query', `${asks} ${question}`, 'ok'],
    ['a query for the root', `${asks} 00 0002 0001`, 'ok'],
    ['every flag set', `1234 07ff 0001 0000 0000 0000 ${question}`, 'ok'],
    ['octets behind the message', `${asks} ${question} deadbeef`, 'ok'],
    ['a name that runs over', `${asks} 03777777 0574657374 00`, 'formerr'],
    ['a name without root', `${asks} 03777777`, 'formerr'],
    ['a label of 64', `${asks} 40${'61'.repeat(64)}00 0001 0001`, 'formerr'],
    ['label type 01', `${asks} 41${'61'.repeat(65)}00 0001 0001`, 'formerr'],
    ['label type 10', `${asks} 80${'61'.repeat(65)}00 0001 0001`, 'formerr'],
    ['a pointer to itself', `${asks} c00c 0001 0001`, 'formerr'],
    ['a pointer to the header', `${asks} c000 0001 0001`, 'formerr'],
    ['a pointer behind a label', `${asks} 0161 c00c 0001 0001`, 'formerr'],
    [
      'a name of 256 octets',
      `${asks} ${`3f${'61'.repeat(63)}`.repeat(3)}3e${'61'.repeat(62)}00 0001 0001`,
      'formerr',
    ],
    ['no type', `${asks} 03777777 0474657374 00`, 'formerr'],
    ['half a class', `${asks} 03777777 0474657374 00 0001 00`, 'formerr'],
    ['OPT', `${asksWithOpt} ${question} ${opt}`, 'ok'],
    ['OPT and octets behind it', `${asksWithOpt} ${question} ${opt} 00`, 'ok'],
    ['OPT missing', `${asksWithOpt} ${question}`, 'formerr'],
    ['half an OPT', `${asksWithOpt} ${question} ${opt.slice(0, -2)}`, 'formerr'],
    ['an option', `${asksWithOpt} ${question} 00 0029 04d0 00 00 0000 0006 fde9 0002 abcd`, 'ok'],
    [
      'options of no octets',
      `${asksWithOpt} ${question} 00 0029 04d0 00 00 0000 0008 fde9 0000 fdea 0000`,
      'ok',
    ],
    [
      'RDATA of the OPT runs over',
      `${asksWithOpt} ${question} 00 0029 04d0 00 00 0000 0007 fde9 0002 abcd`,
      'formerr',
    ],
    [
      'an option runs over',
      `${asksWithOpt} ${question} 00 0029 04d0 00 00 0000 0006 fde9 0003 abcd`,
      'formerr',
    ],
    ['half an option', `${asksWithOpt} ${question} 00 0029 04d0 00 00 0000 0003 fde900`, 'formerr'],
    ['version 1', `${asksWithOpt} ${question} 00 0029 04d0 00 01 0000 0000`, 'badvers'],
    [
      'version 255, DO, options',
      `${asksWithOpt} ${question} 00 0029 04d0 00 ff 8000 0004 fde90000`,
      'badvers',
    ],
    [
      'version 1, its options not ours to judge',
      `${asksWithOpt} ${question} 00 0029 04d0 00 01 0000 0001 00`,
      'badvers',
    ],
    ['OPT with an owner', `${asksWithOpt} ${question} 0161 ${opt}`, 'other'],
    [
      'an additional record that is no OPT',
      `${asksWithOpt} ${question} 00 0001 0001 00000000 0004 c0000201`,
      'other',
    ],
    ['two additional records', `1234 0100 0001 0000 0000 0002 ${question} ${opt} ${opt}`, 'other'],
    ['an answer record', `1234 0100 0001 0001 0000 0000 ${question} ${opt}`, 'other'],
    ['an authority record', `1234 0100 0001 0000 0001 0000 ${question} ${opt}`, 'other'],
  ]
  const query = new Query()
  for (const [what, hex, verdict] of table) {
    const packet = octets(hex)
    t.equal(verdictName(query.decode(packet, packet.length)), verdict, what)
  }
})

t.test('fields of a query', async (t) => {
  const query = new Query()
  const packet = octets(`${asksWithOpt} ${question} 00 0029 1000 00 00 8000 0000`)
  query.decode(packet, packet.length)
  t.equal(query.opcode, 0)
  t.equal(query.qtype, 1)
  t.equal(query.qclass, 1)
  t.equal(query.questionEnd, 26)
  t.equal(query.edns, true)
  t.equal(query.dnssecOk, true)
  t.equal(query.payload, 4096)
  t.equal(query.name.count, 2)

  t.test('nothing is left over from the query before', async (t) => {
    const short = octets('00')
    query.decode(short, short.length)
    t.match({ ...query }, { questionEnd: 0, edns: false, dnssecOk: false, payload: 512 })
    const plain = octets(`1234 2000 0001 0000 0000 0000 00 00ff 00ff`)
    query.decode(plain, plain.length)
    t.match({ ...query }, { opcode: 4, qtype: 255, qclass: 255, questionEnd: 17, edns: false, payload: 512 })
  })

  t.test('a payload below 512 counts as 512', async (t) => {
    for (const [payload, taken] of [
      [0, 512],
      [511, 512],
      [512, 512],
      [513, 513],
      [65535, 65535],
    ] as const) {
      const small = queryOctets('www.test', 'A', { edns: { payload } })
      query.decode(small, small.length)
      t.equal(query.payload, taken)
    }
  })
})

t.test('only the first `length` octets count', async (t) => {
  const query = new Query()
  const packet = octets(`${asks} ${question}`)
  for (let length = 0; length < packet.length; length++) {
    t.equal(verdictName(query.decode(packet, length)), length < 12 ? 'dropShort' : 'formerr', `${length}`)
  }
})

const option = fc
  .tuple(fc.integer({ min: 65001, max: 65534 }), fc.uint8Array({ maxLength: 12 }))
  .map(([code, data]) => Buffer.concat([u16Octets(code, data.length), data]))
const edns = fc.record({
  payload: fc.nat(0xffff),
  version: fc.constantFrom(0, 0, 0, 1, 255),
  flags: fc.nat(0xffff),
  options: fc.array(option, { maxLength: 4 }).map((options) => Buffer.concat(options)),
})

t.test('reads queries as dns-packet reads them', async () => {
  const fields = fc.record(
    { id: fc.nat(0xffff), flags: fc.nat(0x7ff), class: fc.integer({ min: 1, max: 4 }), edns },
    { requiredKeys: ['id', 'flags', 'class'] },
  )
  const query = new Query()
  fc.assert(
    fc.property(
      hostName,
      fc.constantFrom('A', 'NS', 'AAAA', 'TXT', 'DS', 'CAA'),
      fields,
      (name, type, fields) => {
        const packet = queryOctets(name, type, fields)
        const verdict = query.decode(packet, packet.length)
        const { questions, additionals, flags } = decode(packet)
        const opt = additionals!.find((record) => record.type === 'OPT')
        const asked = questions![0]!
        const lower = queryOctets(asked.name.toLowerCase(), type).subarray(12, query.questionEnd - 4)
        return (
          verdict === (opt !== undefined && opt.ednsVersion !== 0 ? verdicts.badvers : verdicts.ok) &&
          lower.equals(query.name.bytes.subarray(0, query.name.length)) &&
          asked.type === type &&
          packet.readUInt16BE(query.questionEnd - 4) === query.qtype &&
          query.qclass === fields.class &&
          query.edns === (opt !== undefined) &&
          query.dnssecOk === (opt?.flag_do ?? false) &&
          query.payload === Math.max(512, opt?.udpPayloadSize ?? 0) &&
          (flags! & RECURSION_DESIRED) === (fields.flags & RECURSION_DESIRED)
        )
      },
    ),
    { numRuns: 1000 },
  )
})

/** Whether dns-packet can read the octets. */
function readable(packet: Buffer): boolean {
  try {
    decode(packet)
    return true
  } catch {
    return false
  }
}

t.test('takes no message that dns-packet refuses, however it is mangled', async () => {
  const query = new Query()
  const change = fc.tuple(fc.nat(), fc.nat(255))
  fc.assert(
    fc.property(anyName, edns, fc.array(change, { maxLength: 4 }), fc.nat(), (name, edns, changes, cut) => {
      const packet = queryOctets(name, 'A', { edns })
      for (const [at, octet] of changes) packet[at % packet.length] = octet
      const length = cut % 3 === 0 ? cut % packet.length : packet.length
      const verdict = query.decode(packet, length)
      const taken = verdict === verdicts.ok || verdict === verdicts.badvers
      // dns-packet opens the options that it knows, which we have no business with yet.
      return !taken || query.edns || readable(packet.subarray(0, length))
    }),
    { numRuns: 5000 },
  )
})

t.test('random octets get a verdict', async () => {
  const query = new Query()
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (packet) => {
      const verdict = query.decode(packet, packet.length)
      if (packet.length < 12) return verdict === verdicts.dropShort
      return (verdict === verdicts.dropResponse) === packet[2]! >= 0x80
    }),
    { numRuns: 5000 },
  )
})

t.test('a query with an OPT cut anywhere is malformed', async () => {
  const query = new Query()
  fc.assert(
    fc.property(edns, (edns) => {
      const head = queryOctets('www.test', 'A', { edns }).length - optRecord(edns).length
      const packet = queryOctets('www.test', 'A', { edns })
      for (let length = head; length < packet.length; length++) {
        if (query.decode(packet, length) !== verdicts.formerr) return false
      }
      return true
    }),
  )
})

t.test('OPT and 128 to 254 are meta types, ANY is not', async (t) => {
  for (const type of [41, 128, 249, 250, 251, 252, 253, 254]) t.ok(isMetaType(type), `${type}`)
  for (const type of [0, 1, 40, 42, 127, 255, 256, 65535]) t.notOk(isMetaType(type), `${type}`)
})
