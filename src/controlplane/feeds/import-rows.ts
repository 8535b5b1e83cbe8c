/**
 * Rows from a file or a body into a feed. It is read twice: first for mistakes, so that with any of them nothing is kept, and then
 * to be written, in batches of their own. So no transaction is as long as the file, and memory holds a batch, however long that is.
 *
 * What stops the second reading (the database is away) leaves what was written so far; to send the file once more does no harm, as
 * rows that are there already change nothing.
 */
import type { FeedRow } from '../model/feed-row.ts'
import type { KnownFeed } from '../store/feed-stores.ts'
import { readCsvRows } from './csv-rows.ts'
import type { Written } from './feed-writer.ts'
import { readJsonRows } from './json-rows.ts'
import { type Octets, RowProblems, type RowRules } from './row-reader.ts'

export const rowFormats = ['csv', 'json'] as const
export type RowFormat = (typeof rowFormats)[number]

const readers = { csv: readCsvRows, json: readJsonRows } as const

/** Writes rows of the feed. */
export type WriteRows = (rows: readonly FeedRow[]) => Promise<Written>

export interface ImportOptions {
  readonly feed: Pick<KnownFeed, 'value'>
  readonly format: RowFormat
  readonly now: Date
  /** Keeps the rows without mistakes; else nothing is kept when there are any. */
  readonly skipBad: boolean
  readonly write: WriteRows
  /** Called once all of it has been looked at, before the first row is written. */
  readonly onChecked?: () => Promise<void>
  /** Told again and again: how many rows were written. */
  readonly onProgress?: (rows: number) => void
}

export interface Imported {
  /** Rows without mistakes. */
  readonly rows: number
  readonly changed: number
  readonly expired: number
  /** Rows that were left out for mistakes, and what these are; not all of them where there are many. */
  readonly skipped: number
  readonly problems: RowProblems
}

/** Rows that are written at once. */
const writtenAtOnce = 10_000

/**
 * Imports what can be read twice. Throws `invalid` when anything is wrong with it and nothing is to be skipped.
 *
 * @param open reads it from its beginning
 */
export async function importRows(open: () => Octets, options: ImportOptions): Promise<Imported> {
  const problems = new RowProblems()
  for await (const _rows of reading(open(), options, problems)) {
    // For its mistakes.
  }
  if (!options.skipBad) problems.throwIfAny(options.feed.value.name)
  await options.onChecked?.()
  const rows = reading(open(), options, new RowProblems())
  return { ...(await writeAll(rows, options)), skipped: problems.rows, problems }
}

/** The same of what is short, and is read once: all of its rows are held, and written together. */
export async function importShort(octets: Octets, options: ImportOptions): Promise<Imported> {
  const problems = new RowProblems()
  const rows: FeedRow[] = []
  for await (const batch of reading(octets, options, problems)) rows.push(...batch)
  if (!options.skipBad) problems.throwIfAny(options.feed.value.name)
  const written = rows.length === 0 ? { changed: 0, expired: 0 } : await options.write(rows)
  return { rows: rows.length, ...written, skipped: problems.rows, problems }
}

function reading(octets: Octets, { feed, format, now }: ImportOptions, problems: RowProblems) {
  const rules: RowRules = { feed: feed.value.name, columns: feed.value.columns, now }
  return readers[format](octets, rules, problems)
}

async function writeAll(
  batches: AsyncIterable<readonly FeedRow[]>,
  { write, onProgress }: ImportOptions,
): Promise<Pick<Imported, 'rows' | 'changed' | 'expired'>> {
  const sum = { rows: 0, changed: 0, expired: 0 }
  let waiting: FeedRow[] = []
  let writing: Promise<void> = Promise.resolve()
  const flush = async () => {
    const rows = waiting
    waiting = []
    await writing
    writing = write(rows).then(({ changed, expired }) => {
      sum.rows += rows.length
      sum.changed += changed
      sum.expired += expired
      onProgress?.(sum.rows)
    })
    // Awaited with the next batch; until then its failure is nobody's.
    writing.catch(() => {})
  }
  for await (const rows of batches) {
    waiting.push(...rows)
    if (waiting.length >= writtenAtOnce) await flush()
  }
  if (waiting.length > 0) await flush()
  await writing
  return sum
}
