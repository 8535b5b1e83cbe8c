import { check, foreignKey, pgTable, primaryKey, text } from 'drizzle-orm/pg-core'
import { healthStates, overrideStates } from '../src/controlplane/model.ts'
import { instant, key, oneOf } from './column-types.ts'
import { members } from './pools.ts'

/** What operators say about members. Stands beside `member_health` and never replaces it. */
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
    foreignKey({
      name: 'overrides_member_fkey',
      columns: [t.pool, t.member],
      foreignColumns: [members.pool, members.name],
    }).onDelete('cascade'),
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
