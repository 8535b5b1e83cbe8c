/** Names as the store keys them: lower case, no final dot, the root is `.`. See `model/zone.ts`. */

/** The absolute name of an owner that is relative to an apex. */
export function absoluteName(owner: string, apex: string): string {
  if (owner === '@') return apex
  return apex === '.' ? owner : `${owner}.${apex}`
}

/** The owner, relative to the apex, of a name in that zone; `@` for the apex itself. */
export function relativeOwner(name: string, apex: string): string {
  if (name === apex) return '@'
  return apex === '.' ? name : name.slice(0, -apex.length - 1)
}
