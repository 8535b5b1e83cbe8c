import { clock, list, span } from '../format.ts'
import { serverNow } from '../live.ts'

export interface DrainStatus {
  readonly answered?: boolean
  readonly answeredBy?: readonly string[]
  readonly safeAt?: string | null
}

/** When a drained member may be switched off: counts down. */
export function SafeAt({
  status,
  isLarge = false,
}: {
  readonly status: DrainStatus
  readonly isLarge?: boolean
}) {
  const { answered, answeredBy, safeAt } = status
  const at = safeAt === null || safeAt === undefined ? null : Date.parse(safeAt)
  const left = at === null ? 0 : at - serverNow()
  const isSafe = answered !== true && left <= 0
  const text =
    answered === true
      ? `Still answered${answeredBy === undefined ? '' : ` by ${list(answeredBy)}`}: not safe yet`
      : left > 0
        ? `Safe to switch off in ${span(left)}, at ${clock(at!)}`
        : at === null
          ? 'Safe to switch off: no answer has had it for long'
          : `Safe to switch off since ${clock(at)}`
  return <p class={`safe ${isSafe ? 'good' : 'doubt'} ${isLarge ? 'large' : ''}`}>{text}</p>
}
