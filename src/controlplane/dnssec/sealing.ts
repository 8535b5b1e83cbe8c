/**
 * Private keys as they lie in the database, in snapshots and in messages between threads: sealed by AES-256-GCM, under the secret of a
 * file that never leaves the nodes (`key-file.ts`). What a sealed key is of (zone, algorithm, public key) is sealed with it, so that none can be
 * moved to another zone.
 *
 *     v1:<first 8 hexadecimal digits of SHA-256 of the secret>:<base64 of nonce (12), ciphertext, tag (16)>
 *
 * The digits say which file it was sealed by, so that an error can.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'

const nonceLength = 12
const tagLength = 16

/** A private key can't be had. The message says why, and nothing of the key. */
export class SealError extends Error {
  override readonly name = 'SealError'
}

/** What tells one secret from another, and gives nothing of it away. */
export function secretId(secret: Uint8Array): string {
  return createHash('sha256').update('pooldns key file').update(secret).digest('hex').slice(0, 8)
}

/**
 * @param secret 32 octets
 * @param about what it is of
 */
export function seal(secret: Uint8Array, plain: Uint8Array, about: string): string {
  const nonce = randomBytes(nonceLength)
  const cipher = createCipheriv('aes-256-gcm', secret, nonce, { authTagLength: tagLength })
  cipher.setAAD(Buffer.from(about))
  const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
  return `v1:${secretId(secret)}:${sealed.toString('base64')}`
}

/** @throws SealError */
export function unseal(secret: Uint8Array, sealed: string, about: string): Buffer {
  const [, id, text] = /^v1:([0-9a-f]{8}):([A-Za-z0-9+/]+={0,2})$/.exec(sealed) ?? []
  if (id === undefined || text === undefined) throw new SealError('its sealed form is damaged')
  const own = secretId(secret)
  if (id !== own)
    throw new SealError(`it is sealed by another key file (${id}, and that of this node is ${own})`)
  const octets = Buffer.from(text, 'base64')
  if (octets.length < nonceLength + tagLength) throw new SealError('its sealed form is damaged')
  const decipher = createDecipheriv('aes-256-gcm', secret, octets.subarray(0, nonceLength), {
    authTagLength: tagLength,
  })
  decipher.setAAD(Buffer.from(about))
  decipher.setAuthTag(octets.subarray(-tagLength))
  try {
    const plain = decipher.update(octets.subarray(nonceLength, -tagLength))
    return Buffer.concat([plain, decipher.final()])
  } catch {
    throw new SealError('its sealed form is damaged')
  }
}
