import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { Readable } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'
import { UsageError } from '../config.ts'
import { parseFeed } from '../controlplane/document/feed.ts'
import { readCsvColumns } from '../controlplane/feeds/csv-rows.ts'
import { FeedCopy } from '../controlplane/feeds/feed-copy.ts'
import { FeedWriter } from '../controlplane/feeds/feed-writer.ts'
import {
  type Imported,
  importRows,
  type RowFormat,
  rowFormats,
  type WriteRows,
} from '../controlplane/feeds/import-rows.ts'
import { entityKey, type Octets, timeKey, unreadable } from '../controlplane/feeds/row-reader.ts'
import { builtInColumns } from '../controlplane/model/built-in-feeds.ts'
import { ControlError, type Problem } from '../controlplane/model/errors.ts'
import { type Feed, feedNamePattern } from '../controlplane/model/feed.ts'
import type { FeedRow } from '../controlplane/model/feed-row.ts'
import { formatInstant } from '../controlplane/model/instant.ts'
import type { Database } from '../controlplane/store/database.ts'
import type { KnownFeed } from '../controlplane/store/feed-stores.ts'
import { getFeed, putFeed } from '../controlplane/store/feeds.ts'
import { chunksOf, Spool } from '../controlplane/zonefile/spool.ts'
import { printable } from '../terminal-text.ts'
import { type ApiClient, NotAnswered, RefusedByServer } from './api-client.ts'
import { defineCommand } from './frame/command.ts'
import { author, withOwnDatabase } from './own-database.ts'
import { serverOptions, serverOrDatabase } from './server-choice.ts'

/**
 * `pooldns import-feed FILE --feed NAME`: rows into a feed, which is declared by the header of the file where there is none. Problems
 * go to standard error, one a line, and end it with 1, unless they are to be skipped.
 */
export const importFeed = defineCommand({
  arguments: { file: { summary: 'a file of rows, - for standard input', completes: 'file' } },
  options: {
    feed: {
      type: 'string',
      value: 'NAME',
      summary: 'the feed that it goes into; one that is not declared gets the columns of the header',
    },
    format: {
      type: 'string',
      value: 'FORMAT',
      choices: rowFormats,
      summary:
        'json for objects, one behind the other or in an array; csv unless the name ends in .json or .ndjson',
    },
    skipBad: {
      type: 'boolean',
      summary: 'keep the rows without mistakes; else nothing is kept when there are any',
    },
    progress: { type: 'boolean', summary: 'say how far it is, also where standard error is no terminal' },
    ...serverOptions,
  },
  examples: [
    {
      line: 'pooldns import-feed air_quality.csv --feed air_quality --server http://127.0.0.1:3000',
      does: 'by a running server',
    },
    {
      line: 'pooldns import-feed - --feed load --skip-bad < load.csv',
      does: 'every mistake by line and column, and the rest in the feed',
    },
  ],
  notes:
    'Without a server it opens the database itself: that of DATABASE_URL, or the embedded one of a server that is stopped.',
  async run({ file }, { feed, format, skipBad = false, progress, ...given }) {
    if (feed === undefined) throw new UsageError('import-feed needs --feed NAME')
    if (!feedNamePattern.test(feed)) {
      throw new UsageError(
        `--feed: "${feed}" is not accepted; it takes lower-case letters, digits and "_", a letter first`,
      )
    }
    if (builtInColumns(feed) !== null) {
      throw new UsageError(
        `--feed: "${feed}" is a feed that the servers write by themselves; choose another name`,
      )
    }
    const order = { file, feed, format: format ?? formatOf(file), skipBad }
    await importFile(order, serverOrDatabase(given, process.env), progress ?? process.stderr.isTTY === true)
  },
})

interface Order {
  readonly file: string
  readonly feed: string
  readonly format: RowFormat
  readonly skipBad: boolean
}

const formatOf = (file: string): RowFormat => (/\.(nd)?json$/.test(file) ? 'json' : 'csv')

async function importFile(order: Order, server: ApiClient | null, tells: boolean): Promise<void> {
  await using source = await RowSource.open(order.file)
  using progress = new RowProgress(source, tells)
  const name = order.file === '-' ? 'standard input' : order.file
  const say = (problems: readonly Problem[]) => {
    progress[Symbol.dispose]()
    for (const { path, message } of problems) {
      process.stderr.write(`${printable(`${name}: ${path}: ${message}`)}\n`)
    }
  }
  const go = (target: Target) =>
    importRows(() => source.read(), {
      feed: target.feed,
      format: order.format,
      now: new Date(),
      skipBad: order.skipBad,
      onChecked: target.declare,
      write: target.write,
      onProgress: (rows) => progress.written(rows),
    })
  try {
    const done =
      server === null
        ? await withOwnDatabase((database) => intoDatabase(database, order, source, go))
        : await go(await onServer(server, order, source))
    say(done.problems.told)
    if (done.problems.count > done.problems.told.length) {
      process.stderr.write(`${name}: and ${done.problems.count - done.problems.told.length} more problems\n`)
    }
    process.stdout.write(`${printable(summary(order.feed, done))}\n`)
  } catch (error) {
    if (!(error instanceof ControlError) || error.problems.length === 0) throw error
    say(error.problems)
    const [{ path, message }] = error.problems as [Problem]
    // Of the first it would be the second time.
    process.stderr.write(`${printable(error.message.replace(`: ${path}: ${message}`, ''))}\n`)
    process.exitCode = 1
  }
}

function summary(feed: string, { rows, changed, expired, skipped }: Imported): string {
  const parts = [`${rows} rows, ${changed} of them new or changed`]
  if (expired > 0) parts.push(`${expired} older than it keeps`)
  if (skipped > 0) parts.push(`${skipped} skipped for mistakes`)
  return `feed ${feed}: ${parts.join(', ')}`
}

interface Target {
  readonly feed: Pick<KnownFeed, 'value'>
  /** Sees to it that there is the feed. A file with mistakes declares none. */
  readonly declare: () => Promise<void>
  readonly write: WriteRows
}

async function intoDatabase(
  database: Database,
  order: Order,
  source: RowSource,
  go: (target: Target) => Promise<Imported>,
): Promise<Imported> {
  let known = await database.read((tx) => getFeed(tx, order.feed))
  const value = known?.value ?? (await declaredBy(order, source))
  await using copy = await FeedCopy.open(database)
  const writer = new FeedWriter(database)
  return await go({
    feed: { value },
    declare: async () => {
      if (known !== null) return
      await database.write(author, (write) => putFeed(write, value, { ifNoneMatch: '*' }))
      known = await database.read((tx) => getFeed(tx, order.feed))
    },
    write: (rows) => (copy === null ? writer.write(known!, rows) : copy.write(known!, rows, new Date())),
  })
}

/** What a file's header says of its feed. */
async function declaredBy({ feed, format }: Order, source: RowSource): Promise<Feed> {
  if (format === 'json') {
    throw new ControlError(
      'not-found',
      `feed ${feed} does not exist, and JSON has no header to declare it by`,
    )
  }
  const names = await readCsvColumns(source.read(), feed)
  if (names.length === 0) {
    unreadable(feed, 'line 1', `the header names no column besides ${timeKey} and ${entityKey}`)
  }
  const problems: Problem[] = []
  const declared = parseFeed(
    feed,
    { columns: Object.fromEntries(names.map((name) => [name, {}])) },
    '',
    problems,
  )
  if (declared !== null) return declared
  throw new ControlError('invalid', `the header can't declare feed ${feed}`, {
    problems: problems.map(({ path, message }) => ({ path: `line 1, ${path}`, message })),
  })
}

async function onServer(server: ApiClient, order: Order, source: RowSource): Promise<Target> {
  const url = `/v1/feeds/${order.feed}`
  const found = await declaredOnServer(server, `${url}/declaration`, order.feed)
  const value = found ?? (await declaredBy(order, source))
  return {
    feed: { value },
    declare: async () => {
      if (found !== null) return
      const columns = Object.fromEntries(value.columns.map(({ name }) => [name, {}]))
      const headers = { 'content-type': 'application/json', 'if-none-match': '*' }
      await server.ask(url, { method: 'PUT', headers, body: JSON.stringify({ columns }) })
    },
    write: (rows) => send(server, url, value, rows),
  }
}

/** Null: the server has no such feed. */
async function declaredOnServer(server: ApiClient, url: string, name: string): Promise<Feed | null> {
  const response = await server.ask(url).catch((error: unknown) => {
    if (!(error instanceof RefusedByServer) || error.status !== 404) throw error
    return null
  })
  if (response === null) return null
  const { status: _, ...body } = (await response.json()) as Record<string, unknown>
  const problems: Problem[] = []
  const value = parseFeed(name, body, '', problems)
  if (value === null)
    throw new ControlError('invalid', `feed ${name} of the server can't be read`, { problems })
  return value
}

const mostTries = 10
const shortestPauseMs = 250
const longestPauseMs = 5_000

/**
 * One batch. A server that has too much to do, or that is being started anew, is asked again: rows that are there already change nothing.
 *
 * @param longest pause between two tries, in milliseconds, where the server says nothing of it
 */
export async function send(
  server: ApiClient,
  url: string,
  { columns }: Pick<Feed, 'columns'>,
  rows: readonly FeedRow[],
  longest = longestPauseMs,
): Promise<{ changed: number; expired: number }> {
  const body = JSON.stringify(
    rows.map(({ entity, micros, values }) => ({
      time_instant: formatInstant(micros),
      id_entity: entity,
      ...Object.fromEntries(columns.map(({ name }, nth) => [name, values[nth]])),
    })),
  )
  const headers = { 'content-type': 'application/json' }
  for (let nth = 1; ; nth++) {
    try {
      const response = await server.ask(`${url}/rows`, { method: 'POST', headers, body })
      return (await response.json()) as { changed: number; expired: number }
    } catch (error) {
      const pauseMs = pauseAfter(error, nth, longest)
      if (pauseMs === null) throw error
      if (nth === mostTries) throw error instanceof NotAnswered ? brokenOff(error) : error
      await pause(pauseMs)
    }
  }
}

/** Null for what would come of the next try as well. */
function pauseAfter(error: unknown, nth: number, longest: number): number | null {
  if (error instanceof RefusedByServer) return error.status === 503 ? (error.retryAfter ?? 5) * 1000 : null
  // Of a body that ended too early `fetch` says that it was terminated.
  const isAway = error instanceof NotAnswered || error instanceof TypeError
  return isAway ? Math.min(shortestPauseMs * 2 ** (nth - 1), longest) : null
}

/** Each batch is a transaction, and all of them are none. */
function brokenOff({ reason }: NotAnswered): Error {
  return new Error(
    `${reason}; rows that were sent before are kept: the same command again adds the others, and changes none of these`,
  )
}

/** A file, or a copy of what came by standard input or a pipe, as it is read more than once. */
class RowSource implements AsyncDisposable {
  readonly #open: () => AsyncIterable<Uint8Array>
  readonly #close: () => Promise<void>
  readonly octets: number
  /** Of all readings. */
  readOctets = 0

  private constructor(octets: number, open: () => AsyncIterable<Uint8Array>, close: () => Promise<void>) {
    this.octets = octets
    this.#open = open
    this.#close = close
  }

  static async open(path: string): Promise<RowSource> {
    if (path === '-') return RowSource.#spooled(process.stdin)
    const file = await open(path).catch((error: unknown) => {
      throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`)
    })
    const stats = await file.stat()
    if (stats.isDirectory()) {
      await file.close()
      throw new UsageError(`${path}: is a folder`)
    }
    // What a pipe has told it does not tell again.
    if (!stats.isFile()) return RowSource.#spooled(file.createReadStream())
    const { size } = stats
    return new RowSource(
      size,
      () => chunksOf(file),
      () => file.close(),
    )
  }

  static async #spooled(stream: Readable): Promise<RowSource> {
    const spool = await Spool.create(tmpdir())
    await spool.fill(stream)
    return new RowSource(
      spool.octets,
      () => spool.reread(),
      () => spool[Symbol.asyncDispose](),
    )
  }

  async *read(): Octets {
    for await (const chunk of this.#open()) {
      this.readOctets += chunk.length
      yield chunk
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close()
  }
}

const progressEveryMs = 1_000

/** One line on standard error, each second. */
class RowProgress implements Disposable {
  readonly #source: RowSource
  readonly #timer: NodeJS.Timeout | undefined
  #rows = 0

  constructor(source: RowSource, tells: boolean) {
    this.#source = source
    if (tells) this.#timer = setInterval(() => this.#print(), progressEveryMs)
  }

  written(rows: number): void {
    this.#rows = rows
  }

  /** It is read twice. */
  #print(): void {
    const { octets, readOctets } = this.#source
    const part = octets === 0 ? '' : ` (${Math.min(100, Math.floor((50 * readOctets) / octets))} %)`
    process.stderr.write(
      `${this.#rows === 0 ? 'looked at' : `${this.#rows} rows written,`} ${(readOctets / 1e6).toFixed(1)} MB${part}\n`,
    )
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}
