/** A member that goes takes along what is remembered of it, on a node that saw it go and on one that was away. */
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { startPostgresProxy } from '../support/postgres-proxy.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const name = 'www.example.test'
const member = '/v1/pools/jobs/members/a'

interface Status {
  readonly state: string
  readonly reason: string
  readonly safeAt: string | null
}

async function status(daemon: DaemonProcess): Promise<Status> {
  return ((await (await daemon.request(member)).json()) as { status: Status }).status
}

/** Waits until a node has the member at this address. */
const known = (daemon: DaemonProcess, address: string) =>
  eventually(async () => {
    const response = await daemon.request(member)
    if (response.status !== 200) return undefined
    return ((await response.json()) as { address: string }).address === address ? true : undefined
  })

const report = (daemon: DaemonProcess, state: string) =>
  put(daemon, `${member}/report`, { state, ttl: '1h', reason: `job is ${state}` })

async function remove(t: Test, daemon: DaemonProcess, path: string) {
  t.equal((await daemon.request(path, { method: 'DELETE' })).status, 204, path)
}

const isUnknown = (status: Status) => status.state === 'unknown' && status.reason === 'no report yet'

async function unknownOn(t: Test, daemon: DaemonProcess, why: string) {
  t.ok(isUnknown(await status(daemon)), why)
}

/** As `unknownOn`, for a node that follows by itself: what it says of the configuration it reads in the database, so it may know that first. */
async function unknownSoon(t: Test, daemon: DaemonProcess, why: string) {
  t.ok(await eventually(async () => (isUnknown(await status(daemon)) ? true : undefined)), why)
}

t.test('another member of the name begins with nothing', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using here = await startDaemonProcess({ env: { DATABASE_URL: url } })
  await using way = await startPostgresProxy(url)
  await using away = await startDaemonProcess({ env: { DATABASE_URL: way.through(url) } })
  const both = [here, away]
  await put(here, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(here, '/v1/monitors/told', { type: 'push', ttl: '1h' })
  const pool = (address: string) => ({ monitor: 'told', unknown: 'down', members: { a: { address } } })
  await put(here, '/v1/pools/jobs', pool('192.0.2.1'))
  await put(here, `/v1/services/${name}`, { pools: ['jobs'], whenAllDown: 'nodata', ttl: 3600 })
  await report(here, 'up')
  for (const daemon of both) await askUntil(daemon.dns, name, ['192.0.2.1'])

  // In two writes, of which one node sees the end alone.
  way.silence()
  way.cut()
  await remove(t, here, member)
  await put(here, member, { address: '192.0.2.2' })
  await unknownOn(t, here, 'deleted and made anew')
  await put(here, '/v1/overrides/jobs/a', { state: 'drain' })
  t.equal((await status(here)).safeAt, null, 'nobody was told of this one')
  await remove(t, here, '/v1/overrides/jobs/a')
  way.speak()
  await known(away, '192.0.2.2')
  await unknownSoon(t, away, 'on a node that was away')
  for (const daemon of both) await askUntil(daemon.dns, name, [])

  // In one write.
  await report(here, 'up')
  for (const daemon of both) await askUntil(daemon.dns, name, ['192.0.2.2'])
  await put(here, '/v1/pools/jobs', pool('192.0.2.3'))
  await unknownOn(t, here, 'at another address')
  await known(away, '192.0.2.3')
  await unknownSoon(t, away, 'at another address, for the other node')

  // The whole pool, and a start behind it.
  await report(here, 'up')
  for (const daemon of both) await askUntil(daemon.dns, name, ['192.0.2.3'])
  way.silence()
  way.cut()
  await remove(t, here, `/v1/services/${name}`)
  await remove(t, here, '/v1/pools/jobs')
  await put(here, '/v1/pools/jobs', { ...pool('192.0.2.4'), whenAllDown: 'last-known' })
  await put(here, `/v1/services/${name}`, { pools: ['jobs'], whenAllDown: 'nodata' })
  way.speak()
  await known(away, '192.0.2.4')
  for (const daemon of both) await unknownSoon(t, daemon, 'in another pool of that name')
  await using later = await startDaemonProcess({ env: { DATABASE_URL: url } })
  await unknownOn(t, later, 'after a start')
  await report(later, 'up')
  for (const daemon of [...both, later]) await askUntil(daemon.dns, name, ['192.0.2.4'])
  t.equal((await ask(here.dns, name)).rcode, 'NOERROR')
})
