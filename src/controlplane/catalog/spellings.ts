/**
 * How parts of a catalog are written, where that is not how we write them. It goes with the very values that were read with it, which
 * catalogs share as long as nothing changes them: a value that is made anew has none, and is written our way.
 */
/** A fragment of the document. */
type Body = Record<string, unknown>

const spellings = new WeakMap<object, Body>()

/** Keeps the spelling of a value, and gives the value. */
export function spelled<T extends object>(value: T, written: Body | null | undefined): T {
  if (written !== null && written !== undefined) spellings.set(value, written)
  return value
}

/** How a value is written; null for our way. */
export function spellingOfPart(value: object): Body | null {
  return spellings.get(value) ?? null
}
