/** What tells a database from one that was made in its place. */
/** Which database this is. */
export interface Identity {
  /** Null where the schema is older than ids. */
  readonly id: string | null
  /** Ids of those that it takes the place of, as somebody has said. */
  readonly replaces: readonly string[]
}

/** What is known of a database before it is looked at. */
export interface Expected {
  /** The revision that it has, or a later one; 0 for none. */
  readonly revision: number
  /** The id of the one that this revision is of; null when it is not known. */
  readonly database: string | null
}

export const nothingExpected: Expected = { revision: 0, database: null }

/** Whether a database is another one than was expected, and nobody has said that it is meant. */
export function isForeign({ id, replaces }: Identity, database: string | null): boolean {
  return database !== null && id !== database && !replaces.includes(database)
}
