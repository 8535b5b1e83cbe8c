import type { FastifyReply } from 'fastify'
import type { ApiContext } from './context.ts'

/** Longest time that a write waits for the workers. */
const publishTimeoutMs = 5_000

/** Says whether this node answers DNS by the write that was just made. */
export const publishedHeader = 'pooldns-published'

/**
 * Waits until this node's workers serve `revision`, so that a client that has its reply can dig at once. What is
 * written stays written: when the workers are late, the reply is a success all the same, with the header
 * `pooldns-published: pending` in the place of `yes`.
 */
export async function awaitPublished(
  context: ApiContext,
  revision: number,
  reply: FastifyReply,
): Promise<void> {
  const signal = AbortSignal.timeout(publishTimeoutMs)
  try {
    await context.publisher.reached(revision, signal)
    reply.header(publishedHeader, 'yes')
  } catch (error) {
    const level = signal.aborted ? 'warn' : 'error'
    context.log[level]({ err: error, revision }, 'written, but not published yet')
    reply.header(publishedHeader, 'pending')
  }
}
