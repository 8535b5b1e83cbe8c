/** What a server does for operators while its database is away: it shows what it serves, and takes their overrides. */
import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { placeEmbeddedDatabase } from '../support/embedded-database.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const www = 'www.example.test'
const both = ['192.0.2.1', '192.0.2.2']

async function configure(daemon: DaemonProcess): Promise<void> {
  const rrsets = [
    { name: '@', type: 'NS', data: ['ns1.example.test.'] },
    { name: 'a', type: 'A', ttl: '30s', data: ['192.0.2.50'] },
    { name: 'mail', type: 'MX', data: ['10 a.example.test.', '20 mx.other.test.'] },
    { name: 'text', type: 'TXT', data: ['"a text" "and \\"another\\""'] },
  ]
  await put(daemon, '/v1/zones/example.test', { soa, rrsets })
  await put(daemon, '/v1/monitors/always', { type: 'static', state: 'up' })
  const members = { m1: { address: '192.0.2.1' }, m2: { address: '192.0.2.2' } }
  await put(daemon, '/v1/pools/web', { monitor: 'always', members })
  await put(daemon, '/v1/pools/spare', { members: { s1: { address: '192.0.2.9' } } })
  await put(daemon, `/v1/services/${www}`, { pools: ['web'], ttl: 5 })
  await put(daemon, '/v1/services/inner.example.test', { pools: ['web'], ttl: 5 })
  await put(daemon, '/v1/services/outer.example.test', {
    pools: [{ service: 'inner.example.test' }, 'spare'],
    ttl: 5,
  })
  await put(daemon, '/v1/overrides/spare/s*', { state: 'up', reason: 'always' })
}

const shown = [
  '/v1/zones',
  '/v1/zones/example.test',
  '/v1/zones/example.test/rrsets/mail/MX',
  '/v1/config?rrsets=false',
  '/v1/monitors',
  '/v1/monitors/always',
  '/v1/pools',
  '/v1/pools/web',
  '/v1/pools/web/members/m1',
  '/v1/services',
  `/v1/services/${www}`,
  '/v1/overrides',
  '/v1/overrides/spare/s*',
  '/v1/webhooks',
]
const inDatabase = [
  '/v1/audit',
  '/v1/revisions',
  '/v1/config?owner=x',
  '/v1/events',
  '/v1/tokens',
  '/v1/history',
]

const bodyOf = async (daemon: DaemonProcess, path: string) => {
  const reply = await daemon.request(path)
  if (reply.status !== 200) throw new Error(`${path}: ${reply.status} ${await reply.text()}`)
  return {
    body: (await reply.json()) as Record<string, unknown>,
    revision: reply.headers.get('pooldns-revision'),
  }
}

interface Shown {
  readonly state: string
  readonly reason: string
  readonly status: { readonly pending?: true; readonly actor: string }
}

const overrideOf = async (daemon: DaemonProcess, path: string) =>
  (await bodyOf(daemon, path)).body as never as Shown

async function override(daemon: DaemonProcess, path: string, json: object): Promise<Shown> {
  const reply = await daemon.request(path, { method: 'PUT', json })
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`)
  return (await reply.json()) as Shown
}

/** Waits until a server has noticed that the database is away. */
const alone = (daemon: DaemonProcess) =>
  eventually(async () => {
    const text = await (await fetch(`${daemon.http}/metrics`)).text()
    return text.includes('pooldns_database_up 0') ? true : undefined
  })

t.test('operators see and steer what is served while PostgreSQL is away', async (t) => {
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  const [first, other] = await Promise.all([startDaemonProcess({ env }), startDaemonProcess({ env })])
  await using _first = first
  await using _other = other
  await configure(first)
  const created = await first.request('/v1/tokens', {
    method: 'POST',
    json: { name: 'ops', scopes: ['write', 'read'] },
  })
  const { secret } = (await created.json()) as { secret: string }
  const headers = { authorization: `Bearer ${secret}` }
  t.equal((await first.request('/v1/pools', { headers })).status, 200)
  await askUntil(other.dns, www, both)
  await askUntil(first.dns, www, both)
  const before = new Map<string, unknown>()
  for (const path of shown) {
    const { body, revision } = await bodyOf(first, path)
    t.equal(revision, null, `${path} of the database`)
    before.set(path, body)
  }

  await postgres.kill()
  await Promise.all([alone(first), alone(other)])
  for (const path of shown) {
    const { body, revision } = await bodyOf(first, path)
    t.same(body, before.get(path), path)
    t.match(revision, /^\d+$/, `${path} of memory`)
  }
  t.match((await bodyOf(first, '/v1/zones/example.test/rrsets?limit=3')).body, { items: { length: 3 } })
  t.match((await bodyOf(first, '/v1/nodes')).body, { items: [{ self: Boolean }] })
  t.match((await bodyOf(first, '/v1/overview')).body, { database: 'away', nodes: [{ live: true }] })
  for (const path of inDatabase) {
    const reply = await first.request(path)
    t.equal(reply.status, 503, path)
    t.ok(reply.headers.get('retry-after'))
  }
  t.equal((await first.request('/v1/pools/none')).status, 404)
  t.equal((await first.request('/v1/pools', { headers })).status, 200, 'a token that was good')
  const unknown = await first.request('/v1/pools', { headers: { authorization: 'Bearer of-nobody' } })
  t.equal(unknown.status, 503, 'one that can not be looked up')

  const m1 = '/v1/pools/web/members/m1/override'
  t.match(await override(first, m1, { state: 'drain', reason: 'first' }), {
    status: { pending: true, actor: 'admin' },
  })
  t.same((await ask(first.dns, www)).answers, ['192.0.2.2'])
  await override(other, m1, { state: 'up', reason: 'later' })
  const inner = '/v1/services/inner.example.test/override'
  await override(first, inner, { state: 'down', until: new Date(Date.now() + 3_600_000).toISOString() })
  t.same((await ask(first.dns, 'outer.example.test')).answers, ['192.0.2.9'])
  t.equal((await first.request('/v1/overrides/spare/s*', { method: 'DELETE' })).status, 204)
  t.equal((await first.request('/v1/overrides/spare/s*')).status, 404)
  t.equal(
    (await first.request('/v1/pools/web/members/none/override', { method: 'PUT', json: { state: 'up' } }))
      .status,
    404,
  )

  first.signal('SIGKILL')
  await first.exited
  await using again = await startDaemonProcess({ env, dataDir: first.dataDir })
  t.same((await ask(again.dns, www)).answers, ['192.0.2.2'], 'over kill -9 and a start without the database')
  t.same((await ask(again.dns, 'outer.example.test')).answers, ['192.0.2.9'])
  t.match(await overrideOf(again, m1), { state: 'drain', status: { pending: true } })

  await postgres.restart()
  for (const daemon of [again, other]) {
    const told = await eventually(async () => {
      const { body, revision } = await bodyOf(daemon, '/v1/overrides')
      const items = body.items as (Shown & { readonly service?: string })[]
      const [item, ofService, ...more] = items
      const settled = items.length > 0 && items.every(({ status }) => status.pending === undefined)
      const all = item?.service === undefined && ofService?.service !== undefined && more.length === 0
      // Each server tells its own, at any time.
      return revision === null && settled && all && item?.reason === 'later' ? item : undefined
    })
    t.match(told, { state: 'up' }, 'the later one of two')
    await askUntil(daemon.dns, www, both)
    await askUntil(daemon.dns, 'outer.example.test', ['192.0.2.9'])
    t.match(await overrideOf(daemon, inner), { state: 'down', until: /./, status: { pending: undefined } })
  }
})

t.test('an override that was taken without the embedded database is told when that is back', async (t) => {
  const dataDir = await temporaryDataFolder('pooldns-offline-')
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  await placeEmbeddedDatabase(dataDir)
  const path = '/v1/pools/web/members/m1/override'
  {
    await using daemon = await startDaemonProcess({ dataDir })
    await configure(daemon)
    t.same(await daemon.stop(), { code: 0, signal: null })
  }
  // No database can be opened there.
  await rename(join(dataDir, 'db'), join(dataDir, 'aside'))
  await writeFile(join(dataDir, 'db'), '')
  {
    await using daemon = await startDaemonProcess({ dataDir })
    await override(daemon, path, { state: 'drain' })
    t.same((await ask(daemon.dns, www)).answers, ['192.0.2.2'])
    daemon.signal('SIGKILL')
    await daemon.exited
  }
  await rm(join(dataDir, 'db'))
  await rename(join(dataDir, 'aside'), join(dataDir, 'db'))
  await using daemon = await startDaemonProcess({ dataDir })
  t.same((await ask(daemon.dns, www)).answers, ['192.0.2.2'])
  await eventually(async () => {
    const { body, revision } = await bodyOf(daemon, '/v1/overrides')
    const items = body.items as readonly { member: string; status: { pending?: true } }[]
    const told = items.find(({ member }) => member === 'm1')
    return revision === null && told !== undefined && told.status.pending === undefined ? true : undefined
  })
})

t.test('an override that can not be told to the database holds up no other one', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: url } })
  await configure(daemon)
  await query(
    url,
    `create function refuse() returns trigger language plpgsql as $$ begin
       raise 'cache lookup failed' using errcode = 'XX000'; end $$;
     create trigger refuses before insert on overrides for each row when (new.member = 'm1') execute function refuse()`,
  )
  await postgres.kill()
  await alone(daemon)
  await override(daemon, '/v1/pools/web/members/m1/override', { state: 'drain', reason: 'first' })
  await override(daemon, '/v1/pools/web/members/m2/override', { state: 'drain', reason: 'second' })
  await postgres.restart()
  const isStored = async (member: string) => {
    const { rows } = await query(url, `select from overrides where pool = 'web' and member = '${member}'`)
    return rows.length === 1 ? true : undefined
  }
  await eventually(() => isStored('m2'))
  t.equal(await isStored('m1'), undefined)
  await query(url, 'drop trigger refuses on overrides')
  await eventually(() => isStored('m1'))
})

async function query(url: string, statement: string): Promise<pg.QueryResult> {
  const client = new pg.Client(url)
  await client.connect()
  return await client.query(statement).finally(() => client.end())
}
