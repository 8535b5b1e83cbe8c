/**
 * How long the stretches of time are that a feed's rows are kept in, each of them a table (a part). What is old goes by whole parts,
 * so a part should hold a sixteenth of what is kept: a sixteenth of the age, or as long as it takes for a sixteenth of the rows to
 * come. No more parts than some hundreds, as each costs a little whenever the feed is read.
 *
 * - By age: a sixteenth of it, an hour to 30 days.
 * - What lies further back than a year has parts ten times as long, though never more than a sixteenth of the age: from 1700 on they
 *   are four hundred. A read of all times locks each of them, and a server has room for some thousand locks.
 * - By rows: as fast as they come now. A feed that begins has an hour, and each part may be four times as long as the one before.
 */
import type { Retention } from '../model/feed.ts'

const second = 1_000_000
const hour = 3_600 * second
const day = 24 * hour
const month = 30 * day

const shortest = 60 * second
/** Of what is kept, in one part. */
const share = 16
const growth = 4
/** What is older than this many months is past. */
const recentMonths = 13

/** The parts of a feed at the most; of these, beyond `fewer`, new ones are as long as they may be. */
export const mostParts = 1_000
const fewer = 500

/** A stretch of time in microseconds, without its end. */
export interface Stretch {
  readonly since: number
  readonly until: number
}

export interface LaidPart extends Stretch {
  readonly rows: number
}

/** What new parts are made for. */
export interface Wanted {
  /** Instants of rows, in microseconds, in their order, each once. */
  readonly instants: readonly number[]
  /** Rows a second that come, by themselves; 0 when that can't be told. */
  readonly rate: number
  readonly retention: Retention
  readonly now: number
}

/**
 * The parts that are missing.
 *
 * @param parts those that there are, in the order of time
 */
export function missingParts(parts: readonly LaidPart[], wanted: Wanted): Stretch[] {
  const { instants, now, retention, rate } = wanted
  const laid = [...parts]
  const made: Stretch[] = []
  for (const micros of instants) {
    const nth = laid.findLastIndex((part) => part.since <= micros)
    const before = laid[nth]
    if (before !== undefined && micros < before.until) continue
    const after = laid[nth + 1]
    const width = widthAt(micros, { before, after, retention, rate, now, count: laid.length })
    const start = Math.floor(micros / width) * width
    const stretch = {
      since: Math.max(start, before?.until ?? start),
      until: Math.min(start + width, after?.since ?? start + width),
    }
    made.push(stretch)
    laid.splice(nth + 1, 0, { ...stretch, rows: 0 })
  }
  return made
}

interface Surroundings extends Pick<Wanted, 'retention' | 'rate' | 'now'> {
  readonly before: LaidPart | undefined
  readonly after: LaidPart | undefined
  readonly count: number
}

function widthAt(micros: number, { before, after, retention, rate, now, count }: Surroundings): number {
  const { ageMs, rows } = retention
  const longest = longestAt(micros, now, ageMs)
  if (count >= fewer) return longest
  const isNewest = after === undefined && micros > now - day
  const width = before === undefined ? hour : before.until - before.since
  // One that is just being filled tells nothing of how fast rows come.
  const measured = before !== undefined && before.rows > 0 ? before.rows / (width / second) : 0
  const fastest = Math.max(rate, isNewest ? measured : 0)
  const byRows = fastest === 0 ? longest : (rows / share / fastest) * second
  const grown = isNewest ? (before === undefined ? hour : width * growth) : longest
  return Math.round(Math.min(longest, Math.max(shortest, Math.min(byRows, grown))))
}

function longestAt(micros: number, now: number, ageMs: number | null): number {
  const longest = micros < now - recentMonths * month ? 10 * month : month
  return ageMs === null ? longest : Math.min(longest, Math.max(hour, Math.round((ageMs * 1000) / share)))
}
