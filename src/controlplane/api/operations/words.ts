/**
 * Where an override is written. The database has the word while its last use succeeded. Else this node takes it, and so it does while
 * something that was said of the same waits for the database, so that what was said first is told first.
 */
import type { FastifyReply } from 'fastify'
import { birthKeys } from '../../model/births.ts'
import { isUnavailable } from '../../model/errors.ts'
import type { Override, ServiceOverride } from '../../model/override.ts'
import type { MemberWord, ServiceWord, WordTarget } from '../../model/pending-word.ts'
import type { Ground, Memory, Operations } from '../context.ts'
import { markRevision } from '../memory.ts'
import { awaitServed } from '../writes.ts'

/** Of the routes by which operators say words on the members of a pool. */
export const wordsOnMembers = {
  access: { kind: 'pool', param: 'name' },
  changing: ['override', 'write'],
} as const

type Context = Ground & Operations

/** Writes by one of both. Throws `unavailable` where the database is away and there is nothing in memory that it could be said of. */
export async function writeEither<T>(
  context: Context,
  target: WordTarget,
  toDatabase: () => Promise<T>,
  toMemory: (memory: Memory) => Promise<T>,
): Promise<T> {
  const { database, memory, pending } = context
  if (memory() === null || (database.up && !pending.waits(target))) {
    try {
      return await toDatabase()
    } catch (error) {
      if (!isUnavailable(error) || memory() === null) throw error
    }
  }
  return await toMemory(memory()!)
}

/**
 * Has this node take a word, and waits until it answers by it.
 *
 * @param tell says that it was taken
 */
export async function takeWord(
  context: Context,
  reply: FastifyReply,
  memory: Memory,
  word: Omit<MemberWord, 'born'> | Omit<ServiceWord, 'born'>,
  tell: () => void,
): Promise<void> {
  const { births } = memory.catalog
  const born =
    births.get('service' in word ? birthKeys.service(word.service) : birthKeys.member(word)) ?? null
  const { served } = await context.pending.take({ ...word, born })
  tell()
  markRevision(reply, memory)
  await awaitServed(context, served, reply)
}

/** What a reply shows of an override that this node has taken. */
export function asPending<T extends Override | ServiceOverride>(override: T): T {
  return { ...override, pending: true }
}
