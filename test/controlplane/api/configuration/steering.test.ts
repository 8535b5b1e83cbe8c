/** Monitors of every type, and pools and services that steer, by the API. */

import t from 'tap'
import { sql } from '../../../../schema/drizzle.ts'
import { monitor, startHarness, zone } from '../fixture.ts'

const harness = await startHarness(null)
t.teardown(() => harness[Symbol.asyncDispose]())
const { call } = harness

t.test('monitors of every type are written, read and patched', async (t) => {
  const always = { interval: '10s', timeout: '3s', rise: 2, fall: 3 }
  const bodies: Record<string, object> = {
    tcp: { type: 'tcp', port: 25, send: 'QUIT\r\n', expect: { pattern: '^2' }, tls: true, ...always },
    dns: { type: 'dns', port: 53, query: { name: 'example.test.', type: 'SOA' }, ...always },
    grpc: { type: 'grpc', port: 50_051, service: 'shop', ...always, flap: { changes: 9 } },
    push: { type: 'push', ttl: '1m' },
    static: { type: 'static', state: 'up' },
    both: { type: 'composite', monitors: ['tcp', 'push'], require: 'any' },
  }
  for (const [name, body] of Object.entries(bodies)) {
    const created = await call('PUT', `/v1/monitors/${name}`, body)
    t.equal(created.status, 201, JSON.stringify(created.body))
    const { status: _, ...written } = created.body
    t.same(written, body)
    t.equal(
      (await call('PUT', `/v1/monitors/${name}`, created.body)).headers.get('etag'),
      created.headers.get('etag'),
    )
  }
  const { items } = (await call('GET', '/v1/monitors')).body
  t.same(
    items,
    Object.keys(bodies)
      .sort()
      .map((name) => ({ name, ...bodies[name] })),
  )

  const patched = await call('PATCH', '/v1/monitors/tcp', {
    tls: { minDaysLeft: 7 },
    expect: { pattern: null },
  })
  t.match(patched.body, { port: 25, tls: { minDaysLeft: 7 } })
  t.same(patched.body.expect, {})
  const foreign = await call('PATCH', '/v1/monitors/push', { type: 'static', state: 'up' })
  t.equal(foreign.status, 400)
  t.match(foreign.body.errors, [{ path: 'ttl', message: 'is not for monitors of type static' }])
  const inUse = await call('DELETE', '/v1/monitors/tcp')
  t.equal(inUse.status, 409)
  t.match(inUse.body, { detail: /used by monitor both/, errors: [{ path: 'monitors.both.monitors' }] })
  const missing = await call('PATCH', '/v1/monitors/both', { monitors: ['tcp', 'nope'] })
  t.equal(missing.status, 400)
  t.match(missing.body.errors, [{ path: 'monitors[1]', message: 'there is no monitor nope' }])
  t.equal((await call('PATCH', '/v1/monitors/both', { monitors: ['both'] })).status, 409)
})

t.test('a monitor that somebody edited by hand is told of when it is read', async (t) => {
  await call('PUT', '/v1/monitors/broken', monitor)
  await harness.database.record((tx) =>
    tx.execute(sql`update monitors set settings = '{"port": 0}' where name = 'broken'`),
  )
  for (const path of ['/v1/monitors/broken', '/v1/monitors']) {
    const read = await call('GET', path)
    t.equal(read.status, 400)
    t.match(read.body.detail, /^the settings of monitor broken in the database can't be read: port must be/)
  }
  t.equal((await call('PUT', '/v1/monitors/broken', monitor)).status, 200, 'can be replaced')
  t.equal((await call('GET', '/v1/monitors/broken')).status, 200)
})

t.test('a pool and its members', async (t) => {
  await call('PUT', '/v1/pools/sorry', {})
  const created = await call('PUT', '/v1/pools/eu', {
    select: 'failover',
    tiers: { 1: { minUp: 0.5 } },
    unknown: 'down',
    whenAllDown: 'fallback',
    fallback: 'sorry',
    location: { latitude: 50, longitude: 8 },
    members: { a: { address: '192.0.2.1', priority: 2 }, b: { address: '192.0.2.2' } },
  })
  t.equal(created.status, 201)
  t.match(created.body, {
    select: 'failover',
    tiers: { 1: { minUp: 0.5 } },
    whenAllDown: 'fallback',
    fallback: 'sorry',
    members: { a: { priority: 2 } },
  })
  t.notOk('priority' in created.body.members.b)
  const patched = await call('PATCH', '/v1/pools/eu', {
    tiers: { 1: null, 7: { minUp: 1 } },
    quorum: 'majority',
  })
  t.same(patched.body.tiers, { 7: { minUp: 1 } })
  t.equal(patched.body.quorum, 'majority')
  const member = await call('PATCH', '/v1/pools/eu/members/b', { priority: 9 })
  t.equal(member.body.priority, 9)
  t.match((await call('DELETE', '/v1/pools/sorry')).body, { status: 409, detail: /used by pool eu/ })
  t.equal((await call('PATCH', '/v1/pools/eu', { fallback: 'nope' })).status, 400)
})

t.test('a service that steers by geo is read back as it was written', async (t) => {
  await call('PUT', '/v1/zones/example.test', zone)
  await call('PUT', '/v1/services/inner.example.test', { pools: ['eu'] })
  const body = {
    ttl: { min: '5s', max: '1m' },
    steer: 'geo',
    pools: [{ pool: 'eu', weight: 3 }, 'sorry', { service: 'inner.example.test' }],
    whenAllDown: 'nodata',
    geo: { country: { CH: ['eu', 'inner.example.test'] }, default: ['sorry'] },
  }
  const created = await call('PUT', '/v1/services/www.example.test', body)
  t.equal(created.status, 201, JSON.stringify(created.body))
  const { status: _, ...written } = created.body
  t.same(written, body)
  t.same((await call('GET', '/v1/services')).body.items[1], { name: 'www.example.test', ...body })
  const patched = await call('PATCH', '/v1/services/www.example.test', {
    ttl: '10s',
    geo: { country: { CH: null }, asn: { 64500: ['eu'] } },
  })
  t.match(patched.body, { ttl: '10s', geo: { asn: { 64500: ['eu'] }, default: ['sorry'] } })
  const plain = await call('PATCH', '/v1/services/www.example.test', { steer: 'weighted', geo: null })
  t.equal(plain.status, 200)
  t.notOk('geo' in plain.body)
  const gone = await call('PATCH', '/v1/services/www.example.test', { steer: 'geo' })
  t.match(gone.body, { status: 400, errors: [{ path: 'geo', message: /^is required when steer is geo/ }] })
  const circle = await call('PUT', '/v1/services/inner.example.test', {
    pools: [{ service: 'www.example.test' }],
  })
  t.match(circle.body, { status: 409, errors: [{ path: 'pools', message: /^leads back to itself: / }] })
  const inUse = await call('DELETE', '/v1/services/inner.example.test')
  t.match(inUse.body, { status: 409, errors: [{ path: 'services["www.example.test"]' }] })
})

t.test('the OpenAPI document shows every field', async (t) => {
  const { Monitor, Service, Pool, PoolMember, ...schemas } = (await call('GET', '/openapi.json')).body
    .components.schemas
  const types = Monitor.oneOf.map(({ $ref }: { $ref: string }) =>
    schemas[$ref.replace('#/components/schemas/', '')].properties.type.enum.join(),
  )
  t.same(types, ['http', 'https', 'tcp', 'dns', 'grpc', 'push', 'static', 'feed', 'composite'])
  t.match(Service.properties, {
    ttl: { $ref: '#/components/schemas/ServiceTtl' },
    pools: { items: { $ref: '#/components/schemas/Choice' } },
    geo: { $ref: '#/components/schemas/GeoRules' },
  })
  t.match(schemas.ServiceTtl.oneOf, [{}, { properties: { min: {}, max: {} } }])
  t.match(schemas.Choice.oneOf, [
    { type: 'string' },
    { properties: { pool: {}, service: {}, weight: {}, bias: {} } },
  ])
  t.match(schemas.GeoRules.properties, { cidr: {}, default: {} })
  t.match(Pool.properties, { fallback: {}, tiers: {}, quorum: {} })
  t.match(PoolMember.properties, { priority: {} })
})
