/**
 * The chain of NSEC that says what a zone has, and so what it has not (RFC 4034 section 4). Each name that owns data with authority has one,
 * which names the next such name in canonical order; the last one names the apex. Names between two labels that own nothing have none
 * (empty non-terminals), and neither has what lies below a zone cut or a DNAME.
 */
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { isSubdomain } from '../../dataplane/wire/name.ts'
import { encodeBitmap } from '../../dataplane/wire/type-bitmap.ts'
import { canonicalKey } from './canonical-names.ts'

/** A name that owns data with authority, or is a cut, and what of it is signed. */
export interface SignedOwner {
  /** Lower-cased wire form. */
  readonly name: Uint8Array
  /** Types that its NSEC names, without RRSIG and NSEC. */
  readonly listed: readonly number[]
  /** The RRsets that are signed; at a cut only DS (RFC 4035 section 2.2). */
  readonly signed: readonly WireRrset[]
}

/**
 * The names of a zone that own an NSEC, in canonical order.
 *
 * @param apex lower-cased wire form
 * @param rrsets all of the zone, the SOA too; owners in lower-cased wire form
 */
export function signedOwners(apex: Uint8Array, rrsets: Iterable<WireRrset>): SignedOwner[] {
  const byOwner = Map.groupBy(rrsets, ({ owner }) => canonicalKey(owner))
  const sorted = Array.from(byOwner, ([key, here]) => ({ key, here })).sort((a, b) =>
    a.key < b.key ? -1 : 1,
  )
  const apexKey = canonicalKey(apex)
  const owners: SignedOwner[] = []
  // What lies below a cut or a DNAME stands behind it.
  let hiding: Uint8Array | null = null
  for (const { key, here } of sorted) {
    const name = here[0]!.owner
    if (hiding !== null && isSubdomain(name, hiding)) continue
    const isApex = key === apexKey
    hiding = doesHide(here, isApex) ? name : null
    owners.push(signedOwner(name, here, isApex))
  }
  return owners
}

/** Whether what a name owns hides what lies below it: a zone cut, or a DNAME (RFC 6672 section 2.4). */
export function doesHide(here: readonly WireRrset[], isApex: boolean): boolean {
  return here.some(({ type }) => type === types.dname || (type === types.ns && !isApex))
}

/** @param here all that the name owns */
export function signedOwner(name: Uint8Array, here: readonly WireRrset[], isApex: boolean): SignedOwner {
  const isCut = !isApex && here.some(({ type }) => type === types.ns)
  const seen = isCut ? here.filter(({ type }) => type === types.ns || type === types.ds) : here
  const signed = isCut ? here.filter(({ type }) => type === types.ds) : here
  return { name, listed: [...new Set(seen.map(({ type }) => type))], signed }
}

/** @param ttlSeconds the lesser of the SOA's TTL and MINIMUM (RFC 9077 section 3) */
export function nsecChain(owners: readonly SignedOwner[], ttlSeconds: number): WireRrset[] {
  return owners.map(({ name, listed }, index) => {
    const next = owners[(index + 1) % owners.length]!.name
    return nsecOf(name, next, bitmapOf(listed), ttlSeconds)
  })
}

/** @param bitmap octets of the field */
export function nsecOf(
  owner: Uint8Array,
  next: Uint8Array,
  bitmap: Uint8Array,
  ttlSeconds: number,
): WireRrset {
  return { owner, type: types.nsec, ttlSeconds, rdata: [Buffer.concat([next, bitmap])] }
}

/** What the NSEC of a name says of it. @param listed types without RRSIG and NSEC, each once */
export function bitmapOf(listed: readonly number[]): Uint8Array {
  return encodeBitmap([...listed, types.rrsig, types.nsec].sort((a, b) => a - b))
}
