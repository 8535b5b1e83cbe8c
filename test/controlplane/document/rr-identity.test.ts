/** Every spelling of an RR is that RR: by the API and in master files, for every type that has a grammar. */
import fc from 'fast-check'
import t from 'tap'
import { parseRrset } from '../../../src/controlplane/document/zone.ts'
import type { Problem } from '../../../src/controlplane/model/errors.ts'
import { hostnameToWire } from '../../../src/dataplane/wire/name.ts'
import { foldedRdata, formatRdata, parseRdata, rrTypes } from '../../../src/dataplane/wire/rdata.ts'
import { anyRdata } from '../../dataplane/wire/arbitrary-rdata.ts'
import { readBelow } from '../zonefile/fixture.ts'

const apex = 'example.test'
const origin = hostnameToWire(apex)

/** RDATA with a name where NAME stands, for every type that can have one. */
const named = [
  'NS NAME',
  'CNAME NAME',
  'MB NAME',
  'MG NAME',
  'MR NAME',
  'PTR NAME',
  'MINFO NAME errors.example.net.',
  'MINFO owner.example.net. NAME',
  'MX 10 NAME',
  'RP NAME info.example.net.',
  'RP mail.example.net. NAME',
  'AFSDB 1 NAME',
  'RT 10 NAME',
  'PX 10 NAME x.example.net.',
  'PX 10 x.example.net. NAME',
  'SRV 0 0 443 NAME',
  'NAPTR 10 10 "U" "E2U+sip" "!^.*$!sip:Info@example.net!" NAME',
  'KX 10 NAME',
  'DNAME NAME',
  'IPSECKEY 10 3 2 NAME AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==',
  'RRSIG A 13 2 300 20300101000000 20290101000000 4711 NAME AQNRU3mG',
  'NSEC NAME A TYPE65280',
  'SVCB 1 NAME alpn="H2"',
  'HTTPS 0 NAME',
  'LP 10 NAME',
  'AMTRELAY 10 0 3 NAME',
  'DSYNC CDS NOTIFY 53 NAME',
  'HIP 2 200100107B1A AwEA rvs.example.net. NAME',
]

const names = [
  'mail',
  'MAIL',
  'Mail.Example.TEST.',
  'mail.example.test.',
  '\\109ail',
  '\\077\\065IL',
  'm\\Ail',
]

/** What becomes of two RDATA texts of one RRset: by the API, and in a master file. */
async function both(type: string, first: string, second: string) {
  const problems: Problem[] = []
  parseRrset(apex, { owner: 'x', type }, { data: [first, second] }, '', problems)
  const { rrs, problems: said } = await readBelow(`x ${type} ${first}\nx ${type} ${second}\n`)
  const file = new Set(rrs.map(({ data, identity }) => identity ?? data))
  return {
    api: problems.filter(({ message }) => message === 'is the same as data[0]').length,
    file: said.length === 0 ? file.size : said,
  }
}

t.test('names that differ in spelling are one', async (t) => {
  const types = new Set(named.map((text) => text.split(' ')[0]!))
  for (const line of named) {
    const [type = '', ...rest] = line.split(' ')
    const texts = names.map((name) => rest.join(' ').replace('NAME', name))
    for (const text of texts.slice(1)) {
      t.same(await both(type, texts[0]!, text), { api: 1, file: 1 }, `${type}: ${texts[0]} and ${text}`)
    }
    const other = rest.join(' ').replace('NAME', 'mall')
    t.match(await both(type, texts[0]!, other), { api: 0 }, `${type}: another name is another RR`)
  }
  for (const type of rrTypes.keys()) {
    if (types.has(type) || type === 'SOA') continue
    // No octet of it is in a name.
    fc.assert(
      fc.property(anyRdata[type]!, (rdata) => {
        t.ok(Buffer.from(foldedRdata(rrTypes.get(type)!, rdata)).equals(rdata), type)
      }),
      { numRuns: 10 },
    )
  }
})

t.test('case counts where it is no name', async (t) => {
  for (const [type, first, second] of [
    ['TXT', '"mail"', '"MAIL"'],
    ['SVCB', '1 . alpn="h2"', '1 . alpn="H2"'],
    ['NAPTR', '10 10 "u" "" "" .', '10 10 "U" "" "" .'],
    ['TYPE65280', '\\# 1 61', '\\# 1 41'],
  ] as const) {
    t.same(await both(type, first, second), { api: 0, file: 2 }, type)
  }
})

/** Characters whose case means nothing, others in the case that a coin gives them. */
const spelledAs = (text: string, coins: readonly boolean[]) =>
  text.replaceAll(/[a-z]/gi, (letter, at: number) =>
    coins[at % coins.length] ? letter.toUpperCase() : letter.toLowerCase(),
  )

t.test(
  'octets in the form of RFC 3597, however they are broken up, are the RR that its text is',
  async (t) => {
    const coins = fc.array(fc.boolean(), { minLength: 3, maxLength: 17 })
    for (const [type, number] of rrTypes) {
      if (type === 'SOA') continue
      await fc.assert(
        fc.asyncProperty(anyRdata[type]!, coins, fc.nat(9), async (rdata, cases, gap) => {
          const text = formatRdata(number, parseRdata(type, formatRdata(number, rdata), origin))
          const digits = spelledAs(Buffer.from(rdata).toString('hex'), cases)
          const broken = `\\# ${rdata.length} ${digits.slice(0, 2 * gap)} ${digits.slice(2 * gap)}`
          const found = await both(type, text, broken.trimEnd())
          t.same(found.api, 1, `${type} ${text}`)
          // Some stand alone for other reasons: a CNAME at its name, say.
          t.same(found.file, 1, `${type} ${text}`)
        }),
        { numRuns: 10 },
      )
    }
  },
)

t.test('other spellings of one RR', async (t) => {
  for (const [type, first, second] of [
    ['AAAA', '2001:db8::1', '2001:0DB8:0:0::0001'],
    ['AAAA', '::ffff:192.0.2.1', '::ffff:c000:201'],
    ['A', '192.0.2.1', '\\# 4 c0 00 02 01'],
    ['type1', '192.0.2.1', '\\# 4 C0000201'],
    ['TXT', 'plain', '"plain"'],
    ['TXT', '"a" "b"', 'a \\098'],
    ['TXT', '"semi;colon"', '"semi\\;colon"'],
    ['MX', '10 mail', '0010   mail.example.test.'],
    ['SRV', '1 2 0443 a', '1 02 443 A'],
    [
      'DS',
      '1 13 2 2BB183AF5F22588179A53B0A98631FAD1A292118B6AB1F2E2F5F8A6C2D4A7C11',
      '1 ECDSAP256SHA256 2 2bb183af5f22588179a53b0a98631fad 1a292118b6ab1f2e2f5f8a6c2d4a7c11',
    ],
    ['DNSKEY', '257 3 13 AQNRU3mG', '257 3 13 AQNR U3mG'],
    ['CAA', '0 issue "ca.example.net"', '0 ISSUE ca.example.net'],
    ['HTTPS', '1 . alpn="h2,h3" port=443', '1 . port=00443 alpn=h2,h3'],
    ['HTTPS', '1 . ipv6hint=2001:db8::1', '1 . ipv6hint=2001:DB8:0::1'],
    ['HTTPS', '1 . alpn=h2', '1 . key1=\\002h2'],
    ['LOC', '52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m', '52 22 23 N 4 53 32 E -2 0'],
    [
      'RRSIG',
      'A 13 2 300 20300101000000 20290101000000 4711 a AQNRU3mG',
      'TYPE1 13 2 5m 1893456000 1861920000 4711 A AQNR U3mG',
    ],
    ['NSEC', 'a A MX', 'A MX TYPE1'],
    ['EUI48', '00-00-5e-00-53-2a', '00-00-5E-00-53-2A'],
    [
      'SSHFP',
      '4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789',
      '4 2 123456789ABCDEF67890123456789ABCDEF67890 123456789ABCDEF123456789',
    ],
    ['APL', '2:2001:db8::/32', '2:2001:DB8:0::/32'],
    ['TYPE65280', '\\# 3 abcdef', '\\# 3 AB CD EF'],
  ] as const) {
    t.same(await both(type, first, second), { api: 1, file: 1 }, `${type}: ${first} and ${second}`)
  }
})
