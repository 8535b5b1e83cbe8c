import { allDownPolicies } from '../src/controlplane/model/pool.ts'
import { serviceSteers } from '../src/controlplane/model/service.ts'
import {
  born,
  isDomainName,
  isName,
  isObject,
  isTtl,
  key,
  oneOf,
  owner,
  revision,
  written,
} from './column-types.ts'
import {
  check,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  sql,
  text,
  unique,
} from './drizzle.ts'
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
    /** Null: the TTL does not depend on health. */
    minTtlSeconds: integer('min_ttl_seconds'),
    steer: text('steer').notNull(),
    whenAllDown: text('when_all_down').notNull(),
    fallback: key('fallback').references(() => pools.name, { onDelete: 'restrict' }),
    /** The fragment of the document of what has no column. */
    settings: jsonb('settings').$type<unknown>().notNull().default({}),
    /** What an operator says of it where it stands in a pool's place; null for nothing. */
    override: jsonb('override').$type<unknown>(),
    written: written(),
    owner: owner(),
    revision: revision(),
    born: born(),
  },
  (t) => [
    check('services_owner_check', isName(t.owner)),
    index('services_zone_index').on(t.zone),
    index('services_fallback_index').on(t.fallback),
    check('services_name_check', isDomainName(t.name)),
    check(
      'services_in_zone_check',
      sql`${t.zone} = '.' or ${t.name} = ${t.zone} or right(${t.name}, length(${t.zone}) + 1) = '.' || ${t.zone}`,
    ),
    check('services_ttl_check', isTtl(t.ttlSeconds)),
    check('services_min_ttl_check', sql`${t.minTtlSeconds} between 0 and ${t.ttlSeconds}`),
    check('services_settings_check', isObject(t.settings)),
    check('services_override_check', isObject(t.override)),
    check('services_steer_check', oneOf(t.steer, serviceSteers)),
    check('services_when_all_down_check', oneOf(t.whenAllDown, allDownPolicies)),
    check('services_fallback_check', sql`(${t.whenAllDown} = 'fallback') = (${t.fallback} is not null)`),
  ],
)

/** What a service chooses among, in order of preference: pools, and other services. */
export const servicePools = pgTable(
  'service_pools',
  {
    service: key('service')
      .notNull()
      .references(() => services.name, { onDelete: 'cascade' }),
    position: integer('position').notNull(),
    /** Null for a service. */
    pool: key('pool').references(() => pools.name, { onDelete: 'restrict' }),
    /** A service; null for a pool. */
    nested: key('nested').references(() => services.name, { onDelete: 'restrict' }),
    weight: integer('weight').notNull().default(100),
    bias: integer('bias').notNull().default(0),
    latitude: doublePrecision('latitude'),
    longitude: doublePrecision('longitude'),
  },
  (t) => [
    primaryKey({ name: 'service_pools_pkey', columns: [t.service, t.position] }),
    unique('service_pools_service_pool_unique').on(t.service, t.pool),
    unique('service_pools_service_nested_unique').on(t.service, t.nested),
    index('service_pools_pool_index').on(t.pool),
    index('service_pools_nested_index').on(t.nested),
    check('service_pools_pool_or_nested_check', sql`(${t.pool} is null) <> (${t.nested} is null)`),
    check('service_pools_weight_check', sql`${t.weight} between 0 and 65535`),
    check('service_pools_bias_check', sql`${t.bias} between -99 and 99`),
    check('service_pools_latitude_check', sql`${t.latitude} between -90 and 90`),
    check('service_pools_longitude_check', sql`${t.longitude} between -180 and 180`),
    check('service_pools_location_check', sql`(${t.latitude} is null) = (${t.longitude} is null)`),
    check('service_pools_position_check', sql`${t.position} >= 0`),
  ],
)
