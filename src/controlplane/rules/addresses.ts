/**
 * Addresses that no server can have, and those that a server can have and that yet lead most clients nowhere. A member with one
 * of the first kind is refused; the others are taken, with a warning. Data of zones is never refused for its addresses, since
 * zones that block names hold `0.0.0.0` on purpose: there both are warned of.
 *
 * Documentation prefixes are in neither list, as examples are made of them, ours too.
 */
import { parseAddress } from '../../dataplane/wire/address.ts'
import { type Prefix, parsePrefix, prefixHolds } from '../../dataplane/wire/prefix.ts'
import { addressesOf, type Member } from '../model/pool.ts'
import type { Breach } from './breach.ts'

interface Kind {
  /** What is said behind the address. */
  readonly said: string
  /** No server has such an address. */
  readonly impossible: boolean
  readonly prefixes: readonly Prefix[]
}

const kind = (said: string, impossible: boolean, ...prefixes: readonly string[]): Kind => ({
  said,
  impossible,
  prefixes: prefixes.map((text) => parsePrefix(text)!),
})

/** In order: the first that holds an address names it. */
const kinds: readonly Kind[] = [
  kind('is unspecified, which is no address of a server', true, '0.0.0.0/32', '::/128'),
  kind('is of "this network" (RFC 1122 section 3.2.1.3), which has no servers', true, '0.0.0.0/8'),
  kind('is a multicast address, which no server answers from', true, '224.0.0.0/4', 'ff00::/8'),
  kind('is the broadcast address, which no server answers from', true, '255.255.255.255/32'),
  kind(
    'is the form of IPv6 of an IPv4 address that no server has (RFC 6052, RFC 3056)',
    true,
    ...['64:ff9b::/104', '64:ff9b::e000:0/100', '64:ff9b::ffff:ffff/128'],
    ...['2002::/24', '2002:e000::/20', '2002:ffff:ffff::/48'],
    ...['::e000:0/100', '::ffff:ffff/128', '::ffff:0:0/104', '::ffff:e000:0/100', '::ffff:ffff:ffff/128'],
  ),
  kind('is a loopback address: whoever is told it asks itself', false, '127.0.0.0/8', '::1/128'),
  kind(
    'is link-local: nobody reaches it from another link, nor without naming an interface',
    false,
    '169.254.0.0/16',
    'fe80::/10',
  ),
  kind('is of a range that is reserved (RFC 1112 section 4)', false, '240.0.0.0/4'),
  kind('is an IPv4 address in the form of IPv6 (RFC 4291 section 2.5.5)', false, '::ffff:0:0/96', '::/96'),
  kind('is site-local, which is deprecated (RFC 3879)', false, 'fec0::/10'),
  kind('is of the range that routers discard (RFC 6666)', false, '100::/64'),
]

function kindOf(address: string): Kind | null {
  const octets = parseAddress(address)
  if (octets === null) return null
  return (
    kinds.find(({ prefixes }) => prefixes.some((each) => prefixHolds(each, octets, octets.length))) ?? null
  )
}

/** Members with addresses that are no server's. */
export function addressBreaches(pool: string, members: readonly Member[]): Breach[] {
  return members.flatMap((member) =>
    addressesWithWays(member).flatMap(([address, ...at]) => {
      const found = kindOf(address)
      if (found === null || !found.impossible) return []
      const where = ['members', member.name, ...at]
      return [
        {
          code: 'invalid' as const,
          kind: 'pools' as const,
          name: pool,
          at: where,
          message: `${address} ${found.said}`,
        },
      ]
    }),
  )
}

/** What is doubtful about what clients are told of a member. */
export function memberDoubts(member: Member): string[] {
  return addressesOf(member).flatMap((address) => addressDoubt(address) ?? [])
}

/** What is doubtful about an address that clients are told; null when nothing is. */
export function addressDoubt(address: string): string | null {
  const found = kindOf(address)
  return found === null ? null : `${address} ${found.said}`
}

/** Each with the way to it from the member. */
function addressesWithWays(member: Member): (readonly [string, ...(string | number)[]])[] {
  const { probeAddress } = member
  const own = addressesOf(member)
  return [
    ...own.map((address, index) =>
      own.length === 1 ? ([address, 'address'] as const) : ([address, 'addresses', index] as const),
    ),
    ...(probeAddress === null ? [] : [[probeAddress, 'probe', 'address'] as const]),
  ]
}
