import { isIPv4, isIPv6 } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import {
  canonicalAddress,
  formatIpv4,
  formatIpv6,
  parseAddress,
  parseIpv4,
  parseIpv6,
} from '../../../src/dataplane/wire/address.ts'

t.test('an IPv4 address is four numbers without leading zeros', async (t) => {
  t.same(parseIpv4('192.0.2.255'), [192, 0, 2, 255])
  t.same(parseIpv4('0.0.0.0'), [0, 0, 0, 0])
  for (const text of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1.2.3.4 ',
    '0x1.2.3.4',
    '::1',
    '1.2.3.a',
  ]) {
    t.equal(parseIpv4(text), null, text)
  }
})

t.test('IPv6 in every spelling of RFC 4291 section 2.2', async (t) => {
  const octets = (hex: string) => Uint8Array.from(Buffer.from(hex, 'hex'))
  const table: [string, string][] = [
    ['2001:db8:0:0:8:800:200c:417a', '20010db80000000000080800200c417a'],
    ['2001:DB8::8:800:200C:417A', '20010db80000000000080800200c417a'],
    ['ff01::101', 'ff010000000000000000000000000101'],
    ['::1', '00000000000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['1::', '00010000000000000000000000000000'],
    ['::13.1.68.3', '0000000000000000000000000d014403'],
    ['::ffff:129.144.52.38', '00000000000000000000ffff81903426'],
    ['1:2:3:4:5:6:1.2.3.4', '00010002000300040005000601020304'],
  ]
  for (const [text, hex] of table) t.same(parseIpv6(text), octets(hex), text)
  for (const text of [
    '',
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '12345::',
    'fe80::1%eth0',
    '1.2.3.4',
    '::1.2.3',
    'g::',
  ]) {
    t.equal(parseIpv6(text), null, text)
  }
})

t.test('canonical text of RFC 5952', async (t) => {
  const table: [string, string][] = [
    ['2001:0db8::0001', '2001:db8::1'], // 4.1: no leading zeros
    ['2001:db8:0:0:0:0:2:1', '2001:db8::2:1'], // 4.2.1: as short as possible
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'], // 4.2.2: a single zero group stays
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'], // 4.2.3: the longest run
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'], // 4.2.3: the first of two that are as long
    ['2001:DB8::A', '2001:db8::a'], // 4.3: lower case
    ['0:0:0:0:0:ffff:c000:201', '::ffff:192.0.2.1'], // 5: embedded IPv4
    ['0:0:0:0:0:0:c000:201', '::c000:201'],
    ['0:0:0:1:0:ffff:0:0', '::1:0:ffff:0:0'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['192.0.2.1', '192.0.2.1'],
  ]
  for (const [text, canonical] of table) t.equal(canonicalAddress(text), canonical, text)
  t.equal(canonicalAddress('nonsense'), null)
  t.equal(parseAddress('192.0.2.1')!.length, 4)
  t.equal(parseAddress('2001:db8::1')!.length, 16)
  t.equal(parseAddress(''), null)
})

t.test('octets -> text -> octets', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (octets) => {
      return Buffer.from(parseIpv4(formatIpv4(octets))!).equals(octets)
    }),
  )
  // Zero groups are what the format is about, so they come often.
  const group = fc.oneof(fc.constant(0), fc.nat(0xffff))
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), (groups) => {
      const octets = Uint8Array.from(groups.flatMap((word) => [word >>> 8, word & 0xff]))
      const text = formatIpv6(octets)
      // The platform's own canonical form, but for the dotted quad of mapped addresses.
      const url = new URL(`http://[${text}]`).hostname.slice(1, -1)
      return Buffer.from(parseIpv6(text)!).equals(octets) && (text.includes('.') || url === text)
    }),
    { numRuns: 1000 },
  )
})

t.test('takes what node:net takes, zone indexes aside', async () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV4Extended(), fc.ipV6(), fc.string()), (text) => {
      return (
        (parseIpv4(text) !== null) === isIPv4(text) &&
        (text.includes('%') || (parseIpv6(text) !== null) === isIPv6(text))
      )
    }),
  )
})
