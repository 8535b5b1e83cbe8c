/** A URL that names several servers: which one is used, and what happens when it is not what it was. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import pg from 'pg'
import t, { type Test } from 'tap'
import { Database } from '../../../src/controlplane/store/database.ts'
import { putPool } from '../../../src/controlplane/store/pools.ts'
import { currentRevision } from '../../../src/controlplane/store/revision.ts'
import { patience } from '../../support/patience.ts'
import { startPostgres } from '../../support/postgres.ts'
import { startPostgresProxy } from '../../support/postgres-proxy.ts'
import { pool } from './suite/samples.ts'

const primary = await startPostgres()
t.teardown(() => primary.stop())

/** One URL for the servers of several; what stands behind the hosts is that of the first. */
function together(query: string, ...urls: readonly string[]): string {
  const hosts = urls.map((url) => new URL(url).host).join(',')
  const first = new URL(urls[0]!)
  return `${urls[0]!.replace(first.host, hosts)}${query}`
}

async function open(t: Test, url: string, onUnavailable?: (reason: string) => void): Promise<Database> {
  const database = await Database.open({ url, dataDir: '/nowhere', ...(onUnavailable && { onUnavailable }) })
  t.teardown(() => database.stop())
  return database
}

async function execute(url: string, ...statements: readonly string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    for (const statement of statements) await client.query(statement)
  } finally {
    await client.end()
  }
}

const write = (database: Database, name: string) =>
  database.write('ann', (write) => putPool(write, pool(name, []), {}))

/** Writes until it is taken, and tells what was said until then. */
async function writeAtLast(database: Database, name: string): Promise<string[]> {
  const refusals: string[] = []
  const signal = patience()
  for (;;) {
    try {
      await write(database, name)
      return refusals
    } catch (error) {
      signal.throwIfAborted()
      refusals.push((error as Error).message)
    }
  }
}

/** The port of the server that a transaction runs on. */
const portOf = (database: Database) =>
  database.read(async (tx) => {
    const { rows } = await tx.execute<{ port: number }>('select inet_server_port() as port')
    return rows[0]!.port
  })

t.test('the one that takes writes is found among those that do not', async (t) => {
  const url = await primary.createEmptyDatabase()
  const standby = await primary.startStandby()
  await using silent = await startPostgresProxy(url)
  silent.silence()
  const refusing = 'postgres://127.0.0.1:1/x'
  for (const query of ['', '?target_session_attrs=read-write', '?target_session_attrs=primary']) {
    const others = [standby.urlFor(url), refusing, silent.through(url)]
    const database = await open(t, together(query, ...others, url))
    await database.ready(patience())
    t.equal(await portOf(database), primary.port, query)
  }
  const anywhere = await open(t, together('?target_session_attrs=any', standby.urlFor(url), url))
  await anywhere.ready(patience())
  t.equal(await portOf(anywhere), standby.port)
  await t.rejects(write(anywhere, 'no'), { code: 'unavailable', message: /read-only/ })
  t.equal(await portOf(anywhere), standby.port, 'what was wanted')
  await standby.kill()
})

t.test('none will do: each is named, with its reason, and no password', async (t) => {
  const url = await primary.createDatabase()
  const standby = await primary.startStandby()
  const told = Promise.withResolvers<string>()
  const database = await open(t, together('', standby.urlFor(url), 'postgres://127.0.0.1:1/x'), told.resolve)
  const ready = database.ready(patience())
  const reason = await told.promise
  t.match(reason, `127.0.0.1:${standby.port}: it takes no writes; 127.0.0.1:1: connect ECONNREFUSED`)
  t.notMatch(reason, 'not-a-secret')
  await t.rejects(database.read(currentRevision), { code: 'unavailable', message: /it takes no writes/ })
  const alone = await open(t, `${standby.urlFor(url)}?target_session_attrs=primary`)
  await t.rejects(alone.read(currentRevision), { message: /it is a standby/ }, 'also of one')
  await standby.promote()
  await ready
  t.same(await writeAtLast(database, 'there'), [])
  await standby.kill()
})

t.test('reasons are told in the order of the servers, whichever is quicker to say no', async (t) => {
  // It keeps us waiting for longer than the next one is kept from being asked.
  const slow = createServer((socket) => {
    socket.on('error', () => undefined)
    setTimeout(() => socket.destroy(), 800)
  }).listen(0, '127.0.0.1')
  await once(slow, 'listening')
  t.teardown(() => slow.close())
  const { port } = slow.address() as AddressInfo
  const database = await open(t, together('', `postgres://a@127.0.0.1:${port}/x`, 'postgres://127.0.0.1:1/x'))
  await t.rejects(database.read(currentRevision), {
    message: new RegExp(`will do: 127.0.0.1:${port}: .*; 127.0.0.1:1: connect ECONNREFUSED`),
  })
})

t.test(
  'one that takes no writes any more is left, and so is one that is gone, by all connections',
  async (t) => {
    const first = await startPostgres()
    t.teardown(() => first.stop())
    const url = await first.createDatabase()
    const second = await first.startStandby()
    const both = together('', url, second.urlFor(url))
    const [here, there] = [await open(t, both), await open(t, both)]
    await Promise.all([here.ready(patience()), there.ready(patience())])
    const news = { heard: Promise.withResolvers<void>() }
    using _listening = there.listen(() => news.heard.resolve())
    await news.heard.promise
    await write(here, 'before')
    // It goes on answering, by the same connections.
    await execute(first.url, 'alter system set default_transaction_read_only = on', 'select pg_reload_conf()')
    const signal = patience()
    for (;;) {
      signal.throwIfAborted()
      const refusal = await write(here, 'again').then(
        () => null,
        (error: unknown) => error as Error,
      )
      if (refusal !== null) break
    }
    await t.rejects(write(here, 'no'), { code: 'unavailable', message: /takes no writes/ })
    await second.promote()
    await writeAtLast(here, 'after')
    t.equal(await portOf(here), second.port)
    t.equal(await portOf(there), first.port, 'who only reads notices when it ends')

    await first.kill()
    news.heard = Promise.withResolvers()
    t.equal(await portOf(there), second.port, 'whoever used it before')
    await news.heard.promise
    // That was of the connection itself.
    news.heard = Promise.withResolvers()
    await write(here, 'heard')
    await news.heard.promise
    t.pass('LISTEN has moved, too')
    await first.restart()
    t.equal(await portOf(here), second.port, 'and nobody goes back')
  },
)

t.test('one that goes silent is left', async (t) => {
  const first = await startPostgres()
  t.teardown(() => first.stop())
  const url = await first.createDatabase()
  const second = await first.startStandby()
  await using way = await startPostgresProxy(url)
  const database = await open(t, together('?connect_timeout=60', way.through(url), second.urlFor(url)))
  await database.ready(patience())
  await write(database, 'before')
  way.silence()
  await second.promote()
  const refusals = await writeAtLast(database, 'after')
  t.equal(refusals.length, 1)
  t.match(refusals[0], /no answer for 4 s/)
  t.equal(await portOf(database), second.port)
})
