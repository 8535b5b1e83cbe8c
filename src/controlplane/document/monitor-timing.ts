/** How often monitors ask members, and how they judge: the fields that all that ask have in common. */
import type { FlapLimit, ProbeTiming } from '../model/monitor.ts'
import { formatDuration } from './duration.ts'
import { Duration, Whole, Words } from './fields.ts'
import { type Form, fieldsOf, type Report, record } from './forms.ts'

const dayMs = 86_400_000
const defaultHoldMs = 60_000
const defaultIntervalMs = 10_000

const limit = fieldsOf<FlapLimit>()
const Flap: Form<FlapLimit> = record(
  {
    changes: limit.optional('changes', Whole(1, 1000), 3),
    within: limit.optional('withinMs', Duration(1000, 7 * dayMs), 600_000),
    hold: limit.optional('holdMs', Duration(1000, 7 * dayMs), defaultHoldMs),
    maxHold: limit.optional('maxHoldMs', Duration(1000, 7 * dayMs), ({ holdMs = defaultHoldMs }) =>
      Math.max(3_600_000, holdMs),
    ),
  },
  {
    description: 'an object with changes, within, hold and maxHold',
    check({ holdMs, maxHoldMs }, report) {
      if (holdMs === undefined || maxHoldMs === undefined || holdMs <= maxHoldMs) return
      const found = `${formatDuration(maxHoldMs)} < ${formatDuration(holdMs)}`
      report(`must not be shorter than hold (${found})`, 'maxHold')
    },
  },
)

const timing = fieldsOf<ProbeTiming>()
/** The fields of every monitor that asks members. */
export const timingFields = {
  interval: timing.shown('intervalMs', Duration(100, dayMs), defaultIntervalMs),
  timeout: timing.shown('timeoutMs', Duration(1, dayMs), ({ intervalMs = defaultIntervalMs }) =>
    Math.min(3_000, intervalMs),
  ),
  rise: timing.shown('rise', Whole(1, 1000), 2),
  fall: timing.shown('fall', Whole(1, 1000), 3),
  clear: timing.optional('clear', Whole(1, 1000), 1),
  recheck: timing.optional('recheckMs', Duration(1, dayMs), null),
  failBack: timing.optional('failBack', Words(['auto', 'manual']), 'auto'),
  failBackDelay: timing.optional('failBackDelayMs', Duration(0, 7 * dayMs), 0),
  flap: timing.optional('flap', Flap, null),
}

/** Reports times that don't go together, as far as they can be read. */
export function checkTiming(
  { intervalMs = Infinity, timeoutMs, recheckMs }: Partial<ProbeTiming>,
  report: Report,
): void {
  for (const [field, ms] of Object.entries({ timeout: timeoutMs ?? 0, recheck: recheckMs ?? 0 })) {
    if (ms <= intervalMs) continue
    const found = `${formatDuration(ms)} > ${formatDuration(intervalMs)}`
    report(`must not be longer than the interval (${found})`, field)
  }
}
