/**
 * Shapes that all aggregates of the store share: stored values, conditions on a write, pages.
 *
 * Rows hold fragments of the document, which the document's own parsers read. One that somebody edited by hand may not be a
 * fragment any more: a read by name says so, and those who read everything are told and go on with the rest.
 */
import { and, asc, desc, type PgColumn, type PgSelect, type SQL, sql } from '../../../schema/drizzle.ts'
import type { Body } from '../document/forms.ts'
import { ControlError, type Problem } from '../model/errors.ts'
import type { Reach } from '../model/reach.ts'

/** A value and the configuration revision of its last change; the ETag is that revision in quotes. */
export interface Stored<T> {
  readonly value: T
  readonly revision: number
  /** The fragment as somebody wrote it; null or left out where that is as we write it. */
  readonly written?: Body | null
}

/** What may come from the files of somebody, whose label it has then. */
export interface Owned {
  readonly owner: string | null
}

/** The fragment of what is stored, as it was written. */
export function bodyOf<T>(
  { value, written }: Pick<Stored<T>, 'value' | 'written'>,
  format: (value: T) => Body,
): Body {
  return written ?? format(value)
}

/** What a client demands of the stored state. `ifMatch` a revision or "any"; `ifNoneMatch: '*'` only creates. */
export interface WriteCondition {
  readonly ifMatch?: number | '*'
  readonly ifNoneMatch?: '*'
}

/** What a put did. A put of what is stored already changes nothing and keeps the revision (and the ETag). */
export interface Put {
  readonly created: boolean
  readonly changed: boolean
  /** The revision of the resource after the put. */
  readonly revision: number
}

export interface Page<T> {
  readonly items: T[]
  /** Asks for the items that follow; null at the end. Opaque outside the store. */
  readonly nextCursor: string | null
  /** Asks for the items that follow the nth of these, for who leaves the rest of them out. */
  cursorAfter(nth: number): string
}

export interface PageRequest {
  /** Most items; at least 1. The caller bounds it. */
  readonly limit: number
  /** The `nextCursor` of the page before; null or absent for the first page. */
  readonly cursor?: string | null
  /**
   * The page ends before the item that makes it longer than this, as JSON; an item that is longer by itself comes alone. Without it
   * the page is as long as its items are. Beside the page no more than a batch of rows is held.
   */
  readonly octets?: number
  /** Where whoever asks has limits, only what they reach; null or absent for everything. */
  readonly reach?: Reach | null
}

/** Rows of the first batch of a page that is bounded by octets: few, since nothing says yet how large they are. */
const firstBatch = 8

/** Throws `stale` unless the stored state is what the client demands. `what` names the resource in the message. */
export function checkCondition(
  condition: WriteCondition,
  current: { revision: number } | null,
  what: string,
): void {
  if (condition.ifNoneMatch === '*' && current !== null)
    throw new ControlError('stale', `${what} exists already`)
  if (condition.ifMatch === undefined) return
  if (current === null) throw new ControlError('stale', `${what} does not exist`)
  if (condition.ifMatch !== '*' && condition.ifMatch !== current.revision) {
    // A tag that is none of ours stands for no revision.
    const wanted = condition.ifMatch < 0 ? 'what If-Match says' : condition.ifMatch
    throw new ControlError('stale', `${what} has changed: its revision is ${current.revision}, not ${wanted}`)
  }
}

/** What a delete checks: throws `not-found` when there is nothing, `stale` when it is not what the client read. */
export function checkExists<T extends { revision: number }>(
  condition: WriteCondition,
  current: T | null,
  what: string,
): asserts current is T {
  if (current === null) throw new ControlError('not-found', `${what} does not exist`)
  checkCondition(condition, current, what)
}

/**
 * One page of a query: ascending by the columns of a key, or (`newest`) descending. A cursor is the key of the last item, as
 * base64url of a JSON array, so that nobody builds one by hand. Throws `invalid` for one that is not ours.
 *
 * @param key columns by the names that they have in a row
 * @param read makes an item of each row
 */
export async function readPage<Q extends PgSelect, T>(
  query: Q,
  key: Readonly<Record<string, PgColumn>>,
  { limit, cursor, octets = Infinity }: PageRequest,
  read: (rows: Q['_']['result']) => readonly T[] | Promise<readonly T[]>,
  { where, newest = false }: { readonly where?: SQL | undefined; readonly newest?: boolean } = {},
): Promise<Page<T>> {
  const columns = Object.values(key)
  const names = Object.keys(key)
  const items: T[] = []
  const keys: unknown[][] = []
  const page = (more: boolean): Page<T> => {
    const cursorAfter = (nth: number) => Buffer.from(JSON.stringify(keys[nth])).toString('base64url')
    return { items, nextCursor: more ? cursorAfter(items.length - 1) : null, cursorAfter }
  }
  let after = decodeCursor(cursor, columns)
  let length = 0
  for (let batch = octets === Infinity ? limit : Math.min(firstBatch, limit); ; ) {
    const rows: Q['_']['result'] = await query
      .where(and(after === null ? undefined : follows(columns, after, newest), where))
      .orderBy(...columns.map(newest ? desc : asc))
      .limit(batch + 1)
    const kept = rows.slice(0, batch)
    for (const [nth, item] of (await read(kept)).entries()) {
      if (octets !== Infinity) length += octetsAsShown(item)
      if (length > octets && items.length > 0) return page(true)
      items.push(item)
      keys.push(names.map((name) => kept[nth]![name]))
    }
    if (rows.length <= batch || items.length === limit) return page(rows.length > batch)
    after = keys.at(-1)!
    // As many as will fit if they are like those before.
    const fitting = Math.ceil(((octets - length) * items.length) / Math.max(length, 1))
    batch = Math.min(Math.max(fitting, 1), limit - items.length)
  }
}

function follows(columns: readonly PgColumn[], after: readonly unknown[], newest: boolean): SQL {
  const row = (parts: readonly unknown[]) =>
    sql.join(
      parts.map((part) => sql`${part}`),
      sql`, `,
    )
  return sql`(${row(columns)}) ${sql.raw(newest ? '<' : '>')} (${row(after)})`
}

/** Octets of what will be shown of an item: its fragment as it was written, where that is known. */
function octetsAsShown(item: unknown): number {
  // Null: a row that can't be read, and is left out.
  const { value, written } = (item ?? {}) as Partial<Stored<unknown>>
  return jsonOctets(written ?? value ?? item)
}

/** Octets of a value as JSON. */
export function jsonOctets(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value) ?? '')
}

/** The key in a cursor; null for the first page. */
function decodeCursor(cursor: string | null | undefined, columns: readonly PgColumn[]): unknown[] | null {
  if (cursor === null || cursor === undefined) return null
  let key: unknown
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    // Nor is what follows satisfied.
  }
  if (
    !Array.isArray(key) ||
    key.length !== columns.length ||
    !columns.every(({ dataType }, nth) => isPart(dataType === 'number', key[nth]))
  ) {
    throw new ControlError('invalid', 'cursor is not one that a list gave', {
      problems: [{ path: 'cursor', message: 'is not a cursor that a list gave' }],
    })
  }
  return key
}

// Text in Postgres holds no NUL, so a key with one was never ours.
function isPart(isNumber: boolean, part: unknown): boolean {
  return isNumber
    ? Number.isSafeInteger(part)
    : typeof part === 'string' && !part.includes('\0') && part.isWellFormed()
}

/**
 * Told of what can't be read; whatever was to be read is then left out, or has its defaults. `what` names it, such as `the settings of pool
 * web` or `member web/a`.
 */
export type OnBad = (message: string, what: string) => void

/**
 * JSON for a statement. Postgres takes no text with a NUL or half a surrogate pair, and one such text would turn back all rows
 * of its statement, again at every attempt. Texts come from members and other peers, too, so they are made such that it can.
 */
export function statementJson(rows: unknown): string {
  return JSON.stringify(rows, (_, value: unknown) =>
    typeof value === 'string' ? value.replaceAll('\0', '\ufffd').toWellFormed() : value,
  )
}

/**
 * The values of rows, without those rows of which `read` makes none: these are told, or, without `onBad`, the first of them
 * is thrown as `invalid`. Whoever reads many rows reads them by this, so that a bad one takes no other with it.
 */
export function readRows<Row, T>(
  rows: readonly Row[],
  what: (row: Row) => string,
  read: (row: Row, problems: Problem[]) => T | null,
  onBad?: OnBad,
): T[] {
  return rows.flatMap((row) => {
    const value = readRow(what(row), (problems) => read(row, problems), onBad)
    return value === null ? [] : [value]
  })
}

/**
 * What `parse` makes of the settings in a row. When it makes nothing of them it throws `invalid`, or, with `onBad`, tells that
 * and gives null.
 *
 * @param what such as `monitor web`
 */
export function readSettings<T>(
  what: string,
  parse: (problems: Problem[]) => T | null,
  onBad?: OnBad,
): T | null {
  return readRow(`the settings of ${what}`, parse, onBad)
}

function readRow<T>(what: string, parse: (problems: Problem[]) => T | null, onBad?: OnBad): T | null {
  const problems: Problem[] = []
  const read = tried(parse, problems)
  if (read !== null) return read
  const [first] = problems
  const where = first === undefined || first.path === '' ? '' : `${first.path} `
  const message = `${what} in the database can't be read: ${where}${first?.message}`
  if (onBad === undefined) throw new ControlError('invalid', message, { problems })
  onBad(message, what)
  return null
}

/** Parsers expect what a write of ours would have left. A row may hold anything: one that makes them throw can't be read either. */
function tried<T>(parse: (problems: Problem[]) => T | null, problems: Problem[]): T | null {
  try {
    return parse(problems)
  } catch (error) {
    problems.push({ path: '', message: error instanceof Error ? error.message : String(error) })
    return null
  }
}
