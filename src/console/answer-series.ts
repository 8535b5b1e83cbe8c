/** How often a service is answered with each member, from differences of what a node has counted. Pure functions. */
import type { SharesReply } from '../controlplane/api/operations/traffic.ts'

/** Lines that can be told apart. */
export const mostLines = 6
/** Half an hour, a look every six seconds. */
const mostPoints = 300
export interface Point {
  /** Seconds since 1970. */
  readonly at: number
  /** Answers a second since the point before, by member or pool. */
  readonly rates: ReadonlyMap<string, number>
}

export interface Series {
  readonly points: readonly Point[]
  readonly before: SharesReply
}

const secondsOf = ({ at }: SharesReply) => Date.parse(at) / 1_000

function countsOf({ counted }: SharesReply, byMember: boolean): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const { pool, member, count } of counted) {
    const key = byMember ? `${pool}/${member}` : pool
    counts.set(key, (counts.get(key) ?? 0) + count)
  }
  return counts
}

/** @returns what is known then; the same as before where the look tells nothing new */
export function noted(series: Series | undefined, now: SharesReply): Series {
  if (series === undefined) return { points: [], before: now }
  const seconds = secondsOf(now) - secondsOf(series.before)
  // Looks that come soon after each other tell little.
  if (seconds < 2) return series
  // Members by themselves where each can have a line, else their pools.
  const byMember = now.counted.length <= mostLines
  const before = countsOf(series.before, byMember)
  const rates = new Map<string, number>()
  for (const [key, count] of countsOf(now, byMember)) {
    const more = count - (before.get(key) ?? 0)
    // A process that was started again counts from nothing.
    if (more >= 0) rates.set(key, more / seconds)
  }
  const point = { at: secondsOf(now), rates }
  return { points: [...series.points, point].slice(-mostPoints), before: now }
}

/** The busiest have a line each, and the rest one together. */
export function linesOf(points: readonly Point[]): readonly Line[] {
  const sums = new Map<string, number>()
  for (const { rates } of points) for (const [key, rate] of rates) sums.set(key, (sums.get(key) ?? 0) + rate)
  const names = [...sums].sort(([, one], [, other]) => other - one).map(([name]) => name)
  const shown = names.length > mostLines ? names.slice(0, mostLines - 1) : names
  const rest = names.slice(shown.length)
  const lines = shown
    .toSorted()
    .map((name) => ({ name, values: points.map(({ rates }) => rates.get(name) ?? 0) }))
  if (rest.length === 0) return lines
  const others = points.map(({ rates }) => rest.reduce((sum, name) => sum + (rates.get(name) ?? 0), 0))
  return [...lines, { name: `${rest.length} others`, values: others }]
}

export interface Line {
  readonly name: string
  /** As many as there are times; null where nothing is known. */
  readonly values: readonly (number | null)[]
}
