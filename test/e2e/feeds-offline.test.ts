/** What feeds are declared, while the database is away. */
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'

t.test('feeds without a database', async (t) => {
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createEmptyDatabase() }
  const air = { columns: { so2: { unit: 'µg/m³' }, no2: {}, co: { type: 'integer' } }, cache: '60s' }
  await using daemon = await startDaemonProcess({ env })
  const made = await daemon.request('/v1/feeds/air_quality', { method: 'PUT', json: air })
  t.equal(made.status, 201)

  const isRead = async (of: typeof daemon) => {
    const read = await of.request('/v1/feeds/air_quality/declaration')
    t.equal(read.status, 200)
    t.ok(read.headers.has('pooldns-revision'), 'out of memory')
    const { status: _, ...body } = (await read.json()) as Record<string, unknown>
    return body
  }
  await postgres.kill()
  await daemon.line(({ msg }) => msg === 'waiting for the database')
  t.same(await isRead(daemon), air, 'as it was written')
  t.match(await (await daemon.request('/v1/feeds')).json(), { items: [{ name: 'air_quality', ...air }] })
  t.match(await (await daemon.request('/v1/config')).json(), { feeds: { air_quality: air } })
  t.equal((await daemon.request('/v1/feeds/other/declaration')).status, 404)
  t.equal((await daemon.request('/v1/feeds/other', { method: 'PUT', json: air })).status, 503)
})
