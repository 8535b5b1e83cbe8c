/**
 * APL, lists of address prefixes (RFC 3123): `1:192.0.2.0/24 !2:2001:db8::/32`. Each item is an address family, a
 * prefix length, a bit for "not", and the address without its zero octets at the end.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.ts'
import type { FieldKind } from './rdata-fields.ts'
import { TextError } from './text-error.ts'

interface Family {
  readonly octets: number
  readonly read: (text: string) => Uint8Array | null
  readonly format: (octets: Uint8Array) => string
}

/** Families by their IANA number; the others have no text form. */
const families: ReadonlyMap<number, Family> = new Map([
  [1, { octets: 4, read: parseIpv4, format: formatIpv4 }],
  [2, { octets: 16, read: parseIpv6, format: formatIpv6 }],
])

/** Any number of items to the end of the RDATA. */
export const addressPrefixes: FieldKind = {
  parse(tokens, out) {
    while (!tokens.done) out.append(readItem(tokens.next().text))
  },
  measure: (rdata, at) => (decode(rdata.subarray(at)) === null ? -1 : rdata.length - at),
  format: (field) => decode(field)!.join(' '),
}

function readItem(text: string): Uint8Array {
  const [, not, number, address, prefix] = /^(!?)(\d{1,5}):([^/]+)\/(\d{1,3})$/.exec(text) ?? []
  const family = families.get(Number(number))
  const octets = family?.read(address!) ?? null
  if (octets === null || Number(prefix) > 8 * octets.length) {
    throw new TextError(`"${text}" is not a prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32`)
  }
  const kept = octets.subarray(0, octets.findLastIndex((octet) => octet !== 0) + 1)
  return Uint8Array.from([0, Number(number), Number(prefix), (not === '!' ? 0x80 : 0) | kept.length, ...kept])
}

/** The items' texts; null when one is malformed or of a family without text. */
function decode(field: Uint8Array): string[] | null {
  const items: string[] = []
  for (let at = 0; at < field.length; ) {
    const [high, low, prefix, flags] = field.subarray(at, at + 4)
    const family = high === 0 ? families.get(low ?? 0) : undefined
    if (family === undefined || prefix === undefined || flags === undefined) return null
    const length = flags & 0x7f
    const kept = field.subarray(at + 4, at + 4 + length)
    if (length > family.octets || kept.length < length || kept.at(-1) === 0 || prefix > 8 * family.octets) {
      return null
    }
    const octets = new Uint8Array(family.octets)
    octets.set(kept)
    items.push(`${flags & 0x80 ? '!' : ''}${low}:${family.format(octets)}/${prefix}`)
    at += 4 + length
  }
  return items
}
