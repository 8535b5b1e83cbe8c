/**
 * Shapes that all aggregates of the store share: stored values, conditions on a write, pages.
 *
 * Rows hold fragments of the document, which the document's own parsers read. One that somebody edited by hand may not be a
 * fragment any more: a read by name says so, and those who read everything are told and go on with the rest.
 */
import { ControlError, type Problem } from '../model/errors.ts'

/** A value and the configuration revision of its last change; the ETag is that revision in quotes. */
export interface Stored<T> {
  readonly value: T
  readonly revision: number
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
  /** Of the resource, after the put. */
  readonly revision: number
}

export interface Page<T> {
  readonly items: T[]
  /** Asks for the items that follow; null at the end. Opaque outside the store. */
  readonly nextCursor: string | null
}

export interface PageRequest {
  /** Most items; at least 1. The caller bounds it. */
  readonly limit: number
  /** The `nextCursor` of the page before; null or absent for the first page. */
  readonly cursor?: string | null
}

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
    throw new ControlError(
      'stale',
      `${what} has changed: its revision is ${current.revision}, not ${condition.ifMatch}`,
    )
  }
}

/** For a delete: `not-found` when there is nothing, `stale` when it is not what the client read. */
export function checkExists<T extends { revision: number }>(
  condition: WriteCondition,
  current: T | null,
  what: string,
): asserts current is T {
  if (current === null) throw new ControlError('not-found', `${what} does not exist`)
  checkCondition(condition, current, what)
}

/** A cursor is the key of the last item, as base64url of a JSON array, so that nobody builds one by hand. */
export function encodeCursor(key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

/** The key in a cursor: null for the first page, `invalid` when it is not one of ours. */
export function decodeCursor<K extends readonly ('string' | 'number')[]>(
  cursor: string | null | undefined,
  ...kinds: K
): { -readonly [I in keyof K]: K[I] extends 'string' ? string : number } | null {
  if (cursor === null || cursor === undefined) return null
  let key: unknown
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString())
  } catch {
    key = null
  }
  const good =
    Array.isArray(key) &&
    key.length === kinds.length &&
    kinds.every((kind, i) => isPart(kind, (key as unknown[])[i]))
  if (!good) {
    throw new ControlError('invalid', 'cursor is not one that a list gave', {
      problems: [{ path: 'cursor', message: 'is not a cursor that a list gave' }],
    })
  }
  return key as { -readonly [I in keyof K]: K[I] extends 'string' ? string : number }
}

// Text in Postgres holds no NUL, so a key with one was never ours.
function isPart(kind: 'string' | 'number', part: unknown): boolean {
  return kind === 'number' ? Number.isSafeInteger(part) : typeof part === 'string' && !part.includes('\0')
}

/** Makes a page of rows that were read with one row more than the limit. */
export function pageOf<R, T>(
  rows: readonly R[],
  limit: number,
  item: (row: R) => T,
  key: (row: R) => readonly (string | number)[],
): Page<T> {
  const kept = rows.slice(0, limit)
  const last = kept.at(-1)
  return {
    items: kept.map(item),
    nextCursor: rows.length > limit && last !== undefined ? encodeCursor(key(last)) : null,
  }
}

/** Told of what can't be read; whatever was to be read is then left out, or has its defaults. */
export type OnBad = (message: string) => void

/** @param what such as `monitor web` */
export function unreadable(what: string, problems: readonly Problem[]): ControlError {
  const [first] = problems
  const where = first === undefined || first.path === '' ? '' : `${first.path} `
  const message = `the settings of ${what} in the database can't be read: ${where}${first?.message}`
  return new ControlError('invalid', message, { problems })
}
