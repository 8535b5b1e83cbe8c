import { instant, key, oneOf, revision } from './column-types.ts'
import {
  bigint,
  boolean,
  check,
  doublePrecision,
  index,
  jsonb,
  pgTable,
  primaryKey,
  sql,
  text,
} from './drizzle.ts'

/**
 * The nodes that use this database, each with a row that it alone writes. Times are the database's own. Pruned by
 * `store/fleet.ts`.
 */
export const nodes = pgTable('nodes', {
  id: key('id').primaryKey(),
  /** What its operator calls it; null when it has no name. */
  name: text('name'),
  version: text('version').notNull(),
  startedAt: instant('started_at').notNull(),
  seenAt: instant('seen_at').notNull(),
  /** The revision of the configuration that it serves. */
  revision: revision(),
  /** The stamp of that revision (`changes`): whether it is of the history that the database has. Null where it is not known. */
  stamp: text('stamp'),
  /** Apexes of zones that it serves as they were signed before, since it can't sign them, or has not yet; `*` is any other. Some at the most. */
  unsigned: jsonb('unsigned').$type<readonly string[]>().notNull().default([]),
  /**
   * Its leases on zones whose keys are rolled over: by apex, for how many milliseconds it answers the zone when it is silent
   * (`controlplane/dnssec/zone-leases.ts`).
   */
  leases: jsonb('leases').$type<Readonly<Record<string, number>>>().notNull().default({}),
  /** It doubts its own network, so its verdicts do not count. */
  suspect: boolean('suspect').notNull(),
  /**
   * What it has measured of the members whose state nodes agree upon, by pool and member: `up` or `down`. One value, so
   * that others read it whole or not at all.
   */
  verdicts: jsonb('verdicts').$type<Record<string, Record<string, 'up' | 'down'>>>().notNull(),
  /** Changes with them; others read them when it differs from what they have. */
  verdictsVersion: bigint('verdicts_version', { mode: 'number' }).notNull(),
})

/** The last report on each member with a push monitor. No foreign key: a report must not wait for a lock on its member. */
export const reports = pgTable(
  'reports',
  {
    pool: key('pool').notNull(),
    member: key('member').notNull(),
    state: text('state').notNull(),
    reason: text('reason').notNull(),
    weightPercent: doublePrecision('weight_percent'),
    /** When the report came in, by the clock of the node that took it. */
    at: instant('at').notNull(),
    until: instant('until').notNull(),
    /** What the member was that is reported on (`members.born`); null in rows of old, and where the node did not know. */
    born: bigint('born', { mode: 'number' }),
    /** When it was stored, by the database's clock: what a node reads on from. */
    storedAt: instant('stored_at').notNull(),
  },
  (t) => [
    primaryKey({ name: 'reports_pkey', columns: [t.pool, t.member] }),
    index('reports_stored_at_index').on(t.storedAt),
    check('reports_state_check', oneOf(t.state, ['up', 'down'])),
    check('reports_weight_percent_check', sql`${t.weightPercent} between 0 and 100`),
  ],
)
