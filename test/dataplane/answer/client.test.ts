import fc from 'fast-check'
import t from 'tap'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { formatIpv4, formatIpv6, parseAddress } from '../../../src/dataplane/wire/address.ts'

function read(text: string): Uint8Array {
  const client = new Client()
  client.set(text, text.includes(':'))
  return client.octets.slice(0, client.length)
}

t.test('reads what the parser of addresses reads', async (t) => {
  const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  // Zeros are what `::` stands for, so there are many.
  const sparse = fc.array(fc.oneof(fc.constant(0), fc.nat(255)), { minLength: 16, maxLength: 16 })
  fc.assert(fc.property(octets(4), (address) => t.same(read(formatIpv4(address)), address)))
  fc.assert(
    fc.property(sparse, (address) =>
      t.same(read(formatIpv6(Uint8Array.from(address))), Uint8Array.from(address)),
    ),
  )
})

t.test('every spelling of an address that a system gives is read', async (t) => {
  for (const text of [
    '::',
    '::1',
    '1::',
    '2001:db8::',
    '1::8',
    '1:2:3:4:5:6:7:8',
    '::ffff:192.0.2.1',
    'fe80::1',
    '64:ff9b::192.0.2.33',
  ]) {
    t.same(read(text), parseAddress(text), text)
  }
  t.same(read('fe80::1%eth0'), parseAddress('fe80::1'), 'a zone index is left out')
  t.same(read('2001:DB8::ABCD'), parseAddress('2001:db8::abcd'))
})
