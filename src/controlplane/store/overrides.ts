import { and, asc, eq, lte } from 'drizzle-orm'
import { overrides } from '../../../schema/health.ts'
import { ControlError } from '../errors.ts'
import type { Override } from '../model.ts'
import { getMember } from './members.ts'
import type { Tx, Write } from './transaction.ts'

/** Every override; as many as there are members at most. */
export async function listOverrides(tx: Tx): Promise<Override[]> {
  return (await tx.select().from(overrides).orderBy(asc(overrides.pool), asc(overrides.member))).map(
    toOverride,
  )
}

export async function getOverride(tx: Tx, pool: string, member: string): Promise<Override | null> {
  const [row] = await tx.select().from(overrides).where(isOf(pool, member))
  return row === undefined ? null : toOverride(row)
}

/** Sets or replaces the override of a member. Throws `not-found` when there is no such member. */
export async function putOverride(write: Write, override: Override): Promise<void> {
  const { pool, member } = override
  if ((await getMember(write.tx, pool, member)) === null) {
    throw new ControlError('not-found', `member ${member} of pool ${pool} does not exist`)
  }
  const before = await getOverride(write.tx, pool, member)
  await write.tx
    .insert(overrides)
    .values(override)
    .onConflictDoUpdate({ target: [overrides.pool, overrides.member], set: override })
  write.change('override', `${pool}/${member}`)
  write.audit('override.put', `${pool}/${member}`, before, override)
}

/** Throws `not-found` when the member has none. */
export async function deleteOverride(write: Write, pool: string, member: string): Promise<void> {
  const [row] = await write.tx.delete(overrides).where(isOf(pool, member)).returning()
  if (row === undefined)
    throw new ControlError('not-found', `member ${member} of pool ${pool} has no override`)
  write.change('override', `${pool}/${member}`)
  write.audit('override.delete', `${pool}/${member}`, toOverride(row), null)
}

/** Deletes the overrides that ended at `now` or before, and returns them. */
export async function expireOverrides(write: Write, now: Date): Promise<Override[]> {
  const rows = await write.tx.delete(overrides).where(lte(overrides.until, now)).returning()
  const ended = rows.map(toOverride)
  for (const override of ended) {
    const key = `${override.pool}/${override.member}`
    write.change('override', key)
    write.audit('override.expire', key, override, null)
  }
  return ended
}

const isOf = (pool: string, member: string) => and(eq(overrides.pool, pool), eq(overrides.member, member))

function toOverride(row: typeof overrides.$inferSelect): Override {
  return { ...row, state: row.state as Override['state'] }
}
