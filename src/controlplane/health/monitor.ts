/**
 * The machine that turns the verdicts of one member's probes into its measured state. It has three states, `unknown`,
 * `up` and `down`, and is changed by verdicts (`advance`) and by an operator who lets a member come back (`failBack`);
 * time alone changes nothing.
 *
 * ## Table
 *   state    event     when                                        then
 *   unknown  success   held, or a hand is needed                   down, and then as `down` with this success
 *   unknown  success   otherwise                                   up
 *   unknown  failure   -                                           down
 *   up       success   no failure counts                           up, as it was
 *   up       success   successes in a row <  clear                 up, the failures still count
 *   up       success   successes in a row >= clear                 up, no failure counts
 *   up       failure   failures that count <  fall                 up
 *   up       failure   failures that count >= fall                 down, a hand is needed, held if it is a flap too many
 *   down     failure   -                                           down, no success counts
 *   down     success   successes in a row < rise                   down, waits for `rise`
 *   down     success   rise reached, a hand was given              up
 *   down     success   rise reached, held                          down, waits for `flap`
 *   down     success   rise reached, delay since the first success down, waits for `delay`
 *                      not over
 *   down     success   rise reached, a hand is needed              down, waits for `manual`
 *   down     success   otherwise                                   up
 *   up       failBack  -                                           up, as it was
 *   down     failBack  waits for `flap`, `delay` or `manual`       up
 *   down     failBack  otherwise                                   down, a hand was given, not held
 *   unknown  failBack  -                                           unknown, a hand was given, not held
 *
 * ## Reasons
 * Rows of one state and event hold from the first to the last. Counts include the verdict that comes.
 *
 * - The first verdict decides alone: a new member, or a new daemon, must not serve (or withhold) blindly for
 *   `fall` (or `rise`) intervals. A state that comes back from the store is not unknown: it is a state like any other
 *   and takes all of `fall` or `rise` to leave, so a restart in the middle of one lost packet moves nothing.
 * - `clear` is the `ok_thresh` of gdnsd, `fall` its `down_thresh`, `rise` its `up_thresh` (gdnsd.config(5), and
 *   `gdnsd_mon_state_updater` in its src/plugins/mon.c): in `up` each failure counts until `clear` successes in a row
 *   forget them all at once; in `down` a single failure starts the successes anew. With `clear` 1 the failures
 *   must be consecutive. gdnsd's defaults are 20, 10 and 10.
 * - A hand is needed by a member that fell from `up`, and by one that the store says is down, because the store does not
 *   say how it came to be so; it counts only while fail-back is `manual`. One that was down at its first verdict has
 *   never been up, and a new member that is not running yet needs nobody to be let in.
 * - The hand that lets a member back goes before hold and delay: the operator has looked. Only `rise` is still asked for,
 *   because a member that doesn't answer is no good to anybody. The permission ends when the member is up.
 * - A fall from `up` is a flap too many when it makes more than `changes` of them within `withinMs`. The member is then
 *   held for `holdMs`, doubled for each such offence before it, up to `maxHoldMs`. One offence is forgotten for each
 *   `withinMs` that the member was up in one go, and those that would lengthen the hold beyond `maxHoldMs` are not
 *   counted, so that ten bad nights don't take ten good weeks to forget. Falls are not forgotten with the
 *   hold: a member that falls again while the earlier ones are still within `withinMs` has committed the next offence.
 *   Without a flap limit nothing is held, and what was remembered is dropped.
 * - All parameters are those of the event and not of the machine, so they may change at any time. A count that a lowered
 *   threshold has overtaken, and a hold or delay that has run out, show at the next verdict.
 * - Verdicts don't lead back to `unknown`; `forget` does, for a member that answers at another place from now on.
 *
 * ## Form
 * The machine is a pure function over immutable values; reasons and events are the checker's. Times are milliseconds of
 * one clock that does not go back, and for `explain` to be right the time of day: `performance.timeOrigin` +
 * `performance.now()`.
 */
import { formatDuration } from '../document/duration.ts'
import type { FlapLimit, Judging } from '../model/monitor.ts'
import type { Flaps, HealthState, Hold } from '../model/observation.ts'

/** What the machine knows of one member. */
export interface Measurement extends Flaps {
  readonly state: HealthState
  /** When the state was entered; null when that was before the machine began. */
  readonly sinceMs: number | null
  /** What counts against the state: in `up` failures (see `clear`), in `down` successes in a row. */
  readonly streak: number
  /** Successes in a row since the last failure that counts; in `up`. */
  readonly clearing: number
  /** When the first success in a row came; in `down`. */
  readonly answeringMs: number | null
  /** Why a member that answers is still down; null for one that does not answer. */
  readonly waiting: Waiting | null
  readonly hand: 'none' | 'needed' | 'given'
}

export type Waiting = 'rise' | 'flap' | 'delay' | 'manual'

/** 2^30 ms are twelve days. */
const mostDoublings = 30

/** What is known of a new member. */
export const unmeasured: Measurement = {
  state: 'unknown',
  sinceMs: null,
  streak: 0,
  clearing: 0,
  answeringMs: null,
  waiting: null,
  hold: null,
  hand: 'none',
  fallsMs: [],
  offences: 0,
}

const steadyUp: Measurement = { ...unmeasured, state: 'up' }
const steadyDown: Measurement = { ...unmeasured, state: 'down', hand: 'needed' }

/** @returns the measurement of a state without a streak, such as one from the store, with what `flapsOf` gave */
export function measured(state: HealthState, flaps: Flaps | null = null): Measurement {
  const steady = { unknown: unmeasured, up: steadyUp, down: steadyDown }[state]
  return flaps === null ? steady : { ...steady, ...flaps }
}

/** What of a measurement is kept over a restart beside the state; null for nothing. */
export function flapsOf({ hold, fallsMs, offences }: Measurement): Flaps | null {
  return hold === null && fallsMs.length === 0 && offences === 0 ? null : { hold, fallsMs, offences }
}

/**
 * @returns the measurement after one more verdict, the same object when nothing changed; a transition happened when its
 * state differs
 */
export function advance(
  current: Measurement,
  success: boolean,
  judging: Judging,
  nowMs: number,
): Measurement {
  const before = judging.flap === null ? withoutFlaps(current) : current
  switch (before.state) {
    case 'unknown': {
      const down: Measurement = { ...before, state: 'down', sinceMs: nowMs }
      if (!success) return down
      const kept = isHeld(before, judging, nowMs) || needsHand(before, judging)
      return kept ? advanceDown(down, true, judging, nowMs) : risen(before, nowMs)
    }
    case 'up':
      return advanceUp(before, success, judging, nowMs)
    case 'down':
      return advanceDown(before, success, judging, nowMs)
  }
}

/**
 * Lets a member come back without hold, delay or further word: at once when it has succeeded often enough, else as
 * soon as it has.
 */
export function failBack(current: Measurement, nowMs: number): Measurement {
  if (current.state === 'up') return current
  if (isHeldBack(current)) return risen(current, nowMs)
  return { ...current, hand: 'given', hold: null }
}

/** Whether a member answers often enough, and is down for another reason, which an operator may pass over. */
export function isHeldBack({ waiting }: Measurement): boolean {
  return waiting !== null && waiting !== 'rise'
}

/** @returns a measurement that knows nothing of the member's answers, but still of hold, hand and flaps */
export function forget({ hold, hand, fallsMs, offences }: Measurement): Measurement {
  return { ...unmeasured, hold, hand, fallsMs, offences }
}

/** Whether it is held down for changing too often. */
export function isHeldDown(current: Measurement, judging: Judging, nowMs: number): boolean {
  return current.state === 'down' && isHeld(current, judging, nowMs)
}

/** Whether a few more verdicts like the last one are a transition: no hold and no hand is in their way. */
export function nearChange(current: Measurement, judging: Judging, nowMs: number): boolean {
  if (current.state !== 'down') return current.streak > 0
  return current.streak > 0 && !isHeld(current, judging, nowMs) && !needsHand(current, judging)
}

/**
 * When the next probe is due after the last one, in milliseconds: sooner than the interval while failures count against
 * `up`, so that one that is lost is told from one that is dead before many clients have noticed. Not while successes
 * count against `down`: nobody is hurt by a member that comes back a little later, and `rise` is asked for to see it well
 * for a while, which is a time and not a number; besides, a member that struggles to its feet is the last that needs
 * more probes.
 */
export function nextProbeMs(current: Measurement, { recheckMs }: Judging, intervalMs: number): number {
  if (recheckMs === null || current.state !== 'up' || current.streak === 0) return intervalMs
  return Math.min(recheckMs, intervalMs)
}

/**
 * Says what the state alone doesn't: what counts against it and what it still waits for. Null when there is nothing to say
 * beyond what the last probe said. Of bounded length; times of day are UTC, and have their date when it is not today's.
 */
export function explain(current: Measurement, judging: Judging, nowMs: number): string | null {
  if (current.streak === 0 && current.hold === null && current.hand !== 'given') return null
  if (current.state === 'up') return explainUp(current, judging)
  const thenByHand = needsHand(current, judging) ? ', then waits for fail-back by hand' : ''
  const { hold } = current
  const { flap, rise } = judging
  if (hold !== null && flap !== null && isHeld(current, judging, nowMs)) {
    const until = timeOfDay(heldUntilMs(hold, flap), nowMs)
    const changes = `${hold.falls} ${hold.falls === 1 ? 'change' : 'changes'}`
    return `held down until ${until} after ${changes} within ${formatDuration(flap.withinMs)}${thenByHand}`
  }
  if (current.streak === 0) {
    return current.hand === 'given' ? 'fail-back by hand was given, waits for an answer' : null
  }
  switch (waitsFor(current, judging, nowMs)) {
    case 'rise':
      return `${current.streak} of ${rise} successes${thenByHand}`
    case 'delay':
      return `answers again; waits until ${timeOfDay(comesBackMs(current, judging), nowMs)}${thenByHand}`
    case 'manual':
      return 'answers again; waits for fail-back by hand'
    default:
      return 'answers again; up with the next success'
  }
}

function explainUp({ streak, clearing }: Measurement, { fall, clear }: Judging): string {
  const failures = `${streak} of ${fall} failures`
  return clearing === 0 ? failures : `${failures}; ${clearing} of ${clear} successes to forget them`
}

function timeOfDay(atMs: number, nowMs: number): string {
  const [date, time] = isoParts(atMs)
  return date === isoParts(nowMs)[0] ? `${time} UTC` : `${date} ${time} UTC`
}

/** Date and time to the second, which is rounded up: what is said to be over then must be. */
function isoParts(atMs: number): readonly [date: string, time: string] {
  const text = new Date(Math.ceil(atMs / 1000) * 1000).toISOString()
  return [text.slice(0, 10), text.slice(11, 19)]
}

function advanceUp(current: Measurement, success: boolean, judging: Judging, nowMs: number): Measurement {
  if (!success) {
    const streak = current.streak + 1
    return streak < judging.fall ? { ...current, streak, clearing: 0 } : fallen(current, judging.flap, nowMs)
  }
  if (current.streak === 0) return current
  const clearing = current.clearing + 1
  return clearing < judging.clear ? { ...current, clearing } : { ...current, streak: 0, clearing: 0 }
}

function advanceDown(current: Measurement, success: boolean, judging: Judging, nowMs: number): Measurement {
  if (!success) {
    return current.streak === 0 ? current : { ...current, streak: 0, answeringMs: null, waiting: null }
  }
  const answering: Measurement = {
    ...current,
    streak: current.streak + 1,
    answeringMs: current.answeringMs ?? nowMs,
  }
  const waiting = waitsFor(answering, judging, nowMs)
  return waiting === null ? risen(answering, nowMs) : { ...answering, waiting }
}

/** What a member that answers still waits for, or null when it may come back. */
function waitsFor(current: Measurement, judging: Judging, nowMs: number): Waiting | null {
  if (current.streak < judging.rise) return 'rise'
  if (current.hand === 'given') return null
  if (isHeld(current, judging, nowMs)) return 'flap'
  if (judging.failBackDelayMs > 0 && nowMs < comesBackMs(current, judging)) return 'delay'
  return needsHand(current, judging) ? 'manual' : null
}

/** When the fail-back delay is over. */
function comesBackMs({ answeringMs }: Measurement, { failBackDelayMs }: Judging): number {
  return answeringMs === null ? Number.POSITIVE_INFINITY : answeringMs + failBackDelayMs
}

function isHeld({ hold, hand }: Measurement, { flap }: Judging, nowMs: number): boolean {
  return hold !== null && flap !== null && hand !== 'given' && nowMs < heldUntilMs(hold, flap)
}

/** A limit that was lowered ends the holds that it would not have made. */
function heldUntilMs({ sinceMs, untilMs }: Hold, { maxHoldMs }: FlapLimit): number {
  return Math.min(untilMs, sinceMs + maxHoldMs)
}

function needsHand({ hand }: Measurement, judging: Judging): boolean {
  return hand === 'needed' && judging.failBack === 'manual'
}

function risen(current: Measurement, nowMs: number): Measurement {
  const { fallsMs, offences } = current
  return { ...steadyUp, sinceMs: nowMs, fallsMs, offences }
}

function fallen(current: Measurement, flap: FlapLimit | null, nowMs: number): Measurement {
  const down: Measurement = { ...steadyDown, sinceMs: nowMs }
  if (flap === null) return down
  const { changes, withinMs, holdMs, maxHoldMs } = flap
  const recent = current.fallsMs.filter((atMs) => nowMs - atMs <= withinMs)
  const fallsMs = [...recent, nowMs].slice(-(changes + 1))
  const upMs = Math.max(0, nowMs - (current.sinceMs ?? nowMs))
  const offences = Math.max(0, current.offences - Math.floor(upMs / withinMs))
  if (fallsMs.length <= changes) return { ...down, fallsMs, offences }
  const lengthMs = Math.min(maxHoldMs, holdMs * 2 ** offences)
  const more = lengthMs < maxHoldMs && offences < mostDoublings ? 1 : 0
  const hold = { sinceMs: nowMs, untilMs: nowMs + lengthMs, falls: fallsMs.length }
  return { ...down, fallsMs, offences: offences + more, hold }
}

function withoutFlaps(current: Measurement): Measurement {
  if (current.hold === null && current.fallsMs.length === 0) return current
  return { ...current, hold: null, fallsMs: [], offences: 0 }
}
