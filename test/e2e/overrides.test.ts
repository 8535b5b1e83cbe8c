/** Overrides by patterns, and drains that know what clients still have, from the API to the answers and the log. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

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
  const until = new Date(Date.now() + 1000)
  await put(daemon, '/v1/pools/web-eu/override', {
    state: 'down',
    reason: 'short',
    until: until.toISOString(),
  })
  await put(daemon, '/v1/pools/web-eu/members/fra-2/override', { state: 'up' })
  t.same((await ask(dns, name)).answers, ['192.0.2.2'])
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

  const before = Date.now()
  await using again = await startDaemonProcess({ env, dataDir: first.dataDir })
  t.same((await ask(again.dns, name)).answers, ['192.0.2.3'])
  t.match(await status(again, 'fra-1'), { answered: false, safeAt, override: { pattern: 'web-eu/fra-1' } })
  t.match(await status(again, 'lon-1'), { answered: true, safeAt: null })
  const behind = await status(again, 'fra-2')
  t.match(behind, { answered: false, override: { pattern: '*/fra-2' } })
  const assumed = Date.parse(behind.safeAt!) - 3_600_000
  t.ok(assumed >= before && assumed <= Date.now(), 'answered until the start, for all that is known')
  t.equal((await status(other, 'fra-1')).safeAt, null, 'the other node has not answered with it')
})
