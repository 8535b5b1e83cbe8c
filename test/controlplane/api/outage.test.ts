import t from 'tap'
import { createToken } from '../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../support/postgres.ts'
import { monitor, startHarness } from './fixture.ts'

t.test('the database goes and comes back', async (t) => {
  await using postgres = await startPostgres()
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, state } = harness
  const token = await harness.database.record((tx) => createToken(tx, 'reader', ['read']))
  state.zones = new Map([['www.own.test', ['192.0.2.1']]])
  t.equal((await call('PUT', '/v1/monitors/m', monitor)).status, 201)

  await postgres.kill()
  for (const [method, path, body] of [
    ['PUT', '/v1/monitors/m', { rise: 5 }],
    ['PATCH', '/v1/monitors/m', { rise: 5 }],
    ['DELETE', '/v1/monitors/m', undefined],
    ['GET', '/v1/monitors/m', undefined],
    ['GET', '/v1/zones', undefined],
    ['GET', '/history', undefined],
  ] as const) {
    const reply = await call(method, path, body)
    t.equal(reply.status, 503, `${method} ${path}`)
    t.equal(reply.headers.get('retry-after'), '5')
    t.match(reply.body, { type: 'urn:pooldns:problem:unavailable', detail: /database/ })
    t.notMatch(JSON.stringify(reply.body), /not-a-secret/)
  }
  t.equal((await call('GET', '/v1/monitors/m', undefined, { token })).status, 503, 'a token of the store')
  t.equal((await call('PUT', '/v1/monitors/m', { rise: 'x' })).status, 400, 'what is wrong is still told')
  for (const path of ['/', '/health', '/ready', '/metrics', '/tools/validate?ip=1.2.3.4']) {
    t.equal((await call('GET', path)).status, 200, `${path} needs no database`)
  }
  const lookup = await call('GET', '/tools/lookup?domain=www.own.test')
  t.equal(lookup.status, 200, 'a lookup answers without its history')
  await harness.logged((line) => line.msg === 'lookup not added to the history')

  await postgres.restart()
  t.match(
    await call('GET', '/v1/monitors/m'),
    { status: 200, body: { status: { effective: { rise: 2 } } } },
    'nothing was half-written',
  )
  t.equal((await call('PUT', '/v1/monitors/m', { rise: 5 })).status, 200)
  t.same((await call('GET', '/history')).body, [])
})
