import { and, asc, eq, gt, isNull, lte, or } from '../../../schema/drizzle.ts'
import { isPatternRow, overrides } from '../../../schema/health.ts'
import { Pattern, Words } from '../document/fields.ts'
import { auditedWord, endedWord, toldWord } from '../document/override.ts'
import { ControlError } from '../model/errors.ts'
import { isPattern } from '../model/glob.ts'
import { formatMemberKey } from '../model/member-key.ts'
import { type Override, overrideStates } from '../model/override.ts'
import { getMember } from './members.ts'
import { reached } from './reached.ts'
import { type OnBad, type Page, type PageRequest, readPage, readRows } from './stored.ts'
import type { Tx, Write } from './transaction.ts'

/** Overrides by patterns, which is what looking for the one that holds a member costs. */
export const maxPatterns = 1000

/** Every override that can be read; as many as there are members, and `maxPatterns`, at most. The others are told. */
export async function listOverrides(tx: Tx, onBad: OnBad = () => {}): Promise<Override[]> {
  return readable(
    await tx.select().from(overrides).orderBy(asc(overrides.pool), asc(overrides.member)),
    onBad,
  )
}

/** One page in the order of pools and members, without those that have ended at `now`. */
export async function pageOverrides(tx: Tx, request: PageRequest, now: Date): Promise<Page<Override>> {
  const { pool, member, until } = overrides
  const query = tx.select().from(overrides).$dynamic()
  return readPage(query, { pool, member }, request, (rows) => rows.map(toOverride), {
    where: and(or(isNull(until), gt(until, now)), reached(request.reach, 'pool', pool)),
  })
}

/** Those that may hold a member: its own, and all by patterns. */
export async function overridesFor(tx: Tx, pool: string, member: string): Promise<Override[]> {
  const rows = await tx
    .select()
    .from(overrides)
    .where(or(isOf(pool, member), isPatternRow(overrides)))
  return readable(rows, () => {})
}

/** The override of exactly these names or patterns. */
export async function getOverride(tx: Tx, pool: string, member: string): Promise<Override | null> {
  const [row] = await tx.select().from(overrides).where(isOf(pool, member))
  return row === undefined ? null : toOverride(row)
}

/**
 * Sets or replaces an override, and returns what it was. Throws `not-found` when it is of one member and there is no such member, and `conflict`
 * when it would be one pattern too many.
 */
export async function putOverride(write: Write, override: Override): Promise<Override | null> {
  const { pool, member } = override
  const { tx } = write
  const ofPattern = isPattern(pool) || isPattern(member)
  const [before, patterns, there] = await Promise.all([
    getOverride(tx, pool, member),
    ofPattern ? tx.$count(overrides, isPatternRow(overrides)) : 0,
    ofPattern ? null : getMember(tx, pool, member),
  ])
  if (!ofPattern && there === null)
    throw new ControlError('not-found', `member ${member} of pool ${pool} does not exist`)
  if (before === null) checkPatterns(patterns)
  write.send(
    tx
      .insert(overrides)
      .values(override)
      .onConflictDoUpdate({ target: [overrides.pool, overrides.member], set: override }),
  )
  write.change('override', formatMemberKey(override))
  write.audit('override.put', formatMemberKey(override), before && auditedWord(before), auditedWord(override))
  write.say(toldWord(formatMemberKey(override), override))
  return before
}

/**
 * Deletes one, and returns what it was. Throws `not-found` when there is none of exactly these names or patterns.
 *
 * @param endedAt when that was said, if not now
 */
export async function deleteOverride(
  write: Write,
  pool: string,
  member: string,
  endedAt?: Date,
): Promise<Override> {
  const [row] = await write.tx.select().from(overrides).where(isOf(pool, member))
  const key = formatMemberKey({ pool, member })
  if (row === undefined) throw new ControlError('not-found', `there is no override of ${key}`)
  write.send(write.tx.delete(overrides).where(isOf(pool, member)))
  write.change('override', key)
  const override = toOverride(row)
  write.audit('override.delete', key, auditedWord(override), endedAt === undefined ? null : { endedAt })
  write.say(endedWord(key, override, 'taken back'))
  return override
}

/** Deletes the overrides that ended at `now` or before, and returns them. */
export async function expireOverrides(write: Write, now: Date): Promise<Override[]> {
  const ending = lte(overrides.until, now)
  const rows = await write.tx.select().from(overrides).where(ending)
  if (rows.length > 0) write.send(write.tx.delete(overrides).where(ending))
  const ended = readable(rows, () => {})
  for (const override of ended) {
    const key = formatMemberKey(override)
    write.change('override', key)
    write.audit('override.expire', key, auditedWord(override), null)
    write.say(endedWord(key, override, 'run out'))
  }
  return ended
}

function checkPatterns(count: number): void {
  if (count >= maxPatterns) throw tooManyPatterns(count)
}

export function tooManyPatterns(count: number): ControlError {
  return new ControlError(
    'conflict',
    `there are ${count} overrides by patterns, and can be no more than ${maxPatterns}: delete one first`,
  )
}

const isOf = (pool: string, member: string) => and(eq(overrides.pool, pool), eq(overrides.member, member))

type Row = typeof overrides.$inferSelect

const State = Words(overrideStates)

function readable(rows: readonly Row[], onBad?: OnBad): Override[] {
  return readRows(
    rows,
    (row) => `the override of ${formatMemberKey(row)}`,
    (row, problems) => {
      const { pool, member } = row
      for (const [path, text] of Object.entries({ pool, member })) Pattern.parse(text, path, problems)
      const state = State.parse(row.state, 'state', problems)
      return problems.length > 0 || state === undefined ? null : { ...row, state }
    },
    onBad,
  )
}

const toOverride = (row: Row) => readable([row])[0]!
