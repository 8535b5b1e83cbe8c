/**
 * The chain of NSEC3 that says what a zone has, without its names (RFC 5155), as RFC 9276 wants it: SHA-1, no iterations, no salt, no
 * opt-out. Each name that has an NSEC in the other kind of chain has one, and each name that owns nothing but has such names below it;
 * each names the next hash, the last one the first.
 */

import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { beat } from '../../dataplane/life/signs.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { maxNameLength, parentName } from '../../dataplane/wire/name.ts'
import { hashLabelLength, hashOwner, hashWords, writeHashLabel } from '../../dataplane/wire/owner-hash.ts'
import { encodeBitmap } from '../../dataplane/wire/type-bitmap.ts'
import { listsOf, type SignedOwner } from './nsec-chain.ts'
import { SigningError } from './rrset-signer.ts'

const hashLength = 4 * hashWords
/** Hash algorithm, flags, iterations and salt (RFC 5155 section 3.2): those of NSEC3, and of NSEC3PARAM too. */
const parameters = Buffer.of(1, 0, 0, 0, 0)

/** The words of the hash that was made last. */
const words = new Int32Array(hashWords)
const octets = Buffer.alloc(hashLength)

/** The hash of a name, an octet a character, so that hashes sort as texts. @param name lower-cased wire form */
export function hashOf(name: Uint8Array): string {
  hashOwner(name, 0, name.length, false, words)
  return hashText(words, 0)
}

/** The same of a hash in words (`wire/owner-hash.ts`). */
export function hashText(from: Int32Array, at: number): string {
  for (let i = 0; i < hashWords; i++) octets.writeInt32BE(from[at + i]! ^ 0x8000_0000, 4 * i)
  return octets.toString('latin1')
}

/** The name that owns the NSEC3 of a hash. @param apex lower-cased wire form */
export function hashedName(hash: string, apex: Uint8Array): Uint8Array {
  const from = Buffer.from(hash, 'latin1')
  for (let i = 0; i < hashWords; i++) words[i] = from.readInt32BE(4 * i) ^ 0x8000_0000
  const name = new Uint8Array(hashLabelLength + apex.length)
  writeHashLabel(words, 0, name, 0)
  name.set(apex, hashLabelLength)
  return name
}

/** A name of the chain that owns nothing. */
export function emptyOwner(name: Uint8Array): SignedOwner {
  return { name, listed: [], signed: [], isService: false }
}

/**
 * @param owners that own an NSEC where the chain is one of those
 * @param ttlSeconds the lesser of the SOA's TTL and MINIMUM (RFC 9077 section 3)
 * @throws SigningError where two names have one hash, or a hashed name is too long
 */
export function hashedChain(
  apex: Uint8Array,
  owners: readonly SignedOwner[],
  ttlSeconds: number,
): WireRrset[] {
  checkApex(apex)
  const all = [...owners, ...emptyAbove(apex, owners)]
  const sorted = all.map((owner) => ({ owner, hash: hashOf(owner.name) })).sort(byHash)
  return sorted.flatMap(({ owner, hash }, index) => {
    beat()
    const next = sorted[(index + 1) % sorted.length]!.hash
    if (next === hash && sorted.length > 1) throw new SigningError('two names have one hash')
    return nsec3sOf(apex, owner, hash, next, ttlSeconds)
  })
}

function byHash(a: { readonly hash: string }, b: { readonly hash: string }): number {
  beat()
  return a.hash < b.hash ? -1 : 1
}

/** @throws SigningError */
export function checkApex(apex: Uint8Array): void {
  if (hashLabelLength + apex.length > maxNameLength)
    throw new SigningError('its name is too long for NSEC3: the hashed names would not fit')
}

/** The names above those of a zone that own nothing themselves. */
function emptyAbove(apex: Uint8Array, owners: readonly SignedOwner[]): SignedOwner[] {
  const known = new Set(owners.map(({ name }) => keyOf(name)))
  const empty: SignedOwner[] = []
  for (const { name } of owners) {
    for (let above = name; above.length > apex.length; ) {
      above = parentName(above)
      // Whatever is above that one is known too.
      if (known.has(keyOf(above))) break
      known.add(keyOf(above))
      empty.push(emptyOwner(above))
    }
  }
  return empty
}

const keyOf = (name: Uint8Array) => Buffer.from(name).toString('latin1')

/** The NSEC3s of a name; of a service there are several, as `nsec-variants.ts` says. */
export function nsec3sOf(
  apex: Uint8Array,
  of: SignedOwner,
  hash: string,
  next: string,
  ttlSeconds: number,
): WireRrset[] {
  const owner = hashedName(hash, apex)
  // A cut without DS has no signature (RFC 5155 section 7.1).
  const always = of.signed.length > 0 || of.isService ? [types.rrsig] : []
  return listsOf(of).map((there) =>
    nsec3Of(owner, next, encodeBitmap([...there, ...always].sort((a, b) => a - b)), ttlSeconds),
  )
}

/** @param bitmap octets of the field */
export function nsec3Of(owner: Uint8Array, next: string, bitmap: Uint8Array, ttlSeconds: number): WireRrset {
  const rdata = Buffer.concat([parameters, Buffer.of(hashLength), Buffer.from(next, 'latin1'), bitmap])
  return { owner, type: types.nsec3, ttlSeconds, rdata: [rdata] }
}

/** What is behind the next hash in the RDATA of an NSEC3. */
export function bitmapIn(rdata: Uint8Array): Uint8Array {
  return rdata.subarray(parameters.length + 1 + hashLength)
}

/** The NSEC3PARAM of a zone, which says that its chain is whole (RFC 5155 section 4). */
export function nsec3Param(apex: Uint8Array): WireRrset {
  return { owner: apex, type: types.nsec3param, ttlSeconds: 0, rdata: [parameters] }
}
