/**
 * What members, pools and monitors go by of feeds: each names one column of one entity, and how long a value of it is good.
 * The values themselves are readings (`serve/readings.ts`); what becomes of them is in `steering/fed.ts`.
 */

/** A column of one entity of a feed. */
export interface FeedUse {
  readonly feed: string
  /** The entity; `{member}` and `{pool}` in it stand for the names of what it is about. */
  readonly entity: string
  readonly column: string
  /** How long a value is good after its time. */
  readonly maxAgeMs: number
}

/** From values to weights: a factor, or a straight line through two points, level beyond them. */
export type Scale =
  | number
  | { readonly from: readonly [number, number]; readonly to: readonly [number, number] }

/** A member's weight that a column says; while it says none that is good, the member's own. */
export interface FedWeight extends FeedUse {
  readonly scale: Scale
}

/** A member that hands its answers on to others as a value rises: none at `above`, all of them at `to`. */
export interface Shed extends FeedUse {
  readonly above: number
  /** Greater than `above`. */
  readonly to: number
  /** How far the value must fall before answers come back. */
  readonly back: number
}

/** What a pool can bear, in the unit of a column that says what it bears now. */
export interface Capacity extends FeedUse {
  readonly limit: number
  /** How far below `limit` the value must fall before all answers have come back. */
  readonly back: number
}

/** The part of a member that goes by feeds, as the document writes it. */
export interface FedFragments {
  readonly weight?: unknown
  readonly shed?: unknown
}

/** The newest value of a column of an entity. */
export interface Reading {
  readonly value: number
  /** The time that its row tells. */
  readonly at: Date
  /** From when its age counts: a clock that is ahead of ours makes no value good for longer. */
  readonly from: Date
}

export interface FeedEntity {
  readonly feed: string
  readonly entity: string
}

/** What tells an entity from others: no name of a feed has a blank in it. */
export const entityKey = ({ feed, entity }: FeedEntity) => `${feed} ${entity}`

export interface ReadingKey extends FeedEntity {
  readonly column: string
}

/** The newest values, as far as this node knows them. */
export interface Readings {
  /** Null: there is none. */
  latest(key: ReadingKey): Reading | null
  /** Whether it has been looked for since it is named, so that one that is missing is missing. */
  isKnown(key: ReadingKey): boolean
}

/** What a use of a feed reads, of a member of a pool, or of the pool itself. */
export function readingKey({ feed, entity, column }: FeedUse, pool: string, member = ''): ReadingKey {
  const named = entity.replaceAll('{member}', () => member).replaceAll('{pool}', () => pool)
  return { feed, entity: named, column }
}
