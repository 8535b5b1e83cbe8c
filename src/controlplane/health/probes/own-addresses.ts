import { networkInterfaces } from 'node:os'
import { type Prefix, parsePrefix } from '../../../dataplane/wire/prefix.ts'

/** Addresses come and go (DHCP, a virtual one that moves), so they are read again; a read costs what ten probes do. */
const goodForMs = 100

let known: readonly Prefix[] = []
let readAt = Number.NEGATIVE_INFINITY

/**
 * What reaches this host itself, as of now: its addresses, and on a loopback interface the networks around them, all of which
 * Linux takes for its own.
 */
export function ownAddresses(): readonly Prefix[] {
  const now = performance.now()
  if (now - readAt < goodForMs) return known
  readAt = now
  known = Object.values(networkInterfaces()).flatMap((entries = []) =>
    entries.flatMap(({ address, cidr, internal }) => {
      const plain = address.replace(/%.*$/, '')
      const text = internal && cidr !== null ? cidr : `${plain}/${plain.includes(':') ? 128 : 32}`
      return parsePrefix(text) ?? []
    }),
  )
  return known
}
