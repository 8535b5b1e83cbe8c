import { type Answer, encode } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import { formatRdata, nameFields, parseRdata, rrTypes } from '../../../src/dataplane/wire/rdata.ts'
import { TextError } from '../../../src/dataplane/wire/text-error.ts'
import { anyName, hostName } from './arbitrary-names.ts'

const origin = parseName('example.test.')
const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')

/** RDATA of one RR as dns-packet encodes it: what stands behind root owner, type, class, TTL and length. */
function oracle(type: string, data: unknown): string {
  const message = encode({ type: 'response', answers: [{ type, name: '.', data } as Answer] })
  return hex(message.subarray(12 + 11))
}

t.test('wire form is what dns-packet makes of the same data', async (t) => {
  const table: [string, string, unknown][] = [
    ['A', '192.0.2.1', '192.0.2.1'],
    ['AAAA', '2001:db8::A', '2001:db8::a'],
    ['NS', 'ns1.example.net.', 'ns1.example.net'],
    ['NS', 'ns1', 'ns1.example.test'],
    ['CNAME', '@', 'example.test'],
    ['PTR', '.', '.'],
    ['MX', '10 mail', { preference: 10, exchange: 'mail.example.test' }],
    ['MX', '0 .', { preference: 0, exchange: '.' }],
    [
      'SOA',
      'ns1 hostmaster 4294967295 3600 600 86400 0',
      {
        mname: 'ns1.example.test',
        rname: 'hostmaster.example.test',
        serial: 4294967295,
        refresh: 3600,
        retry: 600,
        expire: 86400,
        minimum: 0,
      },
    ],
    ['TXT', 'one "two words" ""', ['one', 'two words', '']],
    ['TXT', '\\"\\\\\\065 "a;b"', ['"\\A', 'a;b']],
    [
      'SRV',
      '1 65535 443 sip.example.net.',
      { priority: 1, weight: 65535, port: 443, target: 'sip.example.net' },
    ],
    ['CAA', '0 issue "ca.example.net"', { flags: 0, tag: 'issue', value: 'ca.example.net' }],
    ['CAA', '128 IODEF mailto:a@example.net', { flags: 128, tag: 'iodef', value: 'mailto:a@example.net' }],
  ]
  for (const [type, text, data] of table) {
    t.equal(hex(parseRdata(type, text, origin)), oracle(type, data), `${type} ${text}`)
  }
})

t.test('text comes out in canonical form', async (t) => {
  const table: [string, string, string][] = [
    ['A', ' 192.0.2.1\t', '192.0.2.1'],
    ['AAAA', '2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['NS', 'Ns1', 'Ns1.example.test.'],
    ['MX', '010 mail', '10 mail.example.test.'],
    ['TXT', 'a "b c" d\\059 \\"', '"a" "b c" "d;" "\\""'],
    ['TXT', '"\\200\\007"', '"\\200\\007"'],
    ['SRV', '0 0 0 .', '0 0 0 .'],
    ['CAA', '0 Issue ca', '0 issue "ca"'],
    ['CAA', '0 issue ""', '0 issue ""'],
  ]
  for (const [type, text, canonical] of table) {
    t.equal(formatRdata(rrTypes.get(type)!, parseRdata(type, text, origin)), canonical, `${type} ${text}`)
  }
})

t.test('an error names the type and the field', async (t) => {
  const long = 'x'.repeat(256)
  const soa = ['ns1', 'hostmaster', '1', '2', '3', '4', '5']
  const soaWith = (field: number, text: string) => soa.with(field, text).join(' ')
  const notU32 = 'is not a number from 0 to 4294967295'
  const notPeriod = `${notU32} or a time such as 1h30m`
  const table: [string, string, string][] = [
    ['A', '', 'A address: is missing'],
    ['A', '192.0.2', 'A address: "192.0.2" is not an IPv4 address'],
    ['A', '2001:db8::1', 'A address: "2001:db8::1" is not an IPv4 address'],
    ['A', '192.0.2.1 x', 'A: "x" is one field too many'],
    ['A', '"192.0.2.1', 'a quote is not closed'],
    ['AAAA', '', 'AAAA address: is missing'],
    ['AAAA', '192.0.2.1', 'AAAA address: "192.0.2.1" is not an IPv6 address'],
    ['NS', '', 'NS nsdname: is missing'],
    ['NS', 'a..b', 'NS nsdname: name "a..b" has an empty label'],
    ['CNAME', '', 'CNAME cname: is missing'],
    ['CNAME', '""', 'CNAME cname: a name is missing'],
    ['PTR', '', 'PTR ptrdname: is missing'],
    ['PTR', 'a b', 'PTR: "b" is one field too many'],
    ['MX', '', 'MX preference: is missing'],
    ['MX', 'mail', 'MX preference: "mail" is not a number from 0 to 65535'],
    ['MX', '65536 mail', 'MX preference: "65536" is not a number from 0 to 65535'],
    ['MX', '-1 mail', 'MX preference: "-1" is not a number from 0 to 65535'],
    ['MX', '1e1 mail', 'MX preference: "1e1" is not a number from 0 to 65535'],
    ['MX', '10', 'MX exchange: is missing'],
    [
      'MX',
      '10 é',
      'MX exchange: "é" has a character outside of ASCII; names of hosts are written as xn--..., other octets as \\DDD',
    ],
    ['SOA', '', 'SOA mname: is missing'],
    ['SOA', 'ns1', 'SOA rname: is missing'],
    ['SOA', 'ns1 hostmaster', 'SOA serial: is missing'],
    ['SOA', soaWith(2, '4294967296'), `SOA serial: "4294967296" ${notU32}`],
    ['SOA', soaWith(3, '1y'), `SOA refresh: "1y" ${notPeriod}`],
    ['SOA', soaWith(4, ''), 'SOA minimum: is missing'],
    ['SOA', soaWith(4, 'x'), `SOA retry: "x" ${notPeriod}`],
    ['SOA', soaWith(5, '0x10'), `SOA expire: "0x10" ${notPeriod}`],
    ['SOA', soaWith(6, '99999999999'), `SOA minimum: "99999999999" ${notPeriod}`],
    ['TXT', '', 'TXT strings: is missing'],
    ['TXT', `a ${long}`, 'TXT strings: is a string longer than 255 octets'],
    [
      'TXT',
      'é',
      'TXT strings: "é" has a character outside of ASCII; names of hosts are written as xn--..., other octets as \\DDD',
    ],
    ['TXT', '"\\300"', 'TXT strings: "\\300" has the escape \\300, above \\255'],
    ['SRV', 'x', 'SRV priority: "x" is not a number from 0 to 65535'],
    ['SRV', '1 x', 'SRV weight: "x" is not a number from 0 to 65535'],
    ['SRV', '1 2 x', 'SRV port: "x" is not a number from 0 to 65535'],
    ['SRV', '1 2 3', 'SRV target: is missing'],
    ['CAA', '256 issue ca', 'CAA flags: "256" is not a number from 0 to 255'],
    ['CAA', '0', 'CAA tag: is missing'],
    ['CAA', '0 a-b ca', 'CAA tag: "a-b" is not letters and digits'],
    ['CAA', '0 "" ca', 'CAA tag: "" is not letters and digits'],
    ['CAA', `0 ${long} ca`, `CAA tag: "${long}" is not letters and digits`],
    ['CAA', '0 issue', 'CAA value: is missing'],
    ['CAA', '0 issue ca example', 'CAA: "example" is one field too many'],
    [
      'alias',
      'x.',
      'type alias is not known; what it does, a service does whose pool has the host as a member',
    ],
    ['toString', '', 'type toString is not known; one without a name here is written TYPE123'],
  ]
  for (const [type, text, message] of table) {
    t.throws(() => parseRdata(type, text, origin), new TextError(message), `${type} ${text.slice(0, 40)}`)
  }
})

t.test('RDATA that no message can hold is refused', async (t) => {
  const text = `"${'x'.repeat(255)}" `
  t.equal(parseRdata('TXT', text.repeat(255), origin).length, 255 * 256)
  t.throws(
    () => parseRdata('TXT', text.repeat(256), origin),
    new TextError('TXT: RDATA is longer than 65535 octets'),
  )
})

t.test('what is not a text error passes through', async (t) => {
  // A programming error, such as a missing origin, must not be blamed on the text.
  t.throws(() => parseRdata('NS', 'www', null as unknown as Uint8Array), TypeError)
})

t.test('octets that are not RDATA of the type name the field', async (t) => {
  const table: [string, string, string][] = [
    ['A', 'c00002', 'A address: the octets are malformed'],
    ['A', 'c000020100', 'A: 1 octets too many'],
    ['AAAA', '00', 'AAAA address: the octets are malformed'],
    ['NS', '', 'NS nsdname: the octets are malformed'],
    ['NS', '0361', 'NS nsdname: the octets are malformed'],
    ['NS', 'c00c', 'NS nsdname: the octets are malformed'],
    ['NS', '0100'.repeat(128).concat('00'), 'NS nsdname: the octets are malformed'],
    ['MX', '00', 'MX preference: the octets are malformed'],
    ['MX', '000a', 'MX exchange: the octets are malformed'],
    ['TXT', '', 'TXT strings: the octets are malformed'],
    ['TXT', '0161ff', 'TXT strings: the octets are malformed'],
    ['SOA', '000000000001', 'SOA refresh: the octets are malformed'],
    ['CAA', '00', 'CAA tag: the octets are malformed'],
    ['CAA', '00056973', 'CAA tag: the octets are malformed'],
  ]
  for (const [type, octets, message] of table) {
    const rdata = Uint8Array.from(Buffer.from(octets, 'hex'))
    t.throws(
      () => formatRdata(rrTypes.get(type)!, rdata),
      new TextError(message),
      `${type} ${octets.slice(0, 40)}`,
    )
  }
})

t.test('names inside RDATA', async (t) => {
  const fields = (type: string, text: string) =>
    nameFields(rrTypes.get(type)!, parseRdata(type, text, origin))
  t.same(fields('MX', '10 .'), [{ offset: 2, length: 1, compressible: true }])
  t.same(fields('SRV', '1 2 3 a.'), [{ offset: 6, length: 3, compressible: false }])
  t.same(fields('SOA', 'a. b.c. 1 2 3 4 5'), [
    { offset: 0, length: 3, compressible: true },
    { offset: 3, length: 5, compressible: true },
  ])
  t.same(fields('TXT', 'www.example.test.'), [])
  t.same(nameFields(65280, Uint8Array.of(3, 1, 2)), [])
})

/** Wire form of each type's RDATA, from random fields. */
const u16 = fc.uint8Array({ minLength: 2, maxLength: 2 })
const u32 = fc.uint8Array({ minLength: 4, maxLength: 4 })
const string = fc.uint8Array({ maxLength: 255 }).map((octets) => Uint8Array.from([octets.length, ...octets]))
const tag = fc
  .stringMatching(/^[a-z0-9]{1,20}$/)
  .map((text) => Uint8Array.from([text.length, ...Buffer.from(text)]))
const rdata: Record<string, fc.Arbitrary<Uint8Array>[]> = {
  A: [u32],
  NS: [anyName],
  CNAME: [anyName],
  SOA: [anyName, anyName, u32, u32, u32, u32, u32],
  PTR: [anyName],
  MX: [u16, anyName],
  TXT: [
    fc.array(string, { minLength: 1, maxLength: 5 }).map((parts) => Uint8Array.from(Buffer.concat(parts))),
  ],
  AAAA: [u32, u32, u32, u32],
  SRV: [u16, u16, u16, anyName],
  CAA: [fc.uint8Array({ minLength: 1, maxLength: 1 }), tag, fc.uint8Array({ maxLength: 300 })],
}

t.test('wire -> text -> wire, for every type', async () => {
  for (const [type, fields] of Object.entries(rdata)) {
    fc.assert(
      fc.property(fc.tuple(...fields), (parts) => {
        const octets = Buffer.concat(parts)
        const text = formatRdata(rrTypes.get(type)!, octets)
        return /^[\x20-\x7e]*$/.test(text) && octets.equals(parseRdata(type, text, origin))
      }),
    )
  }
})

t.test('text of ordinary names -> wire, as dns-packet has it', async () => {
  fc.assert(
    fc.property(hostName, fc.nat(0xffff), fc.nat(0xffff), fc.nat(0xffff), (name, a, b, c) => {
      const srv = hex(parseRdata('SRV', `${a} ${b} ${c} ${name}.`, origin))
      const mx = hex(parseRdata('MX', `${a} ${name}.`, origin))
      return (
        srv === oracle('SRV', { priority: a, weight: b, port: c, target: name }) &&
        mx === oracle('MX', { preference: a, exchange: name })
      )
    }),
  )
})

t.test('random text is parsed or refused with a TextError', async () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom(...' \t"\\.@a1é0255\n;') }))
  fc.assert(
    fc.property(fc.constantFrom(...rrTypes.keys()), text, (type, source) => {
      try {
        const octets = parseRdata(type, source, origin)
        return Buffer.from(octets).equals(parseRdata(type, formatRdata(rrTypes.get(type)!, octets), origin))
      } catch (error) {
        if (!(error instanceof TextError)) throw error
        return true
      }
    }),
    { numRuns: 3000 },
  )
})

t.test('random octets are formatted or refused with a TextError', async () => {
  fc.assert(
    fc.property(fc.constantFrom(...rrTypes.values()), fc.uint8Array({ maxLength: 40 }), (type, octets) => {
      try {
        formatRdata(type, octets)
        nameFields(type, octets)
      } catch (error) {
        if (!(error instanceof TextError)) throw error
      }
    }),
    { numRuns: 3000 },
  )
})
