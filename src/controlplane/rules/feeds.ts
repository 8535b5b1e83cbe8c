/** How many feeds there may be, and whoever names a column of one: that both are there, or which may have been meant. */

import { builtInColumns, builtInFeeds } from '../model/built-in-feeds.ts'
import { type Feed, mostFeeds } from '../model/feed.ts'
import { nearestWord } from '../model/nearest-word.ts'
import type { Breach } from './breach.ts'

/** The names of columns by feed. */
export type FeedColumns = ReadonlyMap<string, readonly string[]>

/** A feed as the rules look at it. */
export interface FeedView extends Pick<Feed, 'name'> {
  readonly columns: readonly { readonly name: string }[]
}

export function feedColumnsOf(feeds: readonly FeedView[]): FeedColumns {
  return new Map(feeds.map(({ name, columns }) => [name, columns.map((column) => column.name)]))
}

/** More feeds than there may be: told once, of the first that is too many. */
export function feedCountBreaches(feeds: FeedColumns): Breach[] {
  const surplus = [...feeds.keys()][mostFeeds]
  if (surplus === undefined) return []
  const message = `would be one feed too many: there would be ${feeds.size}, and ${mostFeeds} may be`
  return [{ code: 'conflict', kind: 'feeds', name: surplus, at: [], message }]
}

/** A column that a feed had and would have no more, or of another type. */
export interface LostColumn {
  /** The way from the feed to what would be another. */
  readonly at: Breach['at']
  readonly message: string
}

/** What a feed that has rows can't become: they have values of what would be lost. */
export function lostColumns(before: Feed, after: Feed): LostColumn[] {
  const types = new Map(after.columns.map(({ name, type }) => [name, type]))
  const way = 'delete the feed, which drops its rows, and declare it anew'
  return before.columns.flatMap(({ name, type }) => {
    const wanted = types.get(name)
    if (wanted === type) return []
    const what = `column ${name} of feed ${before.name}, which has rows,`
    return wanted === undefined
      ? [{ at: ['columns'], message: `${what} can't be taken away: keep it, or ${way}` }]
      : [
          {
            at: ['columns', name, 'type'],
            message: `${what} can't become ${wanted} where it was ${type}: declare another column, or ${way}`,
          },
        ]
  })
}

/** A name of a column of a feed, and where it stands. */
export interface ColumnUse {
  readonly feed: string
  readonly column: string
  /** The way from the part that names them to the object that does. */
  readonly at: Breach['at']
}

/** Names of feeds and of columns that do not exist. What the server keeps by itself is there, though nobody declares it. */
export function columnBreaches(
  feeds: FeedColumns,
  { kind, name }: Pick<Breach, 'kind' | 'name'>,
  uses: readonly ColumnUse[],
): Breach[] {
  return uses.flatMap(({ feed, column, at }): Breach[] => {
    const columns = builtInColumns(feed)?.map((each) => each.name) ?? feeds.get(feed)
    const breach = { code: 'invalid', kind, name } as const
    if (columns === undefined) {
      const message = `there is no feed ${feed}${hint(feed, [...feeds.keys(), ...Object.keys(builtInFeeds)])}`
      return [{ ...breach, at: [...at, 'feed'], message, missing: { kind: 'feeds', name: feed } }]
    }
    if (columns.includes(column)) return []
    return [{ ...breach, at: [...at, 'column'], message: `in feed ${feed} ${noSuchColumn(column, columns)}` }]
  })
}

/** What is said of a column that a feed has not. */
export function noSuchColumn(column: string, columns: readonly string[]): string {
  const known = columns.length > 10 ? [...columns.slice(0, 10), '...'] : columns
  return `there is no column ${column}, known here: ${known.join(', ')}${hint(column, columns)}`
}

function hint(word: string, known: Iterable<string>): string {
  const nearest = nearestWord(word, known)
  return nearest === null ? '' : `; did you mean ${nearest}?`
}
