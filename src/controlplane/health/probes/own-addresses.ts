import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { parseAddress } from '../../../dataplane/wire/address.ts'
import { type Prefix, parsePrefix, prefixHolds } from '../../../dataplane/wire/prefix.ts'
import { type Family, familyOf } from '../../model/family.ts'

/** Addresses come and go (DHCP, a virtual one that moves), so they are read again; a read costs what ten probes do. */
const goodForMs = 100

let known: readonly Prefix[] = []
let familiesHere: ReadonlySet<Family> = new Set()
let readAt = Number.NEGATIVE_INFINITY

/**
 * What reaches this host itself, as of now: its addresses, and on a loopback interface the networks around them, all of which
 * Linux takes for its own.
 */
export function ownAddresses(): readonly Prefix[] {
  readAgain()
  return known
}

/** Whether this host can't go anywhere in a family, as of now. */
export function lacksFamily(family: Family): boolean {
  readAgain()
  return !familiesHere.has(family)
}

/** Loopback and link-local: they lead nowhere beyond this host and its wire. An address of another kind on `lo` does. */
const near = ['127.0.0.0/8', '169.254.0.0/16', '::1/128', 'fe80::/10'].map((text) => parsePrefix(text)!)

/** @returns the families of which the interfaces have an address that leads somewhere */
export function familiesOf(interfaces: NodeJS.Dict<readonly NetworkInterfaceInfo[]>): ReadonlySet<Family> {
  const leading = Object.values(interfaces).flatMap((entries = []) =>
    entries.filter(({ address }) => {
      const octets = parseAddress(address.replace(/%.*$/, ''))
      return octets !== null && !near.some((one) => prefixHolds(one, octets, octets.length))
    }),
  )
  return new Set(leading.map(({ address }) => familyOf(address)))
}

function readAgain(): void {
  const now = performance.now()
  if (now - readAt < goodForMs) return
  readAt = now
  const interfaces = networkInterfaces()
  familiesHere = familiesOf(interfaces)
  known = Object.values(interfaces).flatMap((entries = []) =>
    entries.flatMap(({ address, cidr, internal }) => {
      const plain = address.replace(/%.*$/, '')
      const text = internal && cidr !== null ? cidr : `${plain}/${plain.includes(':') ? 128 : 32}`
      return parsePrefix(text) ?? []
    }),
  )
}
