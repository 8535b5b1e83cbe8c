import { instant, isDomainName, key, oneOf, revision } from './column-types.ts'
import { bigint, boolean, check, index, integer, pgTable, sql, text } from './drizzle.ts'
import { zones } from './zones.ts'

/** As `model/dnssec.ts` has them. */
const keyStates = ['active', 'incoming', 'outgoing', 'retired']
const keyRoles = ['csk', 'ksk', 'zsk']

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
    role: text('role', { enum: ['csk', 'ksk', 'zsk'] })
      .notNull()
      .default('csk'),
    state: text('state', { enum: ['active', 'incoming', 'outgoing', 'retired'] }).notNull(),
    since: instant('since').notNull(),
  },
  (t) => [
    index('dnssec_keys_apex_index').on(t.apex),
    check('dnssec_keys_apex_check', isDomainName(t.apex)),
    check('dnssec_keys_algorithm_check', sql`${t.algorithm} in (13, 15)`),
    check('dnssec_keys_flags_check', sql`${t.flags} in (256, 257)`),
    check('dnssec_keys_sealed_check', sql`${t.sealed} like 'v1:%'`),
    check('dnssec_keys_role_check', oneOf(t.role, keyRoles)),
    check('dnssec_keys_state_check', oneOf(t.state, keyStates)),
  ],
)

/**
 * Rollovers of keys that are under way, as `model/rollover.ts` has them: one a zone at the most. Rows change under the revision lock alone;
 * times are the database's own.
 */
export const dnssecRollovers = pgTable(
  'dnssec_rollovers',
  {
    apex: key('apex')
      .primaryKey()
      .references(() => zones.apex, { onDelete: 'cascade' }),
    goal: text('goal', { enum: ['keys', 'unsigned'] }).notNull(),
    step: text('step', { enum: ['presign', 'publish', 'parent', 'ds-out', 'switch', 'unpublish'] }).notNull(),
    entry: boolean('entry').notNull(),
    data: boolean('data').notNull(),
    algorithm: boolean('algorithm').notNull(),
    reverting: boolean('reverting').notNull(),
    confirmed: boolean('confirmed').notNull(),
    startedAt: instant('started_at').notNull(),
    stepSince: instant('step_since').notNull(),
    countedFrom: instant('counted_from'),
    parentTtlSeconds: bigint('parent_ttl_seconds', { mode: 'number' }),
    parentSays: text('parent_says'),
    /** Of its last step. */
    revision: revision(),
  },
  (t) => [
    check('dnssec_rollovers_goal_check', oneOf(t.goal, ['keys', 'unsigned'])),
    check(
      'dnssec_rollovers_step_check',
      oneOf(t.step, ['presign', 'publish', 'parent', 'ds-out', 'switch', 'unpublish']),
    ),
  ],
)
