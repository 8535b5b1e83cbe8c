import { type Answer, encode } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { decodeOther, otherVerdicts } from '../../../src/dataplane/wire/other-query.ts'
import { Query, verdicts } from '../../../src/dataplane/wire/query.ts'

const octets = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const names = Object.entries({ ...verdicts, ...otherVerdicts })

const header = (opcode: string, counts: string) => `1234 ${opcode} 0001 ${counts}`
const question = '03777777 0474657374 00 0001 0001'
const opt = '00 0029 04d0 00 00 8000 0000'
const a = 'c00c 0001 0001 00000000 0004 c0000201'
const soa = `c00c 0006 0001 00000000 0016 00 00 ${'00000001'.repeat(5)}`
// Algorithm "hmac-sha256", time, fudge, an empty MAC, original ID, no error, no other data.
const tsig =
  '036b6579 00 00fa 00ff 00000000 001d 0b686d61632d73686132353600 000000000000 012c 0000 1234 0000 0000'

/** An OPT with options. */
const optWith = (options: string) => {
  const length = options.replaceAll(' ', '').length / 2
  return `00 0029 04d0 00 00 0000 ${length.toString(16).padStart(4, '0')} ${options}`
}
const malformedOptions = [
  ['an option that runs over', '000a 0009 0102030405060708'],
  ['a cookie of a bad length', '000a 0001 01'],
  ['an option whose length is cut', '0003 00'],
] as const
const cookie = '000a 0008 0102030405060708'

/** A record whose owner has three labels of 63 octets and one of `last`: 255 octets with 61. */
const longOwner = (last: number) =>
  `${`3f ${'61'.repeat(63)}`.repeat(3)} ${last.toString(16)} ${'62'.repeat(last)} ${a.replace('c00c', '00')}`

t.test('verdict of each kind of message', async (t) => {
  const table: [string, string, string][] = [
    ['a record behind the question', `${header('0100', '0000 0000 0001')} ${question} ${a}`, 'ok'],
    ['an answer, as a sloppy client sends it', `${header('0100', '0001 0000 0000')} ${question} ${a}`, 'ok'],
    ['IXFR-like authority', `${header('0100', '0000 0001 0001')} ${question} ${soa} ${opt}`, 'ok'],
    ['a record in front of the OPT', `${header('0100', '0000 0000 0002')} ${question} ${a} ${opt}`, 'ok'],
    ['two OPTs', `${header('0100', '0000 0000 0002')} ${question} ${opt} ${opt}`, 'formerr'],
    ['OPT with an owner', `${header('0100', '0000 0000 0001')} ${question} 0161 ${opt}`, 'formerr'],
    [
      'version 1 behind a record',
      `${header('0100', '0000 0000 0002')} ${question} ${a} 00 0029 04d0 00 01 0000 0000`,
      'badvers',
    ],
    ['a record that is cut', `${header('0100', '0000 0000 0001')} ${question} ${a.slice(0, -2)}`, 'formerr'],
    ['fewer records than counted', `${header('0100', 'ffff 0000 0000')} ${question} ${a}`, 'formerr'],
    [
      'a pointer forward',
      `${header('0100', '0000 0000 0001')} ${question} c01c 0001 0001 00000000 0004 c0000201`,
      'formerr',
    ],
    [
      'a pointer into the header',
      `${header('0100', '0000 0000 0001')} ${question} c004${a.slice(4)}`,
      'formerr',
    ],
    ['a pointer that is cut', `${header('0100', '0000 0000 0002')} ${question} ${a} c0`, 'formerr'],
    [
      'an owner that is cut',
      `${header('0100', '0000 0000 0002')} ${question} ${a} 03777777 0474657374`,
      'formerr',
    ],
    [
      'a label of a kind that does not exist',
      `${header('0100', '0000 0000 0001')} ${question} 41 ${'61'.repeat(65)} ${opt}`,
      'formerr',
    ],
    [
      'an owner of 255 octets',
      `${header('0100', '0000 0000 0002')} ${question} ${longOwner(61)} ${opt}`,
      'ok',
    ],
    [
      'an owner of 256 octets',
      `${header('0100', '0000 0000 0002')} ${question} ${longOwner(62)} ${opt}`,
      'formerr',
    ],
    ['an OPT as an answer', `${header('0100', '0001 0000 0000')} ${question} ${opt}`, 'formerr'],
    ['an OPT as an authority', `${header('0100', '0000 0001 0000')} ${question} ${opt}`, 'formerr'],
    [
      'OPT with the root as a pointer for owner',
      `${header('0100', '0000 0000 0001')} ${question} c015${opt.slice(2)}`,
      'formerr',
    ],
    ...malformedOptions.flatMap(([what, options]): [string, string, string][] => [
      [
        `${what}, in an OPT behind a record`,
        `${header('0100', '0000 0000 0002')} ${question} ${a} ${optWith(options)}`,
        'formerr',
      ],
      [
        `${what}, in an OPT in front of a record`,
        `${header('0100', '0000 0000 0002')} ${question} ${optWith(options)} ${a}`,
        'formerr',
      ],
      [
        `${what}, in the OPT of a NOTIFY`,
        `${header('2400', '0000 0000 0001')} ${question} ${optWith(options)}`,
        'formerr',
      ],
    ]),
    [
      'an OPT that runs over the message',
      `${header('0100', '0000 0000 0002')} ${question} ${a} 00 0029 04d0 00 00 0000 0001`,
      'formerr',
    ],
    [
      'version 1 in front of a record that is cut',
      `${header('0100', '0000 0000 0002')} ${question} 00 0029 04d0 00 01 0000 0000 ${a.slice(0, -2)}`,
      'formerr',
    ],
    ['NOTIFY', `${header('2400', '0000 0000 0000')} ${question}`, 'notify'],
    [
      'NOTIFY with the SOA and OPT',
      `${header('2400', '0001 0000 0001')} ${question} ${soa} ${opt}`,
      'notify',
    ],
    [
      'NOTIFY of version 1',
      `${header('2400', '0000 0000 0001')} ${question} 00 0029 04d0 00 01 0000 0000`,
      'badvers',
    ],
    ['NOTIFY that is cut', `${header('2400', '0001 0000 0000')} ${question}`, 'formerr'],
    ['TSIG', `${header('0100', '0000 0000 0001')} ${question} ${tsig}`, 'signed'],
    ['TSIG as an answer', `${header('0100', '0001 0000 0000')} ${question} ${tsig}`, 'formerr'],
    ['TSIG and OPT', `${header('0100', '0000 0000 0002')} ${question} ${tsig} ${opt}`, 'formerr'],
    [
      'version 1 and TSIG',
      `${header('0100', '0000 0000 0002')} ${question} 00 0029 04d0 00 01 0000 0000 ${tsig}`,
      'badvers',
    ],
    [
      'TSIG of class IN',
      `${header('0100', '0000 0000 0001')} ${question} ${tsig.replace('00fa 00ff', '00fa 0001')}`,
      'formerr',
    ],
    [
      'TSIG cut short',
      `${header('0100', '0000 0000 0001')} ${question} 00 00fa 00ff 00000000 0003 00 0000`,
      'formerr',
    ],
    [
      'TSIG without an algorithm',
      `${header('0100', '0000 0000 0001')} ${question} 00 00fa 00ff 00000000 0000`,
      'formerr',
    ],
    [
      'TSIG, algorithm cut short',
      `${header('0100', '0000 0000 0001')} ${question} 00 00fa 00ff 00000000 0002 0161`,
      'formerr',
    ],
    [
      'TSIG, algorithm by a pointer',
      `${header('0100', '0000 0000 0001')} ${question} 00 00fa 00ff 00000000 0002 c00c`,
      'formerr',
    ],
    [
      'TSIG, a MAC over the end',
      `${header('0100', '0000 0000 0001')} ${question} ${tsig.replace('012c 0000', '012c 0001')}`,
      'formerr',
    ],
    [
      'TSIG, other data over the end',
      `${header('0100', '0000 0000 0001')} ${question} ${tsig.slice(0, -4)}0001`,
      'formerr',
    ],
    [
      'TSIG of a key named like the question',
      `${header('0100', '0000 0000 0001')} ${question} c00c ${tsig.slice(12)}`,
      'signed',
    ],
    [
      'TSIG of a key that points to a pointer',
      `${header('0100', '0000 0000 0002')} ${question} ${a} c016 ${tsig.slice(12)}`,
      'signed',
    ],
    [
      'TSIG of a key that points to a pointer onwards',
      `${header('0100', '0000 0000 0002')} ${question} ${a.replace('c0000201', 'c02a0000')} c026 ${tsig.slice(12)}`,
      'formerr',
    ],
    [
      'TSIG of a key that points to what is no label',
      `${header('0100', '0000 0000 0002')} ${question} ${a.replace('c0000201', '40404040')} c026 ${tsig.slice(12)}`,
      'formerr',
    ],
    [
      'TSIG of a key that runs into itself',
      `${header('0100', '0000 0000 0002')} ${question} ${a.replace('c0000201', '3f3f3f3f')} c026 ${tsig.slice(12)}`,
      'formerr',
    ],
    ['OPT and TSIG', `${header('0100', '0000 0000 0002')} ${question} ${opt} ${tsig}`, 'signed'],
    ['NOTIFY with TSIG', `${header('2400', '0000 0000 0001')} ${question} ${tsig}`, 'signed'],
  ]
  const query = new Query()
  for (const [what, hex, expected] of table) {
    const packet = octets(hex)
    t.equal(query.decode(packet, packet.length), verdicts.other, what)
    const verdict = decodeOther(query, packet, packet.length)
    t.equal(names.find(([, value]) => value === verdict)![0], expected, what)
  }
})

t.test('takes over what the OPT says', async (t) => {
  const query = new Query()
  const packet = octets(`${header('0100', '0000 0000 0002')} ${question} ${a} ${opt}`)
  query.decode(packet, packet.length)
  decodeOther(query, packet, packet.length)
  t.match({ ...query }, { edns: true, dnssecOk: true, payload: 1232, qtype: 1, questionEnd: 26 })
})

t.test('reads only the first `length` octets', async (t) => {
  const query = new Query()
  const packet = octets(`${header('0100', '0000 0000 0001')} ${question} ${a}`)
  query.decode(packet, packet.length)
  t.equal(decodeOther(query, packet, packet.length - 1), verdicts.formerr)
})

t.test('reads the options wherever the OPT stands', async (t) => {
  const query = new Query()
  for (const records of [`${optWith(cookie)} ${a}`, `${a} ${optWith(cookie)}`]) {
    const packet = octets(`${header('0100', '0000 0000 0002')} ${question} ${records}`)
    t.equal(query.decode(packet, packet.length), verdicts.other)
    t.equal(decodeOther(query, packet, packet.length), verdicts.ok)
    const { cookieAt, cookieLength } = query.options
    t.equal(
      Buffer.from(packet.subarray(cookieAt, cookieAt + cookieLength)).toString('hex'),
      '0102030405060708',
    )
  }
})

t.test('keeps no option of a message that is malformed behind its OPT', async (t) => {
  const query = new Query()
  for (const record of [a.slice(0, -2), opt, 'c0']) {
    const packet = octets(`${header('0100', '0000 0000 0002')} ${question} ${optWith(cookie)} ${record}`)
    t.equal(query.decode(packet, packet.length), verdicts.other)
    t.equal(decodeOther(query, packet, packet.length), verdicts.formerr)
    // It has one in its response nevertheless (RFC 6891 section 7).
    t.match(query, { edns: true, options: { cookieAt: 0 } })
  }
})

t.test('as many records as a message can hold', async (t) => {
  const records = Array.from({ length: 5461 }, () => octets(`c00c 0001 0001 00000000 0000`))
  const counts = `0000 0000 ${records.length.toString(16)}`
  const packet = Buffer.concat([octets(`${header('0100', counts)} ${question}`), ...records])
  const query = new Query()
  query.decode(packet, packet.length)
  t.equal(decodeOther(query, packet, packet.length), verdicts.ok)
  t.equal(decodeOther(query, packet, packet.length - 1), verdicts.formerr)
})

t.test('takes what dns-packet writes', async () => {
  const name = fc.constantFrom('.', 'www.test', 'a.b.c.example', `${'x'.repeat(63)}.test`)
  const record = fc.oneof(
    name.map((name): Answer => ({ name, type: 'A', ttl: 1, data: '192.0.2.1' })),
    name.map((name): Answer => ({ name, type: 'MX', ttl: 1, data: { preference: 1, exchange: name } })),
    name.map((name): Answer => ({ name, type: 'TXT', data: 'text' })),
  )
  const list = fc.array(record, { maxLength: 4 })
  const query = new Query()
  fc.assert(
    fc.property(name, list, list, list, fc.boolean(), (name, answers, authorities, additionals, edns) => {
      const opt: Answer = {
        name: '.',
        type: 'OPT',
        udpPayloadSize: 1400,
        flags: 0x8000,
        options: [],
      } as never
      const packet = encode({
        questions: [{ name, type: 'A' }],
        answers,
        authorities,
        additionals: edns ? [...additionals, opt, ...additionals] : additionals,
      })
      const direct = query.decode(packet, packet.length)
      const verdict = direct === verdicts.other ? decodeOther(query, packet, packet.length) : direct
      return verdict === verdicts.ok && query.edns === edns && query.payload === (edns ? 1400 : 512)
    }),
  )
})

t.test('random records behind the question never throw', async () => {
  const query = new Query()
  const counts = fc.tuple(fc.nat(2), fc.nat(2), fc.nat(3))
  const part = fc.oneof(fc.constantFrom(opt, a, soa, tsig).map(octets), fc.uint8Array({ maxLength: 20 }))
  fc.assert(
    fc.property(counts, fc.array(part, { maxLength: 5 }), ([an, ns, ar], parts) => {
      const hex = [an, ns, ar].map((count) => `000${count}`).join('')
      const packet = Buffer.concat([octets(`${header('0100', hex)} ${question}`), ...parts])
      if (query.decode(packet, packet.length) !== verdicts.other) return true
      const verdict = decodeOther(query, packet, packet.length)
      return names.some(([, value]) => value === verdict)
    }),
    { numRuns: 2000 },
  )
})
