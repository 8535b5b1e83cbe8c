/**
 * What a write costs when the database is far away: round trips, one after the other. All is in this process, so that what is said
 * together has left before the first answer comes, however busy the machine is.
 */
import t from 'tap'
import { BadRows } from '../../../src/controlplane/follow/bad-rows.ts'
import { SchemaParts } from '../../../src/controlplane/follow/schema-parts.ts'
import { readAllSettings, readChangedSettings } from '../../../src/controlplane/follow/settings.ts'
import { changesSince, historyBreak } from '../../../src/controlplane/store/changes.ts'
import type { Tx } from '../../../src/controlplane/store/database.ts'
import { startPostgres } from '../../support/postgres.ts'
import { startPostgresProxy, type Transaction } from '../../support/postgres-proxy.ts'
import { adminToken, startHarness } from './fixture.ts'

const delayMs = 20
/** The lock with all that is read, what is written with all that is looked at afterwards, and COMMIT. */
const mostOfWrite = 3
/** BEGIN with what changed, and what it has become; nobody waits for COMMIT. With a zone, services may have come or gone. */
const mostOfLook = { zone: 4, other: 3 }

const isWrite = ({ begin }: Transaction) => begin.includes('config_revision for update')

interface Write {
  readonly method: string
  readonly path: string
  readonly json?: unknown
  readonly status: number
  /** Where a change needs more: what it reads tells what else to read. */
  readonly most?: number
}

const zone = {
  soa: { mname: 'ns1.example.test.', rname: 'hostmaster.example.test.' },
  rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }],
}
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
  const { transactions } = proxy
  await using harness = await startHarness(proxy.through(url))
  const { call, send, database } = harness
  const onBad = (message: string) => t.fail(message)
  const readingOf = (tx: Tx) => ({ onBad, bad: new BadRows(), parts: new SchemaParts(tx, false, () => {}) })

  /** The number of round trips of the transactions that `work` begins. */
  const counted = async (work: () => Promise<unknown>, counts: (transaction: Transaction) => boolean) => {
    const before = transactions.length
    await work()
    return transactions.slice(before).flatMap((each) => (counts(each) ? [each.roundTrips] : []))
  }

  const costs = async (
    what: string,
    work: () => Promise<{ status: number }>,
    status: number,
    most: number,
  ) => {
    const before = await database.read((tx) => readAllSettings(tx, readingOf(tx), null))
    const wrote = await counted(async () => t.equal((await work()).status, status, what), isWrite)
    t.equal(wrote.length, 1, `${what}: one transaction`)
    t.ok(wrote[0]! <= most, `${what}: ${wrote[0]} round trips`)
    const looked = await counted(
      () =>
        database.read(async (tx) => {
          const [broken, batch] = await Promise.all([
            historyBreak(tx, before, null),
            changesSince(tx, before.revision, 1000),
          ])
          t.equal(broken.found, null)
          if (batch!.changes.length > 0) await readChangedSettings(tx, before, batch!, readingOf(tx))
        }),
      ({ begin }) => begin.includes('read only'),
    )
    const mostToServe = /zone|service/.test(what) ? mostOfLook.zone : mostOfLook.other
    t.ok(looked[0]! <= mostToServe, `${what}: ${looked[0]} round trips until it is served`)
  }

  for (const { method, path, json, status, most = mostOfWrite } of writes) {
    await costs(`${method} ${path}`, () => call(method, `/v1/${path}`, json), status, most)
  }
  for (const [last, status] of [
    [1, 201],
    [2, 200],
  ] as const) {
    const headers = { 'content-type': 'text/dns', authorization: `Bearer ${adminToken}` }
    const put = () => send('PUT', '/v1/zones/example.test/zonefile', zonefile(last), headers)
    await costs('PUT zonefile', put, status, 4)
  }
})

t.test('a document of many zones takes no round trip for each of them', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  // Longer than it takes to send what is sent together: what leaves after an answer counts as if it had waited for it.
  await using proxy = await startPostgresProxy(url, { delayMs: 700 })
  await using harness = await startHarness(proxy.through(url))
  const { rrsets, ...head } = zone
  const many = 200
  const documentOf = (address: string) => ({
    zones: Object.fromEntries(
      Array.from({ length: many }, (_, number) => [
        `z${number}.test`,
        { ...head, rrsets: [...rrsets, { name: 'www', type: 'A', data: [address] }] },
      ]),
    ),
  })
  for (const [what, method, json] of [
    ['they come', 'PUT', documentOf('192.0.2.1')],
    ['they change', 'PUT', documentOf('192.0.2.2')],
    ['they are read', 'GET', undefined],
  ] as const) {
    const before = proxy.transactions.length
    const { status, body } = await harness.call(method, '/v1/config', json)
    t.equal(status, 200, what)
    if (method === 'GET') t.match(body, documentOf('192.0.2.2'))
    const trips = proxy.transactions.slice(before).reduce((sum, { roundTrips }) => sum + roundTrips, 0)
    t.ok(trips < many / 2, `${what}: ${trips} round trips`)
  }
})
