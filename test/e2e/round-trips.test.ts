/** What a write costs when the database is far away: round trips, one after the other. */
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { startPostgresProxy, type Transaction } from '../support/postgres-proxy.ts'
import { eventually, put, soa } from './fixture.ts'

/** So long that what goes out together has long left when the first answer comes. */
const delayMs = 50
/** The lock with all that is read, what is written with all that is looked at afterwards, and COMMIT. */
const mostOfWrite = 3
/** BEGIN with what changed, and what it has become; nobody waits for COMMIT, which is the third. */
const mostOfLook = 3

const isWrite = ({ begin }: Transaction) => begin.includes('config_revision for update')
const isRead = ({ begin }: Transaction) => begin.includes('read only')

interface Write {
  readonly method: string
  readonly path: string
  readonly json?: unknown
  readonly status: number
  /** Where a change needs more: what it reads tells what else to read. */
  readonly most?: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

const zone = { soa, rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }] }
const member = (last: number) => ({ address: `192.0.2.${last}` })
const http = { type: 'http', port: 80, path: '/' }
const zonefile = (last: number) => `$TTL 300
@ SOA ns1.example.test. hostmaster.example.test. 1 3600 600 86400 60
@ NS ns1
ns1 A 192.0.2.${last}
`

const writes: readonly Write[] = [
  { method: 'PUT', path: 'monitors/web', json: http, status: 201 },
  { method: 'PUT', path: 'monitors/web', json: { ...http, interval: '7s' }, status: 200 },
  { method: 'PATCH', path: 'monitors/web', json: { port: 81 }, status: 200, most: 4 },
  { method: 'PUT', path: 'pools/new', json: { monitor: 'web', members: { a: member(1) } }, status: 201 },
  { method: 'PUT', path: 'pools/new', json: { monitor: 'web', members: { a: member(2) } }, status: 200 },
  { method: 'PUT', path: 'pools/new/members/b', json: member(3), status: 201 },
  { method: 'PUT', path: 'pools/new/members/b', json: { ...member(3), weight: 7 }, status: 200 },
  { method: 'PUT', path: 'pools/new/members/b', json: member(4), status: 200 },
  { method: 'PATCH', path: 'pools/new/members/b', json: { weight: 8 }, status: 200, most: 4 },
  { method: 'PUT', path: 'pools/new/members/b/override', json: { state: 'drain' }, status: 201 },
  { method: 'PUT', path: 'pools/new/members/b/override', json: { state: 'down' }, status: 200 },
  { method: 'DELETE', path: 'pools/new/members/b/override', status: 204 },
  { method: 'PUT', path: 'pools/new/override', json: { state: 'drain' }, status: 201, most: 4 },
  { method: 'DELETE', path: 'pools/new/override', status: 204 },
  { method: 'DELETE', path: 'pools/new/members/b', status: 204 },
  { method: 'PUT', path: 'zones/new.test', json: zone, status: 201, most: 4 },
  { method: 'PUT', path: 'zones/new.test', json: { ...zone, ttl: '9m' }, status: 200, most: 4 },
  { method: 'PUT', path: 'zones/new.test/rrsets/b/A', json: { data: ['192.0.2.2'] }, status: 201 },
  { method: 'PUT', path: 'zones/new.test/rrsets/b/A', json: { data: ['192.0.2.3'] }, status: 200 },
  { method: 'PUT', path: 'zones/new.test/rrsets/@/MX', json: { data: ['10 b'] }, status: 201, most: 4 },
  { method: 'DELETE', path: 'zones/new.test/rrsets/b/A', status: 204 },
  { method: 'PUT', path: 'services/www.new.test', json: { pools: ['new'] }, status: 201 },
  { method: 'PUT', path: 'services/www.new.test', json: { pools: ['new'], ttl: 9 }, status: 200 },
  { method: 'PUT', path: 'services/www.new.test/override', json: { state: 'down' }, status: 201 },
  { method: 'DELETE', path: 'services/www.new.test/override', status: 204 },
  { method: 'DELETE', path: 'services/www.new.test', status: 204 },
  { method: 'DELETE', path: 'pools/new', status: 204 },
  { method: 'DELETE', path: 'monitors/web', status: 204 },
  { method: 'DELETE', path: 'zones/new.test', status: 204 },
  { method: 'PUT', path: 'webhooks/hook', json: { url: 'http://127.0.0.1:9/' }, status: 201 },
  { method: 'DELETE', path: 'webhooks/hook', status: 204 },
  { method: 'POST', path: 'tokens', json: { name: 'one' }, status: 201 },
  { method: 'DELETE', path: 'tokens/one', status: 204 },
]

t.test('a write takes three round trips, and two more until it is served', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using proxy = await startPostgresProxy(url, { delayMs })
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: proxy.through(url) } })
  // The lane of zones has had its turn with the first.
  await put(daemon, '/v1/zones/example.test', zone)
  for (const write of writes) await costs(t, daemon, proxy.transactions, write)

  for (const last of [1, 2]) {
    await costs(t, daemon, proxy.transactions, {
      method: 'PUT',
      path: 'zones/file.test/zonefile',
      headers: { 'content-type': 'text/dns' },
      body: zonefile(last),
      status: last === 1 ? 201 : 200,
      most: 5,
    })
  }
})

async function costs(
  t: Test,
  daemon: DaemonProcess,
  transactions: readonly Transaction[],
  { path, status, most = mostOfWrite, ...init }: Write,
): Promise<void> {
  const what = `${init.method} ${path}`
  const before = transactions.length
  const response = await daemon.request(`/v1/${path}`, init)
  t.equal(response.status, status, `${what}: ${await response.text()}`)
  const ours = transactions.slice(before).filter(isWrite)
  t.equal(ours.length, 1, `${what}: one transaction`)
  t.ok(ours[0]!.roundTrips <= most, `${what}: ${ours[0]!.roundTrips} round trips`)
  const looks = await eventually(async () => {
    const looked = transactions.slice(transactions.indexOf(ours[0]!)).filter(isRead)
    return looked.length > 0 && looked.every(({ end }) => end !== null) ? looked : undefined
  })
  const longest = Math.max(...looks.map(({ roundTrips }) => roundTrips))
  t.ok(
    longest <= (path.includes('zone') || path.includes('service') ? mostOfLook + 1 : mostOfLook),
    `${what}: ${longest} round trips until it is served`,
  )
}
