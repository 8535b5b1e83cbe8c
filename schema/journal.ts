import { tokenScopes } from '../src/controlplane/model/token.ts'
import { instant, isName, key, oneOf, owner, revision, someOf } from './column-types.ts'
import {
  bigint,
  boolean,
  check,
  index,
  inet,
  json,
  jsonb,
  pgTable,
  primaryKey,
  sql,
  text,
} from './drizzle.ts'

export const changeKinds = [
  'zone',
  'feed',
  'monitor',
  'pool',
  'service',
  'override',
  'webhook',
  'fail-back',
] as const
/** Stands in the place of scopes that versions of old would take for more than they are: they know no such word, and let it do nothing. */
export const heldBack = 'limited'

/** One row, ever: the lock that puts writers in a line, and the number of the last revision. */
export const configRevision = pgTable(
  'config_revision',
  {
    id: boolean('id').primaryKey().default(true),
    revision: revision(),
    /** Random, drawn when the migration ran: tells this database from one that was made in its place. A restored one has kept it. */
    databaseId: text('database_id').notNull().default(sql`gen_random_uuid()::text`),
    /** Ids of databases that an operator has said this one takes the place of. */
    replaces: text('replaces').array().notNull().default(sql`'{}'`),
  },
  (t) => [check('config_revision_single_row', sql`${t.id}`)],
)

/** The change feed: what each revision touched. Revisions have no gaps; old ones are pruned. */
export const changes = pgTable(
  'changes',
  {
    revision: revision(),
    kind: text('kind').notNull(),
    key: key('key').notNull(),
    /** Owners whose RRsets are, with the serial, all that changed in a zone. Null says that anything may have. */
    owners: text('owners').array(),
    /** Random, one for all rows of a revision: tells whether a revision is the one that a node has seen. Null in rows of old. */
    stamp: text('stamp'),
  },
  (t) => [
    primaryKey({ name: 'changes_pkey', columns: [t.revision, t.kind, t.key] }),
    check('changes_kind_check', oneOf(t.kind, changeKinds)),
  ],
)

/**
 * What changed the configuration: a request, one of the command line, a document, a return to an earlier revision, the steps of a gradual
 * change, the demo, signatures that are made anew.
 */
export const changeSources = ['api', 'command', 'apply', 'rollback', 'gradual', 'demo', 'dnssec'] as const

/** Who made a revision, by what, and why. */
export const revisions = pgTable(
  'revisions',
  {
    revision: revision().primaryKey(),
    at: instant('at').notNull(),
    actor: text('actor').notNull(),
    source: text('source').notNull(),
    message: text('message'),
  },
  (t) => [
    index('revisions_at_index').on(t.at),
    check('revisions_source_check', oneOf(t.source, changeSources)),
  ],
)

/** `member`: keys `pool/member`; `rrset`: the apex, a tab, owner and type with a slash between; `zone`: without its RRsets. */
export const historyKinds = ['feed', 'monitor', 'pool', 'member', 'service', 'zone', 'rrset'] as const

/**
 * How the parts of the configuration were before each revision that changed them, in the words of the document, so that an earlier
 * revision can be shown and returned to. Bounded by `store/retention.ts`.
 */
export const history = pgTable(
  'history',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    revision: revision(),
    kind: text('kind').notNull(),
    key: key('key').notNull(),
    /** The fragment of the document; null where there was none. */
    before: json('before').$type<unknown>(),
    /** Whose it was. */
    owner: owner(),
    /** What it was is not kept, as it was too much: nobody returns to before this. */
    lost: boolean('lost').notNull().default(false),
  },
  (t) => [
    index('history_revision_index').on(t.revision),
    check('history_kind_check', oneOf(t.kind, historyKinds)),
  ],
)

/**
 * Who did what. Rows are only ever added: a trigger refuses to change one, and to delete one before its `keep_until`, whoever asks;
 * `prune_audit_log` deletes those past it, and roles other than the owner have no right but to read and to insert.
 */
export const auditLog = pgTable(
  'audit_log',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    at: instant('at').notNull(),
    actor: text('actor').notNull(),
    action: text('action').notNull(),
    key: text('key').notNull(),
    before: jsonb('before').$type<unknown>(),
    after: jsonb('after').$type<unknown>(),
    revision: revision(),
    /** Promised when the row was written, so that no later setting takes it back. Versions of old leave it to the default. */
    keepUntil: instant('keep_until').notNull().default(sql`now() + interval '90 days'`),
  },
  (t) => [index('audit_log_key_index').on(t.key, t.id), index('audit_log_keep_until_index').on(t.keepUntil)],
)

/** Only the SHA-256 of a token is kept. */
export const tokens = pgTable(
  'tokens',
  {
    name: key('name').primaryKey(),
    hash: key('hash').notNull().unique('tokens_hash_unique'),
    /** What it may do, or, where it may so within limits or for a time alone, `heldBack`. */
    scopes: text('scopes').array().notNull(),
    /** The scopes that are held back; null where they stand under `scopes`. */
    rights: text('rights').array(),
    /** Patterns for names by kind, which limit it to what they stand for; null for no limits. */
    limits: json('limits').$type<unknown>(),
    createdAt: instant('created_at').notNull(),
    lastUsedAt: instant('last_used_at'),
    /** Null for never. */
    expiresAt: instant('expires_at'),
    description: text('description'),
  },
  (t) => [
    check('tokens_name_check', isName(t.name)),
    check('tokens_hash_check', sql`${t.hash} ~ '^[0-9a-f]{64}$'`),
    check(
      'tokens_scopes_check',
      sql`cardinality(${t.scopes}) >= 1 and ${someOf(t.scopes, [...tokenScopes, heldBack])}`,
    ),
    check('tokens_rights_check', sql`cardinality(${t.rights}) >= 1 and ${someOf(t.rights, tokenScopes)}`),
    check(
      'tokens_held_back_check',
      sql`(${t.limits} is null and ${t.expiresAt} is null) or (${t.rights} is not null and ${t.scopes} = array[${sql.raw(`'${heldBack}'`)}])`,
    ),
  ],
)

/** What the lookup tool answered. Pruned by `store/retention.ts`. */
export const lookups = pgTable('lookups', {
  id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
  domain: text('domain').notNull(),
  clientIp: inet('client_ip').notNull(),
  createdAt: instant('created_at').notNull(),
  addresses: inet('addresses').array().notNull(),
})
