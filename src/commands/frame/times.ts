/** Spans of time for people: the two largest units, such as `3h 12m`. */

const units = [
  ['d', 86_400],
  ['h', 3600],
  ['m', 60],
  ['s', 1],
] as const

export function spanText(ms: number): string {
  let seconds = Math.max(0, Math.round(ms / 1000))
  const parts: string[] = []
  for (const [unit, length] of units) {
    const count = Math.floor(seconds / length)
    seconds -= count * length
    if (count > 0) parts.push(`${count}${unit}`)
    // Smaller than the second unit says nothing.
    else if (parts.length > 0) break
    if (parts.length === 2) break
  }
  return parts.length === 0 ? '0s' : parts.join(' ')
}

/** @param now both as the server tells time, whose clock may not be ours */
export function timeSince(then: string, now: string): string {
  return spanText(Date.parse(now) - Date.parse(then))
}

export function timeLeft(then: string, now: string): string {
  return spanText(Date.parse(then) - Date.parse(now))
}
