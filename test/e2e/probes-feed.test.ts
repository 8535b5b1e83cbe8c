/** The feed `probes`: what two nodes have found of a member, kept apart, also over an outage of the database. */
import t from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { eventually, putService, startBackend } from './fixture.ts'

interface Row {
  readonly time_instant: string
  readonly id_entity: string
  readonly up: number
  readonly latency: number | null
  readonly latency_max: number | null
  readonly probes: number
}

const fresh = { 'cache-control': 'no-cache' }

async function rowsOf(daemon: DaemonProcess, query = ''): Promise<readonly Row[]> {
  const response = await daemon.request(`/v1/feeds/probes${query}`, { headers: fresh })
  if (response.status !== 200) return []
  return ((await response.json()) as { items: Row[] }).items
}

t.test('what probes find is a feed', async (t) => {
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  await using one = await startDaemonProcess({ env })
  await using two = await startDaemonProcess({ env })
  await using off = await startDaemonProcess({ env: { ...env, POOLDNS_PROBE_HISTORY: 'off' } })
  await using backend = await startBackend()
  // None of the first probes may fail because the member, which is this process, was slow once.
  await putService(one, [backend], {}, {}, { interval: '2s', timeout: '2s' })

  const both = await eventually(async () => {
    const rows = await rowsOf(two)
    const entities = new Set(rows.map(({ id_entity }) => id_entity))
    return entities.size === 2 && rows.length >= 8 ? { rows, entities } : undefined
  })
  for (const entity of both.entities) t.match(entity, /^web\/m1@[0-9a-f]{12}$/)
  for (const row of both.rows) {
    t.match(row, { up: 1, probes: 1 }, 'each probe is a row')
    t.ok(row.latency! > 0 && row.latency === row.latency_max)
  }
  const [entity] = [...both.entities] as [string]
  const ofOne = await rowsOf(one, `?entity=${encodeURIComponent(entity)}&latest=true`)
  t.equal(ofOne.length, 1)
  const nodes = (await (await one.request('/v1/nodes')).json()) as { items: { id: string }[] }
  t.equal(nodes.items.length, 3)
  const ids = nodes.items.map(({ id }) => `web/m1@${id}`)
  t.ok(
    [...both.entities].every((each) => ids.includes(each)),
    'by the ids that the fleet has',
  )

  await t.test('a failure is a row, and charts have steps', async (t) => {
    backend.healthy = false
    await backend.asked()
    const failed = await eventually(async () => (await rowsOf(one)).find(({ up }) => up === 0))
    t.match(failed, { latency: null, latency_max: null, probes: 1 })
    const [step] = (await rowsOf(
      one,
      `?step=1h&entity=${encodeURIComponent(failed.id_entity)}`,
    )) as unknown as { up_avg: number; up_min: number }[]
    t.ok(step!.up_avg > 0 && step!.up_min === 0)
  })

  await t.test('nothing is lost while the database is away', async (t) => {
    const before = (await rowsOf(one)).length
    await postgres.kill()
    await one.line(({ msg }) => msg === 'waiting for the database')
    const sinceMs = Date.now()
    for (let nth = 0; nth < 9; nth++) await backend.asked()
    const untilMs = Date.now()
    await postgres.restart()
    const found = await eventually(async () => {
      const rows = await rowsOf(one)
      const times = rows.filter(({ time_instant }) => {
        const ms = Date.parse(time_instant)
        return ms > sinceMs && ms < untilMs
      })
      // A third of those who asked keeps nothing, and the last ones may not be over yet.
      return times.length >= 2 ? rows : undefined
    })
    t.ok(found.length > before)
    const metrics = await (await fetch(`${one.http}/metrics`)).text()
    t.match(metrics, /pooldns_shed_total\{what="probes"\} 0/)
  })

  await t.test('it is nobody else who writes it', async (t) => {
    const json = { time_instant: new Date().toISOString(), id_entity: 'web/m1@me', up: 1 }
    const posted = await one.request('/v1/feeds/probes/rows', { method: 'POST', json })
    t.equal(posted.status, 409)
    t.match(await posted.json(), { detail: /feed probes is built in/ })
    const declared = await one.request('/v1/feeds/probes', { method: 'PUT', json: { columns: { a: {} } } })
    t.ok(declared.status >= 400 && declared.status < 500, String(declared.status))
    t.equal((await one.request('/probes')).status, 200, 'and at its name alone it is read, too')
    t.equal((await fetch(`${one.http}/probes`)).status, 401)
  })
  t.equal(off.lines.filter(({ level }) => level === 'error').length, 0)
})
