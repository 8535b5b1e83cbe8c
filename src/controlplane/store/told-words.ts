/**
 * Tells the database the overrides that a node took while it was away. What others said of the same meanwhile is compared by time: the
 * later word holds. An override says when it was set; that one was ended, and when, is in the audit log alone. The clocks are
 * those of the nodes, so words that are closer to each other than the clocks are may come out either way.
 */
import { and, desc, eq } from '../../../schema/drizzle.ts'
import { auditLog } from '../../../schema/journal.ts'
import { isMap } from '../document/schema-check.ts'
import { type Births, birthKeys } from '../model/births.ts'
import { ControlError } from '../model/errors.ts'
import { formatMemberKey } from '../model/member-key.ts'
import type { Override, ServiceOverride } from '../model/override.ts'
import { isExact } from '../model/override-index.ts'
import type { MemberWord, PendingWord, ServiceWord } from '../model/pending-word.ts'
import { noBirths, readBirths } from './births.ts'
import { deleteOverride, getOverride, putOverride } from './overrides.ts'
import { deleteServiceOverride, getServiceOverride, putServiceOverride } from './service-overrides.ts'
import type { Tx, Write } from './transaction.ts'

/**
 * Writes one word down, if it still holds. Either way every node reads again what the database has of the same. Saying it twice is once.
 *
 * @returns why it holds no more; null when it does
 */
export async function tellWord(write: Write, word: PendingWord): Promise<string | null> {
  try {
    return 'service' in word ? await tellOfService(write, word) : await tellOfMember(write, word)
  } catch (error) {
    if (!(error instanceof ControlError) || error.code === 'unavailable') throw error
    return error.message
  }
}

async function tellOfMember(write: Write, word: MemberWord): Promise<string | null> {
  const { tx } = write
  const { pool, member, override, at, born } = word
  write.change('override', formatMemberKey(word))
  if (born !== null && isExact(word)) {
    const births = await readBirths(tx, { ...noBirths, pools: new Set([pool]) })
    const reason = goneSince(births, birthKeys.member(word), born)
    if (reason !== null) return `member ${member} of pool ${pool} ${reason}`
  }
  const current = await getOverride(tx, pool, member)
  const later = await laterThan(tx, at, current, 'override', formatMemberKey(word))
  if (later !== null) return later
  if (override !== null) {
    if (current?.since.getTime() !== override.since.getTime()) await putOverride(write, override)
  } else if (current !== null) await deleteOverride(write, pool, member, at)
  return null
}

async function tellOfService(write: Write, word: ServiceWord): Promise<string | null> {
  const { tx } = write
  const { service, override, at, born } = word
  const scope = { ...noBirths, services: new Set([service]) }
  // Also of one that is another one by now: over that, too, lies the word.
  write.change('service', service)
  const reason =
    born === null ? null : goneSince(await readBirths(tx, scope), birthKeys.service(service), born)
  if (reason !== null) return `service ${service} ${reason}`
  const current = await getServiceOverride(tx, service)
  const later = await laterThan(tx, at, current, 'service-override', service)
  if (later !== null) return later
  if (override !== null) {
    if (current?.since.getTime() !== override.since.getTime()) await putServiceOverride(write, override)
  } else if (current !== null) await deleteServiceOverride(write, service, at)
  return null
}

function goneSince(births: Births, key: string, born: number): string | null {
  const now = births.get(key)
  if (now === undefined) return 'has been deleted meanwhile'
  return now === born ? null : 'is another one by now'
}

/** What was said of the same after `at`; null for nothing. */
async function laterThan(
  tx: Tx,
  at: Date,
  current: Override | ServiceOverride | null,
  kind: 'override' | 'service-override',
  key: string,
): Promise<string | null> {
  if (current !== null) {
    return current.since > at
      ? `${current.actor} has set another one at ${current.since.toISOString()}`
      : null
  }
  const [last] = await tx
    .select({ at: auditLog.at, actor: auditLog.actor, after: auditLog.after })
    .from(auditLog)
    .where(and(eq(auditLog.key, key), eq(auditLog.action, `${kind}.delete`)))
    .orderBy(desc(auditLog.id))
    .limit(1)
  if (last === undefined) return null
  const endedAt =
    isMap(last.after) && typeof last.after.endedAt === 'string' ? new Date(last.after.endedAt) : last.at
  return endedAt > at ? `${last.actor} has ended it at ${endedAt.toISOString()}` : null
}
