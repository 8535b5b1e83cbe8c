/**
 * What becomes of what feeds say: a member's weight, the share of its answers that it hands on (sheds), and the share of a full pool's
 * answers that go to the next pool (spill). Pure: what was before goes in where it matters.
 *
 * ## Hysteresis
 * What a member sheds rises with its value at once, and falls only when the value has come back by `back`: between the line and the
 * same line shifted by `back`, it stays where it is. So a value that swings about a threshold, by less than that, moves nothing:
 *
 *     share    rising: f(value)      falling: f(value + back)
 *       1 |            ______
 *         |        ./ ./      a value that falls from A to B leaves the share at A's;
 *         |      ./ ./        below B it follows the left line down
 *       0 |____./_./______ value
 *             B   A
 *
 * Of a full pool it is the use that is measured, and what spilled is no longer in that: it falls to about the limit. So what spills
 * stays until the use is below the limit by `back`, which says that all of it can be borne again, or nearly so.
 *
 * ## Noise
 * Values that are measured are never twice the same, and each new weight is a new plan. A weight that differs from the one that
 * holds by less than a two-hundredth, and a share that does by less than that of the whole, changes nothing.
 */
import type { Capacity, Reading, ReadingKey, Scale, Shed } from '../model/feed-use.ts'

/**
 * - `good`: there is a value that is young enough
 * - `stale`: there is one that is too old
 * - `missing`: there is none
 * - `waiting`: this node has read none yet, since its start or since somebody named the feed
 */
export const fedStates = ['good', 'stale', 'missing', 'waiting'] as const
export type FedState = (typeof fedStates)[number]

/** What a use of a feed reads now. */
export interface Fed {
  readonly key: ReadingKey
  /** Null: there is none. */
  readonly reading: Reading | null
  readonly state: FedState
}

export interface FedWeightNow extends Fed {
  /** Null: the member's own holds. */
  readonly weight: number | null
}

export interface FedShare extends Fed {
  /** 0..1: of the answers, how many go elsewhere. */
  readonly share: number
}

/** What feeds say of a member. */
export interface FedMember {
  /** Null: no feed says the weight. */
  readonly weight: FedWeightNow | null
  /** Null: it never hands answers on. */
  readonly shed: FedShare | null
}

const noise = 0.005
const mostWeight = 65_535

/** @returns 0..65535, to the thousandth */
export function weightFrom(scale: Scale, value: number): number {
  const weight = typeof scale === 'number' ? value * scale : onLine(scale, value)
  return Math.round(Math.min(mostWeight, Math.max(0, weight)) * 1000) / 1000
}

function onLine({ from: [a, b], to: [x, y] }: Exclude<Scale, number>, value: number): number {
  const part = Math.min(1, Math.max(0, (value - a) / (b - a)))
  return x + part * (y - x)
}

/** The weight that holds now. @param before the one that held; null for none */
export function settledWeight(now: number, before: number | null): number {
  if (before === null || now === 0 || before === 0) return now
  return Math.abs(now - before) <= noise * Math.max(now, before) ? before : now
}

/** @param before the share that held; 0 for none */
export function shedShare({ above, to, back }: Shed, value: number, before: number): number {
  const share = (at: number) => Math.min(1, Math.max(0, (at - above) / (to - above)))
  return between(share(value), share(value + back), before)
}

/** The share of a full pool's answers that go elsewhere: what is beyond the limit of all that it bears. @param before as of `shedShare` */
export function spillShare({ limit, back }: Capacity, use: number, before: number): number {
  if (use > limit) return quiet(Math.max(before, (use - limit) / use), before)
  return use < limit - back ? 0 : before
}

/** @param least of what the value asks for now @param most what it may stay at */
function between(least: number, most: number, before: number): number {
  return quiet(Math.max(least, Math.min(before, most)), before)
}

function quiet(next: number, before: number): number {
  const isEnd = next === 0 || next === 1
  return !isEnd && Math.abs(next - before) < noise ? before : next
}
