/** Updates over a migration, with servers of two versions on one database, whichever comes first. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import pg from 'pg'
import t, { type Test } from 'tap'
import { type DaemonProcess, node, repository, spawnDaemon, startDaemonProcess } from '../support/daemon.ts'
import { makeNewerVersion, newerMigration, undoNewerMigration } from '../support/newer-version.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const run = promisify(execFile)

const postgres = await startPostgres()
t.teardown(() => postgres.stop())
const newer = await makeNewerVersion()
t.teardown(() => newer[Symbol.asyncDispose]())

async function execute(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

const answers = async (daemon: DaemonProcess, name: string) => (await ask(daemon.dns, name)).answers
const putAddress = (daemon: DaemonProcess, address: string) =>
  daemon.request('/v1/zones/example.test/rrsets/a/A', { method: 'PUT', json: { data: [address] } })
const ready = async (daemon: DaemonProcess) =>
  (await (await fetch(`${daemon.http}/ready`)).json()) as { status: string; warnings?: string[] }
const metric = async (daemon: DaemonProcess, name: string) =>
  new RegExp(`^pooldns_${name} (.*)$`, 'm').exec(await (await fetch(`${daemon.http}/metrics`)).text())?.[1]

async function configure(daemon: DaemonProcess): Promise<void> {
  const rrsets = [{ name: 'a', type: 'A', data: ['192.0.2.1'] }]
  await put(daemon, '/v1/zones/example.test', { soa, rrsets })
  await put(daemon, '/v1/monitors/told', { type: 'static', state: 'up' })
  await put(daemon, '/v1/pools/web', { monitor: 'told', members: { one: { address: '192.0.2.9' } } })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'], ttl: 5 })
}

/** Holds of a server of the older version on the schema of the newer one. */
async function takesNoChanges(t: Test, older: DaemonProcess): Promise<void> {
  const refused = await putAddress(older, '192.0.2.99')
  t.equal(refused.status, 503)
  t.ok(refused.headers.get('retry-after'))
  const words = `newer version of pooldns (${newerMigration}): no changes are made by this one`
  t.match((await refused.json()) as object, { detail: words, outcome: 'unchanged' })
  const now = await ready(older)
  t.equal(now.status, 'ready')
  t.match(now.warnings?.join('\n'), `the schema of a newer version (${newerMigration})`)
  t.equal(await metric(older, 'database_schema_newer'), '1')
  t.equal(await metric(older, 'database_up'), '1')
  t.equal((await fetch(`${older.http}/health`)).status, 200)
}

t.test('the newer version migrates while the older one runs', async (t) => {
  const env = { DATABASE_URL: await postgres.createDatabase() }
  await using older = await startDaemonProcess({ env })
  await configure(older)
  await using first = await startDaemonProcess({ env, entry: newer.entry })
  t.equal(await metric(first, 'database_schema_newer'), '0')
  t.same(await answers(first, 'www.example.test'), ['192.0.2.9'])
  await older.line((line) => line.migration === newerMigration)
  await takesNoChanges(t, older)

  t.equal((await putAddress(first, '192.0.2.2')).status, 200)
  await askUntil(older.dns, 'a.example.test', ['192.0.2.2'])
  await put(first, '/v1/monitors/told', { type: 'static', state: 'down' })
  await put(first, '/v1/monitors/other', { type: 'static', state: 'up' })
  const members = { one: { address: '192.0.2.9' }, two: { address: '192.0.2.10' } }
  await put(first, '/v1/pools/web', { select: 'all', members })
  await askUntil(older.dns, 'www.example.test', ['192.0.2.10', '192.0.2.9'])
  t.match((await ready(older)).warnings?.join('\n'), 'all monitors: column "settings" does not exist')
  t.equal(await metric(older, 'bad_rows'), '1')
  const read = await older.request('/v1/monitors/told')
  t.equal(read.status, 200)
  t.ok(read.headers.get('pooldns-revision'), 'what can not be read is shown as it is served')
  t.match((await read.json()) as object, { state: 'up' })
  t.equal((await older.request('/v1/monitors/other')).status, 404)
  t.equal(
    (await older.request('/v1/pools/web')).headers.get('pooldns-revision'),
    null,
    'what can be, is read',
  )

  // Started anew, as it would be by whoever hopes that this helps.
  await eventually(async () => {
    const age = Number(await metric(older, 'snapshot_age_seconds'))
    return age < 60 ? true : undefined
  })
  older.signal('SIGTERM')
  await older.exited
  await using again = await startDaemonProcess({ env, dataDir: older.dataDir })
  t.same((await answers(again, 'www.example.test')).toSorted(), ['192.0.2.10', '192.0.2.9'])
  t.equal((await putAddress(first, '192.0.2.3')).status, 200)
  await askUntil(again.dns, 'a.example.test', ['192.0.2.3'])
  await takesNoChanges(t, again)
  const errors = [...older.lines, ...again.lines].filter(({ level, msg }) => {
    return level === 'error' && msg !== 'a row of the database was left out'
  })
  t.same(errors, [])
  again.signal('SIGTERM')
  await again.exited
  await using last = await startDaemonProcess({ env, dataDir: older.dataDir, entry: newer.entry })
  t.equal((await putAddress(last, '192.0.2.4')).status, 200)
  t.same(await answers(last, 'a.example.test'), ['192.0.2.4'])
  await askUntil(first.dns, 'a.example.test', ['192.0.2.4'])
})

t.test('the newer version comes first, and waits until somebody migrates', async (t) => {
  const url = await postgres.createDatabase()
  await execute(
    url,
    `create role serving login password 'x'`,
    `grant usage on schema public to serving`,
    `grant select, insert, update, delete on all tables in schema public to serving`,
    `grant usage on all sequences in schema public to serving`,
  )
  const env = { DATABASE_URL: postgres.urlFor(url, 'serving', 'x') }
  await using older = await startDaemonProcess({ env })
  await configure(older)
  await using waiting = await spawnDaemon({ env, entry: newer.entry })
  const line = await waiting.line(({ msg }) => msg === 'waiting for the database')
  t.match(line.reason, new RegExp(`lacks the migrations ${newerMigration}, and role serving may not apply`))
  t.equal((await putAddress(older, '192.0.2.2')).status, 200, 'the older one is none the worse')
  t.same(await answers(older, 'a.example.test'), ['192.0.2.2'])

  const migrating = { ...process.env, DATABASE_URL: url }
  await Promise.all(
    [1, 2].map(() => run(node, [newer.entry, 'migrate'], { cwd: repository, env: migrating })),
  )
  await waiting.line(({ msg }) => msg === 'ready')
  await takesNoChanges(t, older)
  t.same(await answers(older, 'www.example.test'), ['192.0.2.9'])
})

t.test('a schema that was taken back is migrated again, and read again by the older version', async (t) => {
  const url = await postgres.createDatabase()
  const env = { DATABASE_URL: url }
  await using older = await startDaemonProcess({ env })
  await configure(older)
  await using first = await startDaemonProcess({ env, entry: newer.entry })
  await put(first, '/v1/monitors/told', { type: 'static', state: 'down' })
  await eventually(async () => ((await metric(older, 'bad_rows')) === '1' ? true : undefined))
  first.signal('SIGTERM')
  await first.exited
  await execute(url, ...undoNewerMigration)
  await eventually(async () => ((await metric(older, 'bad_rows')) === '0' ? true : undefined))
  t.equal(await metric(older, 'database_schema_newer'), '0')
  const { state } = (await (await older.request('/v1/monitors/told')).json()) as { state: string }
  t.equal(state, 'down', 'what changed meanwhile')
  t.equal((await putAddress(older, '192.0.2.2')).status, 200)

  await using second = await startDaemonProcess({ env, entry: newer.entry })
  await execute(url, ...undoNewerMigration)
  await eventually(async () => {
    const { status } = await putAddress(second, '192.0.2.3')
    return status === 200 ? true : undefined
  })
  await askUntil(older.dns, 'a.example.test', ['192.0.2.3'])
  await takesNoChanges(t, older)
})
