/**
 * Where probes may go. Whoever may configure a pool, or answer a probe with a redirect, could otherwise let this node ask
 * things of itself, of its link or of the cloud that it runs in, which take the place of the asker for leave enough.
 *
 * An address is judged, never a name: the caller resolves, has each address judged and connects to one that was judged.
 */
import { parseAddress } from '../../../dataplane/wire/address.ts'
import { type Prefix, parsePrefix, prefixHolds } from '../../../dataplane/wire/prefix.ts'
import type { AddressPolicy } from '../../model/pool.ts'

/** Kinds of addresses, in order: the first that holds an address names it. Private networks (RFC 1918) are where members live. */
const guarded: readonly (readonly [kind: string, ...prefixes: readonly string[]])[] = [
  // All of 0/8 is "this host" (RFC 1122 section 3.2.1.3), and Linux connects 0.0.0.0 to itself.
  ['unspecified', '0.0.0.0/8', '::/128'],
  ['loopback', '127.0.0.0/8', '::1/128'],
  // 169.254.169.254 of most clouds is in here.
  ['link-local', '169.254.0.0/16', 'fe80::/10'],
  // Amazon and Google by IPv6, Alibaba, Oracle, Azure.
  ['a metadata service', 'fd00:ec2::254/128', 'fd20:ce::254/128'],
  ['a metadata service', '100.100.100.200/32', '192.0.0.192/32', '168.63.129.16/32'],
  ['multicast', '224.0.0.0/4', 'ff00::/8'],
  ['broadcast', '255.255.255.255/32'],
]

const ranges = guarded.flatMap(([kind, ...prefixes]) =>
  prefixes.map((text) => ({ kind, prefix: parsePrefix(text)! })),
)

/** IPv6 addresses that reach an IPv4 one, and where in them its four octets begin. In order: the first that holds counts. */
const embedding = (
  [
    // These two are IPv6's own, though the range of the compatible ones holds them.
    ['::/128', null],
    ['::1/128', null],
    // RFC 4291 section 2.5.5: compatible and mapped.
    ['::/96', 12],
    ['::ffff:0:0/96', 12],
    // SIIT's translated ones (RFC 2765 section 2.1).
    ['::ffff:0:0:0/96', 12],
    // NAT64: the well-known prefix (RFC 6052 section 2.1), and the local ones (RFC 8215), taken to be /96 themselves.
    ['64:ff9b::/96', 12],
    ['64:ff9b:1::/48', 12],
    // 6to4 (RFC 3056 section 2).
    ['2002::/16', 2],
  ] as const
).map(([text, start]) => ({ prefix: parsePrefix(text)!, start }))

/** The IPv4 address that an IPv6 one reaches; any other as it is. */
function reached(octets: Uint8Array): Uint8Array {
  const start = embedding.find(({ prefix }) => prefixHolds(prefix, octets, octets.length))?.start ?? null
  return start === null ? octets : octets.subarray(start, start + 4)
}

/** @param allowed where probes may go whatever is there; an IPv4 prefix also holds the IPv6 addresses that embed it */
export function addressPolicy(allowed: readonly Prefix[]): AddressPolicy {
  return (address) => {
    // A zone index says by which interface, not where to.
    const octets = parseAddress(address.replace(/%.*$/, ''))
    if (octets === null) return `"${address}" is no address`
    const judged = reached(octets)
    const holds = (prefix: Prefix): boolean => prefixHolds(prefix, judged, judged.length)
    const found = ranges.find(({ prefix }) => holds(prefix))
    if (found === undefined || allowed.some(holds)) return null
    return `${address} is ${found.kind} and not allowed to be probed`
  }
}

/** Refuses no address. */
export const anywhere = addressPolicy([parsePrefix('0.0.0.0/0')!, parsePrefix('::/0')!])
