/**
 * Signs RRsets (RFC 4034 section 3), or finds their signatures in a book.
 *
 * A signature holds from an hour ago, for clocks that are behind, to in 14 days less up to one, by its owner and type, so that those of a
 * zone don't end together. It is made anew when a week of that is left, or when it has not begun, as the clock was set back. Without its
 * key it is used until it ends.
 */
import { hash, type KeyObject, sign } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { classes } from '../../dataplane/wire/constants.ts'
import { labelOffsets } from '../../dataplane/wire/name.ts'
import type { SigningAlgorithm } from '../model/dnssec.ts'
import type { Signature, SignatureBook } from './signature-book.ts'
import type { SigningKey } from './zone-key.ts'

const daySeconds = 86_400
export const signatureTimes = {
  beforeSeconds: 3600,
  validSeconds: 14 * daySeconds,
  spreadSeconds: daySeconds,
  renewSeconds: 7 * daySeconds,
} as const

/** An RRset can't be signed, and no signature of it is at hand. */
export class SigningError extends Error {
  override readonly name = 'SigningError'
}

/** RRsets as they are signed. */
export interface SignableRrset {
  /** Lower-cased wire form. */
  readonly owner: Uint8Array
  readonly type: number
  /** The Original TTL. */
  readonly ttlSeconds: number
  /** Canonical RDATA in canonical order. */
  readonly data: readonly Uint8Array[]
}

export class RrsetSigner {
  readonly #apex: Uint8Array
  readonly #before: SignatureBook
  readonly #after: SignatureBook
  readonly #nowSeconds: number
  #made = 0

  /**
   * @param apex lower-cased wire form
   * @param before what has been signed
   * @param after gets what is used
   */
  constructor(apex: Uint8Array, before: SignatureBook, after: SignatureBook, nowSeconds: number) {
    this.#apex = apex
    this.#before = before
    this.#after = after
    this.#nowSeconds = nowSeconds
  }

  /** How many signatures were made. */
  get made(): number {
    return this.#made
  }

  /** RDATA of the RRSIG by a key. @throws SigningError, which does not name the RRset */
  sign(rrset: SignableRrset, key: SigningKey): Uint8Array {
    const covered = coveredOctets(rrset)
    const id = idOf(key, covered)
    const known = this.#before.find(id)
    const signature =
      known !== undefined && this.#isGood(known, key) ? known : this.#make(rrset, key, covered)
    this.#after.keep(id, signature)
    return this.#rrsig(rrset, key, signature)
  }

  /** RDATA of the RRSIG of what has been signed by a key; undefined when it has not. */
  find(rrset: SignableRrset, key: SigningKey): Uint8Array | undefined {
    const signature = this.#after.find(signatureId(key, rrset))
    return signature === undefined ? undefined : this.#rrsig(rrset, key, signature)
  }

  #rrsig(rrset: SignableRrset, key: SigningKey, signature: Signature): Uint8Array {
    return Buffer.concat([this.#head(rrset, key, signature), signature.octets])
  }

  #isGood(known: Signature, { privateKey }: SigningKey): boolean {
    return isGood(known, this.#nowSeconds, privateKey !== null)
  }

  #make(rrset: SignableRrset, key: SigningKey, covered: Uint8Array): Signature {
    if (key.privateKey === null) throw new SigningError(key.trouble ?? 'the key is not at hand')
    const { beforeSeconds, validSeconds, spreadSeconds } = signatureTimes
    const spread = crc32(rrset.owner, rrset.type) % spreadSeconds
    const times = {
      inception: this.#nowSeconds - beforeSeconds,
      expiration: this.#nowSeconds + validSeconds - spread,
    }
    const signed = Buffer.concat([this.#head(rrset, key, times), covered])
    this.#made++
    return { ...times, octets: signOctets(key.algorithm, key.privateKey, signed) }
  }

  /** RDATA of the RRSIG without the signature; the signer's name in lower case (RFC 4034 section 6.2). */
  #head(
    { owner, type, ttlSeconds }: SignableRrset,
    { algorithm, tag }: SigningKey,
    { inception, expiration }: Pick<Signature, 'inception' | 'expiration'>,
  ): Uint8Array {
    const head = Buffer.alloc(18 + this.#apex.length)
    head.writeUInt16BE(type, 0)
    head[2] = algorithm
    head[3] = labelsOf(owner)
    head.writeUInt32BE(ttlSeconds, 4)
    head.writeUInt32BE(expiration, 8)
    head.writeUInt32BE(inception, 12)
    head.writeUInt16BE(tag, 16)
    head.set(this.#apex, 18)
    return head
  }
}

/** Whether a signature is used, or made anew. @param renews whether it can be made anew; else it is used until it ends */
export function isGood(
  { inception, expiration }: Pick<Signature, 'inception' | 'expiration'>,
  nowSeconds: number,
  renews: boolean,
): boolean {
  if (!renews) return expiration > nowSeconds
  return inception <= nowSeconds && expiration - nowSeconds > signatureTimes.renewSeconds
}

/** By what a book has the signature of an RRset by a key. */
export function signatureId(key: SigningKey, rrset: SignableRrset): string {
  return idOf(key, coveredOctets(rrset))
}

const idOf = ({ dnskey }: SigningKey, covered: Uint8Array) =>
  hash('sha256', Buffer.concat([dnskey, covered]), 'base64')

/** Labels without the root's, and without the asterisk of a wildcard (RFC 4034 section 3.1.3). */
function labelsOf(owner: Uint8Array): number {
  const isWildcard = owner[0] === 1 && owner[1] === 0x2a
  return labelOffsets(owner).length - (isWildcard ? 1 : 0)
}

/** The RRset as it is signed (RFC 4034 section 3.1.8.1). */
function coveredOctets({ owner, type, ttlSeconds, data }: SignableRrset): Uint8Array {
  const fixed = Buffer.alloc(owner.length + 10)
  fixed.set(owner)
  fixed.writeUInt16BE(type, owner.length)
  fixed.writeUInt16BE(classes.in, owner.length + 2)
  fixed.writeUInt32BE(ttlSeconds, owner.length + 4)
  const length = data.reduce((sum, rdata) => sum + fixed.length + rdata.length, 0)
  const covered = Buffer.alloc(length)
  let at = 0
  for (const rdata of data) {
    fixed.writeUInt16BE(rdata.length, fixed.length - 2)
    covered.set(fixed, at)
    covered.set(rdata, at + fixed.length)
    at += fixed.length + rdata.length
  }
  return covered
}

/**
 * @returns 64 octets: r and s of ECDSA (RFC 6605 section 4), or the signature of Ed25519 (RFC 8080 section 4)
 */
export function signOctets(algorithm: SigningAlgorithm, key: KeyObject, data: Uint8Array): Uint8Array {
  // The bare key: an options object that asks for r and s makes a signature take three times as long.
  return algorithm === 13 ? derToPair(sign('sha256', data, key)) : sign(null, data, key)
}

/** r and s of 32 octets each, out of a DER sequence of two integers, which may have a zero before them, or lack leading ones. */
export function derToPair(der: Uint8Array): Uint8Array {
  const pair = new Uint8Array(64)
  let at = 2
  for (const half of [0, 32]) {
    const length = der[at + 1]!
    const skipped = Math.max(0, length - 32)
    const digits = der.subarray(at + 2 + skipped, at + 2 + length)
    pair.set(digits, half + 32 - digits.length)
    at += 2 + length
  }
  return pair
}
