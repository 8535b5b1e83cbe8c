/**
 * The chain of NSEC that says what a zone has, and so what it has not (RFC 4034 section 4). Each name that owns data with authority has one,
 * which names the next such name in canonical order; the last one names the apex. Names between two labels that own nothing have none
 * (empty non-terminals), and neither has what lies below a zone cut or a DNAME.
 */

import { nsecVariants } from '../../dataplane/image/nsec-variants.ts'
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { beat } from '../../dataplane/life/signs.ts'
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
  /** Whether a service gives its A and AAAA, which change with health. */
  readonly isService: boolean
}

/**
 * The names of a zone that own an NSEC, in canonical order.
 *
 * @param apex lower-cased wire form
 * @param rrsets all of the zone, the SOA too; owners in lower-cased wire form
 * @param services names of the services in it, likewise
 */
export function signedOwners(
  apex: Uint8Array,
  rrsets: Iterable<WireRrset>,
  services: readonly Uint8Array[] = [],
): SignedOwner[] {
  // With many names each of these takes long.
  beat()
  const byOwner = Map.groupBy(rrsets, ({ owner }) => canonicalKey(owner))
  beat()
  const served = new Map(services.map((name) => [canonicalKey(name), name]))
  const sorted = [...new Set([...byOwner.keys(), ...served.keys()])].sort(inOrder)
  const apexKey = canonicalKey(apex)
  const owners: SignedOwner[] = []
  // What lies below a cut or a DNAME stands behind it.
  let hiding: Uint8Array | null = null
  for (const key of sorted) {
    beat()
    const here = byOwner.get(key) ?? []
    const name = here[0]?.owner ?? served.get(key)!
    if (hiding !== null && isSubdomain(name, hiding)) continue
    const isApex = key === apexKey
    hiding = doesHide(here, isApex) ? name : null
    owners.push(signedOwner(name, here, { isApex, isService: served.has(key) }))
  }
  return owners
}

function inOrder(a: string, b: string): number {
  beat()
  return a < b ? -1 : 1
}

/** Whether what a name owns hides what lies below it: a zone cut, or a DNAME (RFC 6672 section 2.4). */
export function doesHide(here: readonly WireRrset[], isApex: boolean): boolean {
  return here.some(({ type }) => type === types.dname || (type === types.ns && !isApex))
}

/** @param here all that the name owns */
export function signedOwner(
  name: Uint8Array,
  here: readonly WireRrset[],
  { isApex, isService }: { readonly isApex: boolean; readonly isService: boolean },
): SignedOwner {
  const isCut = !isApex && here.some(({ type }) => type === types.ns)
  const seen = isCut ? here.filter(({ type }) => type === types.ns || type === types.ds) : here
  const signed = isCut ? here.filter(({ type }) => type === types.ds) : here
  // Whoever asks for a service at a cut is referred to others.
  const isServed = isService && !isCut
  const listed = [...new Set(seen.map(({ type }) => type))]
  return { name, listed, signed, isService: isServed }
}

/** @param ttlSeconds the lesser of the SOA's TTL and MINIMUM (RFC 9077 section 3) */
export function nsecChain(owners: readonly SignedOwner[], ttlSeconds: number): WireRrset[] {
  return owners.flatMap((owner, index) => {
    beat()
    return nsecsOf(owner, owners[(index + 1) % owners.length]!.name, ttlSeconds)
  })
}

/** The NSEC of a name; of a service there are several, as `nsec-variants.ts` says. */
export function nsecsOf(owner: SignedOwner, next: Uint8Array, ttlSeconds: number): WireRrset[] {
  return listsOf(owner).map((there) => nsecOf(owner.name, next, bitmapOf(there), ttlSeconds))
}

/** The types that each NSEC of a name names, without RRSIG and NSEC. */
export function listsOf({ listed, isService }: SignedOwner): readonly (readonly number[])[] {
  if (!isService) return [listed]
  const always = listed.filter((type) => type !== types.a && type !== types.aaaa)
  // An apex is never an alias, and one that claimed to be would puzzle.
  const mayBe = listed.includes(types.soa) ? (type: number) => type !== types.cname : () => true
  return nsecVariants.map((served) => [...always, ...served.filter(mayBe)])
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
function bitmapOf(listed: readonly number[]): Uint8Array {
  return encodeBitmap([...listed, types.rrsig, types.nsec].sort((a, b) => a - b))
}
