/**
 * Sessions of the console: a token, sealed into a cookie that no script can read. The server keeps nothing of them, so they outlive its
 * restart, and are good for every server that has the same admin token.
 *
 * ## What is in one
 * The token itself, when it was given and when it was last used, encrypted and authenticated (AES-256-GCM) by a key that comes from the
 * admin token. Each request opens the cookie and looks the token up as if it had come with it: one that is revoked, has expired or has
 * lost a scope is worth nothing at once, and what is done is in the audit log under its name. A new admin token ends all sessions.
 *
 * ## When one ends
 * One that may act ends half an hour after somebody was last at the page, and twelve hours after the token was given. One that
 * can only look may hang on a wall for a month.
 *
 * Rejected: a table of sessions. It would be empty after a restart or on the next server, just when somebody needs the page.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

export interface Session {
  readonly token: string
  /** Whether it may change anything. */
  readonly acts: boolean
  /** Whether it was begun over https, so that it never goes without. */
  readonly secure: boolean
  /** Milliseconds since 1970. */
  readonly begunAt: number
  readonly usedAt: number
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
/** After the last use, and after its beginning. */
const endsAfter = {
  acting: { idleMs: 30 * minuteMs, mostMs: 12 * hourMs },
  looking: { idleMs: 30 * 24 * hourMs, mostMs: 30 * 24 * hourMs },
} as const

/** Octets of a nonce and of a tag of GCM. */
const nonceLength = 12
const tagLength = 16
/** Characters of a token; browsers take no cookie that is larger than 4 KB. */
export const mostTokenLength = 1024
/** Characters of a sealed session, so that nothing larger is looked at. */
const mostLength = 4096

/** When it ends unless it is used before. */
export function endOf({ acts, begunAt, usedAt }: Session): number {
  const { idleMs, mostMs } = endsAfter[acts ? 'acting' : 'looking']
  return Math.min(usedAt + idleMs, begunAt + mostMs)
}

export class SessionSeal {
  readonly #key: Buffer

  /** @param adminTokenHash SHA-256 of the admin token */
  constructor(adminTokenHash: Uint8Array) {
    this.#key = Buffer.from(hkdfSync('sha256', adminTokenHash, 'pooldns', 'sessions of the console, 1', 32))
  }

  /** @param cookie the name under which it is kept, and under no other is it good */
  seal({ token, acts, secure, begunAt, usedAt }: Session, cookie: string): string {
    const nonce = randomBytes(nonceLength)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(cookie))
    const text = JSON.stringify([token, acts, secure, begunAt, usedAt])
    const sealed = Buffer.concat([nonce, cipher.update(text, 'utf8'), cipher.final(), cipher.getAuthTag()])
    return sealed.toString('base64url')
  }

  /** Null for what nobody here has sealed, and for a session that has ended. */
  open(text: string, cookie: string, nowMs: number): Session | null {
    if (text.length > mostLength) return null
    const sealed = Buffer.from(text, 'base64url')
    if (sealed.length <= nonceLength + tagLength) return null
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, nonceLength))
    decipher.setAAD(Buffer.from(cookie)).setAuthTag(sealed.subarray(-tagLength))
    let opened: string
    try {
      const body = sealed.subarray(nonceLength, -tagLength)
      opened = Buffer.concat([decipher.update(body), decipher.final()]).toString()
    } catch {
      return null
    }
    const [token, acts, secure, begunAt, usedAt] = JSON.parse(opened) as [
      string,
      boolean,
      boolean,
      number,
      number,
    ]
    const session = { token, acts, secure, begunAt, usedAt }
    return endOf(session) > nowMs ? session : null
  }
}
