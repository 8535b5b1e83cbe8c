import { type AnyPgColumn, bigint, customType, json, type SQL, sql } from './drizzle.ts'

/**
 * Text that is compared and sorted by its bytes. Names are paged through in key order, so their order must be the
 * same on every server, whatever its locale, and the unique index must be usable for it.
 */
export const key = customType<{ data: string; driverData: string }>({
  dataType: () => 'text collate "C"',
})

/** The first and the last instant that RFC 3339, Postgres and JavaScript write alike. */
const firstInstant = '0001-01-01T00:00:00.000Z'
const lastInstant = '9999-12-31T23:59:59.999Z'

/**
 * Milliseconds are what JavaScript can give back; more digits would be lost on the way. Postgres has instants that JavaScript
 * has not (`infinity`, years of six digits, those before Christ): such a one is read as the first or the last that both have, so
 * that whoever reads an instant has one.
 */
export const instant = customType<{ data: Date; driverData: string }>({
  dataType: () => 'timestamp (3) with time zone',
  toDriver: (date) => date.toISOString(),
  fromDriver: (text) => toInstant(text),
})

function toInstant(text: string): Date {
  if (text.startsWith('-') || text.endsWith('BC')) return new Date(firstInstant)
  const read = /^\d{4}-/.test(text) ? new Date(text) : null
  return read === null || Number.isNaN(read.getTime()) ? new Date(lastInstant) : read
}

/** A revision of the configuration. 2^53 of them outlast the database. */
export const revision = () => bigint('revision', { mode: 'number' }).notNull()

/**
 * Tells what a row is from what another one of the same name was before it: new with each row, and never written by an update but
 * to say that it is another thing now (`set born = default`).
 */
export const born = () => bigint('born', { mode: 'number' }).notNull().generatedAlwaysAsIdentity()

/**
 * The fragment of the document as somebody wrote it, where that is not how we would write it, so that it can be read as it was
 * written: `json`, since `jsonb` forgets the order of names. Good only as long as it says what the other columns do.
 */
export const written = () => json('written').$type<unknown>()

/** The label of the files that a row comes from, which others' files leave alone; null for none. */
export const owner = () => key('owner')

/** `column in ('a', 'b')` with the words of a model constant, which never hold a quote. */
export const oneOf = (column: AnyPgColumn, words: readonly string[]): SQL =>
  sql`${column} in (${quoted(words)})`

/** The same of every element of a column that is an array. */
export const someOf = (column: AnyPgColumn, words: readonly string[]): SQL =>
  sql`${column} <@ array[${quoted(words)}]`

const quoted = (words: readonly string[]): SQL => sql.raw(words.map((word) => `'${word}'`).join(', '))

/** Lower-case, no blanks, no slash (paths and change keys join names by it), 1 to 255 bytes. */
export const isName = (column: AnyPgColumn): SQL =>
  sql`${column} = lower(${column}) and ${column} !~ '[[:space:][:cntrl:]/]' and octet_length(${column}) between 1 and 255`

/**
 * A domain name as zones and services have it: lower-case, of 1004 octets at the most (255 of wire form, each written with four),
 * without its final dot unless it is the root. A dot at its end that is part of the last label is written `\.`.
 */
export const isDomainName = (column: AnyPgColumn): SQL =>
  sql`${column} = lower(${column}) and octet_length(${column}) between 1 and 1004 and (${column} = '.' or (left(${column}, 1) <> '.' and (right(${column}, 1) <> '.' or right(${column}, 2) = '\\.')))`

/** An address alone, not a network: `inet` would accept 192.0.2.0/24 too. */
export const isHostAddress = (column: AnyPgColumn): SQL =>
  sql`masklen(${column}) = case family(${column}) when 4 then 32 else 128 end`

/** The name of a host: absolute, lower-case letters, digits, `-` and `_`, 255 octets in wire form at most. */
export const isHost = (column: AnyPgColumn): SQL =>
  sql`${column} ~ '^([a-z0-9_-]{1,63}[.])+$' and octet_length(${column}) <= 254`

/** A map of settings, whatever they are. */
export const isObject = (column: AnyPgColumn): SQL => sql`jsonb_typeof(${column}) = 'object'`

/** The same of a column of type `json`. */
export const isObjectText = (column: AnyPgColumn): SQL => sql`json_typeof(${column}) = 'object'`

/** As `model/feed.ts` has it. */
export const isFeedName = (column: AnyPgColumn): SQL => sql`${column} ~ '^[a-z][a-z0-9_]{0,62}$'`

/** The range of a TTL and of the SOA's times, RFC 2181 section 8. */
export const isTtl = (column: AnyPgColumn): SQL => sql`${column} between 0 and 2147483647`
