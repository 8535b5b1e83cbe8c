/**
 * What is read while the database is away: the configuration that this node serves, out of its memory. Such a reply says of which
 * revision it is, in `pooldns-revision`, and has no ETag, as nothing could be written by it. Whatever is in the database alone
 * (audit, events, tokens, lookups) is refused.
 *
 * The database is asked first while its last use succeeded. It is used each second in any case, so that one that is back is
 * noticed by itself, and no request waits for one that is away.
 */
import type { FastifyReply } from 'fastify'
import { ControlError, isUnavailable } from '../model/errors.ts'
import type { Page, PageRequest } from '../store/stored.ts'
import type { Ground, Memory } from './context.ts'

/** On replies that are not the database's, and on none else. */
export const revisionHeader = 'pooldns-revision'

/** What the database says, or when it is away what memory does. Throws `unavailable` where neither has anything. */
export async function readEither<T>(
  context: Pick<Ground, 'database' | 'memory'>,
  reply: FastifyReply,
  fromDatabase: () => Promise<T>,
  fromMemory: (memory: Memory) => T,
): Promise<T> {
  const { database } = context
  if (database.up || context.memory() === null) {
    try {
      return await fromDatabase()
    } catch (error) {
      if (!isUnavailable(error) || context.memory() === null) throw error
    }
  }
  const memory = context.memory()!
  const found = fromMemory(memory)
  markRevision(reply, memory)
  return found
}

/** Says that a reply comes from memory, and of which revision that is. */
export function markRevision(reply: FastifyReply, { catalog }: Memory): void {
  reply.header(revisionHeader, String(catalog.revision))
}

/** One page of values in the order of their names, with the cursors that the database's pages have. */
export function pageOf<T>(
  values: Iterable<T>,
  nameOf: (value: T) => readonly string[],
  { limit, cursor }: PageRequest,
): Page<T> {
  const keyed = Array.from(values, (value) => ({ value, key: nameOf(value) }))
  keyed.sort((a, b) => compare(a.key, b.key))
  const after = cursor === null || cursor === undefined ? null : readCursor(cursor, isKey)
  const from = after === null ? 0 : keyed.findIndex(({ key }) => compare(key, after) > 0)
  const rest = from < 0 ? [] : keyed.slice(from)
  const items = rest.slice(0, limit)
  const cursorAfter = (nth: number) => writeCursor(items[nth]!.key)
  return {
    items: items.map(({ value }) => value),
    nextCursor: rest.length > limit ? cursorAfter(items.length - 1) : null,
    cursorAfter,
  }
}

const isKey = (key: unknown): key is readonly string[] =>
  Array.isArray(key) && key.length > 0 && key.every((part) => typeof part === 'string')

function compare(a: readonly string[], b: readonly string[]): number {
  for (const [index, part] of a.entries()) {
    const other = b[index] ?? ''
    if (part !== other) return part < other ? -1 : 1
  }
  return 0
}

export function writeCursor(key: unknown): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

/** Throws `invalid` for what is no cursor of ours. */
export function readCursor<T>(cursor: string, is: (key: unknown) => key is T): T {
  try {
    const key: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (is(key)) return key
  } catch {
    // Told below.
  }
  throw new ControlError('invalid', 'cursor is not one that a list gave', {
    problems: [
      { path: 'cursor', message: 'is not a cursor that a list gave, or of before the database went away' },
    ],
  })
}
