/** Overrides by patterns, and drains that know what clients still have, from the API to the answers and the log. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, putEndingSoon, soa } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const name = 'www.example.test'
const all = ['192.0.2.1', '192.0.2.2', '192.0.2.3']

interface Status {
  readonly answered: boolean
  readonly safeAt: string | null
  readonly override: { readonly pattern: string; readonly state: string } | null
}

/** Members fra-1, fra-2 and lon-1 of the pool web-eu, without a monitor. */
async function putService(daemon: DaemonProcess, ttl: number): Promise<void> {
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  const members = { 'fra-1': { address: all[0] }, 'fra-2': { address: all[1] }, 'lon-1': { address: all[2] } }
  await put(daemon, '/v1/pools/web-eu', { members })
  await put(daemon, `/v1/services/${name}`, { pools: ['web-eu'], ttl })
}

async function status(daemon: DaemonProcess, member: string): Promise<Status> {
  const response = await daemon.request(`/v1/pools/web-eu/members/${member}`)
  return ((await response.json()) as { status: Status }).status
}

t.test('a drain by a pattern, until its members are safe', async (t) => {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  const { dns } = daemon
  await putService(daemon, 2)
  t.same((await ask(dns, name)).answers, all)
  t.match(await status(daemon, 'fra-1'), { answered: true, safeAt: null, override: null })
  t.match(await status(daemon, 'lon-1'), { answered: true, safeAt: null })

  const from = daemon.lines.length
  const before = Date.now()
  const response = await daemon.request('/v1/overrides/web-*/fra-*', {
    method: 'PUT',
    json: { state: 'drain', reason: 'new disks' },
  })
  const after = Date.now()
  t.equal(response.status, 201)
  t.same((await ask(dns, name)).answers, ['192.0.2.3'])
  const drain = (await response.json()) as { status: { matches: number; answered: boolean; safeAt: string } }
  t.match(drain.status, { matches: 2, answered: false })
  const safeAt = Date.parse(drain.status.safeAt)
  t.ok(safeAt >= before + 2000 && safeAt <= after + 2000, `${safeAt - before} ms after the request`)
  for (const member of ['fra-1', 'fra-2']) {
    t.match(await status(daemon, member), {
      state: 'up',
      answered: false,
      safeAt: drain.status.safeAt,
      override: { state: 'drain', pattern: 'web-*/fra-*', reason: 'new disks', status: { actor: 'admin' } },
    })
  }
  t.match(await status(daemon, 'lon-1'), { answered: true, safeAt: null, override: null })

  await daemon.line(({ msg, what }) => msg === 'override' && what === 'set', { from })
  for (const member of ['fra-1', 'fra-2']) {
    const line = await daemon.line((line) => line.msg === 'member drained' && line.member === member, {
      from,
    })
    t.match(line, { pool: 'web-eu', safeAt: drain.status.safeAt })
  }
  t.ok(Date.now() >= safeAt)

  t.equal((await daemon.request('/v1/overrides/web-*/fra-*', { method: 'DELETE' })).status, 204)
  t.same((await ask(dns, name)).answers, all)
  t.match(await status(daemon, 'fra-1'), { answered: true, safeAt: null, override: null })
  t.match(await daemon.line(({ what }) => what === 'deleted', { from }), {
    pool: 'web-*',
    member: 'fra-*',
    state: 'drain',
  })
  t.equal(daemon.lines.filter(({ msg }) => msg === 'member drained').length, 2, 'each is told once')
})

t.test('overrides end by themselves, and the more exact one goes first', async (t) => {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  const { dns } = daemon
  await putService(daemon, 5)
  const from = daemon.lines.length
  await put(daemon, '/v1/pools/web-eu/override', { state: 'down' })
  await put(daemon, '/v1/pools/web-eu/members/fra-2/override', { state: 'up' })
  t.same((await ask(dns, name)).answers, ['192.0.2.2'])
  const until = await putEndingSoon(daemon, '/v1/pools/web-eu/override', { state: 'down', reason: 'short' })
  await askUntil(dns, name, all)
  t.ok(Date.now() >= until.getTime())
  t.match(await daemon.line(({ what }) => what === 'expired', { from }), {
    msg: 'override',
    pool: 'web-eu',
    member: '*',
    state: 'down',
    reason: 'short',
  })
  const { items } = (await (await daemon.request('/v1/overrides')).json()) as { items: object[] }
  t.match(items, [{ pool: 'web-eu', member: 'fra-2', state: 'up', status: { matches: 1 } }])
  t.equal(items.length, 1)
})

t.test('a crash forgets neither an override nor what caches have', async (t) => {
  const env = { DATABASE_URL: await postgres.createDatabase() }
  await using first = await startDaemonProcess({ env })
  await putService(first, 3600)
  await put(first, '/v1/pools/web-eu/members/fra-1/override', { state: 'drain' })
  const { safeAt } = await status(first, 'fra-1')
  t.ok(safeAt)
  await eventually(async () => {
    const base = await readFile(join(first.dataDir, 'snapshot/base.json'), 'utf8').catch(() => '')
    return base.includes('"state":"drain"') && base.includes(safeAt!) ? true : undefined
  })
  // Drained behind its back, so that the node never sees the member leave.
  await using other = await startDaemonProcess({ env })
  first.signal('SIGKILL')
  await first.exited
  await put(other, '/v1/overrides/*/fra-2', { state: 'drain' })
  // One that starts again counts for the other as answering with it until it has said otherwise.
  t.equal((await status(other, 'fra-1')).safeAt, null, 'the other node has not answered with it')

  const before = Date.now()
  await using again = await startDaemonProcess({ env, dataDir: first.dataDir })
  await askUntil(again.dns, name, ['192.0.2.3'])
  // Until the other node has said that it has heard of it, it may answer with them.
  for (const member of ['fra-1', 'fra-2'])
    await eventually(async () => ((await status(again, member)).answered ? undefined : true))
  t.match(await status(again, 'fra-1'), { answered: false, safeAt, override: { pattern: 'web-eu/fra-1' } })
  t.match(await status(again, 'lon-1'), { answered: true, safeAt: null })
  const behind = await status(again, 'fra-2')
  t.match(behind, { answered: false, override: { pattern: '*/fra-2' } })
  const assumed = Date.parse(behind.safeAt!) - 3_600_000
  t.ok(assumed >= before && assumed <= Date.now(), 'answered until the start, for all that is known')
})

t.test('what words would do is told before anybody says them, and who is answered now', async (t) => {
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: await postgres.createDatabase() } })
  await putService(daemon, 30)
  await put(daemon, '/v1/pools/web-us', { members: { 'nyc-1': { address: '192.0.2.9' } } })
  await put(daemon, '/v1/services/api.example.test', {
    steer: 'weighted',
    pools: [
      { pool: 'web-eu', weight: 60 },
      { pool: 'web-us', weight: 40 },
    ],
  })
  const made = await daemon.request('/v1/tokens', {
    method: 'POST',
    json: { name: 'reader', scopes: ['read'] },
  })
  const { secret } = (await made.json()) as { secret: string }
  const preview = async (overrides: unknown) => {
    const headers = { authorization: `Bearer ${secret}` }
    const reply = await daemon.request('/v1/overrides/preview', {
      method: 'POST',
      json: { overrides },
      headers,
    })
    return { status: reply.status, body: (await reply.json()) as Record<string, unknown> }
  }
  const one = await preview([{ pool: 'web-eu', member: 'fra-1', state: 'drain' }])
  t.equal(one.status, 200)
  t.match(one.body, { leaving: [{ pool: 'web-eu', member: 'fra-1', safeAfterSeconds: 30 }], moreServices: 0 })
  const whole = await preview([
    { pool: 'web-*', member: '*', state: 'down' },
    { pool: 'web-us', member: 'nyc-1', state: 'up' },
  ])
  t.match(whole.body.services, [
    {
      service: 'api.example.test',
      pools: [
        { pool: 'web-eu', before: 0.6, after: 0 },
        { pool: 'web-us', before: 0.4, after: 1 },
      ],
    },
  ])
  t.same((await ask(daemon.dns, name)).answers, all, 'nothing has changed')
  t.same((await preview([{ pool: 'nowhere', member: 'x', state: null }])).body.services, [])
  for (const wrong of [
    [],
    [{ pool: 'web-eu' }],
    [{ pool: 'web-eu', member: 'x', state: 'off' }],
    Array(101).fill({ pool: 'a', member: 'b', state: 'up' }),
  ])
    t.equal((await preview(wrong)).status, 400)

  const get = async (path: string) => (await daemon.request(path)).json() as Promise<Record<string, unknown>>
  const shares = await get('/v1/services/api.example.test/shares')
  t.match(shares.groups, [
    {
      types: ['A'],
      pools: [
        { pool: 'web-eu', share: 0.6 },
        { pool: 'web-us', share: 0.4 },
      ],
      members: [
        { pool: 'web-us', member: 'nyc-1', share: 0.4 },
        { pool: 'web-eu', member: /^(fra|lon)/, share: 0.2 },
        { share: 0.2 },
        { share: 0.2 },
      ],
    },
    { types: ['AAAA'], members: [] },
  ])
  t.equal((await daemon.request('/v1/services/no.example.test/shares')).status, 404)
  const before = await get('/v1/traffic')
  for (let nth = 0; nth < 5; nth++) await ask(daemon.dns, name)
  // How long an answer took is counted behind it, and it may be here before.
  const counted = await eventually(async () => {
    const now = await get('/v1/traffic')
    const durations = now.durations as { upToSeconds: number | null; count: number }[]
    return durations.reduce((sum, { count }) => sum + count, 0) === 6 ? { ...now, durations } : undefined
  })
  t.match(counted, { queries: (before.queries as number) + 5, responses: { NOERROR: 6 }, dropped: {} })
  t.equal(counted.durations.at(-1)!.upToSeconds, null)
  t.same((await get(`/v1/services/${name}/shares`)).counted, [
    { pool: 'web-eu', member: 'fra-1', count: 6 },
    { pool: 'web-eu', member: 'fra-2', count: 6 },
    { pool: 'web-eu', member: 'lon-1', count: 6 },
  ])
})
