/**
 * Server secrets of DNS cookies. All nodes share them, so that a client may ask any of them (RFC 9018 section 5); they
 * change every day. A new one is accepted by everybody before anybody signs with it, and an old one for as long as the
 * cookies that it signed are good, so a change turns no client away.
 */
import { randomBytes } from 'node:crypto'
import { cookieKeys } from '../../../schema/cookie-keys.ts'
import { asc, eq } from '../../../schema/drizzle.ts'
import type { Tx } from './transaction.ts'

const rotateAfterMs = 24 * 3_600_000
/** Every node has looked at least once by then. */
const signsAfterMs = 5 * 60_000
/** Cookies are good for an hour, and clocks differ. */
const acceptedForMs = 2 * 3_600_000

/** One that is to come later than that was not made by a node: it would be the newest for ever, and never sign. */
const clocksDifferByMs = 24 * 3_600_000

const isKey = /^[0-9a-f]{32}$/

type Key = typeof cookieKeys.$inferSelect

/** The keys to use at `now`, the one that signs first. Makes a new one when it is time, and deletes what is past. */
export async function refreshCookieKeys(tx: Tx, now: Date): Promise<Uint8Array[]> {
  const found: Key[] = await tx
    .select()
    .from(cookieKeys)
    .orderBy(asc(cookieKeys.createdAt), asc(cookieKeys.id))
  const rows = found.filter((row) => isKey.test(row.key) && age(row, now) > -clocksDifferByMs)
  const newest = rows.at(-1)
  // Two nodes may both find it due; then there are two new keys, which does no harm.
  if (newest === undefined || age(newest, now) > rotateAfterMs) {
    const [made] = await tx
      .insert(cookieKeys)
      .values({ key: randomBytes(16).toString('hex'), createdAt: now })
      .returning()
    rows.push(made!)
  }
  const signing = rows.findLastIndex((row) => age(row, now) >= signsAfterMs)
  const first = Math.max(signing, 0)
  // A key has signed nothing since its successor began to.
  const past = rows.filter(
    (_, index) => index < first && age(rows[index + 1]!, now) > signsAfterMs + acceptedForMs,
  )
  for (const { id } of past) await tx.delete(cookieKeys).where(eq(cookieKeys.id, id))
  const accepted = rows.filter((row, index) => index !== first && !past.includes(row)).reverse()
  return [rows[first]!, ...accepted].map(({ key }) => new Uint8Array(Buffer.from(key, 'hex')))
}

function age(key: Key, now: Date): number {
  return now.getTime() - key.createdAt.getTime()
}
