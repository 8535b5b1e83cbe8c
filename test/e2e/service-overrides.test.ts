/** An operator's word on a service that stands in a pool's place: to the answers of two servers, over an outage, and to its end. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type DaemonProcess, startDaemonProcess } from '../support/daemon.ts'
import { startPostgres } from '../support/postgres.ts'
import { ask, askUntil } from './ask.ts'
import { eventually, put, putEndingSoon, soa } from './fixture.ts'

const www = 'www.example.test'
const eu = 'eu.example.test'
const path = `/v1/services/${eu}/override`
const [inEu, inUs] = [['192.0.2.1', '192.0.2.2'], ['198.51.100.1']]

async function configure(daemon: DaemonProcess): Promise<void> {
  await put(daemon, '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await put(daemon, '/v1/pools/eu', { members: { a: { address: inEu[0] }, b: { address: inEu[1] } } })
  await put(daemon, '/v1/pools/us', { members: { a: { address: inUs[0] } } })
  await put(daemon, `/v1/services/${eu}`, { pools: ['eu'], ttl: 5, whenAllDown: 'nodata' })
  await put(daemon, `/v1/services/${www}`, { pools: [{ service: eu }, 'us'], ttl: 5, whenAllDown: 'nodata' })
}

async function json<T>(daemon: DaemonProcess, url: string): Promise<T> {
  return (await (await daemon.request(url)).json()) as T
}

/** What is said of the choice `eu` of www, and which pool answers. */
async function explained(daemon: DaemonProcess) {
  const { services } = await json<{
    services: { pool: string; levels: { service: string; choices: { name: string; why: string }[] }[] }[]
  }>(daemon, `/v1/explain?name=${www}&type=A`)
  const { pool, levels } = services[0]!
  return { pool, why: levels[0]!.choices.find(({ name }) => name === eu)?.why }
}

async function override(t: Test, daemon: DaemonProcess, wish: object, status: number): Promise<void> {
  const response = await daemon.request(path, { method: 'PUT', json: wish })
  t.equal(response.status, status, await response.text())
}

t.test('a service that stands in a pool place is overridden like a pool', async (t) => {
  await using postgres = await startPostgres()
  const env = { DATABASE_URL: await postgres.createDatabase() }
  const dataDir = await mkdtemp(join(tmpdir(), 'pooldns-service-overrides-'))
  t.teardown(() => rm(dataDir, { recursive: true }))
  await using here = await startDaemonProcess({ env })
  const there = await startDaemonProcess({ env, dataDir })
  t.teardown(() => there.stop())
  await configure(here)
  for (const { dns } of [here, there]) await askUntil(dns, www, inEu)

  await override(t, here, { state: 'drain', reason: 'new racks' }, 201)
  t.same((await ask(here.dns, www)).answers, inUs, 'served when the request returns')
  t.same((await ask(here.dns, eu)).answers, inEu, 'by its own name as ever')
  await askUntil(there.dns, www, inUs)
  t.same(await explained(here), { pool: 'us', why: 'draining' })
  const said = { state: 'drain', until: null, reason: 'new racks', status: { actor: 'admin' } }
  t.match(await json(there, path), said)
  t.match(await json(here, `/v1/services/${eu}`), { status: { state: 'up', override: said } })
  t.match(await json(here, `/v1/services/${www}`), { status: { override: null } })
  const metrics = async () => (await here.request('/metrics')).text()
  t.match(await metrics(), `pooldns_service_override{service="${eu}",state="drain"} 1\n`)

  const read = await here.request(`/v1/services/${eu}`)
  const etag = read.headers.get('etag')
  const again = await here.request(`/v1/services/${eu}`, { method: 'PUT', json: await read.json() })
  t.equal(again.headers.get('etag'), etag, 'what was read can be written back')
  t.same((await ask(here.dns, www)).answers, inUs)

  await put(here, '/v1/pools/eu/override', { state: 'down' })
  t.equal((await ask(here.dns, eu)).answers.length, 0)
  await override(t, here, { state: 'up' }, 200)
  t.same((await ask(here.dns, www)).answers, inEu, 'up, whatever its members are')
  t.match(await explained(here), { pool: 'eu', why: /; forced up$/ })
  t.equal((await here.request('/v1/pools/eu/override', { method: 'DELETE' })).status, 204)

  await override(t, here, { state: 'down' }, 200)
  await askUntil(there.dns, www, inUs)
  await putEndingSoon(here, path, { state: 'down' })
  for (const { dns } of [here, there]) await askUntil(dns, www, inEu)
  const events = await eventually(async () => {
    const { items } = await json<{ items: { what: string; state: string; service: string }[] }>(
      here,
      `/v1/events?kind=override&service=${eu}`,
    )
    return items[0]?.what === 'expired' ? items : undefined
  })
  t.same(
    events.map(({ what, state, service }) => `${what} ${state} ${service}`),
    ['expired down', 'changed down', 'changed down', 'changed up', 'set drain'].map(
      (each) => `${each} ${eu}`,
    ),
  )
  t.equal((await here.request(path)).status, 404)
  t.notMatch(await metrics(), 'pooldns_service_override{')

  await override(t, here, { state: 'drain' }, 201)
  await askUntil(there.dns, www, inUs)
  await there.stop()
  await postgres.kill()
  await using alone = await startDaemonProcess({ env, dataDir })
  t.same((await ask(alone.dns, www)).answers, inUs, 'a start without the database knows it')
  await postgres.restart()
  await eventually(async () =>
    (await here.request(path, { method: 'DELETE' })).status === 204 ? true : undefined,
  )
  for (const { dns } of [here, alone]) await askUntil(dns, www, inEu)
  t.equal((await here.request(path, { method: 'DELETE' })).status, 404)

  await override(t, here, { state: 'evil' }, 400)
  await override(t, here, { state: 'down', until: '2001-01-01T00:00:00Z' }, 400)
  const nobody = await here.request('/v1/services/no.example.test/override', {
    method: 'PUT',
    json: { state: 'up' },
  })
  t.equal(nobody.status, 404)

  await override(t, here, { state: 'drain' }, 201)
  await put(here, `/v1/services/${www}`, { pools: ['us'], ttl: 5 })
  t.equal((await here.request(`/v1/services/${eu}`, { method: 'DELETE' })).status, 204)
  await configure(here)
  t.same((await ask(here.dns, www)).answers, inEu, 'it ends with its service')
})
