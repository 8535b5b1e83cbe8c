/** A database that does not refuse anything, and does not answer either: frozen, behind a silent network, or locked. */
import pg from 'pg'
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { startPostgresProxy } from '../support/postgres-proxy.ts'
import { ask } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

const zone = (address: string) => ({ soa, rrsets: [{ name: 'a', type: 'A', data: [address] }] })
const path = '/v1/zones/example.test/rrsets/a/A'
const putA = (daemon: DaemonProcess, address: string) =>
  daemon.request(path, { method: 'PUT', json: { data: [address] } })

const saysWhatIsKnown = { status: 503, outcome: 'unchanged', detail: /database/ }

t.test(
  'a silent network: changes are refused, a stop is none the longer, and it recovers by itself',
  async (t) => {
    await using postgres = await startPostgres()
    const url = await postgres.createDatabase()
    await using proxy = await startPostgresProxy(url)
    const env = { DATABASE_URL: proxy.through(url) }
    await using daemon = await startDaemonProcess({ env })
    await put(daemon, '/v1/zones/example.test', zone('192.0.2.1'))

    proxy.silence()
    // Together, as clients come: none waits for another one's silence.
    const replies = await Promise.all([
      ...[2, 3, 4].map((last) => putA(daemon, `192.0.2.${last}`)),
      daemon.request('/v1/zones'),
    ])
    for (const reply of replies.slice(0, 3)) {
      t.equal(reply.status, 503)
      t.ok(Number(reply.headers.get('retry-after')) > 0)
      t.match(await reply.json(), saysWhatIsKnown)
    }
    t.equal(replies[3]!.status, 200, 'out of memory')
    t.same((await ask(daemon.dns, 'a.example.test')).answers, ['192.0.2.1'])

    proxy.speak()
    await eventually(async () => ((await putA(daemon, '192.0.2.5')).ok ? true : undefined))
    t.same((await ask(daemon.dns, 'a.example.test')).answers, ['192.0.2.5'])

    proxy.silence()
    daemon.signal('SIGTERM')
    t.same(await daemon.exited, { code: 0, signal: null })
  },
)

t.test('silence while a change is committed: nobody says that nothing was changed', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using proxy = await startPostgresProxy(url)
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: proxy.through(url) } })
  await put(daemon, '/v1/zones/example.test', zone('192.0.2.1'))
  proxy.silenceBehind('commit', ({ begin }) => begin.includes('for update'))
  const reply = await putA(daemon, '192.0.2.2')
  t.equal(reply.status, 503)
  t.match(await reply.json(), { outcome: 'unknown', detail: /whether the change was made is not known/ })
  proxy.speak()
  // It was.
  await eventually(async () => {
    const { answers } = await ask(daemon.dns, 'a.example.test')
    return answers[0] === '192.0.2.2' ? true : undefined
  })
})

t.test('somebody holds the revision lock: nobody waits behind others who wait', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: url } })
  await put(daemon, '/v1/zones/example.test', zone('192.0.2.1'))
  const holder = new pg.Client(url)
  await holder.connect()
  await holder.query('begin; select * from config_revision for update')
  const order: string[] = []
  const told = async (last: number) => {
    const reply = await putA(daemon, `192.0.2.${last}`)
    order.push(`${reply.status}`)
    return reply
  }
  const replies = await Promise.all([2, 3, 4, 5, 6, 7].map(told))
  t.same(
    replies.map(({ status }) => status),
    Array(6).fill(503),
  )
  for (const reply of replies) t.match(await reply.json(), saysWhatIsKnown)
  const { rows } = await holder.query(
    "select count(*)::int as waiting from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
  )
  t.equal(rows[0].waiting, 0, 'all of them have given up together')
  await holder.query('rollback')
  await holder.end()
  t.equal((await putA(daemon, '192.0.2.8')).status, 200)
  t.same((await ask(daemon.dns, 'a.example.test')).answers, ['192.0.2.8'])
})
