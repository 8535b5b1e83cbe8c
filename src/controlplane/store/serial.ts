import { eq } from 'drizzle-orm'
import { zones } from '../../../schema/zones.ts'
import { ControlError } from '../errors.ts'
import type { Tx, Write } from './transaction.ts'

/**
 * The next serial of a zone: greater than `serial` by RFC 1982, and the time in seconds unless the serial is ahead of
 * it. Following the clock keeps serials rising for secondaries even when a zone was deleted and created again.
 *
 * @param serial the last one, 0..2^32-1; null for a new zone
 * @param nowSeconds UNIX time
 */
export function nextSerial(serial: number | null, nowSeconds: number): number {
  const clock = nowSeconds >>> 0
  if (serial === null) return clock || 1
  // RFC 1982 section 3.2: a is greater than b when a - b, modulo 2^32, is below 2^31 and not 0.
  const ahead = (clock - serial) >>> 0
  const next = ahead > 0 && ahead < 0x8000_0000 ? clock : (serial + 1) >>> 0
  // Some software reads 0 as "none".
  return next || 1
}

/** The serial of a zone; throws `not-found` without the zone. */
export async function readSerial(tx: Tx, apex: string): Promise<number> {
  const [row] = await tx.select({ serial: zones.serial }).from(zones).where(eq(zones.apex, apex))
  if (row === undefined) throw new ControlError('not-found', `zone ${apex} does not exist`)
  return row.serial
}

/** Gives a zone the serial after `serial` and this revision. Every change of its data ends with it. */
export async function raiseSerial(write: Write, apex: string, serial: number): Promise<void> {
  const next = nextSerial(serial, Date.now() / 1000)
  await write.tx.update(zones).set({ serial: next, revision: write.revision }).where(eq(zones.apex, apex))
  write.change('zone', apex)
}
