import { instant, isDomainName, key, oneOf } from './column-types.ts'
import { bigint, check, index, integer, pgTable, sql, text } from './drizzle.ts'

/** As `model/dnssec.ts` has them. */
const keyStates = ['active', 'retired']

/**
 * Keys of signed zones. Their private parts are sealed: who has the database alone can't sign. They outlive their zone, so that one that is
 * made again goes on with the key that its parent knows. A handful for each zone.
 */
export const dnssecKeys = pgTable(
  'dnssec_keys',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** Of the zone, which may be there or not. */
    apex: key('apex').notNull(),
    algorithm: integer('algorithm').notNull(),
    /** Of the DNSKEY. */
    flags: integer('flags').notNull(),
    /** Of the DNSKEY, in base64. */
    publicKey: text('public_key').notNull(),
    /** See `dnssec/sealing.ts`. */
    sealed: text('sealed').notNull(),
    state: text('state', { enum: ['active', 'retired'] }).notNull(),
    since: instant('since').notNull(),
  },
  (t) => [
    index('dnssec_keys_apex_index').on(t.apex),
    check('dnssec_keys_apex_check', isDomainName(t.apex)),
    check('dnssec_keys_algorithm_check', sql`${t.algorithm} in (13, 15)`),
    check('dnssec_keys_flags_check', sql`${t.flags} in (256, 257)`),
    check('dnssec_keys_sealed_check', sql`${t.sealed} like 'v1:%'`),
    check('dnssec_keys_state_check', oneOf(t.state, keyStates)),
  ],
)
