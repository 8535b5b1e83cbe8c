/**
 * API tokens. Only the SHA-256 of a token is kept: with 256 random bits there is nothing to guess, so a slow hash
 * would only slow requests down. Finding one by its hash in an index leaks no useful timing: who can't invert SHA-256
 * can't steer the comparison.
 *
 * Tokens are not configuration, so they change no revision. Create and revoke them inside `Database.write` together
 * with `write.audit`, or by `Database.record` where no audit entry is wanted.
 */
import { createHash, randomBytes } from 'node:crypto'
import { and, asc, eq, inArray, isNull, lt, or } from '../../../schema/drizzle.ts'
import { heldBack, tokens } from '../../../schema/journal.ts'
import { isMap } from '../document/schema-check.ts'
import { ControlError } from '../model/errors.ts'
import { type Limits, reachKinds } from '../model/reach.ts'
import { type Token, type TokenScope, type TokenWish, tokenScopes } from '../model/token.ts'
import { type Page, type PageRequest, readPage } from './stored.ts'
import type { Tx, Write } from './transaction.ts'

/** Uses are written down at most once in this time, so that a busy client doesn't cost a write for each request. */
export const useResolutionMs = 60_000

/**
 * Creates a token and returns its secret, which can't be had again. Throws `conflict` when the name is taken.
 *
 * Versions that know no limits and no end read the scopes alone, and may run beside this one while a fleet is upgraded. So the
 * scopes of a token that has any of both stand where they don't look.
 */
export async function createToken(
  tx: Tx,
  name: string,
  scopes: readonly TokenScope[],
  { limits = null, expiresAt = null, description = '' }: Partial<TokenWish> = {},
): Promise<string> {
  const secret = `pooldns_${randomBytes(32).toString('base64url')}`
  const all = [...new Set(scopes)].sort()
  const inserted = await tx
    .insert(tokens)
    .values({
      name,
      hash: hashOf(secret),
      ...(limits === null && expiresAt === null ? { scopes: all } : { scopes: [heldBack], rights: all }),
      limits,
      expiresAt,
      description: description === '' ? null : description,
      createdAt: new Date(),
    })
    .onConflictDoNothing({ target: tokens.name })
    .returning({ name: tokens.name })
  if (inserted.length === 0) throw new ControlError('conflict', `token ${name} exists already`)
  return secret
}

/** Creates what somebody asks for, on record; returns the secret. */
export async function makeToken(write: Write, wish: TokenWish): Promise<string> {
  const { name, ...rest } = wish
  write.audit('token.create', name, null, rest)
  await write.held()
  return createToken(write.tx, name, wish.scopes, wish)
}

/** All tokens in the order of names. People make them by hand, so there are few. */
export async function listTokens(tx: Tx): Promise<Token[]> {
  return (await tx.select().from(tokens).orderBy(asc(tokens.name))).map(toToken)
}

/** One page in the order of names. */
export async function pageTokens(tx: Tx, request: PageRequest): Promise<Page<Token>> {
  return readPage(tx.select().from(tokens).$dynamic(), { name: tokens.name }, request, (rows) =>
    rows.map(toToken),
  )
}

/** Makes a token worthless at once. Throws `not-found`. */
export async function revokeToken(tx: Tx, name: string): Promise<void> {
  const deleted = await tx.delete(tokens).where(eq(tokens.name, name)).returning({ name: tokens.name })
  if (deleted.length === 0) throw new ControlError('not-found', `token ${name} does not exist`)
}

/** The token with this secret, null when there is none. Only reads: see `noteTokenUse`. */
export async function findToken(tx: Tx, secret: string): Promise<Token | null> {
  const [row] = await tx
    .select()
    .from(tokens)
    .where(eq(tokens.hash, hashOf(secret)))
  return row === undefined ? null : toToken(row)
}

/** Tokens by their hashes, `most` of them at the most. */
export async function tokensByHash(tx: Tx, most: number): Promise<Map<string, Token>> {
  const rows = await tx.select().from(tokens).orderBy(asc(tokens.name)).limit(most)
  return new Map(rows.map((row) => [row.hash, toToken(row)]))
}

/** The tokens with these hashes, by them; those that are no more are missing. */
export async function tokensWithHashes(tx: Tx, hashes: readonly string[]): Promise<Map<string, Token>> {
  const rows = await tx
    .select()
    .from(tokens)
    .where(inArray(tokens.hash, [...hashes]))
  return new Map(rows.map((row) => [row.hash, toToken(row)]))
}

/** Writes down that a token was used, if that has not been done within the last minute. */
export async function noteTokenUse(tx: Tx, name: string, now: Date): Promise<void> {
  const before = new Date(now.getTime() - useResolutionMs)
  await tx
    .update(tokens)
    .set({ lastUsedAt: now })
    .where(and(eq(tokens.name, name), or(isNull(tokens.lastUsedAt), lt(tokens.lastUsedAt, before))))
}

function hashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex')
}

function toToken({
  hash: _,
  scopes,
  rights,
  limits,
  description,
  ...row
}: typeof tokens.$inferSelect): Token {
  // A word that is no scope of ours gives nobody anything, and neither does a row without any list.
  const written: readonly unknown[] = rights ?? scopes ?? []
  return {
    ...row,
    scopes: tokenScopes.filter((scope) => written.includes(scope)),
    limits: limits === null ? null : readLimits(limits),
    description: description ?? '',
  }
}

/** What can't be read stands for nothing: no limits at all would be the other way to fail. */
function readLimits(limits: unknown): Limits {
  if (!isMap(limits)) return {}
  const read = reachKinds.map((kind) => {
    const patterns = limits[`${kind}s`]
    const texts = Array.isArray(patterns) ? patterns.filter((each) => typeof each === 'string') : []
    return [`${kind}s`, texts] as const
  })
  return Object.fromEntries(read.filter(([, patterns]) => patterns.length > 0))
}
