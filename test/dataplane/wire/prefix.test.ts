import fc from 'fast-check'
import t from 'tap'
import { parseAddress } from '../../../src/dataplane/wire/address.ts'
import { parsePrefix, prefixHolds } from '../../../src/dataplane/wire/prefix.ts'

t.test('prefixes as text', async (t) => {
  t.same(parsePrefix('192.0.2.0/24'), { address: Uint8Array.of(192, 0, 2, 0), length: 24 })
  t.equal(parsePrefix('0.0.0.0/0')?.length, 0)
  t.equal(parsePrefix('2001:db8::/128')?.address.length, 16)
  for (const text of [
    '',
    '192.0.2.0',
    '192.0.2.0/',
    '192.0.2.0/33',
    '::/129',
    '192.0.2/24',
    'a/8',
    '::/-1',
    '::/1/1',
  ]) {
    t.equal(parsePrefix(text), null, text)
  }
})

t.test('which addresses a prefix holds', async (t) => {
  for (const [prefix, address, held] of [
    ['192.0.2.0/24', '192.0.2.255', true],
    ['192.0.2.0/24', '192.0.3.0', false],
    ['192.0.2.128/25', '192.0.2.128', true],
    ['192.0.2.128/25', '192.0.2.127', false],
    ['192.0.2.1/32', '192.0.2.1', true],
    ['0.0.0.0/0', '203.0.113.1', true],
    ['0.0.0.0/0', '::', false],
    ['fe80::/10', 'febf:ffff::1', true],
    ['fe80::/10', 'fec0::1', false],
    ['::1/128', '::1', true],
  ] as const) {
    const octets = parseAddress(address)!
    t.equal(prefixHolds(parsePrefix(prefix)!, octets, octets.length), held, `${address} in ${prefix}`)
  }
})

t.test('a prefix holds what is the same in its first bits', async () => {
  const bits = (octets: Uint8Array) => [...octets].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  const four = fc.uint8Array({ minLength: 4, maxLength: 4 })
  fc.assert(
    fc.property(four, four, fc.nat(32), (address, other, length) => {
      const same = bits(address).slice(0, length) === bits(other).slice(0, length)
      return prefixHolds({ address, length }, other, 4) === same
    }),
  )
})
