import { eq } from '../../../schema/drizzle.ts'
import { zones } from '../../../schema/zones.ts'
import type { Write } from './transaction.ts'

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
  const next = serialAhead(clock, serial) ? clock : (serial + 1) >>> 0
  // Some software reads 0 as "none".
  return next || 1
}

/**
 * Whether serial `a` is greater than `b`: a - b, modulo 2^32, is below 2^31 and not 0 (RFC 1982 section 3.2). False too where that
 * is not defined.
 */
export function serialAhead(a: number, b: number): boolean {
  const ahead = (a - b) >>> 0
  return ahead > 0 && ahead < 0x8000_0000
}

/** What the serial of a zone is, and whether an operator fixed it. */
export interface SerialState {
  readonly serial: number
  readonly fixed: boolean
  /** Whether the zone is signed. */
  readonly signed: boolean
}

/**
 * Gives a zone the serial after its last one, unless it is fixed, and this revision. Every change of single RRsets ends
 * with it.
 *
 * @param owners of the RRsets, relative to the apex
 */
export function raiseSerial(write: Write, apex: string, last: SerialState, owners: readonly string[]): void {
  const next = last.fixed ? last.serial : nextSerial(last.serial, Date.now() / 1000)
  const row = { serial: next, revision: write.revision }
  write.send(write.tx.update(zones).set(row).where(eq(zones.apex, apex)))
  write.change('zone', apex, owners)
}
