/**
 * The lock of a zone: whoever changes the zone or its RRsets holds it until the transaction ends.
 *
 * An import takes it first, replaces RRsets for as long as that takes, and asks for the revision lock at its end. Every other
 * write has the revision lock from its beginning; if it waited for a zone, all writes would wait behind it. So a write only
 * tries to get its zone; when somebody else has it, `Database.write` rolls the write back, waits without the revision lock
 * and does it again. As nobody waits for a zone with the revision lock in hand, no two can wait for each other.
 *
 * A zone that is being created has no row that anybody else could lock, so there are rows for that (`lock-rows.ts`).
 */
import { type SQL, sql } from '../../../schema/drizzle.ts'
import { takeLocks, tryLock, tryLocks, zoneLock } from './lock-rows.ts'
import type { Tx } from './transaction.ts'

/** Thrown by a write that must wait for a zone. */
export class ZoneTaken extends Error {
  readonly apex: string

  constructor(apex: string) {
    super(`zone ${apex} is being written`)
    this.apex = apex
  }
}

/** Waits for zones and locks them, always in the same order. Not for those who hold the revision lock. */
export async function lockZones(tx: Tx, apexes: Iterable<string>): Promise<void> {
  await tx.execute(takeLocks(Array.from(apexes, zoneLock)))
}

/** Locks a zone as part of a statement: false when somebody else has it. */
export const tryZone = (apex: string): SQL => tryLock(zoneLock(apex))

/** Locks a zone for a write, which holds the revision lock. Throws `ZoneTaken`. */
export async function claimZone(tx: Tx, apex: string): Promise<void> {
  const { rows } = await tx.execute<{ free: boolean }>(sql`select ${tryZone(apex)} as free`)
  if (!rows[0]!.free) throw new ZoneTaken(apex)
}

/** The same for several. */
export async function claimZones(tx: Tx, apexes: readonly string[]): Promise<void> {
  const { rows } = await tx.execute<{ id: number }>(tryLocks(apexes.map(zoneLock)))
  const held = new Set(rows.map(({ id }) => id))
  const taken = apexes.find((apex) => !held.has(zoneLock(apex)))
  if (taken !== undefined) throw new ZoneTaken(taken)
}
