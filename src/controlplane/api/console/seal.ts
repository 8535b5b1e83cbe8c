/** Texts that only this server, or another with the same admin token, can have written, and can read: for cookies. */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

/** Octets of a nonce and of a tag of GCM. */
const nonceLength = 12
const tagLength = 16
/** Characters of what is sealed: browsers take no larger cookie, and nothing larger is looked at. */
const mostLength = 4096

export class Seal {
  readonly #key: Buffer

  /**
   * @param adminTokenHash SHA-256 of the admin token
   * @param purpose what is sealed for one is nothing to another
   */
  constructor(adminTokenHash: Uint8Array, purpose: string) {
    this.#key = Buffer.from(hkdfSync('sha256', adminTokenHash, 'pooldns', purpose, 32))
  }

  /**
   * In base64url; null for what would be too long for a cookie.
   *
   * @param cookie the name under which it is kept, and under no other is it good
   */
  seal(value: unknown, cookie: string): string | null {
    const nonce = randomBytes(nonceLength)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(cookie))
    const octets = [nonce, cipher.update(JSON.stringify(value), 'utf8'), cipher.final(), cipher.getAuthTag()]
    const text = Buffer.concat(octets).toString('base64url')
    return text.length + cookie.length < mostLength ? text : null
  }

  /** What was sealed; undefined for what nobody here has sealed. */
  open(text: string, cookie: string): unknown {
    if (text.length > mostLength) return undefined
    const sealed = Buffer.from(text, 'base64url')
    if (sealed.length <= nonceLength + tagLength) return undefined
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, nonceLength))
    decipher.setAAD(Buffer.from(cookie)).setAuthTag(sealed.subarray(-tagLength))
    let opened: string
    try {
      const body = sealed.subarray(nonceLength, -tagLength)
      opened = Buffer.concat([decipher.update(body), decipher.final()]).toString()
    } catch {
      return undefined
    }
    return JSON.parse(opened)
  }
}
