/** What pools and services have in common: where they are, whose client is whose, and what they do when all is down. */
import Type, { type Static } from 'typebox'
import type { Problem } from '../model/errors.ts'
import type { ClientPrefix, Location } from '../model/pool.ts'
import { Whole } from './fields.ts'
import { joinPath } from './path.ts'

/** A share of a whole. */
export function Share() {
  return Type.Number({ minimum: 0, maximum: 1, description: 'a number from 0 to 1' })
}

const Degrees = (most: number) =>
  Type.Number({ minimum: -most, maximum: most, description: `a number of degrees from -${most} to ${most}` })

export const LocationSchema = Type.Object(
  { latitude: Degrees(90), longitude: Degrees(180) },
  { additionalProperties: false, description: 'an object with latitude and longitude' },
)

export function locationFrom(body: Static<typeof LocationSchema> | undefined): Location | null {
  // JSON has no negative zero, so neither has the model.
  return body === undefined ? null : { latitude: body.latitude + 0, longitude: body.longitude + 0 }
}

export const HashPrefix = Type.Object(
  { ipv4: Type.Optional(Whole(1, 32)), ipv6: Type.Optional(Whole(1, 128)) },
  { additionalProperties: false, description: 'an object with ipv4 and ipv6' },
)

/** What networks are delegated to a site by: most clients that share them share a resolver too. */
const defaultPrefix: ClientPrefix = { ipv4: 24, ipv6: 56 }

export function hashPrefixFrom(body: Static<typeof HashPrefix> | undefined): ClientPrefix {
  return { ipv4: body?.ipv4 ?? defaultPrefix.ipv4, ipv6: body?.ipv6 ?? defaultPrefix.ipv6 }
}

/** The field, or nothing for what is the default. */
export function formatHashPrefix({ ipv4, ipv6 }: ClientPrefix): { hashPrefix?: Static<typeof HashPrefix> } {
  const hashPrefix = {
    ...(ipv4 === defaultPrefix.ipv4 ? {} : { ipv4 }),
    ...(ipv6 === defaultPrefix.ipv6 ? {} : { ipv6 }),
  }
  return Object.keys(hashPrefix).length === 0 ? {} : { hashPrefix }
}

/** A fallback goes with the policy of that name, and the policy with a fallback. */
export function checkFallback(
  body: { readonly whenAllDown?: string; readonly fallback?: string },
  path: string,
  bad: ReadonlySet<string>,
  problems: Problem[],
): void {
  if (bad.has(joinPath(path, 'whenAllDown'))) return
  const at = joinPath(path, 'fallback')
  const wanted = body.whenAllDown === 'fallback'
  if (wanted && body.fallback === undefined) {
    problems.push({ path: at, message: 'is required when whenAllDown is fallback: the pool to serve then' })
  } else if (!wanted && body.fallback !== undefined) {
    problems.push({ path: at, message: 'is only for whenAllDown: fallback' })
  }
}
