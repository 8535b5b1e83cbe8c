/**
 * Entity tags. A resource's tag is the configuration revision of its last change. What stands under `status` changes
 * without it, so a tag guards writes and never answers 304.
 */
import type { FastifyRequest } from 'fastify'
import type { WriteCondition } from '../../store/stored.ts'
import { HttpError } from '../errors.ts'

export function etagOf(revision: number): string {
  return `"${revision}"`
}

/** A revision that no resource has: a tag that is not one of ours matches nothing. */
const noRevision = -1

/**
 * What the headers of a write demand (RFC 9110 section 13.1). `If-Match` takes `*` or one tag; `If-None-Match` only
 * `*`, which creates and never replaces.
 */
export function conditionOf(request: FastifyRequest): WriteCondition {
  const ifMatch = request.headers['if-match']?.trim()
  const ifNoneMatch = request.headers['if-none-match']?.trim()
  if (ifNoneMatch !== undefined && ifNoneMatch !== '*') {
    throw new HttpError(400, 'invalid', 'If-None-Match of a write can only be *', {
      problems: [{ path: 'If-None-Match', message: 'must be *' }],
    })
  }
  return {
    ...(ifMatch === undefined ? {} : { ifMatch: parseTag(ifMatch) }),
    ...(ifNoneMatch === undefined ? {} : { ifNoneMatch: '*' }),
  }
}

function parseTag(text: string): number | '*' {
  if (text === '*') return '*'
  if (!/^(?:W\/)?"[^"]*"$/.test(text)) {
    throw new HttpError(400, 'invalid', 'If-Match must be * or one entity tag, in its quotes', {
      problems: [{ path: 'If-Match', message: 'must be * or one entity tag such as "12"' }],
    })
  }
  // Weak tags never match here (RFC 9110 section 8.8.3.2: strong comparison).
  const revision = /^"(\d{1,15})"$/.exec(text)?.[1]
  return revision === undefined ? noRevision : Number(revision)
}
