import { instant } from './column-types.ts'
import { bigint, check, pgTable, sql, text } from './drizzle.ts'

/** Server secrets of DNS cookies (RFC 9018), shared by all nodes. A handful of rows: see `store/cookie-keys.ts`. */
export const cookieKeys = pgTable(
  'cookie_keys',
  {
    id: bigint('id', { mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    /** 16 octets as lower-case hexadecimal digits. */
    key: text('key').notNull(),
    createdAt: instant('created_at').notNull(),
  },
  (t) => [check('cookie_keys_key_check', sql`${t.key} ~ '^[0-9a-f]{32}$'`)],
)
