import { instant, isDomainName, isName, isTtl, key, owner, revision, written } from './column-types.ts'
import { bigint, boolean, check, integer, pgTable, primaryKey, sql, text } from './drizzle.ts'

/**
 * Zones by their apex. Natural keys throughout: a zone, a pool or a member is its name (renaming is deleting and
 * creating), so no query needs a join to find out what a row is about.
 */
export const zones = pgTable(
  'zones',
  {
    apex: key('apex').primaryKey(),
    mname: text('mname').notNull(),
    rname: text('rname').notNull(),
    refreshSeconds: integer('refresh_seconds').notNull(),
    retrySeconds: integer('retry_seconds').notNull(),
    expireSeconds: integer('expire_seconds').notNull(),
    minimumSeconds: integer('minimum_seconds').notNull(),
    ttlSeconds: integer('ttl_seconds').notNull(),
    /** The serial of the SOA: unsigned 32 bits, compared by RFC 1982. */
    serial: bigint('serial', { mode: 'number' }).notNull(),
    /** Set by the operator; null when `serial` rises by itself at every change. */
    fixedSerial: bigint('fixed_serial', { mode: 'number' }),
    /** How it is signed (`model/dnssec.ts`); null when it is not. */
    signingAlgorithm: integer('signing_algorithm'),
    /** By what it proves that something is not there; null for NSEC, and where it is not signed. */
    signingDenial: text('signing_denial'),
    signingKeys: text('signing_keys', { enum: ['csk', 'split'] })
      .notNull()
      .default('csk'),
    signingMaxTtlSeconds: integer('signing_max_ttl_seconds').notNull().default(259_200),
    signingPropagationSeconds: integer('signing_propagation_seconds').notNull().default(3600),
    signingParentServers: text('signing_parent_servers').array().notNull().default([]),
    signingForeignKeys: text('signing_foreign_keys').array().notNull().default([]),
    /** Whether its parent is told of it by signals (`dnssec-signals.ts`), while that has no DS. */
    signingBootstrap: boolean('signing_bootstrap').notNull().default(true),
    /** When its parent was seen to have a DS, so that there are no signals any more; null before. */
    bootstrappedAt: instant('bootstrapped_at'),
    /** Until when caches may have what was served of it under greater TTLs than `signing_max_ttl_seconds`; null: that is over. */
    cachedUntil: instant('cached_until'),
    /** When signatures were last made anew for their age; null for never. */
    renewedAt: instant('renewed_at'),
    /** Without its RRsets. */
    written: written(),
    owner: owner(),
    /** The revision of the last change of the head or of any RRset. */
    revision: revision(),
  },
  (t) => [
    check('zones_owner_check', isName(t.owner)),
    check('zones_apex_check', isDomainName(t.apex)),
    check('zones_mname_check', sql`right(${t.mname}, 1) = '.'`),
    check('zones_rname_check', sql`right(${t.rname}, 1) = '.'`),
    check('zones_refresh_check', isTtl(t.refreshSeconds)),
    check('zones_retry_check', isTtl(t.retrySeconds)),
    check('zones_expire_check', isTtl(t.expireSeconds)),
    check('zones_minimum_check', isTtl(t.minimumSeconds)),
    check('zones_ttl_check', isTtl(t.ttlSeconds)),
    check('zones_serial_check', sql`${t.serial} between 0 and 4294967295`),
    check('zones_signing_keys_check', sql`${t.signingKeys} in ('csk', 'split')`),
    check(
      'zones_signing_times_check',
      sql`${t.signingMaxTtlSeconds} > 0 and ${t.signingPropagationSeconds} > 0`,
    ),
    check('zones_signing_algorithm_check', sql`${t.signingAlgorithm} in (13, 15)`),
    check('zones_signing_denial_check', sql`${t.signingDenial} = 'nsec3'`),
    check('zones_fixed_serial_check', sql`${t.fixedSerial} between 0 and 4294967295`),
  ],
)

/** RDATA is kept in presentation form: it is what people wrote, and `dataplane/wire` is the one place that parses it. */
export const rrsets = pgTable(
  'rrsets',
  {
    zone: key('zone')
      .notNull()
      .references(() => zones.apex, { onDelete: 'cascade' }),
    owner: key('owner').notNull(),
    type: key('type').notNull(),
    /** Null inherits the zone's. */
    ttlSeconds: integer('ttl_seconds'),
    data: text('data').array().notNull(),
    written: written(),
    revision: revision(),
  },
  (t) => [
    primaryKey({ name: 'rrsets_pkey', columns: [t.zone, t.owner, t.type] }),
    check(
      'rrsets_owner_check',
      sql`${t.owner} = lower(${t.owner}) and octet_length(${t.owner}) between 1 and 1004`,
    ),
    check('rrsets_type_check', sql`${t.type} ~ '^[A-Z][A-Z0-9-]*$' and ${t.type} <> 'SOA'`),
    check('rrsets_ttl_check', isTtl(t.ttlSeconds)),
    check(
      'rrsets_data_check',
      sql`cardinality(${t.data}) between 1 and 65535 and array_position(${t.data}, null) is null`,
    ),
  ],
)
