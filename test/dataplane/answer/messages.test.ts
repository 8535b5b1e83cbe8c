import t from 'tap'
import { ZoneCompiler } from '../../../src/dataplane/image/compile.ts'
import { compileDirectory } from '../../../src/dataplane/image/directory.ts'
import { only } from '../../../src/dataplane/image/serving-set.ts'
import {
  type EdnsFields,
  flagBits,
  optRecord,
  query,
  readResponse,
  u16Octets,
  wireName,
} from '../../support/dns-client.ts'
import type { ZoneText } from '../zone-text.ts'
import { essence, expected, Served } from './served.ts'

const texts = (count: number) =>
  Array.from({ length: count }, (_, i) => `big${count} 60 TXT ${String(i).padStart(100, 'x')}`)
const zone: ZoneText = {
  apex: 'example.test',
  lines: [
    'www 300 A 192.0.2.1',
    ...texts(4),
    ...texts(5),
    ...texts(10),
    ...texts(11),
    ...texts(600),
    'toobig 60 CNAME big600',
    ...Array.from({ length: 40 }, (_, i) => `sub 300 NS ns${i}.sub`),
    ...Array.from({ length: 40 }, (_, i) => `ns${i}.sub 300 A 192.0.2.${i}`),
    ...Array.from({ length: 20 }, (_, i) => `six 300 NS ns${i}.six`),
    ...Array.from({ length: 20 }, (_, i) => `ns${i}.six 300 AAAA 2001:db8::${i}`),
    ...Array.from({ length: 12 }, (_, i) => `mx 300 MX ${i} m${i}`),
    ...Array.from({ length: 12 }, (_, i) => `m${i} 300 AAAA 2001:db8::${i}`),
  ],
}
const www = ['www.example.test 300 A 192.0.2.1']
const served = (stream = false) => new Served([zone], [], { stream })

t.test('flags: RD and the opcode come back, all else is ours', async (t) => {
  const ask = (flags: number) => served().ask('www.example.test', 'A', { flags })
  t.equal(ask(0).flags, 'qr aa')
  t.equal(ask(flagBits.rd).flags, 'qr aa rd')
  t.equal(
    ask(flagBits.aa | flagBits.tc | flagBits.ra | flagBits.z | flagBits.ad | flagBits.cd).flags,
    'qr aa',
  )
  t.equal(ask(0x07ff).flags, 'qr aa rd')
  t.equal(ask(0x000f).rcode, 0, 'an rcode in the query is nothing')
  t.equal(served().ask('www.example.test', 'A', { id: 0xfffe }).id, 0xfffe)
  t.equal(served().ask('www.example.test', 'A', { id: 0 }).id, 0)
})

t.test('silence for what is too short or a response', async (t) => {
  const server = served()
  for (let length = 0; length < 12; length++)
    t.equal(server.respond(query('www.example.test', 'A'), length), null)
  t.equal(server.respond(query('www.example.test', 'A', { flags: flagBits.qr })), null)
  t.equal(server.respond(query('www.example.test', 'A', { flags: flagBits.qr, opcode: 5 })), null)
  t.same(server.counted(), { 'drop short': 12, 'drop response': 2 })
})

t.test('FORMERR with the question as far as it could be read', async (t) => {
  const good = query('www.example.test', 'A')
  const withCount = (at: number, count: number, tail: Uint8Array = Buffer.alloc(0)) => {
    const octets = Buffer.concat([good, tail])
    octets.writeUInt16BE(count, at)
    return octets
  }
  const table: [string, Buffer, string | null][] = [
    ['header alone', good.subarray(0, 12), null],
    ['no question', withCount(4, 0), null],
    ['two questions', withCount(4, 2, good.subarray(12)), null],
    ['a name that is cut', good.subarray(0, 20), null],
    ['a class that is cut', good.subarray(0, good.length - 1), null],
    ['a pointer in the question', query(Buffer.of(0xc0, 0x0c), 'A'), null],
    ['a label of 64', query(Buffer.concat([Buffer.of(64), Buffer.alloc(64, 'a'), Buffer.of(0)]), 'A'), null],
    [
      'a name of 256 octets',
      query(Buffer.concat([Buffer.from('01610162'.repeat(64), 'hex'), Buffer.of(0)]), 'A'),
      null,
    ],
    ['an OPT that is missing', withCount(10, 1), 'www.example.test IN A'],
    [
      'an OPT with an owner',
      withCount(10, 1, Buffer.concat([Buffer.of(1, 0x61), optRecord({})])),
      'www.example.test IN A',
    ],
    ['more answers than there are', withCount(6, 9), 'www.example.test IN A'],
  ]
  for (const [what, octets, question] of table) {
    const server = served()
    const response = server.exchange(octets)
    t.same(essence(response), expected({ flags: 'qr rd', rcode: 1 }), what)
    t.equal(response.question, question, what)
    t.same(server.counted(), { FORMERR: 1 })
  }
})

t.test('what is wrong with an OPT is FORMERR, with an OPT that echoes nothing', async (t) => {
  const a = Buffer.from('c00c000100010000000000', 'hex')
  const record = Buffer.concat([a, Buffer.from('04c0000201', 'hex')])
  const good = optRecord({ options: u16Octets(3, 0) })
  const overrun = optRecord({ options: u16Octets(3, 0, 65001, 5, 0) })
  const table: [string, Buffer[]][] = [
    ['an option that runs over', [overrun]],
    ['an option that runs over, behind a record', [record, overrun]],
    ['an option that runs over, in front of a record', [overrun, record]],
    ['a second OPT', [good, good]],
    ['a record that is cut', [good, a]],
  ]
  for (const [what, records] of table) {
    const server = new Served([zone], [], { settings: { nsid: Buffer.from('node-1') } })
    const octets = Buffer.concat([query('www.example.test', 'A'), ...records])
    octets.writeUInt16BE(records.length, 10)
    const response = server.respond(octets)!
    const edns = { payload: 1232, version: 0, flags: 0 }
    t.same(essence(readResponse(response)), expected({ flags: 'qr rd', rcode: 1, edns }), what)
    t.notOk(response.includes('node-1'), what)
  }
})

t.test('options count wherever the OPT stands', async (t) => {
  const server = new Served([zone], [], { settings: { nsid: Buffer.from('node-1') } })
  const record = Buffer.from('c00c00010001000000000004c0000201', 'hex')
  const octets = Buffer.concat([
    query('www.example.test', 'A'),
    record,
    optRecord({ options: u16Octets(3, 0) }),
  ])
  octets.writeUInt16BE(2, 10)
  t.ok(server.respond(octets)!.includes('node-1'))
})

t.test('NOTIMP for opcodes that we do not have, also for a header alone', async (t) => {
  for (const opcode of [1, 2, 3, 5, 6, 15]) {
    const server = served()
    const whole = server.ask('www.example.test', 'A', { opcode, edns: {} })
    t.same(essence(whole), expected({ flags: 'qr', rcode: 4 }))
    t.equal(whole.opcode, opcode)
    const bare = server.exchange(query('.', 'A', { opcode }).subarray(0, 12))
    t.match(bare, { opcode, rcode: 4, question: null })
    t.same(server.counted(), { NOTIMP: 2 })
  }
})

/** TSIG by a key: HMAC-SHA256, a time, a fudge of 300, a MAC of two octets, ID 0x1234. */
function signedWith(owner: Uint8Array, algorithm = wireName('hmac-sha256')): Buffer {
  const fields = [...u16Octets(0, 0x65, 0x4321, 300, 2, 0xbeef, 0x1234, 0, 0)]
  const tsig = [...owner, ...u16Octets(250, 255, 0, 0, algorithm.length + 18), ...algorithm, ...fields]
  const signed = Buffer.concat([query('www.example.test', 'A', { id: 0x1234 }), Buffer.from(tsig)])
  signed.writeUInt16BE(1, 10)
  return signed
}

t.test('a key that we do not have is BADKEY in an unsigned TSIG, the last record', async (t) => {
  const plain = [...wireName('key'), ...u16Octets(250, 255, 0, 0, 29), ...wireName('hmac-sha256')]
  const end = [...plain, ...u16Octets(0, 0x65, 0x4321, 300, 0, 0x1234, 17, 0)]
  for (const stream of [false, true]) {
    const response = served(stream).respond(signedWith(wireName('key')))!
    t.same([...response.subarray(-end.length)], end)
  }
  // Names of keys are compressed, too: this one is the question's, without its first label.
  const response = served().respond(signedWith(Uint8Array.of(0xc0, 16)))!
  t.ok(response.includes(Buffer.from([...wireName('example.test'), ...u16Octets(250, 255)])))
  const longest = wireName(`${`${'x'.repeat(63)}.`.repeat(3)}${'x'.repeat(61)}`)
  const long = served().respond(signedWith(longest, longest))!
  t.match([long[3]! & 15, long[11], long.length], [9, 0, 34], 'what does not fit is left out')
})

t.test('NOTIFY is refused and a signed query is NOTAUTH', async (t) => {
  const server = served()
  const notify = server.ask('example.test', 'SOA', { opcode: 4, flags: flagBits.aa })
  t.match(notify, { opcode: 4, flags: 'qr', rcode: 5, question: 'example.test IN SOA' })
  const response = server.respond(signedWith(wireName('key')))!
  t.match([response[3]! & 15, response[11]], [9, 1])
  t.same(server.counted(), { REFUSED: 1, NOTAUTH: 1 })
})

t.test('a query with other records is answered', async (t) => {
  const record = Buffer.concat([
    wireName('www.example.test'),
    u16Octets(1, 1, 0, 0, 4),
    Buffer.of(1, 2, 3, 4),
  ])
  const octets = Buffer.concat([query('www.example.test', 'A'), record, optRecord({ flags: 0x8000 })])
  octets.writeUInt16BE(2, 10)
  t.same(
    essence(served().exchange(octets)),
    expected({ answer: www, edns: { payload: 1232, version: 0, flags: 0x8000 } }),
  )
  const garbage = Buffer.concat([query('www.example.test', 'A'), Buffer.alloc(600, 0xff)])
  t.same(
    essence(served().exchange(garbage)),
    expected({ answer: www }),
    'what follows the message is ignored',
  )
})

t.test('an OPT of a query is answered with one of ours (RFC 6891)', async (t) => {
  const ask = (edns: EdnsFields) => essence(served().ask('www.example.test', 'A', { edns }))
  const opt = { payload: 1232, version: 0, flags: 0 }
  const options = Buffer.concat([u16Octets(65001, 3), Buffer.from('abc')])
  t.same(ask({}), expected({ answer: www, edns: opt }))
  t.same(ask({ flags: 0x8000 }), expected({ answer: www, edns: { ...opt, flags: 0x8000 } }), 'DO is echoed')
  t.same(ask({ flags: 0x7fff }), expected({ answer: www, edns: opt }), 'unknown flags are not')
  t.same(ask({ options }), expected({ answer: www, edns: opt }), 'unknown options are ignored')
  t.same(ask({ extendedRcode: 255 }), expected({ answer: www, edns: opt }))
  const badvers = expected({ flags: 'qr rd', rcode: 16, edns: opt })
  t.same(ask({ version: 1 }), badvers)
  t.same(ask({ version: 255, flags: 0x7fff, options }), badvers)
  t.same(ask({ version: 1, flags: 0x8000 }), { ...badvers, edns: { ...opt, flags: 0x8000 } })
  const server = served()
  server.ask('www.example.test', 'A', { edns: { version: 1 } })
  t.same(server.counted(), { BADVERS: 1 })
  // Errors carry an OPT as well.
  t.match(served().ask('example.net', 'A', { edns: {} }), { rcode: 5, edns: opt })
  t.match(served().ask('nowhere.example.test', 'A', { edns: {} }), { rcode: 3, edns: opt })
})

t.test('no response is longer than the client can take', async (t) => {
  // An RR of `texts` takes 12 + 101 octets, header and question 35 or 36, the OPT 11.
  const table: [string, EdnsFields | undefined, boolean][] = [
    ['big4', undefined, true], // 486
    ['big5', undefined, false], // 599
    ['big4', { payload: 0 }, true],
    ['big5', { payload: 512 }, false],
    ['big5', { payload: 35 + 5 * 113 + 10 }, false],
    ['big5', { payload: 35 + 5 * 113 + 11 }, true],
    ['big10', { payload: 1232 }, true], // 1176
    ['big11', { payload: 1232 }, false], // 1289
    ['big11', { payload: 4096 }, false],
    ['big11', { payload: 65535 }, false],
  ]
  for (const [label, edns, whole] of table) {
    const what = `${label} ${JSON.stringify(edns)}`
    const name = `${label}.example.test`
    const server = served()
    const response = server.ask(name, 'TXT', edns === undefined ? {} : { edns })
    if (whole) t.match(response, { flags: 'qr aa rd', rcode: 0 }, what)
    else {
      const opt = edns === undefined ? null : { payload: 1232, version: 0, flags: 0 }
      t.same(essence(response), expected({ flags: 'qr aa tc rd', edns: opt }), what)
    }
    t.equal(response.answer.length, whole ? Number(label.slice(3)) : 0, what)
    t.ok(response.length <= Math.max(512, Math.min(edns?.payload ?? 0, 1232)), what)
    t.same(server.counted(), { 'ipv4 TXT': 1, NOERROR: 1 })
  }
})

t.test('a stream carries up to 65,535 octets', async (t) => {
  const server = served(true)
  t.equal(server.ask('big11.example.test', 'TXT').answer.length, 11)
  t.equal(server.ask('big11.example.test', 'TXT', { edns: { payload: 512 } }).answer.length, 11)
  t.same(essence(server.ask('big600.example.test', 'TXT')), expected({ flags: 'qr aa tc rd' }))
  const alias = 'toobig.example.test 60 CNAME big600.example.test'
  t.same(essence(server.ask('toobig.example.test', 'TXT')), expected({ flags: 'qr aa rd', answer: [alias] }))
  t.equal(server.ask('sub.example.test', 'A').additional.length, 40)
})

t.test('truncated: a referral whose NS or glue does not fit', async (t) => {
  const truncated = expected({ flags: 'qr tc rd' })
  t.same(essence(served().ask('x.sub.example.test', 'A')), truncated, 'NS')
  t.same(essence(served().ask('x.six.example.test', 'A')), truncated, 'glue')
  const edns = { payload: 1232, version: 0, flags: 0 }
  t.same(essence(served().ask('x.sub.example.test', 'A', { edns: {} })), { ...truncated, edns })
})

t.test('not truncated: the courtesy behind MX, which goes as far as it fits', async (t) => {
  const { flags, answer, additional } = served().ask('mx.example.test', 'MX')
  t.equal(flags, 'qr aa rd')
  t.equal(answer.length, 12)
  t.ok(additional.length > 0 && additional.length < 12, `${additional.length} addresses`)
})

t.test('the courtesy ends where a pointer can not reach, and only for what lies behind', async (t) => {
  const count = 600
  const numbers = Array.from({ length: count }, (_, i) => i)
  const server = new Served(
    [
      {
        apex: 'example.test',
        lines: [
          ...numbers.map((i) => `_s 300 SRV 1 2 ${i} host${i}`),
          ...numbers.map((i) => `host${i} 300 A 192.0.${i >> 8}.${i & 255}`),
        ],
      },
    ],
    [],
    { stream: true },
  )
  const { flags, answer, additional, length } = server.ask('_s.example.test', 'SRV')
  t.same([flags, answer.length], ['qr aa rd', count])
  t.ok(length > 0x3fff + 1000)
  t.ok(additional.length > 300 && additional.length < count, `${additional.length} addresses`)
  t.same(
    additional,
    numbers.slice(0, additional.length).map((i) => `host${i}.example.test 300 A 192.0.${i >> 8}.${i & 255}`),
  )
})

t.test('truncated: a CNAME, its target, or a negative answer that does not fit', async (t) => {
  const label = (char: string) => char.repeat(63)
  const long = `${label('a')}.${label('b')}.${label('c')}.${'d'.repeat(45)}`
  const away = `${label('e')}.${label('f')}.${label('g')}.${'h'.repeat(45)}.`
  const server = new Served([
    {
      apex: 'example.test',
      lines: [
        `${long} 60 CNAME ${away}`,
        `x 60 CNAME ${long}`,
        'y 60 CNAME big',
        ...texts(5).map((line) => line.replace('big5', 'big')),
      ],
    },
  ])
  const truncated = expected({ flags: 'qr aa tc rd' })
  t.same(essence(server.ask(`${long}.example.test`, 'A')), truncated)
  t.same(essence(server.ask('x.example.test', 'A')), truncated)
  t.same(essence(server.ask('y.example.test', 'TXT')), truncated)
})

t.test('a negative answer whose SOA does not fit', async (t) => {
  const apex = wireName('example.test')
  const long = (char: string) =>
    Buffer.concat([
      ...Array.from({ length: 3 }, () => Buffer.concat([Buffer.of(63), Buffer.alloc(63, char)])),
      Buffer.of(0),
    ])
  const compiler = new ZoneCompiler(apex, {
    rdata: Buffer.concat([long('a'), long('b'), Buffer.alloc(20)]),
    ttlSeconds: 60,
  })
  const server = new Served([])
  server.state.apply({
    generation: 2,
    directory: only(compileDirectory(new Map([[0, apex]]))),
    zones: [[0, compiler.finish()]],
  })
  const name = `${'x'.repeat(63)}.${'y'.repeat(63)}.example.test`
  t.same(essence(server.ask(name, 'A')), expected({ flags: 'qr aa tc rd', rcode: 3 }))
  t.match(server.ask(name, 'A', { edns: {} }), { flags: 'qr aa rd', rcode: 3, authority: [/SOA/] })
})

t.test('a request that is as long as a datagram can be', async (t) => {
  const octets = Buffer.concat([query('www.example.test', 'A'), Buffer.alloc(65_000)])
  t.same(readResponse(served().respond(octets)!).answer, www)
})
