/**
 * Keys of zones: made, sealed, opened, and what is published of them. A private key is 32 octets in either algorithm: the scalar of
 * P-256, or the seed of Ed25519; it is kept as these, and as Node's KeyObject while it signs.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { parseType } from '../../dataplane/wire/rdata.ts'
import {
  type KeyDuties,
  keyFlags,
  type SealedKey,
  type ServedKey,
  type SigningAlgorithm,
} from '../model/dnssec.ts'
import { SealError, seal, unseal } from './sealing.ts'

/** A key that can sign. Never leaves its thread. */
export interface SigningKey {
  readonly algorithm: SigningAlgorithm
  /** RDATA of its DNSKEY. */
  readonly dnskey: Uint8Array
  readonly tag: number
  readonly duties: KeyDuties
  /** Null when it can't be opened: then `trouble` says why. */
  readonly privateKey: KeyObject | null
  readonly trouble: string | null
}

/** Octets of the two parts. */
export interface KeyParts {
  readonly algorithm: SigningAlgorithm
  /** As the DNSKEY has it: 64 octets of P-256 (RFC 6605 section 4), 32 of Ed25519 (RFC 8080 section 3). */
  readonly publicKey: Uint8Array
  /** 32 octets. */
  readonly privateKey: Uint8Array
}

export function makeKeyParts(algorithm: SigningAlgorithm): KeyParts {
  const { privateKey } =
    algorithm === 13
      ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      : generateKeyPairSync('ed25519')
  const { x = '', y = '', d = '' } = privateKey.export({ format: 'jwk' })
  return {
    algorithm,
    publicKey: Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]),
    privateKey: Buffer.from(d, 'base64url'),
  }
}

/**
 * @param secret that of the key file
 * @param flags of the DNSKEY
 */
export function sealKey(secret: Uint8Array, apex: string, parts: KeyParts, flags = keyFlags.csk): SealedKey {
  const { algorithm } = parts
  const publicKey = Buffer.from(parts.publicKey).toString('base64')
  const sealed = seal(secret, parts.privateKey, aboutOf(apex, algorithm, publicKey))
  return { algorithm, flags, publicKey, sealed }
}

/** @throws SealError */
export function openKey(secret: Uint8Array, apex: string, key: SealedKey): KeyParts {
  const { algorithm, publicKey, sealed } = key
  const privateKey = unseal(secret, sealed, aboutOf(apex, algorithm, publicKey))
  return { algorithm, publicKey: Buffer.from(publicKey, 'base64'), privateKey }
}

const aboutOf = (apex: string, algorithm: number, publicKey: string) => `${apex} ${algorithm} ${publicKey}`

/** @param secret throws when the key file can't be read */
export function signingKey(secret: () => Uint8Array, apex: string, key: ServedKey): SigningKey {
  const dnskey = dnskeyOf(key)
  const { algorithm, duties } = key
  const published = { algorithm, dnskey, tag: keyTag(dnskey), duties }
  try {
    return { ...published, privateKey: privateKeyOf(openKey(secret(), apex, key)), trouble: null }
  } catch (error) {
    if (!(error instanceof SealError)) throw error
    const trouble = `key ${published.tag} of zone ${apex} can't be opened: ${error.message}`
    return { ...published, privateKey: null, trouble }
  }
}

/** What keys alone are about (RFC 4035 section 2.1, RFC 7344 section 4.1). Numbers of types. */
const keyTypes: ReadonlySet<number> = new Set(['DNSKEY', 'CDS', 'CDNSKEY'].map(parseType))

/** Whether an RRset is about the keys of its zone. A CDS below the apex is about another zone (RFC 9615), and data like others. */
export const isAboutKeys = (type: number, isApex: boolean) => isApex && keyTypes.has(type)

/** The keys that sign an RRset: of those that a zone has, the ones whose duty it is. */
export function signersOf(keys: readonly SigningKey[], type: number, isApex: boolean): readonly SigningKey[] {
  const duty = isAboutKeys(type, isApex) ? 'signsKeys' : 'signsZone'
  return keys.filter(({ duties }) => duties[duty])
}

/** @throws SealError when the two parts are not of one key */
export function privateKeyOf({ algorithm, publicKey, privateKey }: KeyParts): KeyObject {
  try {
    const publicJwk = publicJwkOf(algorithm, publicKey)
    const d = Buffer.from(privateKey).toString('base64url')
    const key = createPrivateKey({ key: { ...publicJwk, d }, format: 'jwk' })
    const digest = algorithm === 13 ? 'sha256' : null
    const probe = Buffer.from('pooldns')
    const publicObject = createPublicKey({ key: publicJwk, format: 'jwk' })
    if (verify(digest, probe, publicObject, sign(digest, probe, key))) return key
  } catch {
    // What OpenSSL says of it is of no use, and might tell something of the key.
  }
  throw new SealError('its private part does not belong to its public part')
}

function publicJwkOf(algorithm: SigningAlgorithm, publicKey: Uint8Array) {
  const octets = Buffer.from(publicKey)
  if (algorithm === 15) return { kty: 'OKP', crv: 'Ed25519', x: octets.toString('base64url') }
  const [x, y] = [octets.subarray(0, 32), octets.subarray(32)].map((half) => half.toString('base64url'))
  return { kty: 'EC', crv: 'P-256', x: x!, y: y! }
}

/** RDATA of a DNSKEY (RFC 4034 section 2.1). */
export function dnskeyOf({ flags, algorithm, publicKey }: Omit<SealedKey, 'sealed'>): Uint8Array {
  return Buffer.concat([Buffer.of(flags >> 8, flags & 0xff, 3, algorithm), Buffer.from(publicKey, 'base64')])
}

/** RFC 4034 appendix B. */
export function keyTag(dnskey: Uint8Array): number {
  let sum = 0
  for (const [index, octet] of dnskey.entries()) sum += index % 2 === 0 ? octet << 8 : octet
  return (sum + (sum >>> 16)) & 0xffff
}

/** RDATA of the DS by SHA-256 (RFC 4509), also that of the CDS. @param apex as zones have it */
export function dsOf(apex: string, dnskey: Uint8Array): Uint8Array {
  const tag = keyTag(dnskey)
  const digest = createHash('sha256').update(hostnameToWire(apex)).update(dnskey).digest()
  return Buffer.concat([Buffer.of(tag >> 8, tag & 0xff, dnskey[3]!, 2), digest])
}
