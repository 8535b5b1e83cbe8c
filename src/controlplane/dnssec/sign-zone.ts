/**
 * A zone as it is served signed: its RRsets with those that signing adds (DNSKEY, CDS, CDNSKEY and the chain of NSEC), and the signature of
 * each that has one. What was signed before is not signed again. Pure, but for the randomness of ECDSA.
 */
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import type { Signatures } from '../../dataplane/image/signatures.ts'
import { canonicalRdata, sortRdata } from '../../dataplane/wire/canonical.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { formatName } from '../../dataplane/wire/name.ts'
import { parseType, typeName } from '../../dataplane/wire/rdata.ts'
import { addedTypes, type SigningReport } from '../model/dnssec.ts'
import { nsecChain, type SignedOwner, signedOwners } from './nsec-chain.ts'
import { RrsetSigner, SigningError, signatureTimes } from './rrset-signer.ts'
import { SignatureBook } from './signature-book.ts'
import { dsOf, type SigningKey, signersOf } from './zone-key.ts'

/** RRs live no longer than that in caches: a signature has a week left at the least when it is handed out (RFC 6781 section 4.4.2). */
const mostTtlSeconds = 3 * 86_400
/** Of what signing adds at the apex. */
const keyTtlSeconds = 3600

export interface UnsignedZone {
  /** As zones have it. */
  readonly apex: string
  /** Lower-cased wire form. */
  readonly name: Uint8Array
  readonly soa: { readonly rdata: Uint8Array; readonly ttlSeconds: number }
  /** Without the SOA, and without what signing adds. */
  readonly rrsets: readonly WireRrset[]
}

export interface SignedZone {
  readonly soa: UnsignedZone['soa']
  readonly rrsets: readonly WireRrset[]
  readonly signatures: Signatures
  readonly book: SignatureBook
  readonly report: SigningReport
}

/**
 * @param keys of which one at the least signs what is about keys, and one the rest
 * @param before what has been signed of the zone
 * @throws SigningError that names the zone and the RRset
 */
export function signZone(
  zone: UnsignedZone,
  keys: readonly SigningKey[],
  before: SignatureBook,
  nowSeconds: number,
): SignedZone {
  const soa = { ...zone.soa, ttlSeconds: capped(zone.soa.ttlSeconds) }
  const soaRrset = { owner: zone.name, type: types.soa, ttlSeconds: soa.ttlSeconds, rdata: [soa.rdata] }
  const given = zone.rrsets.map((rrset) => ({ ...rrset, ttlSeconds: capped(rrset.ttlSeconds) }))
  const rrsets = [...given, ...keyRrsets(zone, keys)]
  const owners = signedOwners(zone.name, [soaRrset, ...rrsets])
  const minimum = Buffer.from(soa.rdata).readUInt32BE(soa.rdata.length - 4)
  const chain = nsecChain(owners, Math.min(minimum, soa.ttlSeconds))
  const book = new SignatureBook()
  const signer = new RrsetSigner(zone.name, before, book, nowSeconds)
  const signatures = new SignatureTable()
  for (const rrset of signable(owners, chain)) {
    const data = sortRdata(rrset.rdata.map((octets) => canonicalRdata(rrset.type, octets)))
    const canonical = { ...rrset, data }
    signatures.add(
      rrset,
      data,
      signersOf(keys, rrset.type).map((key) => naming(zone, rrset, () => signer.sign(canonical, key))),
    )
  }
  const trouble = keys.find((key) => key.trouble !== null)?.trouble ?? null
  const report = { ...reportOf(zone.apex, book), made: signer.made, trouble }
  return { soa, rrsets: [...rrsets, ...chain], signatures, book, report }
}

/** What the signatures of a book come to. */
export function reportOf(apex: string, book: SignatureBook): SigningReport {
  let expiresAt = Number.POSITIVE_INFINITY
  let endsAt = 0
  for (const { expiration } of book.values()) {
    expiresAt = Math.min(expiresAt, expiration)
    endsAt = Math.max(endsAt, expiration)
  }
  const renewAt = expiresAt - signatureTimes.renewSeconds
  return { apex, expiresAt, endsAt, renewAt, signatures: book.size, made: 0, trouble: null }
}

/** Of the RRsets of a zone as it is served, those that were there before it was signed. */
export function isGiven(type: number): boolean {
  return !addedNumbers.has(type)
}

const capped = (ttlSeconds: number) => Math.min(ttlSeconds, mostTtlSeconds)

/** DNSKEY, and what asks the parent for the DS of it (RFC 7344). */
function keyRrsets({ apex, name }: UnsignedZone, keys: readonly SigningKey[]): WireRrset[] {
  const dnskeys = keys.filter(({ duties }) => duties.published).map(({ dnskey }) => dnskey)
  const atParent = keys.filter(({ duties }) => duties.atParent).map(({ dnskey }) => dnskey)
  const rrset = (type: string, rdata: readonly Uint8Array[]): WireRrset => ({
    owner: name,
    type: parseType(type),
    ttlSeconds: keyTtlSeconds,
    rdata: [...rdata],
  })
  return [
    rrset('DNSKEY', dnskeys),
    rrset(
      'CDS',
      atParent.map((dnskey) => dsOf(apex, dnskey)),
    ),
    rrset('CDNSKEY', atParent),
  ]
}

const addedNumbers: ReadonlySet<number> = new Set(addedTypes.map(parseType))

function* signable(owners: readonly SignedOwner[], chain: readonly WireRrset[]): Generator<WireRrset> {
  for (const [index, { signed }] of owners.entries()) {
    yield* signed
    yield chain[index]!
  }
}

function naming<T>({ apex }: UnsignedZone, { owner, type }: WireRrset, sign: () => T): T {
  try {
    return sign()
  } catch (error) {
    if (!(error instanceof SigningError)) throw error
    const what = `zone ${apex}: ${formatName(owner)} ${typeName(type)} can't be signed`
    throw new SigningError(`${what}: ${error.message}`)
  }
}

/** Bounded by the RRsets of the zone; it lives while the zone is compiled. */
class SignatureTable implements Signatures {
  readonly #found = new Map<
    string,
    { readonly data: readonly Uint8Array[]; readonly rrsigs: readonly Uint8Array[] }
  >()

  add({ owner, type }: WireRrset, data: readonly Uint8Array[], rrsigs: readonly Uint8Array[]): void {
    this.#found.set(keyOf(owner, type), { data, rrsigs })
  }

  /** A TTL that is less than the one that was signed is good (RFC 4035 section 5.3.3), as that of the SOA in a negative answer. */
  find(
    owner: Uint8Array,
    type: number,
    ttl: number,
    data: readonly Uint8Array[],
  ): readonly Uint8Array[] | undefined {
    const found = this.#found.get(keyOf(owner, type))
    if (found === undefined || !isSame(found.data, data)) return undefined
    const signed = Buffer.from(found.rrsigs[0]!).readUInt32BE(4)
    return ttl <= signed ? found.rrsigs : undefined
  }
}

const keyOf = (owner: Uint8Array, type: number) => `${type} ${Buffer.from(owner).toString('latin1')}`

const isSame = (a: readonly Uint8Array[], b: readonly Uint8Array[]) =>
  a.length === b.length && a.every((octets, index) => Buffer.compare(octets, b[index]!) === 0)
