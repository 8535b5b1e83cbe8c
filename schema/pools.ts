import type { FedFragments } from '../src/controlplane/model/feed-use.ts'
import { monitorTypes } from '../src/controlplane/model/monitor.ts'
import { poolHosts, poolSelects } from '../src/controlplane/model/pool.ts'
import {
  born,
  isHost,
  isHostAddress,
  isName,
  isObject,
  key,
  oneOf,
  owner,
  revision,
  written,
} from './column-types.ts'
import {
  type AnyPgColumn,
  check,
  doublePrecision,
  index,
  inet,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  sql,
  text,
} from './drizzle.ts'

/** What a monitor asks depends on its type, so all but that is the fragment of the document that says it. */
export const monitors = pgTable(
  'monitors',
  {
    name: key('name').primaryKey(),
    type: text('type').notNull(),
    settings: jsonb('settings').$type<unknown>().notNull().default({}),
    written: written(),
    owner: owner(),
    revision: revision(),
  },
  (t) => [
    check('monitors_name_check', isName(t.name)),
    check('monitors_owner_check', isName(t.owner)),
    check('monitors_type_check', oneOf(t.type, monitorTypes)),
    check('monitors_settings_check', isObject(t.settings)),
  ],
)

/** The monitors that a composite one judges by, so that none of them can go. Their order is in its settings. */
export const monitorParts = pgTable(
  'monitor_parts',
  {
    composite: key('composite')
      .notNull()
      .references(() => monitors.name, { onDelete: 'cascade' }),
    monitor: key('monitor')
      .notNull()
      .references(() => monitors.name, { onDelete: 'restrict' }),
  },
  (t) => [
    primaryKey({ name: 'monitor_parts_pkey', columns: [t.composite, t.monitor] }),
    index('monitor_parts_monitor_index').on(t.monitor),
  ],
)

export const pools = pgTable(
  'pools',
  {
    name: key('name').primaryKey(),
    /** Null: members are not probed. */
    monitor: key('monitor').references(() => monitors.name, { onDelete: 'restrict' }),
    select: text('select').notNull(),
    answers: integer('answers'),
    /** A share; 0 where the settings say it in another way. */
    minUp: doublePrecision('min_up').notNull(),
    hosts: text('hosts').notNull().default('resolve'),
    /**
     * Checked at the end of the transaction, so that two pools may be each other's fallback; drizzle can't express that,
     * see the migration that adds it.
     */
    fallback: key('fallback').references((): AnyPgColumn => pools.name, { onDelete: 'restrict' }),
    /** The fragment of the document of what has no column. */
    settings: jsonb('settings').$type<unknown>().notNull().default({}),
    /** Without its members. */
    written: written(),
    owner: owner(),
    /** The revision of the last change of the pool or of any member. */
    revision: revision(),
    born: born(),
  },
  (t) => [
    check('pools_owner_check', isName(t.owner)),
    index('pools_monitor_index').on(t.monitor),
    index('pools_fallback_index').on(t.fallback),
    check('pools_name_check', isName(t.name)),
    check('pools_select_check', oneOf(t.select, poolSelects)),
    check('pools_answers_check', sql`${t.answers} >= 1`),
    check('pools_hosts_check', oneOf(t.hosts, poolHosts)),
    check('pools_min_up_check', sql`${t.minUp} between 0 and 1`),
    check('pools_settings_check', isObject(t.settings)),
    check('pools_fallback_check', sql`${t.fallback} <> ${t.name}`),
    check(
      'pools_when_all_down_check',
      sql`(${t.settings} ->> 'whenAllDown' is not distinct from 'fallback') = (${t.fallback} is not null)`,
    ),
  ],
)

/**
 * A member's address is unique in its pool too, and so is its host; the rest of its addresses are seen to in `store/members.ts`. These constraints are deferrable (checked at the
 * end of a statement, so that one statement may swap two addresses), which drizzle can't express: see the migrations
 * that add them.
 */
export const members = pgTable(
  'members',
  {
    pool: key('pool')
      .notNull()
      .references(() => pools.name, { onDelete: 'cascade' }),
    name: key('name').notNull(),
    /** Order in the document. Gaps are fine. */
    position: integer('position').notNull(),
    /** Null for a member that is a host. */
    address: inet('address'),
    /** Those behind the first, in their order. */
    moreAddresses: inet('more_addresses').array().notNull().default([]),
    /** Absolute, with the final dot; null for a member that is an address. */
    host: key('host'),
    /** Where a feed says it: what holds while that says nothing. */
    weight: integer('weight').notNull(),
    /** The fragments of the document of what goes by feeds: `weight`, `shed`. */
    feeds: jsonb('feeds').$type<FedFragments>().notNull().default({}),
    priority: integer('priority').notNull().default(1),
    probeAddress: inet('probe_address'),
    probePort: integer('probe_port'),
    written: written(),
    revision: revision(),
    born: born(),
  },
  (t) => [
    primaryKey({ name: 'members_pkey', columns: [t.pool, t.name] }),
    check('members_name_check', isName(t.name)),
    check('members_address_check', isHostAddress(t.address)),
    check('members_host_check', isHost(t.host)),
    check('members_address_or_host_check', sql`(${t.address} is null) <> (${t.host} is null)`),
    check(
      'members_more_addresses_check',
      sql`(${t.address} is not null or cardinality(${t.moreAddresses}) = 0) and cardinality(${t.moreAddresses}) < 16`,
    ),
    check('members_weight_check', sql`${t.weight} between 0 and 65535`),
    check('members_feeds_check', isObject(t.feeds)),
    check('members_priority_check', sql`${t.priority} between 1 and 1000`),
    check('members_probe_address_check', isHostAddress(t.probeAddress)),
    check('members_probe_port_check', sql`${t.probePort} between 1 and 65535`),
  ],
)
