import fc from 'fast-check'
import t from 'tap'
import { Client } from '../../../src/dataplane/answer/client.ts'
import { ClientNetwork } from '../../../src/dataplane/answer/client-network.ts'
import { EdnsOptions } from '../../../src/dataplane/wire/edns-options.ts'
import { subnetOption } from './client-subnet.ts'

function networkOf(client: string, subnet?: readonly [address: string, source: number]): ClientNetwork {
  const peer = new Client()
  peer.set(client, client.includes(':'))
  const option = subnet === undefined ? Buffer.alloc(0) : subnetOption(...subnet)
  const request = Buffer.concat([Buffer.alloc(20), option])
  const options = new EdnsOptions()
  options.load(request, 20, request.length)
  const network = new ClientNetwork()
  // What an earlier query left must not show.
  network.words.fill(-1)
  network.load(request, options, peer)
  return network
}
const hex = ({ words }: ClientNetwork) =>
  Array.from(words, (word) => (word >>> 0).toString(16).padStart(8, '0')).join(' ')

t.test('the client subnet if there is one, else where the query came from', async (t) => {
  const none = '00000000'
  const table: [string, [string, number] | undefined, boolean, number, string][] = [
    ['192.0.2.1', undefined, false, 32, `c0000201 ${none} ${none} ${none}`],
    ['2001:db8::1', undefined, true, 128, `20010db8 ${none} ${none} 00000001`],
    ['::ffff:192.0.2.1', undefined, false, 32, `c0000201 ${none} ${none} ${none}`],
    ['192.0.2.1', ['198.51.100.0', 24], false, 24, `c6336400 ${none} ${none} ${none}`],
    ['192.0.2.1', ['198.51.100.129', 32], false, 32, `c6336481 ${none} ${none} ${none}`],
    ['192.0.2.1', ['2001:db8:1:8000::', 50], true, 50, `20010db8 00018000 ${none} ${none}`],
    ['192.0.2.1', ['2001:db8::1', 128], true, 128, `20010db8 ${none} ${none} 00000001`],
    ['2001:db8::1', ['128.0.0.0', 1], false, 1, `80000000 ${none} ${none} ${none}`],
    ['192.0.2.1', ['0.0.0.0', 0], false, 32, `c0000201 ${none} ${none} ${none}`],
    ['192.0.2.1', ['::', 0], false, 32, `c0000201 ${none} ${none} ${none}`],
  ]
  for (const [client, subnet, ipv6, bits, words] of table) {
    const network = networkOf(client, subnet)
    t.same([network.ipv6, network.bits, hex(network)], [ipv6, bits, words], `${client} ${subnet}`)
  }
})

t.test('the same hash for what has the same prefix, another one for others', async () => {
  const octets = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
  const text = (address: Uint8Array) =>
    address.length === 4
      ? address.join('.')
      : Array.from({ length: 8 }, (_, i) => ((address[2 * i]! << 8) | address[2 * i + 1]!).toString(16)).join(
          ':',
        )
  fc.assert(
    fc.property(fc.oneof(octets(4), octets(16)), fc.nat(), fc.nat(), (address, seed, other) => {
      const bits = 8 * address.length
      const prefix = 1 + (seed % bits)
      const flipped = other % bits
      const changed = Uint8Array.from(address)
      changed[flipped >> 3]! ^= 0x80 >> (flipped & 7)
      const same = networkOf(text(address)).hash(prefix) === networkOf(text(changed)).hash(prefix)
      return same === flipped >= prefix
    }),
    { numRuns: 2000 },
  )
})

t.test('a prefix longer than what is known goes by what is known', async (t) => {
  const short = networkOf('192.0.2.1', ['198.51.0.0', 16])
  t.equal(short.hash(24), short.hash(16))
  t.not(short.hash(24), short.hash(15), 'and a shorter one by less')
  t.not(networkOf('1.2.3.4').hash(32), networkOf('102:304::').hash(32), 'families apart')
})

t.test('hashes, for ever', async (t) => {
  const hashes: [string, number, string][] = [
    ['192.0.2.1', 32, '6120daf0'],
    ['192.0.2.1', 24, '272c7d9f'],
    ['192.0.2.1', 1, 'c3b16294'],
    ['2001:db8:1:2:3:4:5:6', 128, '29317a93'],
    ['2001:db8:1:2:3:4:5:6', 56, '671b7398'],
    ['2001:db8:1:2:3:4:5:6', 20, '45fed7d2'],
  ]
  for (const [address, prefix, hash] of hashes)
    t.equal(
      (networkOf(address).hash(prefix) >>> 0).toString(16).padStart(8, '0'),
      hash,
      `${address}/${prefix}`,
    )
})
