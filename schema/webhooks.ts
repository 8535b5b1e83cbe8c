import { eventKinds } from '../src/controlplane/model/event.ts'
import { born, isName, key, revision, someOf } from './column-types.ts'
import { check, integer, pgTable, sql, text } from './drizzle.ts'

/** Who is told of events. Secrets are kept as they are, because every delivery is signed with them. */
export const webhooks = pgTable(
  'webhooks',
  {
    name: key('name').primaryKey(),
    url: text('url').notNull(),
    /** `whsec_` and base64. */
    secret: text('secret').notNull(),
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
    check('webhooks_url_check', sql`${t.url} ~ '^https?://'`),
    check('webhooks_secret_check', sql`left(${t.secret}, 6) = 'whsec_'`),
    check('webhooks_kinds_check', sql`cardinality(${t.kinds}) >= 1 and ${someOf(t.kinds, eventKinds)}`),
    check('webhooks_pools_check', sql`cardinality(${t.pools}) >= 1`),
    check('webhooks_timeout_check', sql`${t.timeoutMs} > 0`),
  ],
)
