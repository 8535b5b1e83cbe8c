import { eventKinds } from '../src/controlplane/model/event.ts'
import { type WebhookFormat, webhookFormats } from '../src/controlplane/model/webhook.ts'
import { born, instant, isName, key, oneOf, revision, someOf } from './column-types.ts'
import { bigint, check, index, integer, json, pgTable, sql, text } from './drizzle.ts'

/** Who is told of events. Secrets are kept as they are, because deliveries are signed with them or carry them. */
export const webhooks = pgTable(
  'webhooks',
  {
    name: key('name').primaryKey(),
    url: text('url').notNull(),
    format: text('format').$type<WebhookFormat>().notNull().default('json'),
    groupMs: integer('group_ms').notNull().default(0),
    /** `whsec_` and base64, or an integration key; null where there is none. */
    secret: text('secret'),
    /** Null: every kind, those of later versions too. */
    kinds: text('kinds').array(),
    /** Patterns; null: every pool. */
    pools: text('pools').array(),
    timeoutMs: integer('timeout_ms').notNull(),
    revision: revision(),
    born: born(),
  },
  (t) => [
    check('webhooks_name_check', isName(t.name)),
    check('webhooks_format_check', oneOf(t.format, webhookFormats)),
    check('webhooks_group_check', sql`${t.groupMs} >= 0`),
    check(
      'webhooks_url_check',
      sql`case ${t.format} when 'mail' then ${t.url} ~ '^mailto:' else ${t.url} ~ '^https?://' end`,
    ),
    check(
      'webhooks_secret_check',
      sql`case ${t.format} when 'json' then ${t.secret} is not null and left(${t.secret}, 6) = 'whsec_' when 'pagerduty' then ${t.secret} is not null and ${t.secret} <> '' else ${t.secret} is null end`,
    ),
    check('webhooks_kinds_check', sql`cardinality(${t.kinds}) >= 1 and ${someOf(t.kinds, eventKinds)}`),
    check('webhooks_pools_check', sql`cardinality(${t.pools}) >= 1`),
    check('webhooks_timeout_check', sql`${t.timeoutMs} > 0`),
  ],
)

/**
 * Events that webhooks have not been told yet, as far as they have waited for a while: what a node that stops, or dies, leaves to its
 * next start, or to another node. A row belongs to the node that sends it. No foreign key: an event must not wait for a lock on its
 * webhook. Written by `store/webhook-waiting.ts`, pruned with what only grows.
 */
export const webhookWaiting = pgTable(
  'webhook_waiting',
  {
    /** Of the message, as receivers have it. */
    id: text('id').primaryKey(),
    /** In the order in which events came to wait. */
    position: bigint('position', { mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    node: key('node').notNull(),
    webhook: key('webhook').notNull(),
    /** `webhooks.born`: another webhook of the name is told nothing of these. */
    born: bigint('born', { mode: 'number' }).notNull(),
    /** The event as JSON. */
    event: json('event').$type<unknown>().notNull(),
    /** When it was stored, by the database's clock. */
    storedAt: instant('stored_at').notNull(),
  },
  (t) => [index('webhook_waiting_node_index').on(t.node, t.webhook, t.position)],
)
