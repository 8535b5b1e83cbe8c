/**
 * Instants of measurements: microseconds since 1970, UTC, which is as exact as PostgreSQL keeps them. Whole numbers that a double
 * holds exactly, so from 1700 to 2255.
 */

/** 1700-01-01T00:00:00Z: before it there is nothing that was measured so. */
export const firstMicros = Date.UTC(1700, 0, 1) * 1000
/** 2255-01-01T00:00:00Z */
export const lastMicros = Date.UTC(2255, 0, 1) * 1000

const pattern =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?: ?([Zz]|[+-]\d\d(?::?\d\d)?))?)?$/

/** What `parseInstant` takes, in words. */
export const instantWords = 'a time such as 2020-01-01 00:00:00.5 (UTC) or 2020-01-01T01:00:00+01:00'

/** As `microsOf`; null also for what is before 1700 or after 2254. */
export function parseInstant(text: string): number | null {
  const micros = microsOf(text)
  return micros !== null && micros >= firstMicros && micros <= lastMicros ? micros : null
}

/**
 * Microseconds of a date, or of a date and a time of day, by RFC 3339 or as PostgreSQL prints it. UTC where no offset stands. What
 * is beyond microseconds is rounded. Null for what is none, such as February 30. Before 1700 and after 2254 it is not exact.
 */
export function microsOf(text: string): number | null {
  const match = pattern.exec(text)
  if (match === null) return null
  const [, year, month, day, hour = '0', minute = '0', second = '0', fraction = '', zone] = match
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return null
  // `Date.UTC` takes the years 0 to 99 for others.
  const date = new Date(0)
  const midnight = date.setUTCFullYear(Number(year), Number(month) - 1, Number(day))
  if (date.getUTCMonth() !== Number(month) - 1 || date.getUTCDate() !== Number(day)) return null
  const offset = offsetMinutes(zone)
  if (offset === null) return null
  const seconds = (Number(hour) * 60 + Number(minute) - offset) * 60 + Number(second)
  return (
    midnight * 1000 + seconds * 1_000_000 + Math.round(Number(fraction.padEnd(9, '0').slice(0, 9)) / 1000)
  )
}

function offsetMinutes(zone: string | undefined): number | null {
  if (zone === undefined || zone === 'Z' || zone === 'z') return 0
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(3).replace(':', '') || '0')]
  if (hours > 23 || minutes > 59) return null
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

/** By RFC 3339, UTC, with as many digits of a second as it needs. */
export function formatInstant(micros: number): string {
  const seconds = Math.floor(micros / 1_000_000)
  const fraction = micros - seconds * 1_000_000
  const head = new Date(seconds * 1000).toISOString().slice(0, 19)
  return fraction === 0 ? `${head}Z` : `${head}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}Z`
}

/** An instant as PostgreSQL prints one without its zone, in that of UTC, as RFC 3339 has it. */
export function instantOfPostgres(text: string): string {
  return `${text.slice(0, 10)}T${text.slice(11)}Z`
}
