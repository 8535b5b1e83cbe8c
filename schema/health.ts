import { healthStates } from '../src/controlplane/model/observation.ts'
import { overrideStates } from '../src/controlplane/model/override.ts'
import { instant, isName, key, oneOf } from './column-types.ts'
import {
  type AnyPgColumn,
  check,
  foreignKey,
  index,
  jsonb,
  pgTable,
  primaryKey,
  type SQL,
  sql,
  text,
} from './drizzle.ts'
import { members } from './pools.ts'

/** Whether an override's pool or member is a pattern, in the words of the index on those. */
export const isPatternRow = (t: { readonly pool: AnyPgColumn; readonly member: AnyPgColumn }): SQL =>
  sql`(${t.pool} ~ '[*?]' or ${t.member} ~ '[*?]')`

/**
 * What operators say about members. Stands beside `member_health` and never replaces it. Pool and member may be patterns, so
 * no foreign key: `store/members.ts` deletes those of one member along with it.
 */
export const overrides = pgTable(
  'overrides',
  {
    pool: key('pool').notNull(),
    member: key('member').notNull(),
    state: text('state').notNull(),
    until: instant('until'),
    reason: text('reason').notNull(),
    actor: text('actor').notNull(),
    since: instant('since').notNull(),
  },
  (t) => [
    primaryKey({ name: 'overrides_pkey', columns: [t.pool, t.member] }),
    index('overrides_patterns_index').on(t.pool, t.member).where(isPatternRow(t)),
    check('overrides_pool_check', isName(t.pool)),
    check('overrides_member_check', isName(t.member)),
    check('overrides_state_check', oneOf(t.state, overrideStates)),
  ],
)

/** What probes said last. */
export const memberHealth = pgTable(
  'member_health',
  {
    pool: key('pool').notNull(),
    member: key('member').notNull(),
    state: text('state').notNull(),
    since: instant('since').notNull(),
    reason: text('reason').notNull(),
    /** Of a member with several addresses: what was measured of each. */
    addresses: jsonb('addresses').$type<unknown>(),
    /** Certificates that a warning has been given of. */
    told: jsonb('told').$type<unknown>(),
    /** What is remembered of its falls, and holds that came of them. */
    flaps: jsonb('flaps').$type<unknown>(),
  },
  (t) => [
    primaryKey({ name: 'member_health_pkey', columns: [t.pool, t.member] }),
    foreignKey({
      name: 'member_health_member_fkey',
      columns: [t.pool, t.member],
      foreignColumns: [members.pool, members.name],
    }).onDelete('cascade'),
    check('member_health_state_check', oneOf(t.state, healthStates)),
  ],
)
