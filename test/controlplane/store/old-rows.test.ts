/** Rows that a version wrote whose tables were narrower: what a migration makes of them. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import t from 'tap'
import { Database } from '../../../src/controlplane/store/database.ts'
import { listAllMonitors } from '../../../src/controlplane/store/monitors.ts'
import { listAllPools } from '../../../src/controlplane/store/pools.ts'
import { listAllServices } from '../../../src/controlplane/store/services.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import {
  anyText,
  httpDefaults,
  memberDefaults,
  poolChoice,
  poolDefaults,
  serviceDefaults,
} from '../model/defaults.ts'

/** What no version of old knew. */
const unsaid = { written: null, owner: null }

const folder = new URL('../../../drizzle/', import.meta.url)

/** The migrations in order, each with its text. */
async function migrations(): Promise<{ tag: string; text: string }[]> {
  const journal = JSON.parse(await readFile(new URL('meta/_journal.json', folder), 'utf8')) as {
    entries: { tag: string }[]
  }
  return Promise.all(
    journal.entries.map(async ({ tag }) => ({
      tag,
      text: await readFile(new URL(`${tag}.sql`, folder), 'utf8'),
    })),
  )
}

/** Makes the tables as they were before the first migration that `isNew`. */
async function migrateTo(client: pg.Client, isNew: (text: string) => boolean): Promise<void> {
  const all = await migrations()
  const before = all.slice(
    0,
    all.findIndex(({ text }) => isNew(text)),
  )
  await client.query(
    'create table schema_migrations (tag text primary key, hash text not null, applied_at timestamptz not null default now())',
  )
  for (const { tag, text } of before) {
    for (const statement of text.split('--> statement-breakpoint')) {
      if (statement.trim() !== '') await client.query(statement)
    }
    const hash = createHash('sha256').update(text).digest('hex')
    await client.query('insert into schema_migrations (tag, hash) values ($1, $2)', [tag, hash])
  }
}

t.test('monitors in columns become fragments of the document', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  const url = await postgres.createEmptyDatabase()
  const client = new pg.Client({ connectionString: url })
  t.teardown(() => client.end())
  await client.connect()
  await migrateTo(client, (text) => text.includes('ALTER TABLE "monitors" DROP COLUMN "method"'))
  await client.query(`
    insert into monitors (name, type, method, port, path, host, expect_codes, expect_body, follow_redirects, interval_ms,
      timeout_ms, rise, fall, revision) values
    ('plain', 'http', 'GET', 80, '/', null, '[{"from": 200, "to": 299}]', null, 0, 10000, 3000, 2, 3, 1),
    ('rich', 'https', 'POST', 8443, '/a?b="c"', 'www.example.test', '[{"from": 301, "to": 301}, {"from": 200, "to": 204}]',
      'it''s "ok"', 10, 100, 99, 1000, 1, 2);
    insert into zones (apex, mname, rname, refresh_seconds, retry_seconds, expire_seconds, minimum_seconds, ttl_seconds, serial,
      revision) values ('example.test', 'ns.', 'r.', 1, 1, 1, 1, 1, 1, 3);
    insert into pools (name, monitor, "select", min_up, revision) values ('web', 'rich', 'weighted', 0.5, 4);
    insert into members (pool, name, position, address, weight, revision) values ('web', 'a', 0, '192.0.2.1', 7, 4);
    insert into services (name, zone, ttl_seconds, steer, when_all_down, revision)
      values ('www.example.test', 'example.test', 60, 'failover', 'nodata', 5);
    insert into service_pools (service, position, pool) values ('www.example.test', 0, 'web')`)

  await using database = await Database.open({ url, dataDir: '/nowhere' })
  await database.ready(patience())
  t.same(await database.read((tx) => listAllMonitors(tx)), [
    { value: { name: 'plain', ...httpDefaults }, revision: 1, ...unsaid },
    {
      value: {
        ...httpDefaults,
        name: 'rich',
        type: 'https',
        method: 'POST',
        port: 8443,
        path: '/a?b="c"',
        host: 'www.example.test',
        expectCodes: [
          { from: 301, to: 301 },
          { from: 200, to: 204 },
        ],
        expectBody: { ...anyText, contains: `it's "ok"` },
        followRedirects: 10,
        intervalMs: 100,
        timeoutMs: 99,
        rise: 1000,
        fall: 1,
      },
      revision: 2,
      ...unsaid,
    },
  ])
  const member = { name: 'a', address: '192.0.2.1', host: null, ...memberDefaults, weight: 7 }
  const pool = {
    ...poolDefaults,
    name: 'web',
    monitor: 'rich',
    select: 'weighted',
    minUp: 0.5,
    members: [member],
  }
  t.same(await database.read((tx) => listAllPools(tx)), [{ value: pool, revision: 4, ...unsaid }])
  const service = {
    ...serviceDefaults,
    name: 'www.example.test',
    ttlSeconds: 60,
    choices: [poolChoice('web')],
    whenAllDown: 'nodata',
  }
  t.same(await database.read((tx) => listAllServices(tx)), [
    { value: service, zone: 'example.test', override: null, revision: 5, ...unsaid },
  ])
})
