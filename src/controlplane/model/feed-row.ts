/** Rows of feeds, as they come and go. */

/** One row, with the columns in the order of whoever hands it on. */
export interface FeedRow {
  readonly entity: string
  /** When it was measured: see `instant.ts`. */
  readonly micros: number
  /** Null where nothing is known, which is not 0. */
  readonly values: readonly (number | null)[]
}

/** Octets of the name of an entity. */
export const mostEntityOctets = 255

/** Why a text can't name an entity; null when it can. */
export function entityFault(text: string): string | null {
  if (text === '') return 'is empty'
  if (Buffer.byteLength(text) > mostEntityOctets) return `is longer than ${mostEntityOctets} octets`
  if (/\p{Cc}/u.test(text)) return 'has a control character'
  return text.isWellFormed() ? null : 'is not well-formed Unicode'
}
