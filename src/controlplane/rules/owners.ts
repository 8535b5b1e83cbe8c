/**
 * Absolute names, and owners, which are relative to the apex of their zone. All in lower case and without the final dot; the
 * root is `.`, and the apex as an owner is `@`.
 */
import { enclosingHostnames } from '../../dataplane/wire/name.ts'

/** The absolute name of an owner that is relative to an apex. */
export function absoluteName(owner: string, apex: string): string {
  if (owner === '@') return apex
  return apex === '.' ? owner : `${owner}.${apex}`
}

/** The owner, relative to the apex, of a name in that zone. */
export function relativeOwner(name: string, apex: string): string {
  if (name === apex) return '@'
  return apex === '.' ? name : name.slice(0, -apex.length - 1)
}

/** The owners that an owner lies below, from the next one up to the apex. */
export function namesAbove(owner: string): string[] {
  if (owner === '@') return []
  return enclosingHostnames(owner)
    .slice(1)
    .map((name) => (name === '.' ? '@' : name))
}
