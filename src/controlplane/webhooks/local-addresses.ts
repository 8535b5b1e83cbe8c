import { BlockList, isIPv6 } from 'node:net'

const local = new BlockList()
local.addSubnet('0.0.0.0', 8, 'ipv4')
local.addSubnet('127.0.0.0', 8, 'ipv4')
local.addSubnet('169.254.0.0', 16, 'ipv4')
local.addAddress('::', 'ipv6')
local.addAddress('::1', 'ipv6')
local.addSubnet('fe80::', 10, 'ipv6')

/** Why nothing is sent to an address of this host or link, the metadata services of clouds among them; null for others. */
export function refuseLocal(address: string): string | null {
  // The list knows IPv4 in IPv6 (RFC 4291 section 2.5.5.2) by its IPv4 rules.
  const refused = local.check(address.replace(/%.*/, ''), isIPv6(address) ? 'ipv6' : 'ipv4')
  return refused ? `${address} is an address of this host or link` : null
}
