/** How a zone is signed, and the keys that it is signed with. */
import type { ParentData } from './signal.ts'

/** ECDSA P-256 with SHA-256 (RFC 6605) and Ed25519 (RFC 8080). Others are older, or larger. */
export const signingAlgorithms = [13, 15] as const
export type SigningAlgorithm = (typeof signingAlgorithms)[number]

/** Mnemonics, as BIND's files of keys and `dig` have them. */
export const algorithmNames: Readonly<Record<SigningAlgorithm, string>> = {
  13: 'ECDSAP256SHA256',
  15: 'ED25519',
}

/** By what a zone proves that something is not there: its names in their order (RFC 4034), or hashes of them (RFC 5155). */
export const denials = ['nsec', 'nsec3'] as const
export type Denial = (typeof denials)[number]

/** `csk`: one key signs all. `split`: one signs what is about keys (KSK), another one the rest (ZSK). */
export const keyLayouts = ['csk', 'split'] as const
export type KeyLayout = (typeof keyLayouts)[number]

/** What a zone says of being signed. */
export interface ZoneSigning {
  readonly algorithm: SigningAlgorithm
  /** `nsec` is left out. */
  readonly denial?: 'nsec3'
  readonly keys: KeyLayout
  /** RRs have no greater TTL, whatever is written: so long a rollover waits for caches. */
  readonly maxTtlSeconds: number
  /** How long it may take until all servers, secondaries too, serve what has changed. */
  readonly propagationSeconds: number
  /** Servers of the parent as `address:port`, in the place of those that resolvers name. */
  readonly parentServers: readonly string[]
  /** Keys of others who sign the zone too (RFC 8901), as RDATA of DNSKEY. */
  readonly foreignKeys: readonly string[]
  /** Whether its parent is told of it by signals (`model/signal.ts`), until that has a DS. */
  readonly bootstrap: boolean
}

/** A zone of which nothing is said but that it is signed. The TTL: a signature has a week left at the least when it is handed out. */
export const plainSigning: ZoneSigning = {
  algorithm: 13,
  keys: 'csk',
  maxTtlSeconds: 3 * 86_400,
  propagationSeconds: 3600,
  parentServers: [],
  foreignKeys: [],
  bootstrap: true,
}

/** As a zone has it of which nothing else is said. */
export function signingOf(algorithm: SigningAlgorithm, denial: Denial): ZoneSigning {
  const plain = { ...plainSigning, algorithm }
  return denial === 'nsec' ? plain : { ...plain, denial }
}

/** The greatest TTL of what signing adds at the apex. */
export const keyTtlSeconds = 3600

export const keyRoles = ['csk', 'ksk', 'zsk'] as const
export type KeyRole = (typeof keyRoles)[number]

/**
 * `active`: does what its role says. `incoming`, `outgoing`: takes or gives its place in a rollover (`model/rollover.ts`). `retired`: does
 * nothing; kept, so that the zone can be signed by it again.
 */
export const keyStates = ['active', 'incoming', 'outgoing', 'retired'] as const
export type KeyState = (typeof keyStates)[number]

/** Types that signing a zone adds, so that nobody else may write them into one. */
export const addedTypes = ['RRSIG', 'NSEC', 'NSEC3', 'NSEC3PARAM', 'DNSKEY', 'CDS', 'CDNSKEY'] as const

/** Flags of a DNSKEY that signs a zone (RFC 4034 section 2.1.1), and is an entry to it unless it is a ZSK. */
export const keyFlags: Readonly<Record<KeyRole, number>> = { csk: 257, ksk: 257, zsk: 256 }

/** A key whose private part nobody can read without the key file. */
export interface SealedKey {
  readonly algorithm: SigningAlgorithm
  /** Of the DNSKEY. */
  readonly flags: number
  /** Octets of the DNSKEY's public key in base64. */
  readonly publicKey: string
  /** See `dnssec/sealing.ts`. */
  readonly sealed: string
}

/** What a key does for its zone now. */
export interface KeyDuties {
  /** Its DNSKEY is there. */
  readonly published: boolean
  /** It signs DNSKEY, CDS and CDNSKEY. */
  readonly signsKeys: boolean
  /** It signs the rest. */
  readonly signsZone: boolean
  /** The parent is to have a DS of it: it is in CDS and CDNSKEY (RFC 7344). */
  readonly atParent: boolean
}

/** Those of the only key of a zone. */
export const allDuties: KeyDuties = { published: true, signsKeys: true, signsZone: true, atParent: true }

/** A key of a zone that is served. */
export interface ServedKey extends SealedKey {
  readonly duties: KeyDuties
}

/** A key as it is stored. */
export interface ZoneKey extends SealedKey {
  readonly role: KeyRole
  readonly state: KeyState
  /** When it became what it is. */
  readonly since: Date
}

/** What is done with the keys of zones that are to be signed. */
export interface KeyMaker {
  /**
   * Makes a key, and seals it. Throws `conflict` that says why none can be made.
   *
   * @param isFirst there is no key of any zone yet. Else they are sealed by a key file, in whose place none may be made
   */
  make(apex: string, algorithm: SigningAlgorithm, role: KeyRole, isFirst: boolean): SealedKey
  /** Throws `conflict` for a key that this node can't sign by: a zone that is signed by it would be SERVFAIL from then on. */
  check(apex: string, key: SealedKey): void
  /** What a zone asks its parent for (RFC 7344). @param foreignKeys of others who sign it too */
  parentData(apex: string, keys: readonly ServedKey[], foreignKeys: readonly string[]): ParentData
}

/** What signing a zone came to on this node. Times are UNIX seconds. */
export interface SigningReport {
  readonly apex: string
  /** When the last of the signatures that are served begins: an hour before it was made. */
  readonly beginsAt: number
  /** When the first of them ends. */
  readonly expiresAt: number
  /** When the last of them ends: from then on the zone is SERVFAIL. */
  readonly endsAt: number
  /** When the first of them is to be made anew. */
  readonly renewAt: number
  /** How many there are. */
  readonly signatures: number
  /** How many were made for it. */
  readonly made: number
  /** Why no signature can be made; null when it can. */
  readonly trouble: string | null
}
