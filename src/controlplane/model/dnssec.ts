/** How a zone is signed, and the keys that it is signed with. */

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

/** What a zone says of being signed. */
export interface ZoneSigning {
  readonly algorithm: SigningAlgorithm
  /** `nsec` is left out. */
  readonly denial?: 'nsec3'
}

/** As a zone has it, out of values that are all there. */
export function signingOf(algorithm: SigningAlgorithm, denial: Denial): ZoneSigning {
  return denial === 'nsec' ? { algorithm } : { algorithm, denial }
}

/** `active`: signs. `retired`: signs no more; kept, so that the zone can be signed by it again. */
export const keyStates = ['active', 'retired'] as const
export type KeyState = (typeof keyStates)[number]

/** Types that signing a zone adds, so that nobody else may write them into one. */
export const addedTypes = ['RRSIG', 'NSEC', 'NSEC3', 'NSEC3PARAM', 'DNSKEY', 'CDS', 'CDNSKEY'] as const

/** Flags of a DNSKEY that signs a zone and is an entry to it (RFC 4034 section 2.1.1): here one key does both. */
export const csk = 257

/** A key whose private part nobody can read without the key file. */
export interface SealedKey {
  readonly algorithm: SigningAlgorithm
  /** Of the DNSKEY: `csk`. */
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
  readonly state: KeyState
  /** When it became what it is. */
  readonly since: Date
}

/** Makes a key, and seals it. Throws `conflict` that says why none can be made. */
export type KeyMaker = (apex: string, algorithm: SigningAlgorithm) => SealedKey

/** What signing a zone came to on this node. Times are UNIX seconds. */
export interface SigningReport {
  readonly apex: string
  /** When the first of the signatures that are served ends. */
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
