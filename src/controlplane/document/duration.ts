/** A length of time in the document: `500ms`, `10s`, `5m`, `1h`, `14d`, or a bare number of seconds. */

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

const durationPattern = /^(\d{1,15})(ms|s|m|h|d)$/

/**
 * Milliseconds of a duration as the document writes it; null when it is not one. A number, and a text of digits
 * only, counts whole seconds.
 */
export function parseDuration(value: string | number): number | null {
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) && value >= 0 ? safe(value * 1000) : null
  }
  const match = durationPattern.exec(/^\d{1,15}$/.test(value) ? `${value}s` : value)
  if (!match) return null
  return safe(Number(match[1]) * unitMs[match[2] as keyof typeof unitMs])
}

function safe(ms: number): number | null {
  return Number.isSafeInteger(ms) ? ms : null
}

/** The canonical text: the largest unit that needs no fraction (`90s`, `1h`, `0s`). */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`
  }
  return `${ms}ms`
}

/** Like `formatDuration`, of whole seconds. */
export function formatSeconds(seconds: number): string {
  return formatDuration(seconds * 1000)
}
