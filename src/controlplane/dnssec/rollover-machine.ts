/**
 * How the keys of a zone are rolled over (RFC 7583, RFC 6781 section 4.1): from step to step, so that whoever validates, whatever it has in
 * its cache, never takes the zone for bogus. What each key does in each step is in `model/rollover.ts`.
 *
 * ## Steps
 *     step       waits                                        why
 *     presign    the greatest TTL of the zone                 all data in caches has a signature of the new algorithm
 *     publish    the TTL of DNSKEY                            all DNSKEY sets in caches have the new keys
 *     parent     until all servers of the parent have the     whoever comes from the parent finds the new keys
 *                new DS, and none has the old
 *     ds-out     the greatest TTL of a DS that was seen       no DS in a cache is of the old keys
 *     switch     the greatest TTL of the zone                 no data in a cache has only signatures of the old key
 *     unpublish  the TTL of DNSKEY                            no DNSKEY set in a cache has the old algorithm
 *
 * Which it takes:
 *
 *     what is rolled over                    steps
 *     CSK, or a CSK for KSK and ZSK          publish  parent  ds-out  switch
 *     KSK                                    publish  parent  ds-out
 *     ZSK                                    publish  switch
 *     the algorithm                          presign  publish  parent  ds-out  unpublish
 *     going unsigned                         parent  ds-out          (CDS and CDNSKEY of RFC 8078 section 4)
 *
 * Each wait but that for the parent begins when all nodes serve the step, and is longer by the time that secondaries, and the parent's, may be
 * behind (`propagation`). None ends before what was served under longer TTLs is out of caches (`cachedUntil`).
 *
 * ## Events
 *     event      in              then
 *     served     those that wait, before their time counts: it counts from now
 *     parent     parent          ds-out when it has done its part
 *                ds-out          parent when a server of it has not
 *     ds-seen    parent          ds-out: an operator's word in the place of the parent's
 *     due        those that wait, when their time is over: the next step, or done
 *     cancel     presign         done: nobody has seen the new keys
 *                publish         the same; of an algorithm `unpublish`, back
 *                parent, ds-out  `parent`, back: CDS names the keys that were there before
 *                others          refused: the old keys are on their way out
 *
 * A clock that goes back makes a wait longer. One that goes forward would make it shorter: whoever sends `due` has waited by a steady clock.
 */
import { keyTtlSeconds } from '../model/dnssec.ts'
import type { Rollover, RolloverScope, RolloverStep, RolloverWait } from '../model/rollover.ts'

/** What is waited for a DS whose TTL nobody has seen. */
const unknownDsTtlSeconds = 86_400

/** How long answers may be kept, and how long it may take until they are given. */
export interface RolloverTimes {
  /** No answer of the zone has a greater TTL. */
  readonly maxTtlSeconds: number
  readonly propagationSeconds: number
  /** Until when caches may have what was served under a greater TTL. UNIX milliseconds. */
  readonly cachedUntil: number
}

export type RolloverEvent =
  | { readonly kind: 'served' }
  | { readonly kind: 'parent'; readonly isDone: boolean; readonly ttlSeconds: number | null }
  | { readonly kind: 'ds-seen' }
  | { readonly kind: 'due' }
  | { readonly kind: 'cancel' }

export type RolloverMove =
  /** The same object when nothing has changed. */
  | { readonly to: 'step'; readonly rollover: Rollover }
  | { readonly to: 'done' }
  | { readonly to: 'cancelled' }
  | { readonly to: 'refused'; readonly reason: string }

/** The steps of a rollover, in their order. */
export function stepsOf({ goal, entry, data, algorithm }: RolloverScope): readonly RolloverStep[] {
  if (goal === 'unsigned') return ['parent', 'ds-out']
  const parent = entry ? (['parent', 'ds-out'] as const) : []
  if (algorithm) return ['presign', 'publish', ...parent, 'unpublish']
  return ['publish', ...parent, ...(data ? (['switch'] as const) : [])]
}

/** The steps that it goes through, to its end or back. */
function pathOf(rollover: Rollover): readonly RolloverStep[] {
  if (!rollover.reverting) return stepsOf(rollover)
  // Data was signed by the keys that stay all the time.
  return rollover.algorithm ? ['parent', 'ds-out', 'unpublish'] : ['parent', 'ds-out']
}

function restOf(rollover: Rollover): readonly RolloverStep[] {
  const path = pathOf(rollover)
  return path.slice(path.indexOf(rollover.step) + 1)
}

/** A rollover that begins. */
export function beginRollover(scope: RolloverScope, nowMs: number): Rollover {
  const { goal, entry, data, algorithm } = scope
  const whole = { goal, entry, data, algorithm, reverting: false, confirmed: false, parentTtlSeconds: null }
  return entered(whole, stepsOf(scope)[0]!, nowMs)
}

/** What a rollover waits for now. */
export function waitOf({ step, countedFrom }: Rollover): RolloverWait {
  if (step === 'parent') return 'parent'
  return countedFrom === null ? 'servers' : 'caches'
}

/** When the time of a step is over, in UNIX milliseconds; null when that is not known yet. */
export function dueAt(rollover: Rollover, times: RolloverTimes): number | null {
  if (rollover.countedFrom === null) return null
  const seconds = secondsOf(rollover.step, rollover, times)
  return Math.max(rollover.countedFrom + seconds * 1000, times.cachedUntil)
}

/** How long each step waits for caches; null for the one that waits for the parent. In `ds-out` by what is known of the parent by now. */
export function waitsOf(
  rollover: Rollover,
  times: RolloverTimes,
): { readonly step: RolloverStep; readonly seconds: number | null }[] {
  return pathOf(rollover).map((step) => ({
    step,
    seconds: step === 'parent' ? null : secondsOf(step, rollover, times),
  }))
}

/** When it comes to its end at the earliest: when all servers and the parent do their part at once. UNIX milliseconds. */
export function endsAt(rollover: Rollover, times: RolloverTimes, nowMs: number): number {
  const waitMs = (step: RolloverStep) => (step === 'parent' ? 0 : secondsOf(step, rollover, times) * 1000)
  const { step } = rollover
  const due = step === 'parent' ? null : dueAt(rollover, times)
  const first = Math.max(nowMs, due ?? Math.max(nowMs + waitMs(step), times.cachedUntil))
  return restOf(rollover).reduce((endMs, next) => endMs + waitMs(next), first)
}

function secondsOf(step: RolloverStep, rollover: Rollover, times: RolloverTimes): number {
  return cachedSeconds(step, rollover, times) + times.propagationSeconds
}

function cachedSeconds(
  step: RolloverStep,
  { parentTtlSeconds }: Rollover,
  { maxTtlSeconds }: RolloverTimes,
): number {
  switch (step) {
    case 'presign':
    case 'switch':
      return maxTtlSeconds
    case 'publish':
    case 'unpublish':
      return Math.min(keyTtlSeconds, maxTtlSeconds)
    case 'parent':
    case 'ds-out':
      return parentTtlSeconds ?? unknownDsTtlSeconds
  }
}

/** What an event makes of a rollover. @param nowMs UNIX milliseconds */
export function moveRollover(
  rollover: Rollover,
  event: RolloverEvent,
  times: RolloverTimes,
  nowMs: number,
): RolloverMove {
  const { step, countedFrom } = rollover
  switch (event.kind) {
    case 'served':
      if (countedFrom !== null || step === 'parent') return unchanged(rollover)
      return { to: 'step', rollover: { ...rollover, countedFrom: nowMs } }
    case 'parent':
      return seenAtParent(rollover, event, nowMs)
    case 'ds-seen':
      return step === 'parent'
        ? { to: 'step', rollover: counted(entered({ ...rollover, confirmed: true }, 'ds-out', nowMs), nowMs) }
        : { to: 'refused', reason: 'it does not wait for the parent' }
    case 'due': {
      const due = dueAt(rollover, times)
      return due === null || nowMs < due ? unchanged(rollover) : after(rollover, nowMs)
    }
    case 'cancel':
      return cancelled(rollover, nowMs)
  }
}

function seenAtParent(
  rollover: Rollover,
  { isDone, ttlSeconds }: Extract<RolloverEvent, { kind: 'parent' }>,
  nowMs: number,
): RolloverMove {
  const { step, parentTtlSeconds: before } = rollover
  const parentTtlSeconds = ttlSeconds === null ? before : Math.max(before ?? 0, ttlSeconds)
  const seen = parentTtlSeconds === before ? rollover : { ...rollover, parentTtlSeconds }
  if (step === 'parent' && isDone)
    return { to: 'step', rollover: counted(entered(seen, 'ds-out', nowMs), nowMs) }
  // An operator's word holds, whatever this one can see.
  if (step === 'ds-out' && !isDone && !rollover.confirmed)
    return { to: 'step', rollover: entered(seen, 'parent', nowMs) }
  return { to: 'step', rollover: seen }
}

function after(rollover: Rollover, nowMs: number): RolloverMove {
  const [next] = restOf(rollover)
  if (next === undefined) return { to: rollover.reverting ? 'cancelled' : 'done' }
  return { to: 'step', rollover: entered(rollover, next, nowMs) }
}

function cancelled(rollover: Rollover, nowMs: number): RolloverMove {
  const { goal, step, reverting, algorithm } = rollover
  if (reverting) return { to: 'refused', reason: 'it goes back already' }
  if (goal === 'unsigned') return { to: 'cancelled' }
  const back = { ...rollover, reverting: true, confirmed: false }
  switch (step) {
    case 'presign':
      return { to: 'cancelled' }
    case 'publish':
      return algorithm ? { to: 'step', rollover: entered(back, 'unpublish', nowMs) } : { to: 'cancelled' }
    case 'parent':
    case 'ds-out':
      return { to: 'step', rollover: entered(back, 'parent', nowMs) }
    case 'switch':
    case 'unpublish':
      return {
        to: 'refused',
        reason: 'the keys that were there before are on their way out: roll over again',
      }
  }
}

const entered = (
  rollover: Omit<Rollover, 'step' | 'stepSince' | 'countedFrom'>,
  step: RolloverStep,
  nowMs: number,
): Rollover => ({ ...rollover, step, stepSince: nowMs, countedFrom: null })

const counted = (rollover: Rollover, nowMs: number): Rollover => ({ ...rollover, countedFrom: nowMs })

const unchanged = (rollover: Rollover): RolloverMove => ({ to: 'step', rollover })
