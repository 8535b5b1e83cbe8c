/**
 * What a reader of a feed gets: rows, the newest of each entity, or averages by stretches of time, as JSON or CSV, a batch at a time.
 *
 * Each batch is a read of its own, behind the last row of the one before, so that no transaction waits for a slow client. What is
 * written meanwhile may be in a later batch or not.
 */

import { parseInstant } from '../model/instant.ts'
import type { Database } from '../store/database.ts'
import type { RowKey, RowQuery, ShownRow } from '../store/feed-rows.ts'
import { aggregates, readLatest, readRows, readSteps, ShownRows } from '../store/feed-rows.ts'
import { type FeedStore, findStore, type KnownFeed } from '../store/feed-stores.ts'

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
  readonly rows: ShownRows
  /** Behind its last row there are more, as many as were asked for or not. */
  readonly more: boolean
}

/** Throws `unavailable`, and `invalid` for what can't be summed up. */
export async function answerFeed(
  database: Database,
  feed: KnownFeed,
  question: FeedQuestion,
): Promise<FeedAnswer> {
  const batches = batchesOf(database, feed, question)
  const { value: first } = await batches.next()
  const names = namesOf(feed, question)
  const isWhole = first!.rows.length === question.limit || !first!.more
  const next = isWhole ? nextOf(first!) : undefined
  const octets =
    question.format === 'csv' ? csvOctets(names, first!, batches) : jsonOctets(feed, names, first!, batches)
  const empty = first!.rows.length === 0
  return {
    empty,
    type: question.format === 'csv' ? 'text/csv; charset=utf-8' : 'application/json',
    next,
    octets,
  }
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
): AsyncGenerator<Batch, undefined> {
  let { after, limit } = question
  const atOnce = rowsAtOnce(namesOf(feed, question).length)
  for (;;) {
    const size = Math.min(limit, atOnce)
    const read = await readBatch(database, feed, question, after, size + 1)
    const rows = read.first(size)
    const more = read.length > size
    yield { rows, more }
    limit -= rows.length
    if (!more || limit === 0) return undefined
    after = keyOf(rows.last!)
  }
}

const noRows = new ShownRows([], () => {
  throw new Error('there are no rows')
})

async function readBatch(
  database: Database,
  feed: KnownFeed,
  { entity, fromMicros, toMicros, latest, stepMicros }: FeedQuestion,
  after: RowKey | null,
  limit: number,
): Promise<ShownRows> {
  const entities = entity === undefined ? undefined : [entity]
  const query: RowQuery = { entities, fromMicros, toMicros, after, limit }
  return database.read(async (tx) => {
    const store: FeedStore | null = await findStore(tx, feed)
    if (store === null) return noRows
    if (latest) return readLatest(tx, store, feed, query)
    return stepMicros === null
      ? readRows(tx, store, feed, query)
      : readSteps(tx, store, feed, { ...query, stepMicros })
  })
}

const keyOf = ({ entity, instant }: ShownRow): RowKey => ({ entity, micros: parseInstant(instant)! })

function nextOf({ rows, more }: Batch): RowKey | null {
  return more ? keyOf(rows.last!) : null
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

async function* jsonOctets(
  { value }: KnownFeed,
  names: readonly string[],
  first: Batch,
  others: AsyncIterable<Batch>,
): AsyncGenerator<Buffer> {
  const heads = names.map((name) => `,${JSON.stringify(name)}:`)
  const lines = new Lines()
  lines.add(`{"feed":${JSON.stringify(value.name)},"columns":${JSON.stringify(names)},"items":[`)
  let last = first
  let before = ''
  for await (const batch of following(first, others)) {
    for (const { entity, instant, values } of batch.rows) {
      let line = `${before}\n{"time_instant":"${instant}","id_entity":${JSON.stringify(entity)}`
      for (let nth = 0; nth < heads.length; nth++) line += heads[nth]! + values[nth]
      lines.add(`${line}}`)
      before = ','
    }
    last = batch
    yield lines.take()
  }
  lines.add(`\n],"nextCursor":${JSON.stringify(writeRowCursor(nextOf(last)))}}\n`)
  yield lines.take()
}

async function* csvOctets(
  names: readonly string[],
  first: Batch,
  others: AsyncIterable<Batch>,
): AsyncGenerator<Buffer> {
  const lines = new Lines()
  lines.add(`time_instant,id_entity,${names.join(',')}\r\n`)
  for await (const { rows } of following(first, others)) {
    for (const { entity, instant, values } of rows) {
      let line = `${instant},${csvField(entity)}`
      for (const value of values) line += value === 'null' ? ',' : `,${value}`
      lines.add(`${line}\r\n`)
    }
    yield lines.take()
  }
}

const leastRoom = 64 * 1024
/** Of a character of UTF-16. */
const mostOctets = 3
/** Characters that are written at once: a few dozen lines. */
const writtenAtOnce = 8 * 1024

/** Lines in UTF-8, written as they come: one long text of ten thousand of them would be much to collect. Bound: a batch. */
class Lines {
  #octets = Buffer.allocUnsafe(leastRoom)
  #length = 0
  /** What is not written yet. */
  #text = ''

  add(line: string): void {
    this.#text += line
    if (this.#text.length > writtenAtOnce) this.#write()
  }

  /** All that was added since the last time. */
  take(): Buffer {
    this.#write()
    const taken = this.#octets.subarray(0, this.#length)
    this.#octets = Buffer.allocUnsafe(leastRoom)
    this.#length = 0
    return taken
  }

  #write(): void {
    const needed = this.#length + this.#text.length * mostOctets
    if (needed > this.#octets.length) this.#widen(Math.max(needed, this.#octets.length * 2))
    this.#length += this.#octets.write(this.#text, this.#length)
    this.#text = ''
  }

  #widen(size: number): void {
    const wider = Buffer.allocUnsafe(size)
    this.#octets.copy(wider, 0, 0, this.#length)
    this.#octets = wider
  }
}

async function* following(first: Batch, others: AsyncIterable<Batch>): AsyncGenerator<Batch> {
  yield first
  yield* others
}

/** RFC 4180 section 2. Blanks at its ends would be lost to who reads it. */
function csvField(text: string): string {
  return /[",\r\n]|^\s|\s$|^NULL$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
