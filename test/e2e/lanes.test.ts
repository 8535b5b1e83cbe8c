/**
 * An operator's drain while a zone is read and compiled, by HTTP and DNS. A lock on the table of RRsets, which settings have no
 * part in, keeps the zone for as long as the test wants.
 */
import pg from 'pg'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, soa } from './fixture.ts'

t.test('a drain is served before a zone that is being read, and the zone follows', async (t) => {
  await using postgres = await startPostgres()
  const url = await postgres.createDatabase()
  await using daemon = await startDaemonProcess({ env: { DATABASE_URL: url } })
  const rrsets = [{ name: 'a', type: 'A', data: ['192.0.2.7'] }]
  await put(daemon, '/v1/zones/example.test', { soa, rrsets })
  await put(daemon, '/v1/pools/web', {
    members: { m1: { address: '192.0.2.1' }, m2: { address: '192.0.2.2' } },
  })
  await put(daemon, '/v1/services/www.example.test', { pools: ['web'] })

  await using holder = await connect(url)
  await using writer = await connect(url)
  // Of which nobody is told before the change of the zone.
  await writer.sql.query(`update rrsets set data = array['192.0.2.8'] where owner = 'a'`)
  await holder.sql.query('begin; lock table rrsets in access exclusive mode')
  const revision = await touchZone(writer.sql, 'example.test')
  await isHeld(writer.sql)

  const path = '/v1/pools/web/members/m1/override'
  const drained = await daemon.request(path, { method: 'PUT', json: { state: 'drain', reason: 'test' } })
  t.equal(drained.status, 201)
  t.equal(drained.headers.get('pooldns-published'), 'yes')
  t.same((await ask(daemon.dns, 'www.example.test')).answers, ['192.0.2.2'])
  t.same((await ask(daemon.dns, 'a.example.test')).answers, ['192.0.2.7'])
  t.equal(await servedRevision(daemon.http), revision - 1, 'what is served whole')

  await holder.sql.query('rollback')
  await askUntil(daemon.dns, 'a.example.test', ['192.0.2.8'])
  const ended = await daemon.request(path, { method: 'DELETE' })
  t.equal(ended.headers.get('pooldns-published'), 'yes')
  t.equal(await servedRevision(daemon.http), revision + 2)
  t.same(
    daemon.lines.filter(({ level }) => level === 'error'),
    [],
  )
})

async function connect(url: string) {
  const sql = new pg.Client(url)
  await sql.connect()
  return { sql, [Symbol.asyncDispose]: () => sql.end() }
}

/** A change of a whole zone, as another node writes it. @returns its revision */
async function touchZone(sql: pg.Client, apex: string): Promise<number> {
  const { rows } = await sql.query<{ revision: string }>(`
    with bumped as (update config_revision set revision = revision + 1 returning revision)
    insert into changes (revision, kind, key, stamp) select revision, 'zone', '${apex}', 'test' from bumped
    returning revision`)
  return Number(rows[0]!.revision)
}

/** Until somebody waits for the table. */
async function isHeld(sql: pg.Client): Promise<void> {
  const waiting = `select from pg_locks where relation = 'rrsets'::regclass and not granted`
  await eventually(async () => ((await sql.query(waiting)).rowCount === 0 ? undefined : true))
}

async function servedRevision(http: string): Promise<number> {
  const text = await (await fetch(`${http}/metrics`)).text()
  return Number(/^pooldns_config_revision (\d+)$/m.exec(text)?.[1])
}
