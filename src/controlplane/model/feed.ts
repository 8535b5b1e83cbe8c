/**
 * Feeds: named tables of measurements. Each row is of one entity at one instant, and has a number, or none, in each column that
 * the feed declares. Here is what is declared; rows are no part of the configuration.
 */

export const columnTypes = ['double', 'integer'] as const
export type ColumnType = (typeof columnTypes)[number]

/** Columns that every feed has, so that none can be declared by these names. */
export const rowKeys = ['time_instant', 'id_entity'] as const

export const mostColumns = 100
/** In the configuration. */
export const mostFeeds = 1_000

/** Of feeds and of columns: at most 63 octets, all of which a shell, a URL, SQL and CSV take as they are. */
export const feedNamePattern = /^[a-z][a-z0-9_]{0,62}$/

/** What the API has at these names alone, so that rows could not be read there (`GET /{feed}`). */
export const takenNames: ReadonlySet<string> = new Set([
  'console',
  'docs',
  'health',
  'history',
  'metrics',
  'ready',
])

export interface FeedColumn {
  readonly name: string
  /** `integer`: whole numbers that a double holds exactly, from -(2^53 - 1) to 2^53 - 1. */
  readonly type: ColumnType
  /** For people, such as `%`; empty when nobody said so. */
  readonly unit: string
  readonly description: string
}

/** What is forgotten, and when. Whole stretches of time go at once, so a little more than this may be there. */
export interface Retention {
  /** Rows of an instant longer ago than this; null: none because of their age. */
  readonly ageMs: number | null
  /** The oldest rows beyond so many. */
  readonly rows: number
}

/** Where the server itself reads a feed: an instant query, by the HTTP API of Prometheus. */
export interface PrometheusSource {
  /** Of http or https, without a final slash: what stands before `/api/v1/query`. */
  readonly prometheus: string
  /** In PromQL. Each series of its result is one row. */
  readonly query: string
  /** From one query to the next. */
  readonly everyMs: number
  /** Never above `everyMs`. */
  readonly timeoutMs: number
  /** What entity a series is of: text, with names of labels in braces in the place of their values. */
  readonly entity: string
  /** The column that the values go into; null for the only one that there is. */
  readonly column: string | null
  /** As of a monitor. */
  readonly headers: readonly (readonly [name: string, value: string])[]
}

export interface Feed {
  readonly name: string
  /** In their order in rows. At least one, at most `mostColumns`, no two of one name. */
  readonly columns: readonly FeedColumn[]
  readonly retention: Retention
  /** How long an answer to a reader may be given again; 0: never. */
  readonly cacheMs: number
  /** Null: rows come from outside alone. */
  readonly source: PrometheusSource | null
}

/** The column that a source writes. */
export function columnOfSource({ columns }: Pick<Feed, 'columns'>, { column }: PrometheusSource): string {
  return column ?? columns[0]!.name
}
