/** Feeds by their names, for those who write and read rows. */
import { ControlError } from '../model/errors.ts'
import { nearestWord } from '../model/nearest-word.ts'
import type { Database } from '../store/database.ts'
import { feedNames, getFeed, type StoredFeed } from '../store/feeds.ts'

/** Throws `not-found`, with the nearest name that there is. */
export async function requireFeed(database: Database, name: string): Promise<StoredFeed> {
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
