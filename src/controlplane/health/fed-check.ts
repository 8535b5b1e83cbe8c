/**
 * What a monitor of type `feed` says of a member: up while the newest value is good and within its bounds.
 *
 * A value that is out of bounds takes a member down at once; it comes back when the value is within them by `back`, so that one that
 * swings about a bound does not take the member with it. A value that is too old, or that there is none of, is down as well. But what
 * this node has not been able to read, it says nothing about: until the first reading, and while the database is away beyond the time
 * of a value, what was said before stands.
 */
import { formatDuration } from '../document/duration.ts'
import type { Reading, ReadingKey, Readings } from '../model/feed-use.ts'
import type { FeedMonitor } from '../model/monitor.ts'
import { toReason } from '../model/reason.ts'
import type { Opinion } from './check.ts'

/** The readings, and up to when they are. */
export interface FollowedReadings extends Readings {
  /** Time of day up to which no newer value can have been missed. */
  readonly currentUntilMs: number
}

export interface FedMethod {
  readonly kind: 'feed'
  readonly monitor: FeedMonitor
  readonly key: ReadingKey
}

/** What was said last. Its reason stays as long as what is wrong does, whatever the values are: each new one would be news to everybody. */
export interface FedOpinion extends Opinion {
  readonly wrong: 'nothing' | 'low' | 'high' | 'old' | 'none' | 'unread' | null
}

/** When what is read is too old, as time of day; null for nothing that is read. */
export function expiryMs({ monitor, key }: FedMethod, readings: Readings): number | null {
  const reading = readings.latest(key)
  return reading === null ? null : reading.from.getTime() + monitor.maxAgeMs
}

/** @param before what it said last; null for nothing */
export function judgeReading(
  method: FedMethod,
  before: FedOpinion | null,
  readings: FollowedReadings,
  nowMs: number,
): FedOpinion {
  const now = judge(method, before, readings, nowMs)
  return before !== null && before.wrong === now.wrong && before.state === now.state ? before : now
}

function judge(
  { key, monitor }: FedMethod,
  before: FedOpinion | null,
  readings: FollowedReadings,
  nowMs: number,
): FedOpinion {
  const what = `${key.column} of ${key.entity} in feed ${key.feed}`
  const reading = readings.latest(key)
  if (reading === null && !readings.isKnown(key)) return asBefore(before, `${what} has not been read yet`)
  if (reading === null) return down('none', `there is no ${what}`)
  const expiresMs = reading.from.getTime() + monitor.maxAgeMs
  if (nowMs > expiresMs) {
    const isBlind = readings.currentUntilMs < expiresMs
    if (isBlind) return asBefore(before, `${what} can't be read while the database is away`)
    return down('old', `${what} is older than ${formatDuration(monitor.maxAgeMs)}`)
  }
  return judgeValue(monitor, what, reading, before?.state === 'down')
}

function judgeValue(
  { min, max, back }: FeedMonitor,
  what: string,
  { value }: Reading,
  wasDown: boolean,
): FedOpinion {
  const need = wasDown ? back : 0
  const toCome = (bound: number) => (need === 0 ? '' : `, and comes back at ${bound}`)
  if (min !== null && value < min + need)
    return down('low', `${what} is ${value}, below ${min}${toCome(min + need)}`)
  if (max !== null && value > max - need)
    return down('high', `${what} is ${value}, above ${max}${toCome(max - need)}`)
  return { state: 'up', wrong: 'nothing', reason: toReason(`${what} is ${value}`) }
}

function down(wrong: FedOpinion['wrong'], reason: string): FedOpinion {
  return { state: 'down', wrong, reason: toReason(reason) }
}

function asBefore(before: FedOpinion | null, why: string): FedOpinion {
  const state = before?.state ?? 'unknown'
  const reason = state === 'unknown' ? why : `${state} as before: ${why}`
  return { state, wrong: 'unread', reason: toReason(reason) }
}
