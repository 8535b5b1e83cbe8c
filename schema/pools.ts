import { sql } from 'drizzle-orm'
import {
  check,
  doublePrecision,
  index,
  inet,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
} from 'drizzle-orm/pg-core'
import {
  type CodeRange,
  type Monitor,
  monitorTypes,
  poolHosts,
  poolSelects,
} from '../src/controlplane/model.ts'
import { isHost, isHostAddress, isName, key, oneOf, revision } from './column-types.ts'

const monitorMethods: readonly Monitor['method'][] = ['GET', 'HEAD', 'POST', 'OPTIONS']

export const monitors = pgTable(
  'monitors',
  {
    name: key('name').primaryKey(),
    type: text('type').notNull(),
    method: text('method').notNull(),
    port: integer('port').notNull(),
    path: text('path').notNull(),
    host: text('host'),
    expectCodes: jsonb('expect_codes').$type<readonly CodeRange[]>().notNull(),
    expectBody: text('expect_body'),
    followRedirects: integer('follow_redirects').notNull(),
    intervalMs: integer('interval_ms').notNull(),
    timeoutMs: integer('timeout_ms').notNull(),
    rise: integer('rise').notNull(),
    fall: integer('fall').notNull(),
    revision: revision(),
  },
  (t) => [
    check('monitors_name_check', isName(t.name)),
    check('monitors_type_check', oneOf(t.type, monitorTypes)),
    check('monitors_method_check', oneOf(t.method, monitorMethods)),
    check('monitors_port_check', sql`${t.port} between 1 and 65535`),
    check('monitors_path_check', sql`left(${t.path}, 1) = '/'`),
    check(
      'monitors_expect_codes_check',
      sql`jsonb_typeof(${t.expectCodes}) = 'array' and jsonb_array_length(${t.expectCodes}) > 0`,
    ),
    check('monitors_follow_redirects_check', sql`${t.followRedirects} between 0 and 100`),
    check('monitors_interval_check', sql`${t.intervalMs} > 0`),
    check('monitors_timeout_check', sql`${t.timeoutMs} > 0 and ${t.timeoutMs} <= ${t.intervalMs}`),
    check('monitors_rise_check', sql`${t.rise} >= 1`),
    check('monitors_fall_check', sql`${t.fall} >= 1`),
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
    minUp: doublePrecision('min_up').notNull(),
    hosts: text('hosts').notNull().default('resolve'),
    /** Of the last change of the pool or of any member. */
    revision: revision(),
  },
  (t) => [
    index('pools_monitor_index').on(t.monitor),
    check('pools_name_check', isName(t.name)),
    check('pools_select_check', oneOf(t.select, poolSelects)),
    check('pools_answers_check', sql`${t.answers} >= 1`),
    check('pools_hosts_check', oneOf(t.hosts, poolHosts)),
    check('pools_min_up_check', sql`${t.minUp} between 0 and 1`),
  ],
)

/**
 * A member's address is unique in its pool too, and so is its host. These constraints are deferrable (checked at the
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
    /** Absolute, with the final dot; null for a member that is an address. */
    host: key('host'),
    weight: integer('weight').notNull(),
    probeAddress: inet('probe_address'),
    probePort: integer('probe_port'),
    revision: revision(),
  },
  (t) => [
    primaryKey({ name: 'members_pkey', columns: [t.pool, t.name] }),
    check('members_name_check', isName(t.name)),
    check('members_address_check', isHostAddress(t.address)),
    check('members_host_check', isHost(t.host)),
    check('members_address_or_host_check', sql`(${t.address} is null) <> (${t.host} is null)`),
    check('members_weight_check', sql`${t.weight} between 0 and 65535`),
    check('members_probe_address_check', isHostAddress(t.probeAddress)),
    check('members_probe_port_check', sql`${t.probePort} between 1 and 65535`),
  ],
)
