import {
  formatName,
  isSubdomain,
  lowerName,
  maxNameLength,
  parseName,
  relativeName,
} from '../../dataplane/wire/name.ts'
import { unquoted } from './rr-text.ts'
import type { PlacedToken } from './scanner.ts'

export interface Owner {
  /** In lower case; relative to the apex, `@` for the apex itself, but absolute when it is outside. */
  readonly name: string
  /** It is not in the zone. */
  readonly outside: boolean
}

/** The shape that nearly all owners of a large file have: nothing to escape, no label too long. */
const plainOwner = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/

/**
 * The owner that a token names.
 *
 * @param origin of relative names; the very same array as `apex` where the apex is the origin
 * @throws TextError when it is no name
 */
export function readOwner(token: PlacedToken, origin: Uint8Array, apex: Uint8Array): Owner {
  const text = unquoted(token)
  if (origin === apex && text.length + 1 + apex.length <= maxNameLength && plainOwner.test(text)) {
    return { name: text, outside: false }
  }
  const wire = lowerName(parseName(text, origin))
  return isSubdomain(wire, apex)
    ? { name: relativeName(wire, apex), outside: false }
    : { name: formatName(wire), outside: true }
}
