/** The two roles of compose.yaml, on a real PostgreSQL: the owner migrates, and the daemon's serves without any DDL. */
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import t, { type Test } from 'tap'
import { FeedCopy } from '../../src/controlplane/feeds/feed-copy.ts'
import { FeedWriter } from '../../src/controlplane/feeds/feed-writer.ts'
import { Database } from '../../src/controlplane/store/database.ts'
import { FeedRetention } from '../../src/controlplane/store/feed-retention.ts'
import { main, node, repository, startDaemonProcess } from '../support/daemon.ts'
import { patience } from '../support/patience.ts'
import { startPostgres } from '../support/postgres.ts'
import type { PostgresServer } from '../support/postgres-server.ts'
import { missingPrograms } from '../support/program.ts'

const run = promisify(execFile)
const owner = { role: 'pooldns_owner', password: `o'wner "\\ $1` }
const daemonRole = { role: 'pooldns', password: `d'aemon % ` }

const ways = {
  'roles.sql by any client': { create: createBySql, skip: false },
  'create-roles.sh, as the image of postgres runs it': {
    create: (postgres: PostgresServer, url: string) =>
      createByScript(postgres, url, {
        POOLDNS_OWNER_PASSWORD: owner.password,
        POOLDNS_DAEMON_PASSWORD: daemonRole.password,
      }),
    skip: missingPrograms('psql'),
  },
  'create-roles.sh, with passwords in files': { create: createFromFiles, skip: missingPrograms('psql') },
} as const

// A role belongs to a whole cluster, so each way has a server of its own.
for (const [name, { create, skip }] of Object.entries(ways)) {
  t.test(name, { skip }, async (t) => {
    const postgres = await startPostgres()
    t.teardown(() => postgres.stop())
    const database = await postgres.createEmptyDatabase()
    const urls = {
      owner: postgres.urlFor(database, owner.role, encodeURIComponent(owner.password)),
      daemon: postgres.urlFor(database, daemonRole.role, encodeURIComponent(daemonRole.password)),
    }
    await create(postgres, database)
    const migrated = await run(node, [main, 'migrate'], {
      env: { PATH: process.env.PATH, DATABASE_URL: urls.owner },
    })
    t.match(migrated.stdout, /up to date/)
    await t.test('the daemon serves, writes and stops', (t) => serves(t, urls.daemon))
    await t.test('the daemon has no other right', (t) => isRefused(t, urls.daemon))
    await t.test('the daemon has tables for rows of feeds made and dropped', (t) =>
      keepsRows(t, database, urls.daemon),
    )
    await t.test('the audit log only grows', (t) => auditOnlyGrows(t, urls))
    await t.test('a table of a later migration is the daemon’s to use too', async (t) => {
      await queries(urls.owner, ['create table later (id bigint generated always as identity, word text)'])
      await queries(urls.daemon, [
        "insert into later (word) values ('one')",
        "update later set word = 'two'",
        'select * from later for update',
        'delete from later',
      ])
      t.pass('insert, update, select, delete')
    })
    await t.test('nobody else connects', async (t) => {
      await queries(database, ["create role stranger login password 'stranger'"])
      const stranger = postgres.urlFor(database, 'stranger', 'stranger')
      await t.rejects(queries(stranger, ['select 1']), { code: '42501' })
    })
  })
}

t.test('roles.sql without passwords changes nothing', async (t) => {
  const postgres = await startPostgres()
  t.teardown(() => postgres.stop())
  const sql = await readFile(join(repository, 'deploy/postgres/roles.sql'), 'utf8')
  await t.rejects(queries(postgres.url, [sql]), {
    message: /owner_password and .*daemon_password must be set/,
  })
  const client = new pg.Client(postgres.url)
  await client.connect()
  t.same((await client.query("select 1 from pg_roles where rolname like 'pooldns%'")).rows, [])
  await client.end()
})

t.test('create-roles.sh says which password is missing, and makes nothing', async (t) => {
  const password = 'a password'
  const set = { POOLDNS_OWNER_PASSWORD: password, POOLDNS_DAEMON_PASSWORD: password }
  const emptied = { POOLDNS_OWNER_PASSWORD: undefined }
  const wrong: readonly (readonly [Readonly<Record<string, string | undefined>>, RegExp])[] = [
    [{ POOLDNS_OWNER_PASSWORD: '' }, /POOLDNS_OWNER_PASSWORD or POOLDNS_OWNER_PASSWORD_FILE must give/],
    [
      { POOLDNS_DAEMON_PASSWORD: undefined },
      /POOLDNS_DAEMON_PASSWORD or POOLDNS_DAEMON_PASSWORD_FILE must give/,
    ],
    [{ POOLDNS_OWNER_PASSWORD_FILE: '/dev/null' }, /POOLDNS_OWNER_PASSWORD_FILE are both set/],
    [
      { ...emptied, POOLDNS_OWNER_PASSWORD_FILE: '/dev/null' },
      /POOLDNS_OWNER_PASSWORD_FILE: \/dev\/null is empty/,
    ],
    [{ ...emptied, POOLDNS_OWNER_PASSWORD_FILE: '/nowhere' }, /\/nowhere: No such file/],
  ]
  // Whatever is asked of this port fails, so psql would say something else.
  for (const [change, said] of wrong) {
    await t.rejects(runScript('postgres://u:p@127.0.0.1:1/d', { ...set, ...change }), {
      code: 1,
      stderr: said,
    })
  }
})

/** By functions of the owner, which others may not call. */
async function keepsRows(t: Test, database: string, url: string): Promise<void> {
  await using store = await Database.open({ url, dataDir: '/nowhere' })
  await store.ready(patience())
  const dayMs = 86_400_000
  const column = { name: 'a', type: 'double', unit: '', description: '' } as const
  const feed = {
    id: 0,
    value: { name: 'of_the_daemon', columns: [column], retention: { ageMs: dayMs, rows: 100 } },
  }
  const ages = [1, dayMs - 3_600_000]
  const rows = ages.map((ms) => ({ entity: 'e', micros: (Date.now() - ms) * 1000, values: [1] }))
  t.same(await new FeedWriter(store).write(feed, rows), { changed: 2, expired: 0 })
  t.equal(await FeedCopy.open(store), null, 'nor may it make tables for its session')
  const later = new Date(Date.now() + dayMs / 2)
  t.match(await new FeedRetention(store).run([feed], later, new AbortController().signal), { parts: 1 })
  const asAnother = 'set session authorization other_role; select drop_feed_rows(1)'
  await queries(database, ['create role other_role', 'grant usage on schema public to other_role'])
  await t.rejects(queries(database, [asAnother]), { code: '42501' })
}

async function createBySql(_postgres: PostgresServer, url: string): Promise<void> {
  const sql = await readFile(join(repository, 'deploy/postgres/roles.sql'), 'utf8')
  const client = new pg.Client(url)
  await client.connect()
  await client.query(
    "select set_config('pooldns.owner_password', $1, false), set_config('pooldns.daemon_password', $2, false)",
    [owner.password, daemonRole.password],
  )
  await client.query(sql)
  await client.end()
}

/** Throws when the script says anything, or when psql could be seen to know a password by its arguments or its environment. */
async function createByScript(
  _postgres: PostgresServer,
  url: string,
  passwords: Readonly<Record<string, string>>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-roles-'))
  try {
    const seen = join(folder, 'seen')
    // Notes what `ps` would show of psql, and becomes it.
    const noting = `#!/bin/bash\n{ printf '%s\\n' "$@"; env; } >${seen}\nPATH=\${PATH#*:} exec psql "$@"\n`
    await writeFile(join(folder, 'psql'), noting, { mode: 0o755 })
    const { stdout, stderr } = await runScript(url, { ...passwords, PATH: `${folder}:${process.env.PATH}` })
    if (stdout + stderr !== '') throw new Error(`it said: ${stdout}${stderr}`)
    const shown = await readFile(seen, 'utf8')
    if (!shown.includes('--username')) throw new Error(`psql was not seen: ${shown}`)
    for (const { password } of [owner, daemonRole]) {
      if (shown.includes(password)) throw new Error(`a password is seen: ${shown}`)
    }
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function createFromFiles(postgres: PostgresServer, url: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'pooldns-passwords-'))
  try {
    const files = { owner: join(folder, 'the owner'), daemon: join(folder, 'daemon') }
    await writeFile(files.owner, owner.password)
    await writeFile(files.daemon, `${daemonRole.password}\r\n`)
    await createByScript(postgres, url, {
      POOLDNS_OWNER_PASSWORD_FILE: files.owner,
      POOLDNS_DAEMON_PASSWORD_FILE: files.daemon,
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** @param environment beside what says where the database is */
function runScript(url: string, environment: Readonly<Record<string, string | undefined>>) {
  const { hostname, port, username, password, pathname } = new URL(url)
  return run('bash', [join(repository, 'deploy/postgres/create-roles.sh')], {
    env: {
      PATH: process.env.PATH,
      PGHOST: hostname,
      PGPORT: port,
      PGPASSWORD: password,
      POSTGRES_USER: username,
      POSTGRES_DB: pathname.slice(1),
      POOLDNS_ROLES_SQL: join(repository, 'deploy/postgres/roles.sql'),
      ...environment,
    },
  })
}

async function serves(t: Test, url: string): Promise<void> {
  const daemon = await startDaemonProcess({ env: { DATABASE_URL: url } })
  try {
    const calls = [
      [
        'PUT',
        '/v1/zones/example.test',
        {
          soa: { mname: 'ns.example.test.', rname: 'h.example.test.' },
          rrsets: [{ name: '@', type: 'NS', data: ['ns.example.net.'] }],
        },
      ],
      ['PUT', '/v1/zones/example.test/rrsets/mail/A', { data: ['192.0.2.25'] }],
      ['PUT', '/v1/monitors/web', { port: 9, interval: '1s', timeout: '1s', recheck: '50ms', fall: 1 }],
      ['PUT', '/v1/pools/web', { monitor: 'web', members: { one: { address: '127.0.0.1' } } }],
      ['PUT', '/v1/services/www.example.test', { pools: ['web'] }],
      ['PUT', '/v1/pools/web/members/one/override', { state: 'up', reason: 'a test' }],
      ['DELETE', '/v1/pools/web/members/one/override', undefined],
      ['PUT', '/v1/pools/web/members/two', { address: '127.0.0.2' }],
      ['DELETE', '/v1/pools/web/members/two', undefined],
      ['GET', '/v1/audit', undefined],
      ['GET', '/v1/tools/lookup?domain=mail.example.test', undefined],
      ['GET', '/v1/history', undefined],
      ['DELETE', '/v1/services/www.example.test', undefined],
    ] as const
    const imported = await daemon.request('/v1/zones/imported.test/zonefile', {
      method: 'PUT',
      headers: { 'content-type': 'text/dns' },
      body: '@ 300 SOA ns.example.net. h 1 1h 10m 14d 60\n@ NS ns.example.net.\n',
    })
    t.ok(imported.ok, `a zone file: ${imported.status} ${await imported.text()}`)
    for (const [method, path, json] of calls) {
      const response = await daemon.request(path, { method, json })
      t.ok(response.ok, `${method} ${path}: ${response.status} ${await response.text()}`)
    }
    await daemon.line(({ member, to }) => member === 'one' && to === 'down')
  } finally {
    t.same(await daemon.stop(), { code: 0, signal: null })
  }
  const complaints = daemon.lines.filter(({ level }) => level === 'error' || level === 'fatal')
  t.same(complaints, [])
  const client = new pg.Client(url)
  await client.connect()
  t.match((await client.query('select member, to_state from events')).rows, [
    { member: 'one', to_state: 'down' },
  ])
  await client.end()
}

async function isRefused(t: Test, url: string): Promise<void> {
  const ddl = [
    'create table other (id int)',
    'create temporary table other (id int)',
    'create view other as select 1',
    'create schema other',
    'create function other() returns int language sql as $$ select 1 $$',
    'alter table zones add column other int',
    'alter table zones disable trigger all',
    'drop table zones',
    'truncate zones',
    'create index on zones (serial)',
    'create trigger other before insert on zones execute function suppress_redundant_updates_trigger()',
    'set role pooldns_owner',
    'create role other',
    "copy zones to program 'true'",
  ]
  for (const statement of ddl) await t.rejects(queries(url, [statement]), { code: '42501' }, statement)
}

/** Whoever has the daemon's password can add to the log, and take away nothing but what is past its time. */
async function auditOnlyGrows(
  t: Test,
  urls: { readonly owner: string; readonly daemon: string },
): Promise<void> {
  const before = await auditIds(urls.daemon)
  t.ok(before.length > 5, 'what the daemon did is there')
  const insert = (keepUntil: string) =>
    "insert into audit_log (at, actor, action, key, revision, keep_until) values (now(), 'daemon', 'pool.put', 'web', 1, " +
    `${keepUntil})`
  const changes = [
    "update audit_log set actor = 'somebody'",
    'update audit_log set keep_until = now()',
    'delete from audit_log',
    'delete from audit_log where id = 1',
    'truncate audit_log',
    'truncate audit_log cascade',
    'select * from audit_log for update',
    "insert into audit_log (id, at, actor, action, key, revision) overriding system value values (1, now(), '', '', '', 1) " +
      'on conflict (id) do update set actor = excluded.actor',
    'with gone as (delete from audit_log returning id) select * from gone',
  ]
  for (const statement of changes) {
    await t.rejects(queries(urls.daemon, [statement]), { code: '42501' }, `the daemon: ${statement}`)
  }
  // Nor does a role that owns the table, by mistake or by a version that knows nothing of this.
  for (const statement of changes.filter((text) => !text.startsWith('select'))) {
    await t.rejects(queries(urls.owner, [statement]), { code: '42501' }, `the owner: ${statement}`)
  }
  await queries(urls.daemon, ['select prune_audit_log(0)'])
  t.same(await auditIds(urls.daemon), before, 'nothing young is pruned')
  await queries(urls.daemon, [insert("now() - interval '1 second'"), insert("now() + interval '1 day'")])
  t.equal((await auditIds(urls.daemon)).length, before.length + 2)
  await queries(urls.daemon, ['select prune_audit_log(100)'])
  t.equal((await auditIds(urls.daemon)).length, before.length + 2, 'the newest stay, old or not')
  await queries(urls.daemon, ['select prune_audit_log(0)'])
  t.equal((await auditIds(urls.daemon)).length, before.length + 1, 'what is past its time goes')
}

async function auditIds(url: string): Promise<string[]> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string }>('select id from audit_log order by id')
    return rows.map(({ id }) => id)
  } finally {
    await client.end()
  }
}

async function queries(url: string, statements: readonly string[]): Promise<void> {
  const client = new pg.Client(url)
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}
