/**
 * Somebody holds tables that are no configuration for as long as it takes (VACUUM FULL, ALTER TABLE): answers and changes of the configuration go on,
 * and what was to be written there is written once it is free again, or counted.
 */
import pg from 'pg'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { query, UdpClient } from '../support/dns-client.ts'
import { startPostgres } from '../support/postgres.ts'
import { askUntil } from './ask.ts'
import { eventually, put, putService, startBackend } from './fixture.ts'

/** What the server writes besides, and reads again and again. */
const tables = [
  'queries',
  'webhook_waiting',
  'feed_latest',
  'feed_parts',
  'feed_sources',
  'events',
  'member_health',
  'reports',
  'lookups',
  'gradual_changes',
]

const lockNotAvailable = '55P03'

/** All at a time or none: who waits for one of them and has others waits for a server that has that one and waits for others, in a deadlock. */
const lockAll = (holder: pg.Client) =>
  eventually(async () => {
    await holder.query('begin')
    try {
      await holder.query(`lock table ${tables.join()} in access exclusive mode nowait`)
      return true
    } catch (error) {
      await holder.query('rollback')
      if ((error as pg.DatabaseError).code !== lockNotAvailable) throw error
      return undefined
    }
  })

t.test('tables that somebody else holds', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using backend = await startBackend()
  await using daemon = await startDaemonProcess({
    env: { DATABASE_URL: url, POOLDNS_QUERY_LOG: '1/1', POOLDNS_RRL: 'off' },
  })
  const holder = new pg.Client({ connectionString: url })
  await holder.connect()
  await using _ended = { [Symbol.asyncDispose]: () => holder.end() }
  // It is another one with each failure.
  await putService(daemon, [backend], {}, {}, { fall: 1 })
  await put(daemon, '/v1/feeds/load', { columns: { free: {} } })
  await put(daemon, '/v1/webhooks/away', { url: 'http://127.0.0.1:1/' })
  const push = () =>
    daemon.request('/v1/feeds/load/rows', {
      method: 'POST',
      json: { time_instant: new Date().toISOString(), id_entity: 'e', free: 1 },
    })
  t.equal((await push()).status, 200)
  const from = daemon.lines.length
  await lockAll(holder)
  const pushed = push()
  const read = daemon.request('/v1/history?limit=5')
  await using client = await UdpClient.open(daemon.dns)
  const tookMs: number[] = []
  // Until those who wait there have been let go.
  let areWaiting = true
  const letGo = Promise.all([pushed, read]).then((replies) => {
    areWaiting = false
    return replies.map(({ status }) => status)
  })
  for (let nth = 0; areWaiting || nth < 10; nth++) {
    const begun = performance.now()
    const last = 1 + (nth % 250)
    await put(daemon, `/v1/zones/example.test/rrsets/n${nth}/A`, { data: [`192.0.2.${last}`] })
    await askUntil(daemon.dns, `n${nth}.example.test`, [`192.0.2.${last}`])
    // A transition is an event, and the health of a member.
    backend.healthy = nth % 2 === 1
    await client.insist(query('www.example.test', 'A'))
    tookMs.push(performance.now() - begun)
  }
  t.comment(`${tookMs.length} writes, the longest ${Math.round(Math.max(...tookMs))} ms`)
  t.pass('no write waits for who holds them')
  const down = daemon.lines.slice(from).filter(({ msg }) => /^the database is (?!available)/.test(msg ?? ''))
  t.same(down, [], 'the database counts as there')
  t.same(await letGo, [503, 503], 'whoever asks for what is held hears so')
  await holder.query('rollback')
  await eventually(async () => ((await push()).status === 200 ? true : undefined))
  await eventually(async () => {
    const { rows } = await holder.query('select from queries limit 1')
    return rows.length === 1 ? true : undefined
  })
  t.equal((await daemon.request('/ready')).status, 200)
})
