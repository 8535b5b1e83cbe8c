import { sql } from 'drizzle-orm'
import { check, index, integer, pgTable, primaryKey, text, unique } from 'drizzle-orm/pg-core'
import { allDownPolicies, serviceSteers } from '../src/controlplane/model.ts'
import { isName, isTtl, key, oneOf, revision } from './column-types.ts'
import { pools } from './pools.ts'
import { zones } from './zones.ts'

export const services = pgTable(
  'services',
  {
    name: key('name').primaryKey(),
    /** The zone that the name lies in, by the longest match; the store keeps it so. */
    zone: key('zone')
      .notNull()
      .references(() => zones.apex, { onDelete: 'restrict' }),
    ttlSeconds: integer('ttl_seconds').notNull(),
    steer: text('steer').notNull(),
    whenAllDown: text('when_all_down').notNull(),
    fallback: key('fallback').references(() => pools.name, { onDelete: 'restrict' }),
    revision: revision(),
  },
  (t) => [
    index('services_zone_index').on(t.zone),
    index('services_fallback_index').on(t.fallback),
    check('services_name_check', isName(t.name)),
    check(
      'services_in_zone_check',
      sql`${t.zone} = '.' or ${t.name} = ${t.zone} or right(${t.name}, length(${t.zone}) + 1) = '.' || ${t.zone}`,
    ),
    check('services_ttl_check', isTtl(t.ttlSeconds)),
    check('services_steer_check', oneOf(t.steer, serviceSteers)),
    check('services_when_all_down_check', oneOf(t.whenAllDown, allDownPolicies)),
    check('services_fallback_check', sql`(${t.whenAllDown} = 'fallback') = (${t.fallback} is not null)`),
  ],
)

/** The pools of a service in order of preference. */
export const servicePools = pgTable(
  'service_pools',
  {
    service: key('service')
      .notNull()
      .references(() => services.name, { onDelete: 'cascade' }),
    position: integer('position').notNull(),
    pool: key('pool')
      .notNull()
      .references(() => pools.name, { onDelete: 'restrict' }),
  },
  (t) => [
    primaryKey({ name: 'service_pools_pkey', columns: [t.service, t.position] }),
    unique('service_pools_service_pool_unique').on(t.service, t.pool),
    index('service_pools_pool_index').on(t.pool),
    check('service_pools_position_check', sql`${t.position} >= 0`),
  ],
)
