import type { ProbeVerdict } from './verdict.ts'

/**
 * How long members take to answer, smoothed, and the choice of the fastest of several.
 *
 * A member's time is an exponentially weighted mean with the weight of TCP's smoothed round-trip time (RFC 6298 section
 * 2): each new sample counts for an eighth, so that a change shows after some ten probes and a single slow one hardly. A
 * failure is no sample: how long a connection took to be refused says nothing of how long an answer takes, and a
 * timeout would be its own setting; that a member fails is the business of its state.
 */
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

/** One of the things to choose among, and how long it takes; null when that is not known. */
export interface Timed {
  readonly name: string
  readonly timeMs: number | null
}

/**
 * Orders choices by their times, the one that was first before staying first unless the fastest is faster by
 * `hysteresis` of its time: two pools that are about as far must not take turns with every probe. Those of equal time,
 * and those without any, which come last, keep the order in which they were given.
 * @param before name of the choice that was first until now; one that is not among the choices counts for nothing
 * @param hysteresis share (0..1) of the time of the one before; with 0 the fastest is first, with equal times the one before
 * @returns the same choices, the preferred one first
 */
export function prefer<T extends Timed>(
  choices: readonly T[],
  before: string | null,
  hysteresis: number,
): readonly T[] {
  const byTime = choices.toSorted(
    (left, right) => (left.timeMs ?? Number.MAX_VALUE) - (right.timeMs ?? Number.MAX_VALUE),
  )
  const fastest = byTime[0]
  const stays = byTime.find(({ name }) => name === before)
  if (fastest === undefined || stays === undefined || isFaster(fastest, stays, hysteresis)) return byTime
  return [stays, ...byTime.filter((choice) => choice !== stays)]
}

function isFaster({ timeMs }: Timed, before: Timed, hysteresis: number): boolean {
  if (timeMs === null) return false
  if (before.timeMs === null) return true
  return timeMs < before.timeMs && timeMs <= before.timeMs * (1 - hysteresis)
}
