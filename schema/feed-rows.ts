import { key } from './column-types.ts'
import {
  bigint,
  check,
  doublePrecision,
  foreignKey,
  index,
  integer,
  pgTable,
  primaryKey,
  sql,
  text,
  timestamp,
  unique,
} from './drizzle.ts'

/** As exact as PostgreSQL has it: measurements come at instants that milliseconds would bring together. */
const exactInstant = (name: string) => timestamp(name, { mode: 'string', withTimezone: true })

/**
 * Where the rows of a feed are: in a table of its own, `feed_rows_<id>`, which no migration makes, but `make_feed_rows` when the
 * first row comes. It has `id_entity`, `time_instant` and `values`, and is partitioned by time (`feed_parts`).
 */
export const feedStores = pgTable(
  'feed_stores',
  {
    id: integer('id').primaryKey().generatedAlwaysAsIdentity(),
    feed: key('feed').notNull(),
    /** That of `feeds`; 0 for a feed that is built in. */
    born: bigint('born', { mode: 'number' }).notNull(),
    /** In the order in which `values` has them: one that is declared later goes behind the others, wherever it was declared. */
    columns: text('columns').array().notNull(),
    /** Rises with each transaction that changes rows, which holds this row from then to its end. */
    change: bigint('change', { mode: 'number' }).notNull().default(0),
  },
  (t) => [unique('feed_stores_feed_unique').on(t.feed, t.born)],
)

/** The partitions, each of which is a table `feed_rows_<store>_<id>`. No two of a feed have an instant in common. */
export const feedParts = pgTable(
  'feed_parts',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    store: integer('store').notNull(),
    since: exactInstant('since').notNull(),
    /** Before. */
    until: exactInstant('until').notNull(),
    /** At least as many as it has: one that took another's place counts, too, until `store/feed-retention.ts` counts them. */
    rows: bigint('rows', { mode: 'number' }).notNull().default(0),
  },
  (t) => [
    foreignKey({
      name: 'feed_parts_store_fkey',
      columns: [t.store],
      foreignColumns: [feedStores.id],
    }).onDelete('cascade'),
    unique('feed_parts_since_unique').on(t.store, t.since),
    check('feed_parts_order_check', sql`${t.since} < ${t.until}`),
  ],
)

/** The newest row of each entity, and by which change of its feed it came. */
export const feedLatest = pgTable(
  'feed_latest',
  {
    store: integer('store').notNull(),
    idEntity: key('id_entity').notNull(),
    timeInstant: exactInstant('time_instant').notNull(),
    values: doublePrecision('values').array().notNull(),
    change: bigint('change', { mode: 'number' }).notNull(),
  },
  (t) => [
    primaryKey({ name: 'feed_latest_pkey', columns: [t.store, t.idEntity] }),
    foreignKey({
      name: 'feed_latest_store_fkey',
      columns: [t.store],
      foreignColumns: [feedStores.id],
    }).onDelete('cascade'),
    index('feed_latest_change_index').on(t.store, t.change),
  ],
)
