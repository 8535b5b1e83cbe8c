/**
 * Sessions of the console: a token, or who was signed in by an identity provider, sealed into a cookie that no script can read. The
 * server keeps nothing of them, so they outlive its restart, and are good for every server that has the same admin token.
 *
 * ## What is in one
 * Who is at the page, when the session began and when it was last used, encrypted and authenticated (AES-256-GCM) by a key that comes
 * from the admin token. Each request opens the cookie and looks the token up as if it had come with it: one that is revoked, has expired
 * or has lost a scope is worth nothing at once, and what is done is in the audit log under its name. Of a person the group is kept by
 * which they may what they may, and each request looks up what that is now. A new admin token ends all sessions.
 *
 * ## When one ends
 * One that may act ends half an hour after somebody was last at the page, and twelve hours after it began. One that
 * can only look may hang on a wall for a month. That of a person never lasts longer than twelve hours: the provider does not tell us when
 * somebody leaves.
 *
 * Rejected: a table of sessions. It would be empty after a restart or on the next server, just when somebody needs the page.
 */
import { Seal } from './seal.ts'

/** Who is at the page: by a token, or a person whom the identity provider knows, and the group that their rights come from. */
export type SignedIn = { readonly token: string } | { readonly person: string; readonly group: string }

export interface Session {
  readonly who: SignedIn
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
  personLooking: { idleMs: 12 * hourMs, mostMs: 12 * hourMs },
} as const

function endsOf({ who, acts }: Session) {
  if (acts) return endsAfter.acting
  return 'token' in who ? endsAfter.looking : endsAfter.personLooking
}

/** When it ends unless it is used before. */
export function endOf(session: Session): number {
  const { idleMs } = endsOf(session)
  return Math.min(session.usedAt + idleMs, lastEndOf(session))
}

/** When it ends however much it is used. */
export function lastEndOf(session: Session): number {
  return session.begunAt + endsOf(session).mostMs
}

export class SessionSeal {
  readonly #seal: Seal

  /** @param adminTokenHash SHA-256 of the admin token */
  constructor(adminTokenHash: Uint8Array) {
    this.#seal = new Seal(adminTokenHash, 'sessions of the console, 2')
  }

  /**
   * Null for one that is too long for a cookie.
   *
   * @param cookie the name under which it is kept, and under no other is it good
   */
  seal(session: Session, cookie: string): string | null {
    return this.#seal.seal(session, cookie)
  }

  /** Null for what nobody here has sealed, and for a session that has ended. */
  open(text: string, cookie: string, nowMs: number): Session | null {
    const session = this.#seal.open(text, cookie) as Session | undefined
    return session !== undefined && endOf(session) > nowMs ? session : null
  }
}
