/**
 * Replies with rows of a feed: by the cache, or as a stream where that can't keep them.
 *
 * A place in the lane is for those who have the database asked: what is kept costs nothing worth one, and of a hundred who ask for the
 * same at once one waits for a place, the others for that one. What turns out to be longer than what is kept goes on as a stream to
 * who asked first; the others who waited get streams of their own.
 */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Content, largestContent } from '../../feeds/cache/content.ts'
import { answerFeed, type FeedAnswer, type FeedQuestion, writeRowCursor } from '../../feeds/feed-answer.ts'
import type { ReadableFeed } from '../../feeds/known-feed.ts'
import type { Lane } from '../admission/lane.ts'
import { goneSignal, tokenHolder } from '../admission/places.ts'
import { replyCached } from '../cached.ts'
import type { Ground } from '../context.ts'
import { HttpError } from '../errors.ts'

interface RowsRequest {
  readonly lane: Lane
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly feed: ReadableFeed
  readonly question: FeedQuestion
}

/** An answer that is too long to be kept, with what has been read of it. */
class TooLong extends Error {
  readonly answer: FeedAnswer
  readonly place: Disposable

  constructor(answer: FeedAnswer, place: Disposable) {
    super('the answer is too long to be kept')
    this.answer = answer
    this.place = place
  }
}

export async function replyRows(context: Ground, asked: RowsRequest): Promise<unknown> {
  const { feed, question, lane, request, reply } = asked
  if (feed.cacheMs === 0) return stream(context, asked)
  const { id, value } = feed
  let leads = false
  try {
    return await replyCached(context, request, reply, {
      what: 'rows',
      by: { feed: value.name, id, columns: value.columns.map(({ name }) => name), question },
      durationMs: feed.cacheMs,
      shared: true,
      load: async () => {
        leads = true
        return gather(await lane.enter(tokenHolder(request)), () =>
          answerFeed(context.database, feed, question),
        )
      },
    })
  } catch (error) {
    if (leads && error instanceof TooLong) return send(reply, error.answer, error.place)
    // Who led was refused a place, perhaps for what else it does itself.
    const isOthers = !leads && (error instanceof TooLong || error instanceof HttpError)
    if (isOthers) return stream(context, asked)
    throw error
  }
}

/** All of an answer. Throws `TooLong`, which has the place then. */
async function gather(place: Disposable, ask: () => Promise<FeedAnswer>): Promise<Content> {
  using stack = new DisposableStack()
  stack.use(place)
  const answer = await ask()
  const pieces: Buffer[] = []
  let length = 0
  const rest = answer.octets[Symbol.asyncIterator]()
  for (;;) {
    const { done = false, value } = await rest.next()
    if (done) break
    pieces.push(value)
    length += value.length
    if (length <= largestContent) continue
    const whole = { ...answer, octets: goingOn(pieces, rest) }
    stack.move()
    throw new TooLong(whole, place)
  }
  // Who has just loaded the first rows is to see them.
  const kept = answer.empty ? ({ keep: false } as const) : {}
  return { headers: headersOf(answer), body: Buffer.concat(pieces), ...kept }
}

async function* goingOn(read: Buffer[], rest: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* read
    for (;;) {
      const { done = false, value } = await rest.next()
      if (done) return
      yield value
    }
  } finally {
    await rest.return?.()
  }
}

/** How slowly a long answer may be read, which has a place in the lane all the time. */
const slowestReading = { graceMs: 30_000, octetsASecond: 128 * 1024 }

/**
 * The same pieces. Whoever takes longer for all until then than they may take is given up: who reads an octet now and then, or a piece now
 * and then, would keep others out for days.
 *
 * @param graceMs what the reader may take beside what the octets that it was given may
 * @param giveUp ends the reply
 */
export async function* paced(
  pieces: AsyncIterable<Uint8Array>,
  { graceMs, octetsASecond }: typeof slowestReading,
  giveUp: () => void,
): AsyncGenerator<Uint8Array> {
  let leftMs = graceMs
  for await (const piece of pieces) {
    leftMs += (piece.length / octetsASecond) * 1000
    const givenAt = performance.now()
    // The next one is asked for when the kernel has taken this one.
    const timer = setTimeout(giveUp, leftMs).unref()
    try {
      yield piece
    } finally {
      clearTimeout(timer)
      leftMs -= performance.now() - givenAt
    }
  }
}

function headersOf({ type, next }: FeedAnswer): Record<string, string> {
  const cursor = writeRowCursor(next ?? null)
  return { 'content-type': type, ...(cursor === null ? {} : { 'pooldns-next-cursor': cursor }) }
}

async function stream(
  context: Ground,
  { lane, request, reply, feed, question }: RowsRequest,
): Promise<unknown> {
  using stack = new DisposableStack()
  const place = stack.use(await lane.enter(tokenHolder(request), goneSignal(reply)))
  const answer = await answerFeed(context.database, feed, question)
  stack.move()
  return send(reply, answer, place)
}

function send(reply: FastifyReply, answer: FeedAnswer, place: Disposable): FastifyReply {
  const pieces = paced(answer.octets, slowestReading, () => reply.raw.destroy())
  const body = Readable.from(pieces, { objectMode: false })
  // `close` comes however the reply ends, also when the client goes away.
  body.once('close', () => place[Symbol.dispose]())
  return reply
    .headers({ vary: 'Accept, Authorization', 'cache-control': 'private, no-cache', 'x-cache': 'MISS' })
    .headers(headersOf(answer))
    .send(body)
}
