/** A token with limits on running servers: from the command line that makes it to its end, on every node. */
import { execFile } from 'node:child_process'
import t from 'tap'
import { sql } from '../../schema/drizzle.ts'
import { Database } from '../../src/controlplane/store/database.ts'
import { openStream } from '../controlplane/api/operations/event-stream-client.ts'
import { type DaemonProcess, main, node, startDaemonProcess } from '../support/daemon.ts'
import { patience } from '../support/patience.ts'
import { startPostgres } from '../support/postgres.ts'
import { eventually, put, soa } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())
const url = await postgres.createDatabase()
const env = { DATABASE_URL: url, POOLDNS_METRICS: 'token', POOLDNS_PUBLIC_TOOLS: 'false' }
const first = await startDaemonProcess({ env })
t.teardown(() => first.stop())
const second = await startDaemonProcess({ env })
t.teardown(() => second.stop())

for (const whose of ['mine', 'mallory']) {
  const rrsets = [
    { name: '@', type: 'NS', data: ['ns1'] },
    { name: 'ns1', type: 'A', data: ['192.0.2.53'] },
    { name: 'alias', type: 'CNAME', data: [`www.mallory.test.`] },
  ]
  await put(first, `/v1/zones/${whose}.test`, { soa, rrsets })
  await put(first, `/v1/pools/${whose}-pool`, {
    members: { [`${whose}-a`]: { address: '192.0.2.1' }, [`${whose}-b`]: { address: '192.0.2.2' } },
  })
  await put(first, `/v1/services/www.${whose}.test`, { pools: [`${whose}-pool`] })
}
await put(first, '/v1/services/user.mallory.test?wait=fleet', { pools: ['mine-pool'] })
await put(first, '/v1/pools/mallory-pool/override?wait=fleet', { state: 'drain', reason: 'mallory' })

function pooldns(
  token: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const at = { POOLDNS_SERVER: first.http, POOLDNS_TOKEN: token, XDG_CONFIG_HOME: '/nowhere' }
  return new Promise((resolve) => {
    execFile(node, [main, ...args], { env: { ...process.env, ...at } }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
    )
  })
}

async function make(name: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await pooldns(first.token, 'token', 'create', name, ...args)
  t.equal(code, 0, stderr)
  return stdout.trim()
}

const ask = (daemon: DaemonProcess, token: string, path: string, init: object = {}) =>
  daemon.request(path, { headers: { authorization: `Bearer ${token}` }, ...init })

const rights = ['read', 'write', 'override'].flatMap((right) => ['--scope', right])
const mine = await make(
  'mine',
  ...rights,
  ...['--zone', 'Mine.Test.', '--service', '*.mine.test', '--pool', 'mine-*'],
  ...['--expires', '30d', '--description', 'for us'],
)

t.test('a list says what each may do, until when, and when it was used', async (t) => {
  await make('old', '--scope', 'read', '--scope', 'report')
  const before = await pooldns(first.token, 'token', 'list')
  t.match(
    before.stdout,
    /^mine +read write override +zones mine\.test, pools mine-\*, services \*\.mine\.test .* never +\d{4}-\d\d-\d\d \d\d:\d\d +for us$/m,
  )
  t.match(before.stdout, /^old +read report .* never$/m)
  t.equal((await ask(first, mine, '/v1/zones')).status, 200)
  const { stdout } = await pooldns(first.token, 'token', 'list', '--json')
  t.match(JSON.parse(stdout), [
    {
      name: 'mine',
      scopes: ['read', 'write', 'override'],
      limits: { zones: ['mine.test'], pools: ['mine-*'], services: ['*.mine.test'] },
      lastUsedAt: String,
      description: 'for us',
    },
    { name: 'old', limits: null, expiresAt: null, lastUsedAt: null },
  ])
  for (const time of ['yesterday', '2001-01-01T00:00:00Z', '0s']) {
    t.match(await pooldns(first.token, 'token', 'create', 'x', '--expires', time), {
      code: 2,
      stderr: /--expires/,
    })
  }
  t.match(
    await pooldns(mine, 'token', 'create', 'x'),
    { code: 1, stderr: /needs the admin token/ },
    'nobody makes more',
  )
})

t.test('what there is at a glance', async (t) => {
  const text = await (await ask(first, mine, '/v1/overview')).text()
  t.notMatch(text, /mallory/)
  const overview = JSON.parse(text)
  t.match(overview, {
    nodes: [],
    pools: [{ name: 'mine-pool' }],
    overrides: [],
    counts: { members: { up: 2, overridden: 0 } },
  })
  t.equal(overview.services.length, 1)
  t.match(await pooldns(mine, 'status'), { code: 0, stdout: /Services +1 up/ })
})

t.test('explanations of what is reached with all that has a part in it', async (t) => {
  const few = await make('few', '--zone', 'mine.test', '--service', 'www.mine.test')
  const rows: [token: string, name: string, status: number][] = [
    [mine, 'www.mine.test', 200],
    [mine, 'ns1.mine.test', 200],
    [mine, 'nothing.mine.test', 200],
    [few, 'ns1.mine.test', 200],
    [few, 'www.mine.test', 403],
    // It leads to a service of somebody else.
    [mine, 'alias.mine.test', 403],
    [mine, 'www.mallory.test', 403],
    [mine, 'user.mallory.test', 403],
    [mine, 'ns1.mallory.test', 403],
    [mine, 'nothing.else.test', 403],
  ]
  for (const [token, name, status] of rows) {
    const reply = await ask(first, token, `/v1/explain?name=${name}`)
    t.equal(reply.status, status, name)
    if (!name.includes('mallory')) t.notMatch(await reply.text(), /mallory/, name)
  }
})

t.test('what a plan would do is told of what is reached', async (t) => {
  const json = { pools: { 'mine-pool': { members: { 'mine-c': { address: '192.0.2.3' } } } } }
  const text = await (
    await ask(first, mine, '/v1/config?dryRun=true&prune=false', {
      method: 'PUT',
      json,
      headers: { authorization: `Bearer ${mine}`, 'content-type': 'application/json' },
    })
  ).text()
  t.match(JSON.parse(text), { changed: true, effect: { leaving: [] } })
  t.notMatch(text, /mallory/)
  const down = { services: { 'www.mine.test': { pools: ['mine-pool'], whenAllDown: 'nodata' } } }
  const other = await ask(second, mine, '/v1/config', { method: 'PUT', json: down })
  t.equal(other.status, 200)
})

t.test('operators may say their words on what is reached', async (t) => {
  const night = await make('night', '--scope', 'read', '--scope', 'override', '--pool', 'mine-pool')
  t.match(await pooldns(night, 'drain', 'mine-pool/mine-a', '--for', '1h'), { code: 0 })
  t.match(await pooldns(night, 'undrain', 'mine-pool/mine-a'), { code: 0 })
  t.match(await pooldns(night, 'drain', 'mallory-pool/mallory-a'), {
    code: 1,
    stderr: /does not reach pool mallory-pool/,
  })
  t.match(await pooldns(night, 'drain', '*/mine-a'), { code: 1, stderr: /does not reach pool \*/ })
  const write = await ask(first, night, '/v1/pools/mine-pool', { method: 'PUT', json: {} })
  t.match([write.status, await write.json()], [403, { detail: 'token night lacks the scope write' }])
  t.equal((await ask(first, night, '/metrics')).status, 403)
})

t.test('revoked or expired: worthless at once on every node, and streams end', async (t) => {
  const streaming = async (token: string) =>
    openStream(second.http, '/v1/events/stream', { authorization: `Bearer ${token}` })
  const brief = await make('brief', '--expires', '1h')
  await using revoked = await streaming(mine)
  await using expired = await streaming(brief)
  t.equal((await pooldns(first.token, 'token', 'revoke', 'mine')).code, 0)
  await revoked.ended
  for (const daemon of [first, second]) {
    t.equal((await ask(daemon, mine, '/v1/zones')).status, 401)
    t.equal((await ask(daemon, brief, '/v1/zones')).status, 200)
  }
  await using database = await Database.open({ url, dataDir: '/nowhere' })
  await database.ready(patience())
  await database.record((tx) =>
    tx.execute(sql`update tokens set expires_at = now() - interval '1 second' where name = 'brief'`),
  )
  await expired.ended
  for (const daemon of [first, second]) {
    const reply = await ask(daemon, brief, '/v1/zones')
    t.match([reply.status, await reply.json()], [401, { detail: 'the token has expired' }])
    t.match(reply.headers.get('www-authenticate'), /invalid_token/)
  }
  t.match((await pooldns(first.token, 'token', 'list')).stdout, /^brief .*\(expired\)$/m)
})

t.test('without the database a token reaches no more than with it', async (t) => {
  const token = await make('offline', '--scope', 'read', '--pool', 'mine-*')
  await eventually(async () => ((await ask(first, token, '/v1/pools')).ok ? true : undefined))
  await postgres.stop()
  const away = await eventually(async () => {
    const reply = await ask(first, token, '/v1/pools')
    return reply.headers.has('pooldns-revision') ? reply : undefined
  })
  t.same(
    ((await away.json()) as { items: { name: string }[] }).items.map(({ name }) => name),
    ['mine-pool'],
  )
  for (const path of [
    '/v1/config?rrsets=false',
    '/v1/overrides',
    '/v1/services',
    '/v1/overview',
    '/v1/config',
    '/v1/events',
  ]) {
    t.notMatch(await (await ask(first, token, path)).text(), /mallory/, path)
  }
  t.equal((await ask(first, token, '/v1/pools/mallory-pool')).status, 403)
})
