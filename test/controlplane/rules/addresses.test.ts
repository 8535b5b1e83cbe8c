import t from 'tap'
import { addressBreaches, addressDoubt, memberDoubts } from '../../../src/controlplane/rules/addresses.ts'
import { hostMember, member } from '../store/suite/samples.ts'

t.test('addresses that are no server and those that lead nowhere', async (t) => {
  const table: [address: string, kind: RegExp | null, impossible?: true][] = [
    ['0.0.0.0', /^0\.0\.0\.0 is unspecified/, true],
    ['0.1.2.3', /this network/, true],
    ['::', /^:: is unspecified/, true],
    ['224.0.0.1', /multicast/, true],
    ['239.255.255.255', /multicast/, true],
    ['ff02::1', /multicast/, true],
    ['ffff::', /multicast/, true],
    ['255.255.255.255', /the broadcast address/, true],
    ['255.255.255.254', /reserved/],
    ['240.0.0.1', /reserved/],
    ['127.0.0.1', /loopback/],
    ['::1', /loopback/],
    ['169.254.169.254', /link-local/],
    ['fe80::1', /link-local/],
    ['febf::1', /link-local/],
    ['fec0::1', /site-local/],
    ['::ffff:192.0.2.1', /in the form of IPv6/],
    ['100::1', /discard/],
    ['64:ff9b::', /form of IPv6 of an IPv4 address that no server has/, true],
    ['64:ff9b::e000:1', /form of IPv6/, true],
    ['64:ff9b::ffff:ffff', /form of IPv6/, true],
    ['64:ff9b::c000:201', null],
    ['2002:0:1::', /form of IPv6/, true],
    ['2002:efff:1::1', /form of IPv6/, true],
    ['2002:ffff:ffff::1', /form of IPv6/, true],
    ['2002:c000:201::1', null],
    ['::e000:1', /form of IPv6/, true],
    ['::ffff:224.0.0.1', /form of IPv6/, true],
    ['1.0.0.1', null],
    ['10.0.0.1', null],
    ['192.0.2.1', null],
    ['223.255.255.255', null],
    ['2001:db8::1', null],
    ['fd00::1', null],
    ['100:0:0:1::1', null],
  ]
  for (const [address, kind, impossible = false] of table) {
    const doubt = addressDoubt(address)
    if (kind === null) t.equal(doubt, null, address)
    else t.match(doubt, kind, address)
    t.equal(addressBreaches('p', [member('a', address)]).length, impossible ? 1 : 0, address)
    t.same(memberDoubts(member('a', address)), doubt === null ? [] : [doubt])
    const probed = member('a', '192.0.2.1', { probeAddress: address })
    t.same(
      addressBreaches('p', [member('b', '192.0.2.2'), probed]).map(({ at }) => at.join('.')),
      impossible ? ['members.a.probe.address'] : [],
    )
    t.same(memberDoubts(probed), [], 'nobody is told what is probed')
  }
  t.same(addressBreaches('p', [hostMember('a', 'lb.example.')]), [])
})
