import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { type CountryResponse, Reader, type Response } from 'mmdb-lib'
import t from 'tap'
import { builtInPaths } from '../../../src/controlplane/location/location-source.ts'
import { placeOf, tableOf } from '../../../src/controlplane/location/location-table.ts'
import { Mmdb } from '../../../src/controlplane/location/mmdb.ts'
import { DamagedDatabase } from '../../../src/controlplane/location/mmdb-values.ts'
import { nowhere } from '../../../src/controlplane/location/place.ts'
import { formatIpv4, formatIpv6 } from '../../../src/dataplane/wire/address.ts'
import { type MmdbValue, mmdbFile } from '../../support/mmdb-writer.ts'

const countryOf = (bytes: Buffer) => {
  const table = tableOf(new Mmdb(bytes))
  return (address: string) => placeOf(table, address).country
}
const of = (code: string) => ({ country: { iso_code: code, names: { de: `Land ${code}`, en: code } } })

t.test('the installed database: as mmdb-lib reads it, address by address', async (t) => {
  const [path] = builtInPaths()
  const bytes = readFileSync(path!)
  const country = countryOf(bytes)
  const reader = new Reader<Response & { country_code: string }>(bytes)
  t.equal(country('8.8.8.8'), 'US')
  // SWITCH, RIPE NCC, APNIC and AFRINIC, with their own address space.
  t.equal(country('130.59.31.80'), 'CH')
  t.equal(country('193.0.6.139'), 'NL')
  t.equal(country('203.119.101.61'), 'AU')
  t.equal(country('2001:620:0:ff::5c'), 'CH')
  t.equal(country('2001:67c:2e8:22::c100:68b'), 'NL')
  t.equal(country('10.0.0.1'), null)
  t.equal(country('2002:808:808::1'), null)
  let known = 0
  for (let i = 0; i < 40_000; i++) {
    const octets = randomBytes(i % 2 === 0 ? 4 : 16)
    // 2000::/3 and, so that the half of it that is allocated is met, the first 32 blocks of 2a00::/12 and its like.
    if (octets.length === 16) octets[0] = [0x20, 0x24, 0x26, 0x28, 0x2a, 0x2c][octets[0]! % 6]!
    if (octets.length === 16 && i % 4 === 1) octets[1] = octets[1]! % 16
    const address = octets.length === 4 ? formatIpv4(octets) : formatIpv6(octets)
    if (/^(2001:0?:|2002:)/.test(address)) continue
    const expected = reader.get(address)?.country_code ?? null
    if (expected !== null) known++
    if (country(address) !== expected) t.equal(country(address), expected, address)
  }
  t.ok(known > 15_000, `${known} known`)
})

/** Disjoint or nested, so that the order of writing (shorter first) decides. */
const networks = fc
  .array(
    fc.record({
      address: fc.oneof(
        fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIpv4),
        fc
          .uint8Array({ minLength: 8, maxLength: 8 })
          .map((head) => formatIpv6(Buffer.concat([head, Buffer.alloc(8)]))),
      ),
      length: fc.integer({ min: 1, max: 64 }),
      code: fc.constantFrom('AT', 'BE', 'CH', 'DE'),
    }),
    { maxLength: 30 },
  )
  .map((entries) =>
    entries
      .map(({ address, length, code }) => ({
        prefix: address.includes(':') ? `${address}/${length}` : `${address}/${Math.min(32, length)}`,
        code,
      }))
      .filter(({ prefix }) => !/^(::|2002:|2001:0?:)/.test(prefix))
      .sort((a, b) => Number(a.prefix.split('/')[1]) - Number(b.prefix.split('/')[1])),
  )

t.test('every size of records, IPv4 and IPv6: as mmdb-lib reads them', async () => {
  fc.assert(
    fc.property(networks, fc.constantFrom<24 | 28 | 32>(24, 28, 32), (entries, recordBits) => {
      // A short prefix of IPv6 takes in ::/64, 2001::/32 and 2002::/16, where this reader goes its own way.
      const own = entries.filter(({ prefix }) => !prefix.includes(':') || Number(prefix.split('/')[1]) > 16)
      const bytes = mmdbFile(
        own.map(({ prefix, code }) => [prefix, of(code)]),
        { recordBits },
      )
      const reader = new Reader<CountryResponse>(bytes)
      const country = countryOf(bytes)
      for (const { prefix } of own) {
        const [address] = prefix.split('/') as [string]
        const expected = reader.get(address)?.country?.iso_code ?? null
        if (country(address) !== expected) throw new Error(`${address}: ${country(address)}, not ${expected}`)
      }
    }),
    { numRuns: 300 },
  )
})

t.test('where a database of IPv6 has IPv4', async (t) => {
  const rest: [string, MmdbValue][] = [['2a00::/12', of('DE')]]
  t.test('it is found at ::/96', async (t) => {
    const country = countryOf(mmdbFile([['192.0.2.0/24', of('CH')], ...rest]))
    t.equal(country('192.0.2.77'), 'CH')
    t.equal(country('192.0.3.0'), null)
    t.equal(country('::1'), null)
    t.equal(country('2a01::1'), 'DE')
  })
  t.test('it is found at ::ffff:0:0/96 where ::/96 has nothing', async (t) => {
    const country = countryOf(mmdbFile([['::ffff:192.0.2.0/120', of('CH')], ...rest]))
    t.equal(country('192.0.2.77'), 'CH')
    t.equal(country('192.0.3.0'), null)
    t.equal(country('::ffff:192.0.2.77'), null)
  })
  t.test('at both, as an alias, and at those for 6to4 and Teredo', async (t) => {
    const bytes = mmdbFile([['192.0.2.0/24', of('CH')], ...rest], {
      aliases: [
        ['::ffff:0:0/96', '::/96'],
        ['2001::/32', '::/96'],
        ['2002::/16', '::/96'],
      ],
    })
    const country = countryOf(bytes)
    t.equal(new Reader<CountryResponse>(bytes).get('2002:c000:201::')?.country?.iso_code, 'CH')
    t.equal(country('192.0.2.77'), 'CH')
    t.equal(country('2002:c000:201::'), null)
    t.equal(country('2001:0:c000:201::'), null)
    t.equal(country('2a01::1'), 'DE')
  })
  t.test('a database without it knows nothing of IPv4', async (t) =>
    t.equal(countryOf(mmdbFile(rest))('192.0.2.77'), null),
  )
  t.test('a database of IPv4 has no IPv6', async (t) => {
    const country = countryOf(mmdbFile([['192.0.2.0/24', of('CH')]], { ipVersion: 4 }))
    t.equal(country('192.0.2.255'), 'CH')
    t.equal(country('2a01::1'), null)
  })
  t.test('a network smaller than /64 counts for its /64', async (t) => {
    const country = countryOf(mmdbFile([['2001:db8:0:1:8000::/80', of('CH')]]))
    t.equal(country('2001:db8:0:1::'), 'CH')
    t.equal(country('2001:db8:0:2::'), null)
  })
})

t.test('nothing is known of what is no address, or has a record of an unknown form', async (t) => {
  const table = tableOf(
    new Mmdb(
      mmdbFile([
        ['192.0.2.0/24', 'CH'],
        ['198.51.100.0/24', [[of('CH')]]],
        ['203.0.113.0/24', { country: [['CH']], location: 7, subdivisions: {} }],
      ]),
    ),
  )
  for (const address of ['192.0.2.1', '198.51.100.1', '203.0.113.1', 'example.test']) {
    t.same(placeOf(table, address), nowhere, address)
  }
})

const good = mmdbFile([
  ['192.0.2.0/24', of('CH')],
  ['198.51.100.0/24', of('DE')],
  ['2a00::/12', of('FR')],
])
const treeOctets = good.indexOf(Buffer.alloc(16))

t.test('a damaged file is refused, and the reason names the damage', async (t) => {
  const circle = Buffer.from(good)
  circle.fill(0, 0, 6)
  const forOneNode = { node_count: 1 }
  const cases: [what: string, bytes: Buffer, message: RegExp][] = [
    ['empty', Buffer.alloc(0), /no metadata/],
    ['another file', Buffer.from('<html>404</html>'), /not a MaxMind DB/],
    ['cut off', good.subarray(0, good.length / 2), /its end is missing/],
    ['cut off in the metadata', good.subarray(0, -20), /ends inside a value|no number of nodes/],
    [
      'a hole in the tree',
      Buffer.concat([good.subarray(0, 600), good.subarray(900)]),
      /a part of it is missing/,
    ],
    [
      'the tree alone',
      Buffer.concat([
        good.subarray(0, 60),
        good.subarray(good.lastIndexOf('\xab\xcd\xef', undefined, 'latin1')),
      ]),
      /does not fit in/,
    ],
    ['a circle', circle, /refers to itself|deeper than/],
    [
      'too few nodes',
      mmdbFile([['192.0.2.0/24', of('CH')]], { metadata: forOneNode }),
      /a part of it is missing/,
    ],
    ['records of 20 bits', mmdbFile([], { metadata: { record_size: 20 } }), /records of 20 bits/],
    ['IP version 5', mmdbFile([], { metadata: { ip_version: 5 } }), /IP version 5/],
    ['version 3', mmdbFile([], { metadata: { binary_format_major_version: 3 } }), /the version 3/],
    [
      'data missing',
      Buffer.concat([
        good.subarray(0, treeOctets + 18),
        good.subarray(good.indexOf('\xab\xcd\xef', 'latin1')),
      ]),
      /points to octet|ends inside/,
    ],
  ]
  for (const [what, bytes, message] of cases) {
    t.throws(() => tableOf(new Mmdb(bytes)), { name: 'DamagedDatabase', message }, what)
  }
})

/** One network, whose record is these octets. */
function withRecord(...octets: number[]): Buffer {
  const bytes = mmdbFile([['0.0.0.0/1', 'x']], { ipVersion: 4 })
  const at = bytes.indexOf(Buffer.from([0x41, 0x78]), 6)
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(octets), bytes.subarray(at + 2)])
}
const key = (name: string) => [0x40 | name.length, ...Buffer.from(name)]

t.test('records that would never end', async (t) => {
  const cases: [what: string, bytes: Buffer, message: RegExp][] = [
    ['a pointer to itself', withRecord(0x20, 0x00), /a pointer points to a pointer/],
    ['a pointer out of the section', withRecord(0x27, 0xff), /something points to octet 2047/],
    ['a map of sixteen million', withRecord(0xff, 0xff, 0xff, 0xff), /ends inside a value/],
    ['a key that is a map', withRecord(0xe1, 0xe0), /a key of a map is not a text/],
    ['a type that is none', withRecord(0xe1, ...key('a'), 0x00, 0x20), /unknown type 39/],
    [
      'a double of four octets',
      withRecord(0xe1, ...key('latitude'), 0x64, 0, 0, 0, 0),
      /4 octets instead of 8/,
    ],
    [
      'a long number',
      withRecord(0xe1, ...key('asn'), 0x09, 0x02, ...Buffer.alloc(9)),
      /a number of 9 octets/,
    ],
    [
      'maps that hold themselves many times',
      withRecord(
        0xfe,
        0x7f,
        0xff,
        ...Array.from({ length: 6000 }, () => [...key('country'), 0x20, 0x00]).flat(),
      ),
      /refers to itself|points to|ends inside|not a text/,
    ],
  ]
  for (const [what, bytes, message] of cases) {
    t.throws(() => tableOf(new Mmdb(bytes)), { name: 'DamagedDatabase', message }, what)
  }
  t.same(
    tableOf(new Mmdb(withRecord(0xe1, ...key('location'), 0x20, 0x00))).places.length,
    1,
    'a map inside itself',
  )
})

t.test('whatever octets change: a table or a DamagedDatabase', async (t) => {
  let damaged = 0
  const change = fc.tuple(fc.nat(good.length - 1), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 8 }), fc.nat(good.length), (changes, cut) => {
      const bytes = Buffer.from(good)
      for (const [at, octet] of changes) bytes[at] = octet
      try {
        tableOf(new Mmdb(cut % 4 === 0 ? bytes.subarray(0, cut) : bytes))
      } catch (error) {
        if (!(error instanceof DamagedDatabase)) throw error
        damaged++
      }
    }),
    { numRuns: 3000 },
  )
  t.ok(damaged > 500, `${damaged} damaged`)
})
