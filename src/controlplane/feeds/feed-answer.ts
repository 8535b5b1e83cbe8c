/**
 * What a reader of a feed gets: rows, the newest of each entity, or averages by stretches of time, as JSON or CSV, a batch at a time.
 *
 * Each batch is a read of its own, behind the last row of the one before, so that no transaction waits for a slow client. What is
 * written meanwhile may be in a later batch or not.
 */

import { parseInstant } from '../model/instant.ts'
import type { Database } from '../store/database.ts'
import type { RowKey, RowQuery } from '../store/feed-rows.ts'
import { aggregates, readLatest, readRows, readSteps } from '../store/feed-rows.ts'
import { type FeedStore, findStore, type KnownFeed } from '../store/feed-stores.ts'
import { entityOf, instantOf, valuesOf } from '../store/row-text.ts'
import { OctetLines } from './octet-lines.ts'

/** Rows of one read, unless these are many values. */
const answerBatch = 10_000
/** Values of one read: some six megabytes of text, of each answer that is on its way. */
const valuesAtOnce = 300_000

/** Rows of one read that have so many values each. */
export function rowsAtOnce(values: number): number {
  return Math.min(answerBatch, Math.max(1, Math.floor(valuesAtOnce / values)))
}

export interface FeedQuestion {
  readonly entity?: string | undefined
  readonly fromMicros?: number | undefined
  /** Before. */
  readonly toMicros?: number | undefined
  /** The newest row of each entity alone. */
  readonly latest: boolean
  /** Null: rows as they are. */
  readonly stepMicros: number | null
  readonly limit: number
  readonly after: RowKey | null
  readonly format: 'json' | 'csv'
}

export interface FeedAnswer {
  /** Whether there are no rows. */
  readonly empty: boolean
  readonly type: string
  /** Where the next page begins; null at the end, undefined while that is not known yet. */
  readonly next: RowKey | null | undefined
  /** The body, in pieces. The first rows have been read. */
  readonly octets: AsyncIterable<Buffer>
}

interface Batch {
  /** Its lines, in pieces. */
  readonly octets: readonly Buffer[]
  readonly rows: number
  /** The text of the last row; null for none. */
  readonly last: string | null
  /** Behind its last row there are more, as many as were asked for or not. */
  readonly more: boolean
}

/** What stands around the rows of an answer, and a row as it stands there. */
interface Form {
  readonly type: string
  readonly head: string
  /** @param row its text, of `row-text.ts` */
  readonly line: (row: string) => string
  /** Octets of a first line that only stand between two. */
  readonly leading: number
  readonly tail: (next: RowKey | null) => string
}

/** Throws `unavailable`, and `invalid` for what can't be summed up. */
export async function answerFeed(
  database: Database,
  feed: KnownFeed,
  question: FeedQuestion,
): Promise<FeedAnswer> {
  const names = namesOf(feed, question)
  const form = question.format === 'csv' ? csvForm(names) : jsonForm(feed, names)
  const batches = batchesOf(database, feed, question, form)
  const { value: first } = await batches.next()
  const isWhole = first!.rows === question.limit || !first!.more
  return {
    empty: first!.rows === 0,
    type: form.type,
    next: isWhole ? nextOf(first!) : undefined,
    octets: octetsOf(form, first!, batches),
  }
}

async function* octetsOf(form: Form, first: Batch, others: AsyncIterable<Batch>): AsyncGenerator<Buffer> {
  yield Buffer.from(form.head)
  const [begin, ...rest] = first.octets
  if (begin !== undefined) yield begin.subarray(form.leading)
  yield* rest
  let last = first
  for await (const batch of others) {
    last = batch
    yield* batch.octets
  }
  yield Buffer.from(form.tail(nextOf(last)))
}

/** The columns of an answer, in their order. */
function namesOf({ value }: KnownFeed, { stepMicros }: FeedQuestion): readonly string[] {
  const names = value.columns.map(({ name }) => name)
  return stepMicros === null ? names : names.flatMap((name) => aggregates.map((word) => `${name}_${word}`))
}

/** At least one. */
async function* batchesOf(
  database: Database,
  feed: KnownFeed,
  question: FeedQuestion,
  form: Form,
): AsyncGenerator<Batch, undefined> {
  let { after, limit } = question
  const atOnce = rowsAtOnce(namesOf(feed, question).length)
  for (;;) {
    const batch = await readBatch(
      database,
      feed,
      { ...question, after, limit: Math.min(limit, atOnce) },
      form,
    )
    yield batch
    limit -= batch.rows
    if (!batch.more || limit === 0) return undefined
    after = keyOf(batch.last!)
  }
}

async function readBatch(
  database: Database,
  feed: KnownFeed,
  { entity, fromMicros, toMicros, latest, stepMicros, after, limit }: FeedQuestion,
  { line }: Form,
): Promise<Batch> {
  const entities = entity === undefined ? undefined : [entity]
  const query: RowQuery = { entities, fromMicros, toMicros, after, limit: limit + 1 }
  return database.read(async (tx) => {
    const lines = new OctetLines()
    let last: string | null = null
    let [rows, more] = [0, false]
    const each = (row: string) => {
      more = rows === limit
      if (more) return
      lines.add(line(row))
      last = row
      rows++
    }
    const store: FeedStore | null = await findStore(tx, feed)
    if (store !== null) {
      if (latest) await readLatest(tx, store, feed, query, each)
      else if (stepMicros === null) await readRows(tx, store, feed, query, each)
      else await readSteps(tx, store, feed, { ...query, stepMicros }, each)
    }
    return { octets: lines.take(), rows, last, more }
  })
}

function keyOf(row: string): RowKey {
  return { entity: entityOf(row), micros: parseInstant(instantOf(row))! }
}

function nextOf({ last, more }: Batch): RowKey | null {
  return more ? keyOf(last!) : null
}

/** @returns the text of the cursor by which the next page is asked for */
export function writeRowCursor(key: RowKey | null): string | null {
  return key === null ? null : Buffer.from(JSON.stringify([key.entity, key.micros])).toString('base64url')
}

/** Null for what is no cursor of ours. */
export function readRowCursor(cursor: string): RowKey | null {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (!Array.isArray(key) || key.length !== 2) return null
    const [entity, micros] = key as unknown[]
    const isKey = typeof entity === 'string' && Number.isSafeInteger(micros)
    return isKey && !entity.includes('\0') && entity.isWellFormed()
      ? { entity, micros: micros as number }
      : null
  } catch {
    return null
  }
}

function jsonForm({ value }: KnownFeed, names: readonly string[]): Form {
  const keys = names.map((name) => `,${JSON.stringify(name)}:`)
  return {
    type: 'application/json',
    head: `{"feed":${JSON.stringify(value.name)},"columns":${JSON.stringify(names)},"items":[`,
    line: (row) =>
      `,\n{"time_instant":"${instantOf(row)}","id_entity":${JSON.stringify(entityOf(row))}${behind(keys, row, 'null')}}`,
    leading: 1,
    tail: (next) => `\n],"nextCursor":${JSON.stringify(writeRowCursor(next))}}\n`,
  }
}

function csvForm(names: readonly string[]): Form {
  const commas = names.map(() => ',')
  return {
    type: 'text/csv; charset=utf-8',
    head: `time_instant,id_entity,${names.join(',')}\r\n`,
    line: (row) => `${instantOf(row)},${csvField(entityOf(row))}${behind(commas, row, '')}\r\n`,
    leading: 0,
    tail: () => '',
  }
}

/**
 * The values of a row, each behind its head. They are not parted into an array: of ten thousand rows that would be a third of the work. A
 * row of before a column was declared has nothing for it.
 */
function behind(heads: readonly string[], row: string, missing: string): string {
  const values = valuesOf(row)
  let text = ''
  let from = 0
  for (const head of heads) {
    const comma = values.indexOf(',', from)
    const value = values.slice(from, comma === -1 ? undefined : comma)
    text += head + (value === 'null' || value === '' ? missing : value)
    from = comma === -1 ? values.length : comma + 1
  }
  return text
}

/** RFC 4180 section 2. Blanks at its ends would be lost to who reads it. */
function csvField(text: string): string {
  return /[",\r\n]|^\s|\s$|^NULL$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
