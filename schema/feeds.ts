import { born, isFeedName, isName, isObjectText, key, owner, revision, written } from './column-types.ts'
import { check, json, pgTable } from './drizzle.ts'

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
