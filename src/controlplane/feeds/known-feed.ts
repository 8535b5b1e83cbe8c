/** Feeds by their names, for those who write and read rows. */
import { type Births, birthKeys } from '../model/births.ts'
import { ControlError } from '../model/errors.ts'
import type { Feed } from '../model/feed.ts'
import { nearestWord } from '../model/nearest-word.ts'
import type { Database } from '../store/database.ts'
import type { KnownFeed } from '../store/feed-stores.ts'
import { feedNames, getFeed, type StoredFeed } from '../store/feeds.ts'
import { probesCacheMs, probesFeed } from './probes/probes-feed.ts'

/** A feed whose rows can be read. */
export interface ReadableFeed extends KnownFeed {
  /** How long an answer may be given again; 0: never. */
  readonly cacheMs: number
}

/** The configuration that a node serves, as far as it concerns feeds. */
interface ServedFeeds {
  readonly feeds: ReadonlyMap<string, Feed>
  readonly births: Births
}

/** Whether this node has heard of a feed. */
export function isServedFeed(name: string, served: Pick<ServedFeeds, 'feeds'> | undefined): boolean {
  return name === probesFeed.value.name || served?.feeds.has(name) === true
}

/** The feed that is built in, or one that this node knows by heart. Null when the database is to be asked. */
export function feedByHeart(name: string, served: ServedFeeds | undefined): ReadableFeed | null {
  if (name === probesFeed.value.name) return { ...probesFeed, cacheMs: probesCacheMs }
  const value = served?.feeds.get(name)
  const id = served?.births.get(birthKeys.feed(name))
  return value === undefined || id === undefined ? null : { id, value, cacheMs: value.cacheMs }
}

/** Throws `not-found`, with the nearest name that there is, and `conflict` for the feed that is built in. */
export async function requireFeed(database: Database, name: string): Promise<StoredFeed> {
  if (name === probesFeed.value.name) {
    throw new ControlError(
      'conflict',
      `feed ${name} is built in: its rows are what the servers' own probes find`,
    )
  }
  return database.read(async (tx) => {
    const feed = await getFeed(tx, name)
    if (feed !== null) return feed
    const nearest = nearestWord(name, await feedNames(tx))
    throw new ControlError(
      'not-found',
      `feed ${name} does not exist${nearest === null ? '' : `; did you mean ${nearest}?`}`,
    )
  })
}
