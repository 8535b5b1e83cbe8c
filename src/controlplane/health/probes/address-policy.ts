/**
 * Where probes may go. Whoever may configure a pool, or answer a probe with a redirect, could otherwise let this node ask
 * things of itself, of its link or of the cloud that it runs in, which take the place of the asker for leave enough.
 *
 * An address is judged, never a name: the caller resolves, has each address judged and connects to one that was judged.
 */
import { parseAddress } from '../../../dataplane/wire/address.ts'
import { type Prefix, parsePrefix, prefixHolds } from '../../../dataplane/wire/prefix.ts'
import type { AddressPolicy } from '../../model/pool.ts'
import { embeddedAddresses } from './embedded-addresses.ts'
import { ownAddresses } from './own-addresses.ts'

/** Kinds of addresses, in order: the first that holds an address names it. Private networks (RFC 1918) are where members live. */
const guarded: readonly (readonly [kind: string, ...prefixes: readonly string[]])[] = [
  // All of 0/8 is "this host" (RFC 1122 section 3.2.1.3), and Linux connects 0.0.0.0 to itself.
  ['unspecified', '0.0.0.0/8', '::/128'],
  ['loopback', '127.0.0.0/8', '::1/128'],
  // 169.254.169.254 of most clouds is in here, and those of tasks and pods (169.254.170.2, 169.254.170.23).
  ['link-local', '169.254.0.0/16', 'fe80::/10'],
  // Amazon's by IPv6: 254 of instances, 23 of pods, 253 its resolver.
  ['a metadata service', 'fd00:ec2::/32'],
  // Google, Oracle, Scaleway and Linode by IPv6. Theirs are local addresses (RFC 4193) that nobody drew by lot.
  ['a metadata service', 'fd20:ce::/32', 'fd00:c1::/32', 'fd00:42::/32', 'fd00:a9fe:a9fe::/48'],
  // Alibaba's by IPv6.
  ['a metadata service', 'fd00:100::/32'],
  // Alibaba, Oracle of old, Azure.
  ['a metadata service', '100.100.100.200/32', '192.0.0.192/32', '168.63.129.16/32'],
  ['multicast', '224.0.0.0/4', 'ff00::/8'],
  ['broadcast', '255.255.255.255/32'],
  // RFC 3879: what they meant, each network decides for itself.
  ['site-local', 'fec0::/10'],
  // RFC 4380: somebody behind a translator, by way of a server that the address names.
  ['a Teredo address', '2001::/32'],
]

const ranges = guarded.flatMap(([kind, ...prefixes]) =>
  prefixes.map((text) => ({ kind, prefix: parsePrefix(text)! })),
)

export interface PolicyOptions {
  /** Where nothing may go, whatever is allowed. */
  readonly denied?: readonly Prefix[]
  /** What reaches this host itself, asked at each judgement; the addresses of its interfaces when left out. */
  readonly ownAddresses?: () => readonly Prefix[]
}

/**
 * An address is judged with all that it embeds, each for itself: `::ffff:127.0.0.1` is loopback, and a list that allows
 * 127.0.0.0/8 allows it.
 *
 * @param allowed where probes may go although it is of a kind that is guarded, or this host
 */
export function addressPolicy(allowed: readonly Prefix[], options: PolicyOptions = {}): AddressPolicy {
  const { denied = [], ownAddresses: own = ownAddresses } = options
  const kindOf = (octets: Uint8Array): string | null => {
    const holds = (prefix: Prefix): boolean => prefixHolds(prefix, octets, octets.length)
    if (denied.some(holds)) return 'in POOLDNS_PROBE_DENY'
    if (allowed.some(holds)) return null
    return ranges.find(({ prefix }) => holds(prefix))?.kind ?? (own().some(holds) ? 'this host' : null)
  }
  return (address) => {
    // A zone index says by which interface, not where to.
    const octets = parseAddress(address.replace(/%.*$/, ''))
    if (octets === null) return `"${address}" is no address`
    for (const judged of [octets, ...embeddedAddresses(octets)]) {
      const kind = kindOf(judged)
      if (kind !== null) return `${address} is ${kind} and not allowed to be probed`
    }
    return null
  }
}

/** Refuses no address. */
export const anywhere = addressPolicy([parsePrefix('0.0.0.0/0')!, parsePrefix('::/0')!])
