/**
 * A zone as it is served signed: its RRsets with those that signing adds (DNSKEY, CDS, CDNSKEY and the chain of NSEC), and the signature of
 * each that has one. What was signed before is not signed again. Pure, but for the randomness of ECDSA.
 */
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import type { Signatures } from '../../dataplane/image/signatures.ts'
import { types } from '../../dataplane/wire/constants.ts'
import { rootName } from '../../dataplane/wire/name.ts'
import { formatRdata, parseRdata, parseType } from '../../dataplane/wire/rdata.ts'
import {
  addedTypes,
  type Denial,
  keyTtlSeconds,
  type ServedKey,
  type SigningReport,
  type ZoneSigning,
} from '../model/dnssec.ts'
import type { ParentData } from '../model/signal.ts'
import { hashedChain, nsec3Param } from './hashed-chain.ts'
import { nsecChain, type SignedOwner, signedOwners } from './nsec-chain.ts'
import { SigningError, signatureTimes } from './rrset-signer.ts'
import type { SignatureBook } from './signature-book.ts'
import { SigningTable } from './signing-table.ts'
import { dnskeyOf, dsOf, type SigningKey } from './zone-key.ts'

export interface UnsignedZone {
  /** As zones have it. */
  readonly apex: string
  readonly signing: Pick<ZoneSigning, 'maxTtlSeconds' | 'foreignKeys'>
  /** Lower-cased wire form. */
  readonly name: Uint8Array
  readonly soa: { readonly rdata: Uint8Array; readonly ttlSeconds: number }
  /** Without the SOA, and without what signing adds. */
  readonly rrsets: readonly WireRrset[]
  /** None when left out. Their answers are signed elsewhere. */
  readonly services?: readonly WireService[]
  /** By what it proves that something is not there; NSEC when left out. */
  readonly denial?: Denial
}

/** A service of a zone. */
export interface WireService {
  /** Lower-cased wire form. */
  readonly name: Uint8Array
  /** Of its plan. */
  readonly slot: number
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
  const soa = servedSoa(zone)
  const rrsets = [...zone.rrsets.map((rrset) => cappedRrset(zone, rrset)), ...apexRrsets(zone, keys)]
  const services = (zone.services ?? []).map((service) => service.name)
  const owners = signedOwners(zone.name, [soa.rrset, ...rrsets], services)
  const chain = chainOf(zone, owners, soa.denialTtlSeconds)
  const signatures = new SigningTable(zone, keys, before, nowSeconds)
  for (const rrset of [...owners.flatMap(({ signed }) => signed), ...chain]) signatures.sign(rrset)
  const { book, made } = signatures
  const report = { ...reportOf(zone.apex, book), made, trouble: troubleOf(keys) }
  return { soa, rrsets: [...rrsets, ...chain], signatures, book, report }
}

function chainOf(zone: UnsignedZone, owners: readonly SignedOwner[], ttlSeconds: number): WireRrset[] {
  if (zone.denial !== 'nsec3') return nsecChain(owners, ttlSeconds)
  try {
    return hashedChain(zone.name, owners, ttlSeconds)
  } catch (error) {
    if (!(error instanceof SigningError)) throw error
    throw new SigningError(`zone ${zone.apex} can't be signed: ${error.message}`)
  }
}

/** What signing adds at the apex, but for what denies. */
export function apexRrsets(zone: UnsignedZone, keys: readonly SigningKey[]): WireRrset[] {
  const ofKeys = keyRrsets(zone, keys)
  return zone.denial === 'nsec3' ? [...ofKeys, nsec3Param(zone.name)] : ofKeys
}

/** What the signatures of a book come to. */
export function reportOf(apex: string, book: SignatureBook): SigningReport {
  const { lastBegins: beginsAt, firstEnds: expiresAt, lastEnds: endsAt } = book.times()
  const renewAt = expiresAt - signatureTimes.renewSeconds
  return { apex, beginsAt, expiresAt, endsAt, renewAt, signatures: book.size, made: 0, trouble: null }
}

/** Of the RRsets of a zone as it is served, those that were there before it was signed. */
export function isGiven(type: number): boolean {
  return !addedNumbers.has(type)
}

/** Those that are not made anew when it is signed: signals of other zones are given to it as they are (`store/signals.ts`). */
export function isKept(type: number, isApex: boolean): boolean {
  return isGiven(type) || (!isApex && signalTypes.has(type))
}

/** Why one of the keys can't sign; null when all can. */
export function troubleOf(keys: readonly SigningKey[]): string | null {
  return keys.find((key) => key.trouble !== null)?.trouble ?? null
}

/** RRs live no longer than that in caches: a signature has a week left at the least when it is handed out (RFC 6781 section 4.4.2). */
const capped = ({ signing }: Pick<UnsignedZone, 'signing'>, ttlSeconds: number) =>
  Math.min(ttlSeconds, signing.maxTtlSeconds)

/** As it is served signed. */
export const cappedRrset = (zone: UnsignedZone, rrset: WireRrset): WireRrset => ({
  ...rrset,
  ttlSeconds: capped(zone, rrset.ttlSeconds),
})

/** The SOA as it is served signed, and the TTL of what denies: the lesser of its TTL and MINIMUM (RFC 9077 section 3). */
export function servedSoa(zone: Pick<UnsignedZone, 'name' | 'soa' | 'signing'>) {
  const { name, soa } = zone
  const { rdata } = soa
  const served = capped(zone, soa.ttlSeconds)
  const minimum = Buffer.from(rdata).readUInt32BE(rdata.length - 4)
  const rrset: WireRrset = { owner: name, type: types.soa, ttlSeconds: served, rdata: [rdata] }
  return { rdata, ttlSeconds: served, rrset, denialTtlSeconds: Math.min(minimum, served) }
}

/** What asks the parent to have no DS (RFC 8078 section 4). */
const noCds = Buffer.of(0, 0, 0, 0, 0)
const noCdnskey = Buffer.of(0, 0, 3, 0, 0)

type PublishedKey = Pick<SigningKey, 'dnskey' | 'duties'>

/** Keys of others who sign too. One list may be given to all signers: what is done with our own keys is not said there. */
function foreignOf(foreignKeys: readonly string[], keys: readonly PublishedKey[]): Uint8Array[] {
  const isOwn = (rdata: Uint8Array) => keys.some(({ dnskey }) => Buffer.compare(dnskey, rdata) === 0)
  return foreignKeys.map((text) => parseRdata('DNSKEY', text, rootName)).filter((rdata) => !isOwn(rdata))
}

/** Keys that the parent is to have a DS of (RFC 7344). Others who sign too have theirs (RFC 8901). */
function entriesOf(keys: readonly PublishedKey[], foreign: readonly Uint8Array[]): readonly Uint8Array[] {
  const own = keys.filter(({ duties }) => duties.atParent).map(({ dnskey }) => dnskey)
  return own.length === 0 ? [] : [...own, ...foreign.filter(isEntry)]
}

/** What a zone asks its parent for, as text; nothing when that is to have no DS. See `KeyMaker`. */
export function parentData(
  apex: string,
  keys: readonly ServedKey[],
  foreignKeys: readonly string[],
): ParentData {
  const published = keys.map((key) => ({ dnskey: dnskeyOf(key), duties: key.duties }))
  const entries = entriesOf(published, foreignOf(foreignKeys, published))
  const text = (type: string, rdata: Uint8Array) => formatRdata(parseType(type), rdata)
  return {
    cds: entries.map((dnskey) => text('CDS', dsOf(apex, dnskey))),
    cdnskey: entries.map((dnskey) => text('CDNSKEY', dnskey)),
  }
}

/** DNSKEY, and what asks the parent for the DS of it (RFC 7344): of no key means for none. */
function keyRrsets({ apex, name, signing }: UnsignedZone, keys: readonly SigningKey[]): WireRrset[] {
  const foreign = foreignOf(signing.foreignKeys, keys)
  const published = keys.filter(({ duties }) => duties.published).map(({ dnskey }) => dnskey)
  const atParent = entriesOf(keys, foreign)
  const rrset = (type: string, rdata: readonly Uint8Array[]): WireRrset => ({
    owner: name,
    type: parseType(type),
    ttlSeconds: Math.min(keyTtlSeconds, signing.maxTtlSeconds),
    rdata: [...rdata],
  })
  return [
    rrset('DNSKEY', [...published, ...foreign]),
    rrset('CDS', atParent.length === 0 ? [noCds] : atParent.map((dnskey) => dsOf(apex, dnskey))),
    rrset('CDNSKEY', atParent.length === 0 ? [noCdnskey] : atParent),
  ]
}

/** Whether a key has the flag of those that the parent knows (RFC 3757 section 2). */
const isEntry = (dnskey: Uint8Array) => (dnskey[1]! & 1) === 1

const addedNumbers: ReadonlySet<number> = new Set(addedTypes.map(parseType))
const signalTypes: ReadonlySet<number> = new Set(['CDS', 'CDNSKEY'].map(parseType))
