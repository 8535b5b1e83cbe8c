import Type, { type Static } from 'typebox'
import type { Problem } from '../model/errors.ts'
import { type Override, overrideStates } from '../model/override.ts'
import { Text, Words } from './fields.ts'
import { instantDescription, parseInstant } from './instant.ts'
import { joinPath } from './path.ts'
import { compileCheck, show } from './schema-check.ts'

const Instant = Type.Refine(
  Type.Unsafe<string | null>({ type: ['string', 'null'], description: instantDescription }),
  (value) => value === null || parseInstant(value) !== null,
  (value) => `must be ${instantDescription}, not ${show(value)}`,
)

export const OverrideSchema = Type.Object(
  {
    state: Words(overrideStates),
    until: Type.Optional(Instant),
    reason: Type.Optional(Text('a text of at most 500 characters', (text) => text.length <= 500)),
    status: Type.Optional(Type.Unknown()),
  },
  { additionalProperties: false, description: 'an object with state, until and reason' },
)
export type OverrideBody = Static<typeof OverrideSchema>

const check = compileCheck(OverrideSchema)

/**
 * What an operator asks of members: `until` null keeps it until it is deleted, a `reason` that is left out is empty.
 * The caller adds who and when.
 */
export function parseOverride(
  input: unknown,
  now: Date,
  path: string,
  problems: Problem[],
): Pick<Override, 'state' | 'until' | 'reason'> | null {
  const before = problems.length
  const found = check(input, path)
  problems.push(...found)
  const untilAt = joinPath(path, 'until')
  if (found.some((problem) => problem.path === path)) return null
  const body = input as OverrideBody
  const until = typeof body.until === 'string' ? parseInstant(body.until) : null
  if (until !== null && until <= now) problems.push({ path: untilAt, message: 'must lie in the future' })
  return problems.length > before ? null : { state: body.state, until, reason: body.reason ?? '' }
}

export function formatOverride(override: Override): OverrideBody {
  return {
    state: override.state,
    until: override.until === null ? null : override.until.toISOString(),
    reason: override.reason,
  }
}
