/**
 * Replies out of the cache of reads, with the header fields that say so (RFC 9110, section 8.8; RFC 9111): `ETag` and 304, `Age`,
 * `Cache-Control`, and `X-Cache` with what became of the read.
 *
 * Who asks has been let in before, by the hooks of the route; so what is kept is given to those alone who may read it. What a token
 * with limits sees depends on these, and so does the key.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Content } from '../feeds/cache/content.ts'
import type { Found, ReadCache, Reading } from '../feeds/cache/read-cache.ts'
import type { Reach } from '../model/reach.ts'

export interface CachedRead extends Omit<Reading, 'key'> {
  /** What is read, of which list: fixed words. */
  readonly what: string
  /** All else that the content depends on, but for who asks. */
  readonly by: unknown
}

/** Answers a GET by the cache. Rejects with what `load` rejects with. */
export async function replyCached(
  { cache }: { readonly cache: ReadCache },
  request: FastifyRequest,
  reply: FastifyReply,
  read: CachedRead,
): Promise<FastifyReply> {
  const { what, by, ...reading } = read
  const key = `${what}/${JSON.stringify([by, sightOf(request.reach)])}`
  const notBeforeMs = Math.max(reading.notBeforeMs ?? Number.NEGATIVE_INFINITY, freshFrom(request, cache))
  const found = await cache.read({ ...reading, key, notBeforeMs })
  reply.headers(fieldsOf(found, reading.durationMs))
  if (isKnown(request.headers['if-none-match'], found.content.etag)) return reply.code(304).send()
  return reply.headers(found.content.headers).send(found.content.body)
}

/** A body of JSON, as Fastify would send it. */
export function jsonContent(body: unknown): Content {
  const headers = { 'content-type': 'application/json; charset=utf-8' }
  return { headers, body: Buffer.from(JSON.stringify(body)) }
}

/** What a token with limits sees; null for one that sees everything. */
const sightOf = (reach: Reach | null): unknown => reach?.limits ?? null

function fieldsOf({ content, outcome, ageMs }: Found, durationMs: number): Record<string, string> {
  const seconds = Math.floor(durationMs / 1000)
  return {
    etag: content.etag,
    age: String(Math.floor(ageMs / 1000)),
    // What was given by a token is not for others, and what is less than a second is looked at each time.
    'cache-control': seconds > 0 ? `private, max-age=${seconds}` : 'private, no-cache',
    vary: 'Accept, Authorization',
    'x-cache': outcome,
  }
}

/**
 * Since when a client wants what it gets to have been read (RFC 9111, section 5.2.1): always, unless it says something. What a client by
 * `fetch` says besides `If-None-Match` counts for nothing: that adds `no-cache`, for the caches between here and there.
 */
function freshFrom({ headers }: FastifyRequest, cache: ReadCache): number {
  if (headers['if-none-match'] !== undefined) return Number.NEGATIVE_INFINITY
  const said = (headers['cache-control'] ?? '').toLowerCase()
  if (/(?:^|[\s,])no-(?:cache|store)(?:$|[\s,])/.test(said)) return cache.nowMs()
  const [, seconds] = /(?:^|[\s,])max-age="?(\d{1,9})"?(?:$|[\s,])/.exec(said) ?? []
  return seconds === undefined ? Number.NEGATIVE_INFINITY : cache.nowMs() - Number(seconds) * 1000
}

/** RFC 9110, section 13.1.2: the weak comparison. */
function isKnown(field: string | undefined, etag: string): boolean {
  if (field === undefined) return false
  return field.split(',').some((each) => {
    const given = each.trim()
    return given === '*' || given.replace(/^W\//, '') === etag
  })
}

/** Headers of such a reply, for the OpenAPI document. */
export const cachedHeaders = {
  etag: 'Of this content: for If-None-Match, which gets 304 while it is the same.',
  age: 'Seconds since it was read.',
  'cache-control': 'How long it may be taken for the same.',
  'x-cache':
    '`HIT`: read lately, and kept; `MISS`: read now; `STALE`: read some time ago, as the database is not available.',
}

export const notModified = {
  304: { description: 'It is what the client has (`If-None-Match`).', type: 'null' },
}
