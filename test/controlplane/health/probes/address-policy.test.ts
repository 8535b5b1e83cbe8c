import { networkInterfaces } from 'node:os'
import fc from 'fast-check'
import t from 'tap'
import { addressPolicy } from '../../../../src/controlplane/health/probes/address-policy.ts'
import { parsePrefix } from '../../../../src/dataplane/wire/prefix.ts'

const strict = addressPolicy([])
const allowing = (...prefixes: readonly string[]) => addressPolicy(prefixes.map((text) => parsePrefix(text)!))

t.test('what is refused, and as what', async (t) => {
  for (const [address, kind] of [
    ['0.0.0.0', 'unspecified'],
    ['0.1.2.3', 'unspecified'],
    ['::', 'unspecified'],
    ['127.0.0.1', 'loopback'],
    ['127.255.255.255', 'loopback'],
    ['::1', 'loopback'],
    ['169.254.0.1', 'link-local'],
    ['169.254.169.254', 'link-local'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['febf::1', 'link-local'],
    ['fd00:ec2::254', 'a metadata service'],
    ['100.100.100.200', 'a metadata service'],
    ['fd00:ec2::23', 'a metadata service'],
    ['fd20:ce::254', 'a metadata service'],
    ['fd00:c1::a9fe:a9fe', 'a metadata service'],
    ['fd00:42::42', 'a metadata service'],
    ['fd00:a9fe:a9fe::1', 'a metadata service'],
    ['fd00:100::100:200', 'a metadata service'],
    ['192.0.0.192', 'a metadata service'],
    ['168.63.129.16', 'a metadata service'],
    ['224.0.0.1', 'multicast'],
    ['239.255.255.255', 'multicast'],
    ['ff02::1', 'multicast'],
    ['255.255.255.255', 'broadcast'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:a9fe:a9fe', 'link-local'],
    ['64:ff9b::169.254.169.254', 'link-local'],
    ['::127.0.0.1', 'loopback'],
    ['::a9fe:a9fe', 'link-local'],
    ['::ffff:0:127.0.0.1', 'loopback'],
    ['64:ff9b:1::a9fe:a9fe', 'link-local'],
    ['64:ff9b:1:2:3:4:127.0.0.1', 'loopback'],
    ['2002:7f00:1::', 'loopback'],
    ['2002:a9fe:a9fe:1::5', 'link-local'],
    ['2002:c000:201::5efe:7f00:1', 'loopback'],
    ['64:ff9b::6464:64c8', 'a metadata service'],
    ['64:ff9b:1:7f00:0:100::', 'loopback'],
    ['64:ff9b:1:a9:fe:a9fe::', 'link-local'],
    ['64:ff9b:1:ffff:7f:0:100:0', 'loopback'],
    ['64:ff9b:1::', 'unspecified'],
    ['fec0::1', 'site-local'],
    ['feff:ffff::1', 'site-local'],
    ['2001:0:c000:201:8000:f227:3fff:fdfe', 'a Teredo address'],
    ['2001:db8::5efe:127.0.0.1', 'loopback'],
    ['2001:db8::200:5efe:169.254.169.254', 'link-local'],
    ['fe80::5efe:192.0.2.1', 'link-local'],
    ['::ffff:100.100.100.200', 'a metadata service'],
  ] as const) {
    t.equal(strict(address), `${address} is ${kind} and not allowed to be probed`)
  }
  for (const text of ['', 'localhost', '127.1']) t.equal(strict(text), `"${text}" is no address`)
})

t.test('addresses where members live may be probed', async (t) => {
  for (const address of [
    '1.0.0.0',
    '10.0.0.1',
    '126.255.255.255',
    '128.0.0.0',
    '169.253.255.255',
    '169.255.0.0',
    '172.16.0.1',
    '192.0.2.1',
    '192.168.0.1',
    '100.100.100.199',
    '223.255.255.255',
    '240.0.0.1',
    '2001:db8::1',
    'fd00::1',
    'fe7f::1',
    '::ffff:192.0.2.1',
    '64:ff9b::192.0.2.1',
    '64:ff9b:1::192.0.2.1',
    '64:ff9b:1:c000:2:100::',
    '64:ff9b:2::127.0.0.1',
    '::192.0.2.1',
    '::ffff:0:192.0.2.1',
    '::1:0:127.0.0.1',
    '2002:c000:201::7f00:1',
    '2003:7f00:1::',
    '2001:1::1',
    '2001:db8::5efe:192.0.2.1',
    '2001:db8::1:5efe:127.0.0.1',
    'fd00:ec3::254',
  ]) {
    t.equal(strict(address), null, address)
  }
})

t.test('what the list allows may be probed, and no more', async (t) => {
  const policy = allowing('127.0.0.0/8', 'fe80::/64')
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', 'fe80::1']) t.equal(policy(address), null, address)
  for (const address of ['::1', '169.254.169.254', 'fe80:0:0:1::1'])
    t.type(policy(address), 'string', address)
})

t.test('a list of networks without members goes before all that is allowed', async (t) => {
  const denied = ['10.9.0.0/16', '2001:db8:9::/48', '127.0.0.2/32'].map((text) => parsePrefix(text)!)
  const policy = addressPolicy([parsePrefix('127.0.0.0/8')!, parsePrefix('10.9.1.0/24')!], { denied })
  for (const address of [
    '10.9.0.1',
    '10.9.1.1',
    '::ffff:10.9.0.1',
    '64:ff9b::10.9.0.1',
    '2001:db8:9::1',
    '127.0.0.2',
  ])
    t.equal(policy(address), `${address} is in POOLDNS_PROBE_DENY and not allowed to be probed`)
  for (const address of ['10.10.0.1', '2001:db8:a::1', '127.0.0.1']) t.equal(policy(address), null, address)
})

t.test('this host is refused by all of its addresses, as they are now', async (t) => {
  const addresses = Object.values(networkInterfaces()).flatMap((entries = []) =>
    entries.map(({ address }) => address),
  )
  for (const address of addresses) t.type(strict(address), 'string', address)
  t.equal(strict('127.9.9.9'), '127.9.9.9 is loopback and not allowed to be probed')
  let own = ['192.0.2.7/32']
  const options = { ownAddresses: () => own.map((text) => parsePrefix(text)!) }
  const policy = addressPolicy([], options)
  t.equal(policy('192.0.2.7'), '192.0.2.7 is this host and not allowed to be probed')
  t.type(policy('::ffff:192.0.2.7'), 'string')
  t.type(policy('64:ff9b::192.0.2.7'), 'string')
  t.equal(policy('192.0.2.8'), null)
  t.equal(addressPolicy([parsePrefix('192.0.2.7/32')!], options)('192.0.2.7'), null, 'unless it is allowed')
  own = ['192.0.2.8/32', '2001:db8::7/128', '198.51.100.0/24']
  t.equal(policy('192.0.2.7'), null)
  for (const address of ['192.0.2.8', '2001:db8::7', '198.51.100.9'])
    t.type(policy(address), 'string', address)
})

t.test('an IPv4 address is judged alike however it is embedded', async () => {
  const policy = allowing('127.0.0.0/9', '224.0.0.0/5')
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      const refused = policy(address) !== null
      return ['::ffff:', '64:ff9b::', '64:ff9b:1::', '::ffff:0:'].every(
        (before) => (policy(before + address) !== null) === refused,
      )
    }),
  )
})
