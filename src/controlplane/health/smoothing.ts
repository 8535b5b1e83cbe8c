/**
 * How long members take to answer, smoothed.
 *
 * A member's time is an exponentially weighted mean with the weight of TCP's smoothed round-trip time (RFC 6298 section
 * 2): each new sample counts for an eighth, so that a change shows after some ten probes and a single slow one hardly. A
 * failure is no sample: how long a connection took to be refused says nothing of how long an answer takes, and a
 * timeout would be its own setting; that a member fails is the business of its state.
 */
import type { ProbeVerdict } from './verdict.ts'

const sampleShare = 1 / 8

/**
 * @param beforeMs null when there has been no sample
 * @returns the smoothed time after one more probe; null still when that failed
 */
export function smooth(
  beforeMs: number | null,
  { ok, durationMs }: Pick<ProbeVerdict, 'ok' | 'durationMs'>,
): number | null {
  if (!ok) return beforeMs
  return beforeMs === null ? durationMs : beforeMs + (durationMs - beforeMs) * sampleShare
}
