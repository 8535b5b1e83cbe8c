/** The way to a real PostgreSQL: starts, outages, rights, writers that compete, hints. */
import { once } from 'node:events'
import pg from 'pg'
import t, { type Test } from 'tap'
import { sql } from '../../../schema/drizzle.ts'
import { changesSince } from '../../../src/controlplane/store/changes.ts'
import { Database, type DatabaseOptions } from '../../../src/controlplane/store/database.ts'
import { getPool, putPool } from '../../../src/controlplane/store/pools.ts'
import { prune } from '../../../src/controlplane/store/retention.ts'
import { currentRevision } from '../../../src/controlplane/store/revision.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { member, pool } from './suite/samples.ts'

const server = await startPostgres()
t.teardown(() => server.stop())

async function open(t: Test, url: string, options: Partial<DatabaseOptions> = {}): Promise<Database> {
  const database = await Database.open({ url, dataDir: '/nowhere', ...options })
  t.teardown(() => database.stop())
  return database
}

async function openReady(t: Test, url: string, options: Partial<DatabaseOptions> = {}): Promise<Database> {
  const database = await open(t, url, options)
  await database.ready(patience())
  return database
}

async function asOwner(url: string, statement: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(statement)
  } finally {
    await client.end()
  }
}

/** A callback and a promise of its first call that satisfies. */
function firstCall<T = void>(satisfies: (value: T) => boolean = () => true) {
  const { promise, resolve } = Promise.withResolvers<T>()
  return {
    seen: promise,
    call: (value: T) => {
      if (satisfies(value)) resolve(value)
    },
  }
}

t.test('a URL that is none', async (t) => {
  for (const url of ['', 'localhost', 'mysql://localhost/x', 'postgres://host:port:x/']) {
    await t.rejects(Database.open({ url, dataDir: '/nowhere' }), { code: 'invalid' })
  }
})

t.test('several nodes migrate at once', async (t) => {
  const url = await server.createEmptyDatabase()
  const nodes = await Promise.all(Array.from({ length: 4 }, () => open(t, url)))
  await Promise.all(nodes.map((node) => node.ready(patience())))
  const applied = await asOwner(url, 'select tag from schema_migrations order by tag')
  t.equal(new Set(applied.rows.map(({ tag }) => tag)).size, applied.rowCount)
  t.ok(applied.rowCount! >= 2)
  t.same(await Promise.all(nodes.map((node) => node.read(currentRevision))), [0, 0, 0, 0])
  t.ok(nodes.every((node) => node.up))
})

t.test('a change that waits for a migration is not made under its schema', async (t) => {
  const url = await server.createDatabase()
  const told: (string | null)[] = []
  const database = await openReady(t, url, { onNewerSchema: (latest) => told.push(latest) })
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  await client.query('begin; select revision from config_revision for update')
  await client.query("insert into schema_migrations (tag, hash) values ('9999_next', 'x')")
  const write = database.write('ann', (write) => putPool(write, pool('web', []), {}))
  const refused = t.rejects(write, { code: 'unavailable', message: /newer version of pooldns \(9999_next\)/ })
  const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
  while ((await asOwner(url, waiting)).rowCount === 0) patience().throwIfAborted()
  await client.query('commit')
  await refused
  t.equal(database.newerSchema, '9999_next')
  t.equal(database.up, true, 'it is there all the same')
  t.equal(await database.read(currentRevision), 0)
  const staged = database.writeStaged(
    'ann',
    async () => {},
    (write) => putPool(write, pool('web', []), {}),
  )
  await t.rejects(staged, { code: 'unavailable', message: /no changes are made by this one/ })
  const unreadable = database.read((tx) => tx.execute(sql`select method from pools`))
  await t.rejects(unreadable, { code: 'unavailable', message: /column "method" does not exist/ })
  await client.query("delete from schema_migrations where tag = '9999_next'")
  await database.write('ann', (write) => putPool(write, pool('web', []), {}))
  t.same(told, ['9999_next', null])
  await t.rejects(
    database.read((tx) => tx.execute(sql`select method from pools`)),
    { code: '42703' },
    'a defect of ours otherwise',
  )
})

t.test('a migration that was edited after it was applied', async (t) => {
  const url = await server.createEmptyDatabase()
  await openReady(t, url)
  await asOwner(url, "update schema_migrations set hash = 'other' where tag = '0000_initial'")
  const told = firstCall<string>()
  const database = await open(t, url, { onUnavailable: told.call })
  const signal = new AbortController()
  const ready = database.ready(signal.signal)
  t.match(await told.seen, /0000_initial is not the one that was applied/)
  signal.abort()
  await t.rejects(ready, { name: 'AbortError' })
})

t.test('a migration takes its time, and says so', async (t) => {
  const url = await server.createEmptyDatabase()
  await asOwner(
    url,
    `create table gate (open boolean);
     create table schema_migrations (tag text primary key, hash text not null, applied_at timestamptz not null default now());
     create function wait_for_gate() returns trigger language plpgsql as $$ begin
       while not exists (select from gate) loop perform pg_sleep(0.1); end loop; return new; end $$;
     create trigger waits before insert on schema_migrations for each row when (new.tag like '0002%') execute function wait_for_gate()`,
  )
  // Longer than any other statement may take.
  const told = firstCall<number>((seconds) => seconds >= 30)
  const failures: string[] = []
  const database = await open(t, url, {
    onMigrating: (tag, seconds) => {
      t.match(tag, /^0002/)
      told.call(seconds)
    },
    onUnavailable: (reason) => failures.push(reason),
  })
  const ready = database.ready(patience())
  ready.catch(() => undefined)
  await told.seen
  const other = await open(t, url)
  const others = other.ready(patience())
  others.catch(() => undefined)
  const waiting = `select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
  while ((await asOwner(url, waiting)).rowCount === 0) patience().throwIfAborted()
  await asOwner(url, 'insert into gate values (true)')
  await Promise.all([ready, others])
  t.same(failures, [])
  t.equal(await other.read(currentRevision), 0)
})

t.test('a wrong password: waits, says why, never says the password', async (t) => {
  const url = await server.createEmptyDatabase()
  await asOwner(url, "create role late login superuser password 'first'")
  const reasons: string[] = []
  const told = firstCall<string>()
  const database = await open(t, server.urlFor(url, 'late', 'hush-hush'), {
    onUnavailable: (reason) => {
      reasons.push(reason)
      told.call(reason)
    },
  })
  const ready = database.ready(patience())
  t.match(await told.seen, /password authentication failed for user "late"/)
  t.equal(database.up, false)
  await t.rejects(database.read(currentRevision), { code: 'unavailable' })
  await asOwner(url, "alter role late password 'hush-hush'")
  await ready
  t.equal(database.up, true)
  t.notMatch(reasons.join('\n'), 'hush-hush')
})

t.test('a role without DDL rights', async (t) => {
  const url = await server.createEmptyDatabase()
  await asOwner(
    url,
    `create role daemon login password 'x'; grant usage on schema public to daemon;
     alter default privileges in schema public grant select, insert, update, delete on tables to daemon`,
  )
  const told = firstCall<string>()
  const database = await open(t, server.urlFor(url, 'daemon', 'x'), { onUnavailable: told.call })
  const ready = database.ready(patience())
  t.match(
    await told.seen,
    /lacks the migrations 0000_initial, .* and role daemon may not apply them .* run "pooldns migrate"/,
  )
  await openReady(t, url)
  await ready
  await database.write('ann', (write) => putPool(write, pool('web', [member('a', '192.0.2.1')]), {}))
  await database.record((tx) => prune(tx))
  t.equal((await database.read((tx) => getPool(tx, 'web')))?.value.name, 'web')
})

t.test('writers of two nodes: revisions in order, no gaps, for every reader', async (t) => {
  const url = await server.createEmptyDatabase()
  const nodes = [await openReady(t, url), await openReady(t, url)]
  const reader = await openReady(t, url)
  const writes = 60
  let done = false
  const follow = async () => {
    let revision = 0
    const seen: number[] = []
    // What begins when all is written sees all.
    for (let last = false; !last; ) {
      last = done
      const batch = await reader.read((tx) => changesSince(tx, revision, 1_000))
      if (batch === null) throw new Error(`gap after ${revision}`)
      seen.push(...batch.changes.map((change) => change.revision))
      revision = batch.revision
    }
    return seen
  }
  const following = follow()
  const written = await Promise.all(
    Array.from({ length: writes }, (_, i) =>
      nodes[i % 2]!.write(`node ${i % 2}`, (write) => putPool(write, pool(`p${i}`, []), {})),
    ),
  ).finally(() => {
    done = true
  })
  const expected = Array.from({ length: writes }, (_, i) => i + 1)
  t.same(
    written.map(({ revision }) => revision).sort((a, b) => a - b),
    expected,
  )
  t.same(await following, expected)
})

t.test('a write hints its own process, and by NOTIFY the others', async (t) => {
  const url = await server.createEmptyDatabase()
  const [here, there] = [await openReady(t, url), await openReady(t, url)]
  const listening = firstCall()
  const news = { there: Promise.withResolvers<void>(), here: 0 }
  using _listener = there.listen(() => {
    listening.call()
    news.there.resolve()
  })
  await listening.seen // The first hint says that LISTEN works.
  news.there = Promise.withResolvers()
  using _own = here.listen(() => news.here++)
  await here.write('ann', async () => {})
  const before = news.here
  await here.write('ann', async (write) => write.change('pool', 'web'))
  // A hint may also come for nothing, as when the listener has just connected.
  t.ok(news.here > before, 'a write hints its own process before it returns')
  await news.there.promise
  t.pass('and other processes by NOTIFY')
})

t.test('a server that does not know NOTIFY', async (t) => {
  const url = await server.createDatabase()
  await asOwner(
    url,
    'set allow_system_table_mods = on; alter function pg_catalog.pg_notify(text, text) rename to pg_notify_is_gone',
  )
  const database = await openReady(t, url)
  const { revision } = await database.write('ann', (write) => putPool(write, pool('web', []), {}))
  t.equal(revision, 1)
  const staged = await database.writeStaged(
    'ann',
    async () => {},
    (write) => putPool(write, pool('other', []), {}),
  )
  t.equal(staged.revision, 2)
})

t.test(
  'a database that can only be read is away until it takes writes, however often it is read',
  async (t) => {
    const url = await server.createDatabase()
    const told: string[] = []
    const database = await openReady(t, url, {
      onAvailable: () => told.push('there'),
      onUnavailable: () => told.push('away'),
    })
    const name = new URL(url).pathname.slice(1)
    const set = async (value: string) => {
      await asOwner(server.url, `alter database ${name} set default_transaction_read_only = ${value}`)
      await asOwner(
        server.url,
        `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`,
      )
    }
    const write = () => database.write('ann', (write) => putPool(write, pool('web', []), {}))
    await set('on')
    await t.rejects(write(), { code: 'unavailable', message: /read-only/ })
    t.equal(database.up, false)
    for (let times = 0; times < 5; times++) {
      t.equal(await database.read(currentRevision), 0)
      await t.rejects(write(), { code: 'unavailable' })
    }
    t.equal(database.up, false)
    t.same(told, ['there', 'away'])
    await set('off')
    // Nobody writes: who reads finds out.
    while (!database.up) {
      patience().throwIfAborted()
      await database.read(currentRevision)
    }
    t.same(told, ['there', 'away', 'there'])
    await write()
  },
)

t.test('connections that were killed in the pool', async (t) => {
  const url = await server.createEmptyDatabase()
  const database = await openReady(t, url)
  await Promise.all(
    Array.from({ length: 10 }, () => database.read((tx) => tx.execute(sql`select pg_sleep(0.05)`))),
  )
  await asOwner(
    url,
    `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pooldns' and datname = current_database()`,
  )
  t.equal(await database.read(currentRevision), 0, 'nobody notices')
})

t.test('SIGKILL of the server in mid-use, and its return', async (t) => {
  const url = await server.createEmptyDatabase()
  const lost = firstCall<string>()
  const found: string[] = []
  const database = await openReady(t, url, { onUnavailable: lost.call, onAvailable: () => found.push('up') })
  await database.write('ann', (write) => putPool(write, pool('before', []), {}))
  t.same(found, ['up'])
  const hints = { count: 0, more: Promise.withResolvers<void>() }
  using _listener = database.listen(() => {
    hints.count++
    hints.more.resolve()
  })
  await hints.more.promise

  const inside = Promise.withResolvers<void>()
  const write = database.write('ann', async (write) => {
    await putPool(write, pool('half', []), {})
    inside.resolve()
    await write.tx.execute(sql`select pg_sleep(60)`)
  })
  const read = database.read((tx) => tx.execute(sql`select pg_sleep(60)`))
  const outcomes = Promise.allSettled([write, read])
  await inside.promise
  await server.kill()
  for (const outcome of await outcomes)
    t.match(outcome, { status: 'rejected', reason: { code: 'unavailable' } })
  t.equal(database.up, false)
  t.match(await lost.seen, /terminat|ECONN|closed/i)
  await t.rejects(
    database.write('ann', (write) => putPool(write, pool('no', []), {})),
    { code: 'unavailable', message: /ECONNREFUSED/ },
  )

  hints.more = Promise.withResolvers()
  await server.restart()
  const { revision } = await database.write('ann', (write) => putPool(write, pool('after', []), {}))
  t.equal(revision, 2, 'what was half-written left nothing')
  t.equal(await database.read((tx) => getPool(tx, 'half')), null)
  t.ok(await database.read((tx) => getPool(tx, 'before')))
  t.equal(database.up, true)
  t.same(found, ['up', 'up'])
  await hints.more.promise
  t.pass('it listens again')
})

t.test('a server that is not there yet', async (t) => {
  const url = await server.createEmptyDatabase()
  await server.kill()
  const reasons: string[] = []
  const twice = firstCall()
  const database = await open(t, url, {
    onUnavailable: (reason) => {
      if (reasons.push(reason) === 2) twice.call()
    },
  })
  const ready = database.ready(patience())
  await twice.seen
  t.match(reasons[0], /ECONNREFUSED/)
  await server.restart()
  await ready
  t.equal(database.up, true)
})

t.test('a stop ends what hangs, and what is asked afterwards is refused', async (t) => {
  const url = await server.createEmptyDatabase()
  const database = await openReady(t, url)
  const controller = new AbortController()
  const started = firstCall()
  const hung = database.read(async (tx) => {
    started.call()
    await tx.execute(sql`select 1`)
    await once(controller.signal, 'abort')
    await tx.execute(sql`select 1`)
  })
  const outcome = t.rejects(hung, { code: 'unavailable' })
  await started.seen
  await Promise.all([database.stop(), database.stop()])
  controller.abort()
  await outcome
  t.equal(database.up, false)
  await t.rejects(database.read(currentRevision), { code: 'unavailable' })
  await t.rejects(database.ready(patience()), { code: 'unavailable' })
})
