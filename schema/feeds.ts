import {
  born,
  instant,
  isFeedName,
  isName,
  isObjectText,
  key,
  owner,
  revision,
  written,
} from './column-types.ts'
import { bigint, check, foreignKey, integer, json, pgTable, text } from './drizzle.ts'

/** What feeds there are. `born` is what rows know their feed by: one that is dropped and declared anew has none of the rows of before. */
export const feeds = pgTable(
  'feeds',
  {
    name: key('name').primaryKey(),
    /** The fragment of the document: `json`, since `jsonb` forgets the order of columns. */
    settings: json('settings').$type<unknown>().notNull(),
    written: written(),
    owner: owner(),
    revision: revision(),
    born: born().unique('feeds_born_unique'),
  },
  (t) => [
    check('feeds_name_check', isFeedName(t.name)),
    check('feeds_owner_check', isName(t.owner)),
    check('feeds_settings_check', isObjectText(t.settings)),
  ],
)

/**
 * Feeds that the servers read themselves: when that is to be done next, and what came of it last. Whoever moves `due_at` on does it, so
 * that one server at a time asks. Times are the database's own.
 */
export const feedSources = pgTable(
  'feed_sources',
  {
    feed: bigint('feed', { mode: 'number' }).primaryKey(),
    dueAt: instant('due_at').notNull(),
    /** A digest of what was asked: the turn for something else is due at once. */
    source: text('source').notNull(),
    /** Id of the server that took the last turn. */
    node: text('node').notNull(),
    /** The end of the last turn; null before the first. */
    askedAt: instant('asked_at'),
    /** Null where it failed. */
    rows: integer('rows'),
    leftOut: integer('left_out').notNull().default(0),
    /** Why it failed, or why the first series was left out. */
    reason: text('reason'),
    failingSince: instant('failing_since'),
  },
  (t) => [
    foreignKey({
      name: 'feed_sources_feed_fkey',
      columns: [t.feed],
      foreignColumns: [feeds.born],
    }).onDelete('cascade'),
  ],
)
