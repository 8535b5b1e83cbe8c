/** What feeds are declared, after a start without the database. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'

t.test('feeds of the snapshot', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'pooldns-feeds-'))
  t.teardown(() => rm(dataDir, { recursive: true, force: true }))
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createEmptyDatabase() }
  const columns = { so2: { unit: 'µg/m³' }, no2: {}, co: { type: 'integer' } }
  const zone = {
    soa: { mname: 'ns1.example.test.', rname: 'h.example.test.' },
    rrsets: [{ name: '@', type: 'NS', data: ['ns1.example.net.'] }],
  }
  const daemon = await startDaemonProcess({ env, dataDir })
  t.teardown(() => daemon.stop())
  const document = { feeds: { air_quality: { columns, cache: '60s' } }, zones: { 'example.test': zone } }
  t.equal((await daemon.request('/v1/config', { method: 'PUT', json: document })).status, 200)
  t.same(await daemon.stop(), { code: 0, signal: null })
  await postgres.kill()

  await using again = await startDaemonProcess({ env, dataDir })
  const read = await again.request('/v1/feeds/air_quality/declaration')
  t.ok(read.headers.has('pooldns-revision'), 'out of the snapshot')
  const kept = (await read.json()) as { columns: object }
  t.same(Object.keys(kept.columns), Object.keys(columns), 'columns in their order')
  t.match(kept, { columns, cache: '1m' })
})
