/** Monitors of every kind and how they judge, from the API to the answers. */
import t from 'tap'
import { certificate, certificateFolder, withoutOpenssl } from '../controlplane/health/certificates.ts'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, putService, startBackend, timing } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const name = 'www.example.test'
const member = '/v1/pools/web/members/m1'
/** What answers once the pool is down: so that it shows. */
const service = { whenAllDown: 'nodata' }

interface Status {
  readonly state: string
  readonly reason: string
}

async function status(daemon: DaemonProcess): Promise<Status> {
  return ((await (await daemon.request(member)).json()) as { status: Status }).status
}

async function untilState(daemon: DaemonProcess, wanted: string): Promise<Status> {
  return eventually(async () => {
    const found = await status(daemon)
    return found.state === wanted ? found : undefined
  })
}

const start = async (databaseUrl?: string) =>
  startDaemonProcess({ env: { DATABASE_URL: databaseUrl ?? (await postgres.createDatabase()) } })

t.test('push: what an agent reports counts on every node, until it runs out', async (t) => {
  const url = await postgres.createDatabase()
  await using one = await start(url)
  await using two = await start(url)
  await using backend = await startBackend()
  await putService(one, [backend], service, { unknown: 'down' })
  await put(one, '/v1/monitors/web', { type: 'push', ttl: '1m' })
  // The other node, too: it may have answered with what the monitor before this one found.
  for (const daemon of [one, two]) {
    await eventually(async () => ((await status(daemon)).reason === 'no report yet' ? true : undefined))
    await askUntil(daemon.dns, name, [])
    t.match(await status(daemon), { state: 'unknown', reason: 'no report yet' })
  }

  const json = { name: 'agent', scopes: ['report'] }
  const { secret } = (await (await one.request('/v1/tokens', { method: 'POST', json })).json()) as {
    secret: string
  }
  const authorization = `Bearer ${secret}`
  const report = (daemon: DaemonProcess, body: object) =>
    daemon.request(`${member}/report`, { method: 'PUT', json: body, headers: { authorization } })
  t.equal((await report(one, { state: 'up', reason: 'warm' })).status, 200)
  await askUntil(one.dns, name, ['192.0.2.1'])
  await askUntil(two.dns, name, ['192.0.2.1'])
  t.match(await status(two), { state: 'up', reason: 'warm' })
  const forbidden = await one.request(`${member}/override`, {
    method: 'PUT',
    json: { state: 'down' },
    headers: { authorization },
  })
  t.equal(forbidden.status, 403, 'its token is for reports alone')

  t.equal((await report(two, { state: 'down', reason: 'disk full' })).status, 200)
  await askUntil(one.dns, name, [])
  t.match(await status(one), { state: 'down', reason: 'disk full' })

  // It is up on both before it is said for how short a time: that may be over before another node has heard of it.
  t.equal((await report(one, { state: 'up', reason: 'warm' })).status, 200)
  for (const daemon of [one, two]) await askUntil(daemon.dns, name, ['192.0.2.1'])
  const from = two.lines.length
  t.equal((await report(one, { state: 'up', ttl: '3s' })).status, 200)
  for (const daemon of [one, two]) {
    await askUntil(daemon.dns, name, [])
    t.match(await status(daemon), { state: 'down', reason: /^no report by 20/ })
  }
  t.match(await two.line(({ to }) => to === 'down', { from }), { pool: 'web' })
})

t.test('composite: at least so many of several, and the other way round', async (t) => {
  await using daemon = await start()
  await using web = await startBackend()
  await using disk = await startBackend()
  await putService(daemon, [web], service)
  await put(daemon, '/v1/monitors/port', { port: web.port, ...timing })
  await put(daemon, '/v1/monitors/disk', { port: disk.port, ...timing })
  await put(daemon, '/v1/monitors/both', { type: 'composite', monitors: ['port', 'disk'] })
  const probed = { address: '192.0.2.1', probe: { address: '127.0.0.1' } }
  await put(daemon, '/v1/pools/web', { monitor: 'both', members: { m1: probed } })
  await untilState(daemon, 'up')
  disk.healthy = false
  t.match(await untilState(daemon, 'down'), { reason: /disk/ })
  await askUntil(daemon.dns, name, [])
  await put(daemon, '/v1/monitors/both', { type: 'composite', monitors: ['port', 'disk'], require: 1 })
  await untilState(daemon, 'up')
  await askUntil(daemon.dns, name, ['192.0.2.1'])
  await put(daemon, '/v1/monitors/both', { type: 'composite', monitors: ['port'], invert: true })
  await untilState(daemon, 'down')
  web.healthy = false
  await untilState(daemon, 'up')
})

t.test('manual fail-back: a member that answers again waits for a hand', async (t) => {
  await using daemon = await start()
  await using backend = await startBackend()
  await putService(daemon, [backend], service)
  await put(daemon, '/v1/monitors/web', { ...timing, rise: 2, failBack: 'manual' })
  await askUntil(daemon.dns, name, ['192.0.2.1'])
  const failBack = () => daemon.request(`${member}/fail-back`, { method: 'POST' })
  t.equal((await failBack()).status, 409, 'it is up')
  backend.healthy = false
  await askUntil(daemon.dns, name, [])
  t.equal((await failBack()).status, 409, 'it does not answer')
  backend.healthy = true
  for (let probes = 0; probes < 4; probes++) await backend.asked()
  const waiting = await status(daemon)
  t.match(waiting, { state: 'down' })
  t.match(waiting.reason, /fail-?back|manual|operator/i)
  t.same((await ask(daemon.dns, name)).answers, [])
  t.equal((await failBack()).status, 204)
  await askUntil(daemon.dns, name, ['192.0.2.1'])
  t.match(await status(daemon), { state: 'up' })
})

t.test('flapping: a member that falls too often is held down, and that is told', async (t) => {
  await using daemon = await start()
  await using backend = await startBackend()
  await putService(daemon, [backend], service)
  // However long these changes take, and long enough to be seen before it is over.
  const flap = { changes: 1, within: '1h', hold: '20s' }
  await put(daemon, '/v1/monitors/web', { ...timing, flap })
  await askUntil(daemon.dns, name, ['192.0.2.1'])
  // Of the answers one worker may still give the old ones.
  backend.healthy = false
  await untilState(daemon, 'down')
  backend.healthy = true
  await untilState(daemon, 'up')
  const from = daemon.lines.length
  backend.healthy = false
  const line = await daemon.line(({ msg }) => msg === 'member held down: it changes too often', { from })
  t.match(line, { pool: 'web', member: 'm1', falls: 2 })
  backend.healthy = true
  await backend.asked()
  const held = await status(daemon)
  t.match(held, { state: 'down' })
  t.match(held.reason, /held/)
  const hold = await eventually(async () => {
    const { items } = (await (await daemon.request('/v1/events?kind=hold')).json()) as { items: object[] }
    return items[0]
  })
  t.match(hold, { kind: 'hold', pool: 'web', member: 'm1', until: line.until })
  await askUntil(daemon.dns, name, ['192.0.2.1'])
  t.ok(Date.now() >= Date.parse(String(line.until)), 'not before its time')
})

t.test('https: by its own authority, and a name of its own', { skip: withoutOpenssl }, async (t) => {
  const folder = await certificateFolder(t)
  const own = await certificate(folder, 'own', 'DNS:member.example')
  const other = await certificate(folder, 'other', 'DNS:member.example')
  await using daemon = await start()
  await using backend = await startBackend(own)
  await putService(daemon, [backend], service)
  const monitor = (tls: object) => put(daemon, '/v1/monitors/web', { type: 'https', ...timing, tls })
  const down = async (reason: RegExp) =>
    eventually(async () => (reason.test((await status(daemon)).reason) ? true : undefined))
  const ca = own.cert.toString()
  await monitor({ ca, serverName: 'member.example' })
  await untilState(daemon, 'up')
  await askUntil(daemon.dns, name, ['192.0.2.1'])
  await monitor({ ca: other.cert.toString(), serverName: 'member.example' })
  await untilState(daemon, 'down')
  await down(/certificate/)
  await monitor({ ca, serverName: 'another.example' })
  await down(/another\.example/)
  await monitor({ ca, serverName: 'member.example', minDaysLeft: 1000, endingFails: 'always' })
  await down(/days/)
  t.match(await status(daemon), { state: 'down' })
  await monitor({ ca, serverName: 'member.example', minDaysLeft: 30, endingFails: 'always' })
  await untilState(daemon, 'up')
})
