/** Tokens of the API: what each may do, to what, and until when. */
import type { Limits } from './reach.ts'

/** `override`: operators' words on members and services; `report`: reports on members with a push monitor. */
export const tokenScopes = ['read', 'write', 'override', 'report'] as const
export type TokenScope = (typeof tokenScopes)[number]

/** What is asked for when a token is made. */
export interface TokenWish {
  readonly name: string
  /** At least one, no two the same. */
  readonly scopes: readonly TokenScope[]
  /** What it is limited to; null for everything. */
  readonly limits: Limits | null
  /** From when on it is worth nothing; null for never. */
  readonly expiresAt: Date | null
  /** What it is for; empty when nobody said so. */
  readonly description: string
}

export interface Token extends TokenWish {
  readonly createdAt: Date
  /** The last use, to the minute; null when it has never been used. */
  readonly lastUsedAt: Date | null
}

export function hasExpired({ expiresAt }: Pick<Token, 'expiresAt'>, now: Date): boolean {
  return expiresAt !== null && expiresAt <= now
}
