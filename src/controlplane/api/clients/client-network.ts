import { parseAddress } from '../../../dataplane/wire/address.ts'

/** Octets of an IPv6 address that tell one client from another: whoever has one address has the /64 around it. */
const networkOctets = 8

/** What clients are counted by: an IPv4 address, or the /64 of an IPv6 one. Text that is no address stands for itself. */
export function clientNetwork(address: string): string {
  const octets = parseAddress(address.replace(/%.*$/, ''))
  if (octets === null || octets.length === 4) return address
  return `${Buffer.from(octets.subarray(0, networkOctets)).toString('hex')}::/64`
}
