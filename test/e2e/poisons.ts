/** More rows that no write of ours made: of feeds, keys and what is kept beside the configuration. For `poison-rows.test.ts`. */

const far = `'infinity'`
const early = `'-infinity'`

export interface Poison {
  readonly sql: string
  /** The kind and key of the change by which a running node learns of the row. */
  readonly changed?: readonly [string, string]
}

const signed = ['zone', 'signed.test'] as const
const rollover = (values: string) =>
  `insert into dnssec_rollovers (apex, goal, step, started_at, step_since, counted_from, parent_ttl_seconds, parent_says,
    entry, data, algorithm, reverting, confirmed, revision) values (${values}, true, true, false, false, false, 1)`

/** The feed `air` is the store 1. */
export const laterPoisons: readonly Poison[] = [
  ...[
    `'f1', '5', null, 1`,
    `'f2', '{"columns":5}', '5', 1`,
    `'f3', '{"columns":{"a":{}},"retention":{"age":"evil"}}', '[]', 1`,
    `'BAD/', '{"columns":{"a":{}}}', null, -5`,
  ].map((row) => ({
    sql: `insert into feeds (name, settings, written, revision) values (${row})`,
    changed: ['feed', row.split("'")[1]!] as const,
  })),
  ...[`'air', -1, '{}', -5`, `'', 5, '{NULL}', 9223372036854775807`].map((row) => ({
    sql: `insert into feed_stores (feed, born, columns, change) values (${row})`,
  })),
  ...[
    `1, ${early}, '1990-01-01', -5`,
    `1, '2040-01-01', ${far}, 9223372036854775807`,
    `1, '2045-01-01', '2041-01-01', 0`,
    `99, ${early}, ${far}, 0`,
  ].map((row) => ({ sql: `insert into feed_parts (store, since, until, rows) values (${row})` })),
  ...[
    `1, 'far', ${far}, '{1,2}', 1`,
    `1, 'early', ${early}, '{NaN,Infinity}', 1`,
    `1, 'none', '2026-01-01', '{}', 1`,
    `1, 'more', '2026-01-01', '{{NaN,2},{3,-Infinity}}', 1`,
    `1, repeat('x', 2000), '20000-01-01', '{NULL}', -5`,
  ].map((row) => ({
    sql: `insert into feed_latest (store, id_entity, time_instant, "values", change) values (${row})`,
  })),
  // Of entities that a pool goes by: they are read, and that of `e1` must be the newest no longer once another row comes.
  {
    sql: `update feed_latest set time_instant = ${far}, change = 4503599627370496 where id_entity in ('e1', 'e2')`,
  },
  {
    sql: `insert into feed_rows_1 values ('nan', now(), '{NaN,-Infinity}'), ('none', now(), '{}'), ('', now(), '{1,2,3,4,5}')`,
  },
  { sql: `insert into feed_sources (feed, due_at, source, node) values (-1, ${far}, '', '')` },
  { sql: rollover(`'signed.test', 'evil', 'evil', ${far}, ${early}, ${far}, -5, 'x'`), changed: signed },
  { sql: rollover(`'gone.test', 'keys', 'publish', ${early}, ${early}, null, null, null`), changed: signed },
  { sql: rollover(`'example.test', 'keys', 'publish', ${early}, ${far}, null, null, null`), changed: signed },
  ...[`99, 1, 'evil', 'evil', 'active', ${far}, 'evil'`, `13, 257, '', 'v1:', 'evil', ${early}, 'csk'`].map(
    (row) => ({
      sql: `insert into dnssec_keys (apex, algorithm, flags, public_key, sealed, state, since, role) values ('signed.test', ${row})`,
      changed: signed,
    }),
  ),
  {
    sql: `insert into history (revision, kind, key, before, owner) values (1, 'evil', '', '5', 'x'), (1, 'pool', 'web', '5', '')`,
  },
  {
    sql: `insert into revisions (revision, at, actor, source, message) values (100000, ${far}, '', 'evil', repeat('x', 100000))`,
  },
  {
    sql: `insert into queries (at, node, client, transport, name, type, rcode, octets, answered) values
      (${far}, '', '10.0.0.0/8', 'evil', null, null, 'EVIL', -5, '5'), (${early}, 'n', '::/0', 'udp', 'x', 'A', 'X', 5, '[null]')`,
  },
  {
    sql: `insert into webhook_waiting (id, node, webhook, born, event, stored_at) select 'x', 'gone', name, born, '5', ${far} from webhooks limit 1`,
  },
  ...[`'5'`, `'{"state":"evil","until":"x"}'`].map((word) => ({
    sql: `update services set override = ${word}, written = '5' where name = 'www.example.test'`,
    changed: ['service', 'www.example.test'] as const,
  })),
  {
    sql: `insert into audit_log (at, actor, action, key, revision) values (${early}, 'x', null, '', -1)`,
  },
]
