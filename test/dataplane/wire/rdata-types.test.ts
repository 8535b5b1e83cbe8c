import { type Answer, decode, encode } from 'dns-packet'
import fc from 'fast-check'
import t from 'tap'
import { parseName } from '../../../src/dataplane/wire/name.ts'
import {
  doubtedTypes,
  formatRdata,
  nameFields,
  parseRdata,
  parseType,
  rdataDoubt,
  rrTypes,
  typeName,
} from '../../../src/dataplane/wire/rdata.ts'
import { TextError } from '../../../src/dataplane/wire/text-error.ts'
import { anyRdata } from './arbitrary-rdata.ts'
import { rdataExamples } from './rdata-examples.ts'

const origin = parseName('example.test.')
const hex = (octets: Uint8Array) => Buffer.from(octets).toString('hex')
const opaque = (octets: string) => `\\# ${octets.length / 2} ${octets}`

t.test('text, octets and canonical text of every type', async (t) => {
  for (const { type, text, canonical, octets } of rdataExamples) {
    const number = parseType(type)
    const label = `${type} ${text.slice(0, 60)}`
    t.equal(hex(parseRdata(type, text, origin)), octets, label)
    t.equal(hex(parseRdata(type.toLowerCase(), text, origin)), octets, `${label}, in lower case`)
    t.equal(formatRdata(number, Buffer.from(octets, 'hex')), canonical, `${label}, canonical`)
    t.equal(hex(parseRdata(type, canonical, origin)), octets, `${label}, canonical text taken back`)
    t.equal(hex(parseRdata(`TYPE${number}`, opaque(octets), origin)), octets, `${label}, RFC 3597`)
  }
})

t.test('octets as dns-packet reads and writes them', async (t) => {
  // The types that it has a codec for; it takes the others as octets.
  const known =
    'A NS CNAME SOA PTR HINFO MX TXT RP AAAA SRV NAPTR DNAME DS SSHFP RRSIG NSEC DNSKEY NSEC3 TLSA CAA'
  for (const type of known.split(' ')) {
    for (const { octets, text } of rdataExamples.filter((example) => example.type === type)) {
      const rdata = Buffer.from(octets, 'hex')
      const head = Buffer.from('000000008000000000010000000000', 'hex').subarray(2, 14)
      head.writeUInt16BE(1, 6)
      const rr = Buffer.alloc(11)
      rr.writeUInt16BE(parseType(type), 1)
      rr.writeUInt16BE(1, 3)
      rr.writeUInt16BE(rdata.length, 9)
      const answers = decode(Buffer.concat([head, rr, rdata])).answers as Answer[]
      t.equal(answers[0]?.type, type)
      t.equal(
        encode({ type: 'response', answers })
          .subarray(12 + 11)
          .toString('hex'),
        octets,
        `${type} ${text}`,
      )
    }
  }
})

t.test('types by name and number', async (t) => {
  const table: [string, number, string][] = [
    ['A', 1, 'A'],
    ['aaaa', 28, 'AAAA'],
    ['type1', 1, 'A'],
    ['TYPE65', 65, 'HTTPS'],
    ['TYPE65280', 65280, 'TYPE65280'],
    ['TYPE65534', 65534, 'TYPE65534'],
    ['CAA', 257, 'CAA'],
  ]
  for (const [text, number, name] of table) {
    t.equal(parseType(text), number)
    t.equal(typeName(number), name)
  }
  for (const [name, number] of rrTypes) {
    t.equal(parseType(name), number)
    t.equal(typeName(number), name)
  }
  const refused = 'OPT TSIG TKEY IXFR AXFR ANY * MAILA MAILB NXNAME TYPE0 TYPE41 TYPE128 TYPE255 TYPE65535'
  for (const text of refused.split(' ')) {
    t.throws(() => parseType(text), new TextError(`type ${text} stands for no data, so no RRset has it`))
    t.throws(() => parseRdata(text, '\\# 0', origin), TextError)
  }
  for (const text of ['', 'NOPE', 'TYPE', 'TYPE01', 'TYPE65536', 'TYPE1x', 'toString', '1']) {
    t.throws(
      () => parseType(text),
      new TextError(`type ${text} is not known; one without a name here is written TYPE123`),
    )
  }
})

t.test('RDATA in the form of RFC 3597 is refused unless its length and its octets fit', async (t) => {
  const table: [string, string, string][] = [
    ['TYPE65280', '10', 'TYPE65280: must be written \\# length hexadecimal'],
    ['TYPE65280', '', 'TYPE65280: must be written \\# length hexadecimal'],
    ['TYPE65280', '"\\#" 0', 'TYPE65280: must be written \\# length hexadecimal'],
    ['TYPE65280', '\\#', 'TYPE65280: is missing'],
    ['TYPE65280', '\\# x', 'TYPE65280: "x" is not a length'],
    ['TYPE65280', '\\# 2 00', 'TYPE65280: the length is 2, and 1 octets stand there'],
    ['TYPE65280', '\\# 1', 'TYPE65280: the length is 1, and 0 octets stand there'],
    ['TYPE65280', '\\# 1 0', 'TYPE65280: is not pairs of hexadecimal digits'],
    ['TYPE65280', '\\# 1 0g', 'TYPE65280: is not pairs of hexadecimal digits'],
    ['A', '\\# 3 000000', 'A address: the octets are malformed'],
    ['A', '\\# 5 0000000000', 'A: 1 octets too many'],
    ['NS', '\\# 2 C00C', 'NS nsdname: the octets are malformed'],
    ['SVCB', '\\# 7 00000000030000', 'SVCB params: the octets are malformed'],
  ]
  for (const [type, text, message] of table) {
    t.throws(() => parseRdata(type, text, origin), new TextError(message), `${type} ${text}`)
  }
  t.equal(formatRdata(65280, Uint8Array.of()), '\\# 0')
  t.equal(formatRdata(65280, Uint8Array.of(1, 255)), '\\# 2 01FF')
  t.equal(formatRdata(42, Uint8Array.of()), '\\# 0', 'an APL without items')
  t.equal(hex(parseRdata('APL', '\\# 0', origin)), '')
  t.equal(hex(parseRdata('TXT', '"\\#" 0', origin)), '01230130', 'a quoted "\\#" is a string')
  t.equal(hex(parseRdata('CAA', '\\# 7 000549535355 45', origin)), '00056973737565', 'in the canonical form')
})

t.test('words that stand for numbers', async (t) => {
  const table: [string, string, string][] = [
    ['SOA', 'a. b. 1 1W1D 2h30M 90s 4294967295', 'a. b. 1 691200 9000 90 4294967295'],
    [
      'RRSIG',
      'type65280 ed25519 2 1d 1234567890 20380119031408 1 . AA==',
      'TYPE65280 15 2 86400 20090213233130 20380119031408 1 . AA==',
    ],
    ['RRSIG', 'a 13 2 60 21060207062815 0 1 . AA==', 'A 13 2 60 21060207062815 19700101000000 1 . AA=='],
    ['DNSKEY', '257 3 rsasha1-nsec3-sha1 AA ==', '257 3 7 AA=='],
    ['CERT', 'oid 0 privateoid AAEC', '254 0 254 AAEC'],
    ['NSEC', 'a. TYPE65280 type1 AAAA aaaa', 'a. A AAAA TYPE65280'],
  ]
  for (const [type, text, canonical] of table) {
    t.equal(formatRdata(parseType(type), parseRdata(type, text, origin)), canonical, `${type} ${text}`)
  }
})

t.test('an error names the type and the field', async (t) => {
  const table: [string, string, string][] = [
    ['HINFO', 'a', 'HINFO os: is missing'],
    ['HINFO', 'a b c', 'HINFO: "c" is one field too many'],
    ['HINFO', 'a="b" c', 'HINFO cpu: a quote stands inside a word'],
    ['MX', '1 a b="c"', 'MX: "b=c" is one field too many'],
    ['RP', 'a..b c', 'RP mbox: name "a..b" has an empty label'],
    ['NAPTR', '1 2 a b', 'NAPTR regexp: is missing'],
    ['NAPTR', `1 2 ${'a'.repeat(256)}`, 'NAPTR flags: is a string longer than 255 octets'],
    ['CERT', 'PKIXX 0 0 AAEC', 'CERT type: "PKIXX" is not a number from 0 to 65535'],
    ['CERT', 'PKIX 0 RSA AAEC', 'CERT algorithm: "RSA" is not a number from 0 to 255'],
    ['CERT', 'PKIX 0 0 AAE', 'CERT certificate: is not base64'],
    ['CERT', 'PKIX 0 0', 'CERT certificate: is missing'],
    ['DS', '1 toString 2 00', 'DS algorithm: "toString" is not a number from 0 to 255'],
    ['DS', '1 13 2 ABC', 'DS digest: is not pairs of hexadecimal digits'],
    ['DS', '1 13 2', 'DS digest: is missing'],
    ['DNSKEY', '257 3 13', 'DNSKEY publicKey: is missing'],
    ['DNSKEY', '257 3 13 A===', 'DNSKEY publicKey: is not base64'],
    ['DNSKEY', '257 3 13 AA==AA==', 'DNSKEY publicKey: is not base64'],
    [
      'EUI48',
      '00-00-5e-00-53',
      'EUI48 address: "00-00-5e-00-53" is not 6 pairs of hexadecimal digits with hyphens between them',
    ],
    [
      'EUI64',
      '00:00:5e:ef:10:00:00:2a',
      'EUI64 address: "00:00:5e:ef:10:00:00:2a" is not 8 pairs of hexadecimal digits with hyphens between them',
    ],
    [
      'L64',
      '10 2001:db8::1',
      'L64 locator: "2001:db8::1" is not four groups of hexadecimal digits with colons between them',
    ],
    ['URI', '10 1 ""', 'URI target: is empty'],
    ['CAA', '0 a-b c', 'CAA tag: "a-b" is not letters and digits'],
    [
      'SOA',
      'a b 1 1x 1 1 1',
      'SOA refresh: "1x" is not a number from 0 to 4294967295 or a time such as 1h30m',
    ],
    [
      'SOA',
      'a b 1 1h30 1 1 1',
      'SOA refresh: "1h30" is not a number from 0 to 4294967295 or a time such as 1h30m',
    ],
    [
      'SOA',
      'a b 1 9999999w 1 1 1',
      'SOA refresh: "9999999w" is not a number from 0 to 4294967295 or a time such as 1h30m',
    ],
    ['SOA', 'a b 1h 1 1 1 1', 'SOA serial: "1h" is not a number from 0 to 4294967295'],
    ['RRSIG', 'NOPE 13 1 60 1 1 1 . AA==', 'RRSIG covered: "NOPE" is not a type'],
    [
      'RRSIG',
      'A 13 1 60 20260230000000 1 1 . AA==',
      'RRSIG expiration: "20260230000000" is not a time such as 20260131235959',
    ],
    [
      'RRSIG',
      'A 13 1 60 21060207062816 1 1 . AA==',
      'RRSIG expiration: "21060207062816" is not a time such as 20260131235959',
    ],
    [
      'RRSIG',
      'A 13 1 60 19691231235959 1 1 . AA==',
      'RRSIG expiration: "19691231235959" is not a time such as 20260131235959',
    ],
    [
      'RRSIG',
      'A 13 1 60 4294967296 1 1 . AA==',
      'RRSIG expiration: "4294967296" is not a time such as 20260131235959',
    ],
    [
      'RRSIG',
      'A 13 1 60 tomorrow 1 1 . AA==',
      'RRSIG expiration: "tomorrow" is not a time such as 20260131235959',
    ],
    ['NSEC', 'a. A NOPE', 'NSEC types: "NOPE" is not a type that owns data'],
    ['NSEC', 'a. A OPT', 'NSEC types: "OPT" is not a type that owns data'],
    ['NSEC', 'a. A ANY', 'NSEC types: "ANY" is not a type that owns data'],
    ['NSEC', 'a. TYPE0', 'NSEC types: "TYPE0" is not a type that owns data'],
    ['NSEC3', '1 0 0 abc 00', 'NSEC3 salt: is not pairs of hexadecimal digits'],
    ['NSEC3', '1 0 0 "" 00', 'NSEC3 salt: is not "-" or 1 to 255 octets'],
    ['NSEC3', `1 0 0 ${'00'.repeat(256)} 00`, 'NSEC3 salt: is not "-" or 1 to 255 octets'],
    ['NSEC3', '1 0 0 - 2t7w', 'NSEC3 next: "2t7w" is not base32hex'],
    ['NSEC3', '1 0 0 - 2', 'NSEC3 next: "2" is cut off'],
    ['NSEC3', '1 0 0 - 01', 'NSEC3 next: "01" is cut off'],
    ['NSEC3', `1 0 0 - ${'00000000'.repeat(52)}`, 'NSEC3 next: is longer than 255 octets'],
    [
      'APL',
      '1:192.0.2.0',
      'APL prefixes: "1:192.0.2.0" is not a prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32',
    ],
    [
      'APL',
      '1:192.0.2.0/33',
      'APL prefixes: "1:192.0.2.0/33" is not a prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32',
    ],
    [
      'APL',
      '2:192.0.2.0/24',
      'APL prefixes: "2:192.0.2.0/24" is not a prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32',
    ],
    [
      'APL',
      '3:192.0.2.0/24',
      'APL prefixes: "3:192.0.2.0/24" is not a prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32',
    ],
    ['IPSECKEY', '10 4 2 . AA==', 'IPSECKEY gateway: gateway type "4" is not a number from 0 to 3'],
    ['IPSECKEY', '10 0 2 a. AA==', 'IPSECKEY gateway: gateway "a." must be "." for type 0'],
    ['IPSECKEY', '10 1 2 a. AA==', 'IPSECKEY gateway: "a." is not an IPv4 address'],
    ['AMTRELAY', '10 2 1 192.0.2.1', 'AMTRELAY relay: "2" is not 0 or 1'],
    ['WKS', '192.0.2.1 SCTP', 'WKS services: "SCTP" is not a number from 0 to 255'],
    ['WKS', '192.0.2.1 6 65536', 'WKS services: "65536" is no port, nor the name of a service'],
    ['WKS', '192.0.2.1 6 quake', 'WKS services: "quake" is no port, nor the name of a service'],
    ['HIP', '2 2001zz AAAA', 'HIP identity: tag: is not pairs of hexadecimal digits'],
    ['HIP', '2 "" AAAA', 'HIP identity: tag: is empty'],
    ['HIP', `2 ${'00'.repeat(256)} AAAA`, 'HIP identity: tag: is longer than 255 octets'],
    ['HIP', '2 2001', 'HIP identity: public key: is missing'],
    ['HIP', '2 2001 AAA', 'HIP identity: public key: is not base64'],
    ['HIP', '2 2001 AAAA a..b.', 'HIP servers: name "a..b." has an empty label'],
    ['DSYNC', 'CDS PUSH 1 a.', 'DSYNC scheme: "PUSH" is not a number from 0 to 255'],
    ['DSYNC', 'NOTYPE 1 1 a.', 'DSYNC covered: "NOTYPE" is not a type'],
  ]
  for (const [type, text, message] of table) {
    t.throws(() => parseRdata(type, text, origin), new TextError(message), `${type} ${text.slice(0, 60)}`)
  }
})

t.test('a WKS without ports, which BIND takes and NSD does not', async (t) => {
  const octets = parseRdata('WKS', '192.0.2.1 tcp', origin)
  t.equal(Buffer.from(octets).toString('hex'), 'c000020106')
  t.equal(formatRdata(parseType('WKS'), octets), '192.0.2.1 6')
})

t.test('octets that are not RDATA of the type', async (t) => {
  const table: [string, string][] = [
    ['HINFO', '0161'],
    ['HINFO', '016105'],
    ['LOC', '00121613791b7d2898e6486800989a'],
    ['LOC', '01121613791b7d2898e6486800989a68'],
    ['LOC', '00a21613791b7d2898e6486800989a68'],
    ['LOC', '001a1613791b7d2898e6486800989a68'],
    ['LOC', '00121613ffffffff98e6486800989a68'],
    ['LOC', '00121613791b7d280000000000989a68'],
    ['CERT', '0001000000'],
    ['NSEC', '0000'],
    ['NSEC', '000000'],
    ['NSEC', '00000140000001'],
    ['NSEC', '00000240'],
    ['NSEC', '0000024000'],
    ['NSEC', `000021${'01'.repeat(33)}`],
    ['NSEC', '00000140000140'],
    ['NSEC', '00000180'],
    ['NSEC', '000006000000000040'],
    ['NSEC3', '010000000000'],
    ['NSEC3', '0100000005aa'],
    ['APL', '00'],
    ['APL', '000118'],
    ['APL', '00032000'],
    ['APL', '01010000'],
    ['APL', '00012100'],
    ['APL', '00011805c0000201ff'],
    ['APL', '00011803c000'],
    ['APL', '00011803c00000'],
    ['IPSECKEY', '0a'],
    ['IPSECKEY', '0a00'],
    ['IPSECKEY', '0a0402'],
    ['IPSECKEY', '0a0102c00002'],
    ['IPSECKEY', '0a0302c00c'],
    ['AMTRELAY', '0a'],
    ['AMTRELAY', ''],
    ['AMTRELAY', '0a04'],
    ['AMTRELAY', '0a8001'],
    ['URI', '000a0001'],
    ['WKS', 'c0000201'],
    ['WKS', 'c000020106400000'],
    ['WKS', `c000020106${'00'.repeat(8192)}01`],
    ['HIP', '0102000100'],
    ['HIP', '00020001aa'],
    ['HIP', '01020000aa'],
    ['HIP', '01020001aaaa0161'],
    ['HIP', '010200'],
    ['DSYNC', '003b0114ef'],
    ['DSYNC', '003b0114ef0361'],
    ['CAA', '0000'],
    ['CAA', '0001ff'],
  ]
  for (const [type, octets] of table) {
    t.throws(() => formatRdata(parseType(type), Buffer.from(octets, 'hex')), TextError, `${type} ${octets}`)
    t.throws(() => parseRdata(type, opaque(octets), origin), TextError, `${type} ${opaque(octets)}`)
  }
})

t.test('only names of the types of RFC 1035 are compressed', async (t) => {
  const compressible = new Set<string>()
  const plain = new Set<string>()
  for (const { type, octets } of rdataExamples) {
    for (const field of nameFields(parseType(type), Buffer.from(octets, 'hex'))) {
      ;(field.compressible ? compressible : plain).add(type)
    }
  }
  t.same([...compressible].sort(), ['CNAME', 'MB', 'MG', 'MINFO', 'MR', 'MX', 'NS', 'PTR', 'SOA'])
  const others = 'AFSDB DNAME DSYNC HTTPS KX LP NAPTR NSEC PX RP RRSIG RT SRV SVCB'
  t.same([...plain].sort(), others.split(' '))
})

t.test('wire -> text -> wire, for every type', async (t) => {
  t.same(Object.keys(anyRdata).sort(), [...rrTypes.keys()].sort())
  for (const [type, rdata] of Object.entries(anyRdata)) {
    fc.assert(
      fc.property(rdata, (octets) => {
        const text = formatRdata(parseType(type), octets)
        const same = hex(parseRdata(type, text, origin)) === hex(octets)
        return (
          same &&
          /^[\x20-\x7e]+$/.test(text) &&
          hex(parseRdata(type, opaque(hex(octets)), origin)) === hex(octets)
        )
      }),
      { numRuns: 200 },
    )
  }
})

/** Whatever is taken has a canonical text that is taken back as the same octets; the rest is a TextError. */
function takesBack(type: string, text: string): boolean {
  try {
    const octets = parseRdata(type, text, origin)
    const canonical = formatRdata(parseType(type), octets)
    return hex(parseRdata(type, canonical, origin)) === hex(octets)
  } catch (error) {
    if (!(error instanceof TextError)) throw error
    return true
  }
}

t.test('damaged text is refused with a TextError, or taken back as it is written', async () => {
  const damage = fc.constantFrom(
    '',
    ' ',
    '"',
    '\\',
    ',',
    '=',
    '0',
    '255',
    '-',
    '.',
    'a',
    'é',
    '\\000',
    '!',
    ':',
  )
  const example = fc.constantFrom(...rdataExamples)
  fc.assert(
    fc.property(example, fc.nat(200), fc.nat(3), damage, ({ type, text }, at, length, put) => {
      const start = at % text.length
      return takesBack(type, text.slice(0, start) + put + text.slice(start + length))
    }),
    { numRuns: 10_000 },
  )
})

t.test('damaged octets are refused with a TextError, or taken back as they are written', async () => {
  const example = fc.constantFrom(...rdataExamples)
  const few = fc.uint8Array({ maxLength: 2 })
  fc.assert(
    fc.property(example, fc.nat(200), fc.nat(2), few, ({ type, octets }, at, length, put) => {
      const rdata = Buffer.from(octets, 'hex')
      const start = at % (rdata.length + 1)
      const damaged = Buffer.concat([rdata.subarray(0, start), put, rdata.subarray(start + length)])
      return takesBack(type, opaque(hex(damaged)))
    }),
    { numRuns: 10_000 },
  )
})

t.test('words that the text of some other type is made of', async () => {
  const words = rdataExamples.flatMap(({ text }) => text.split(' '))
  const line = fc.array(fc.constantFrom(...words), { maxLength: 8 }).map((parts) => parts.join(' '))
  fc.assert(fc.property(fc.constantFrom(...rrTypes.keys()), line, takesBack), { numRuns: 5000 })
})

t.test('a digest that is not as long as its kind is taken, and doubted', async (t) => {
  const table: [string, string, string | null][] = [
    ['DS', '1 13 2 AABB', '2 octets of digest, where its kind 2 has 32'],
    ['DS', '\\# 5 0000000100', '1 octets of digest, where its kind 1 has 20'],
    ['CDS', '1 13 4 AABB', '2 octets of digest, where its kind 4 has 48'],
    ['DLV', '1 13 1 AABB', '2 octets of digest, where its kind 1 has 20'],
    ['SSHFP', '4 2 AABB', '2 octets of digest, where its kind 2 has 32'],
    ['TLSA', '3 1 1 AABB', '2 octets of digest, where its kind 1 has 32'],
    ['SMIMEA', '3 1 2 AABB', '2 octets of digest, where its kind 2 has 64'],
    ['ZONEMD', '1 1 1 AABB', '2 octets of digest, where its kind 1 has 48'],
    ['DS', '1 13 200 AABB', null],
    ['SSHFP', `4 1 ${'AB'.repeat(20)}`, null],
    ['TLSA', '3 1 0 AABB', null],
    ['A', '192.0.2.1', null],
    ['TYPE65280', '\\# 1 00', null],
  ]
  for (const [type, text, expected] of table) {
    t.equal(rdataDoubt(type, text), expected, `${type} ${text}`)
  }
  t.same([...doubtedTypes].sort(), ['CDS', 'DLV', 'DS', 'HTTPS', 'SMIMEA', 'SSHFP', 'SVCB', 'TLSA', 'ZONEMD'])
})
