/** How often monitors ask members, and how they judge: the fields that all that ask have in common. */
import type { Problem } from '../model/errors.ts'
import type { FlapLimit, ProbeTiming } from '../model/monitor.ts'
import { formatDuration } from './duration.ts'
import { durationMs } from './fields.ts'
import type { ProbeBody } from './monitor-schemas.ts'
import { joinPath } from './path.ts'

const defaultIntervalMs = 10_000
const defaultTimeoutMs = 3_000
const defaultFlap = { changes: 3, withinMs: 600_000, holdMs: 60_000, maxHoldMs: 3_600_000 }

type Time = string | number | undefined

const timeOf = (value: Time, otherwise: number) => (value === undefined ? otherwise : durationMs(value))

/** The settings of a body whose fields are checked. */
export function timingFrom(body: ProbeBody): ProbeTiming {
  const intervalMs = timeOf(body.interval, defaultIntervalMs)
  return {
    intervalMs,
    timeoutMs: timeOf(body.timeout, Math.min(defaultTimeoutMs, intervalMs)),
    rise: body.rise ?? 2,
    fall: body.fall ?? 3,
    clear: body.clear ?? 1,
    recheckMs: body.recheck === undefined ? null : durationMs(body.recheck),
    failBack: body.failBack ?? 'auto',
    failBackDelayMs: timeOf(body.failBackDelay, 0),
    flap: flapFrom(body.flap),
  }
}

function flapFrom(body: ProbeBody['flap']): FlapLimit | null {
  if (body === undefined) return null
  const holdMs = timeOf(body.hold, defaultFlap.holdMs)
  return {
    changes: body.changes ?? defaultFlap.changes,
    withinMs: timeOf(body.within, defaultFlap.withinMs),
    holdMs,
    maxHoldMs: timeOf(body.maxHold, longestHold(holdMs)),
  }
}

function longestHold(holdMs: number): number {
  return Math.max(defaultFlap.maxHoldMs, holdMs)
}

/** Reports times that don't go together, as far as they can be read. */
export function checkTiming(
  body: ProbeBody,
  place: { readonly path: string; readonly bad: ReadonlySet<string>; readonly problems: Problem[] },
): void {
  const { path, bad, problems } = place
  const intervalAt = joinPath(path, 'interval')
  const readable = (at: string, value: Time) => value !== undefined && !bad.has(at)
  const atMost = (at: string, ms: number, most: number, what: string) => {
    if (ms <= most) return
    const message = `must not be ${what} (${formatDuration(ms)} > ${formatDuration(most)})`
    problems.push({ path: at, message })
  }
  if (!bad.has(intervalAt)) {
    const intervalMs = timeOf(body.interval, defaultIntervalMs)
    for (const field of ['timeout', 'recheck'] as const) {
      const at = joinPath(path, field)
      if (readable(at, body[field])) {
        atMost(at, durationMs(body[field]!), intervalMs, 'longer than the interval')
      }
    }
  }
  const flapAt = joinPath(path, 'flap')
  const holdAt = joinPath(flapAt, 'hold')
  const maxHoldAt = joinPath(flapAt, 'maxHold')
  if (bad.has(flapAt) || bad.has(holdAt) || !readable(maxHoldAt, body.flap?.maxHold)) return
  const holdMs = timeOf(body.flap!.hold, defaultFlap.holdMs)
  const maxHoldMs = durationMs(body.flap!.maxHold!)
  if (holdMs > maxHoldMs) {
    const message = `must not be shorter than hold (${formatDuration(maxHoldMs)} < ${formatDuration(holdMs)})`
    problems.push({ path: maxHoldAt, message })
  }
}

/** Interval, timeout, rise and fall always; the rest when it is not the default. */
export function formatTiming(timing: ProbeTiming) {
  const { recheckMs, failBack, failBackDelayMs, clear, flap } = timing
  return {
    interval: formatDuration(timing.intervalMs),
    timeout: formatDuration(timing.timeoutMs),
    rise: timing.rise,
    fall: timing.fall,
    ...(clear === 1 ? {} : { clear }),
    ...(recheckMs === null ? {} : { recheck: formatDuration(recheckMs) }),
    ...(failBack === 'auto' ? {} : { failBack }),
    ...(failBackDelayMs === 0 ? {} : { failBackDelay: formatDuration(failBackDelayMs) }),
    ...(flap === null ? {} : { flap: formatFlap(flap) }),
  }
}

function formatFlap({ changes, withinMs, holdMs, maxHoldMs }: FlapLimit) {
  return {
    ...(changes === defaultFlap.changes ? {} : { changes }),
    ...(withinMs === defaultFlap.withinMs ? {} : { within: formatDuration(withinMs) }),
    ...(holdMs === defaultFlap.holdMs ? {} : { hold: formatDuration(holdMs) }),
    ...(maxHoldMs === longestHold(holdMs) ? {} : { maxHold: formatDuration(maxHoldMs) }),
  }
}
