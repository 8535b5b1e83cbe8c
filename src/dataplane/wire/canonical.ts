/**
 * The canonical form of RRs (RFC 4034 section 6, with the corrections of RFC 6840 section 5.1): the octets that a signature
 * is of. Both who signs and who looks for a signature go by it.
 */
import { types } from './constants.ts'
import { nameFields } from './rdata.ts'

/**
 * The types whose names in RDATA are in lower case when they are signed: those of RFC 4034 section 6.2 that have any and that we
 * know, without NSEC (RFC 6840 section 5.1). No other type has them folded, SVCB and HTTPS neither.
 */
const foldedTypes: ReadonlySet<number> = new Set([
  types.ns,
  types.cname,
  types.soa,
  ...[7, 8, 9], // MB, MG, MR
  12, // PTR
  14, // MINFO
  types.mx,
  ...[17, 18, 21, 26], // RP, AFSDB, RT, PX
  types.srv,
  ...[35, 36], // NAPTR, KX
  types.dname,
  types.rrsig,
])

/**
 * RDATA as it is signed (RFC 4034 section 6.2).
 *
 * @param rdata sound octets of the type, its names whole
 * @returns a copy, or the same where there is nothing to fold
 */
export function canonicalRdata(type: number, rdata: Uint8Array): Uint8Array {
  if (!foldedTypes.has(type)) return rdata
  const canonical = new Uint8Array(rdata)
  for (const { offset, length } of nameFields(type, rdata)) {
    // The lengths of labels are no letters.
    for (let at = offset; at < offset + length; at++) {
      const octet = canonical[at]!
      if (octet >= 0x41 && octet <= 0x5a) canonical[at] = octet | 0x20
    }
  }
  return canonical
}

/** RDATA in the order in which an RRset is signed, each once (RFC 4034 section 6.3). @param rdata in canonical form */
export function sortRdata(rdata: readonly Uint8Array[]): Uint8Array[] {
  if (rdata.length === 1) return [rdata[0]!]
  return [...rdata]
    .sort(Buffer.compare)
    .filter((one, i, all) => i === 0 || Buffer.compare(one, all[i - 1]!) !== 0)
}

/**
 * The order of names (RFC 4034 section 6.1): by their labels from the right, octet by octet.
 *
 * @param a lower-cased wire form, as `b` is
 * @returns below 0 when `a` is before `b`, above when it is behind, 0 when they are one name
 */
export function compareNames(a: Uint8Array, b: Uint8Array): number {
  const left = labelStarts(a)
  const right = labelStarts(b)
  for (let i = 1; i <= Math.min(left.length, right.length); i++) {
    const order = compareLabels(a, left.at(-i)!, b, right.at(-i)!)
    if (order !== 0) return order
  }
  return left.length - right.length
}

function labelStarts(name: Uint8Array): number[] {
  const starts: number[] = []
  for (let at = 0; name[at] !== 0; at += name[at]! + 1) starts.push(at)
  return starts
}

/** The order of two labels, given by where their lengths stand; allocates nothing. */
export function compareLabels(a: Uint8Array, aAt: number, b: Uint8Array, bAt: number): number {
  const aLength = a[aAt]!
  const bLength = b[bAt]!
  const common = Math.min(aLength, bLength)
  for (let i = 1; i <= common; i++) {
    const difference = a[aAt + i]! - b[bAt + i]!
    if (difference !== 0) return difference
  }
  return aLength - bLength
}
