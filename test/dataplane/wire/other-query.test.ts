import fc from 'fast-check'
import t from 'tap'
import { decodeOther, otherVerdicts } from '../../../src/dataplane/wire/other-query.ts'
import { Query, verdicts } from '../../../src/dataplane/wire/query.ts'
import { u16Octets } from '../../support/dns-client.ts'

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

t.test('what would be slow to read is refused', async (t) => {
  // One record whose RDATA is a chain of pointers, and many whose owner is the end of that chain.
  const start = 12 + 5 + 11
  const links = 5000
  const chain = Buffer.concat(
    Array.from({ length: links }, (_, i) => u16Octets(0xc000 | (i === 0 ? 12 : start + 2 * i - 2))),
  )
  const first = Buffer.concat([octets('00 ff00 0001 00000000'), u16Octets(chain.length), chain])
  const others = Array.from({ length: 4000 }, () =>
    Buffer.concat([u16Octets(0xc000 | (start + 2 * links - 2)), octets('ff00 0001 00000000 0000')]),
  )
  const counts = `0000 0000 ${(others.length + 1).toString(16).padStart(4, '0')}`
  const packet = Buffer.concat([octets(`${header('0100', counts)} 00 0001 0001`), first, ...others])
  const query = new Query()
  t.equal(query.decode(packet, packet.length), verdicts.other)
  const startMs = performance.now()
  t.equal(decodeOther(query, packet, packet.length), verdicts.formerr)
  t.ok(performance.now() - startMs < 5)
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
