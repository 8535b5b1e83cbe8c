/**
 * How somebody wrote a fragment. What the model keeps of a fragment forgets its spelling: whether `10s` stood there or `10000ms`, and
 * whether a default was written out. Tools that compare what they wrote with what they read would take that for drift, so
 * the spelling is kept beside the value where it is not the one that the document's own writer would choose.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Problem } from '../model/errors.ts'
import type { Body } from './forms.ts'
import { isMap } from './schema-check.ts'

/** A fragment without what the daemon tells beside it, which a client may send back. */
export function withoutStatus(body: object): Body {
  const { status: _, ...rest } = body as Body
  return rest
}

/** The spelling that is to be kept; null when ours is the same. */
export function spellingOf(body: unknown, formatted: Body): Body | null {
  if (!isMap(body)) return null
  const written = withoutStatus(body)
  return isDeepStrictEqual(written, formatted) ? null : written
}

/**
 * A spelling that was kept, if it still says the same as the value: whoever changes rows by hand, or a version that knows nothing of
 * spellings, changes the value alone.
 */
export function spellingFor<T>(
  kept: unknown,
  value: T,
  parse: (body: Body, problems: Problem[]) => T | null,
): Body | null {
  if (!isMap(kept)) return null
  const problems: Problem[] = []
  const read = parse(kept, problems)
  return problems.length === 0 && isDeepStrictEqual(read, value) ? kept : null
}
