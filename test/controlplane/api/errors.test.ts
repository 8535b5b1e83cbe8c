import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { startPostgres } from '../../support/postgres.ts'
import { adminToken, monitor, soa, startHarness, zone } from './fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const harness = await startHarness(await postgres.createDatabase())
t.teardown(() => harness[Symbol.asyncDispose]())
const { call, send, origin } = harness
const json = { 'content-type': 'application/json', authorization: `Bearer ${adminToken}` }

t.test('every bad field is named by its path, all at once', async (t) => {
  const cases: [url: string, body: unknown, paths: string[]][] = [
    ['/v1/monitors/m', { ...monitor, colour: 'red', timeout: '9s' }, ['colour', 'timeout']],
    ['/v1/monitors/M', { type: 'icmp' }, ['', 'type']],
    ['/v1/monitors/m', [], ['']],
    ['/v1/monitors/m', null, ['']],
    ['/v1/monitors/m', { expect: { body: 'a\0b' } }, ['expect.body']],
    [
      '/v1/pools/p',
      { select: 'best', members: { a: { address: 'fra-1' }, 'b c': { address: '192.0.2.1' } } },
      ['select', 'members.a.address', 'members["b c"]'],
    ],
    [
      '/v1/pools/p',
      { members: { a: { address: '192.0.2.1' }, b: { address: '192.0.2.1' } } },
      ['members.b.address'],
    ],
    ['/v1/pools/p/members/a', { weight: -1 }, ['address', 'weight']],
    ['/v1/services/s.test', { pools: [] }, ['pools']],
    ['/v1/services/s.test', { ttl: -1, steer: 'luck' }, ['pools', 'ttl', 'steer']],
    ['/v1/services/s..test', { pools: ['p'] }, ['name']],
    [
      '/v1/zones/z.test',
      { soa, rrsets: [{ name: 'a.other.test.', type: 'A', data: ['x'] }] },
      ['rrsets[0].name'],
    ],
    [
      '/v1/zones/z.test',
      {
        soa: { ...soa, mname: 'ns1' },
        ttl: -1,
        rrsets: [{ name: 'a', type: 'A', ttl: -1, data: ['192.0.2.256'] }],
      },
      ['soa.mname', 'ttl', 'rrsets[0].ttl', 'rrsets[0].data[0]'],
    ],
    [
      '/v1/zones/z.test',
      {
        soa,
        rrsets: [
          { name: 'a', type: 'A', data: ['192.0.2.1'] },
          { name: 'a', type: 'CNAME', data: ['b'] },
        ],
      },
      ['rrsets[1]'],
    ],
    ['/v1/zones/z.test/rrsets/a/A', { ttl: -1, data: ['192.0.2.1'] }, ['ttl']],
    ['/v1/zones/z.test/rrsets/a/A', { data: ['2001:db8::1'] }, ['data[0]']],
    ['/v1/zones/z.test/rrsets/a/A', { data: ['192.0.2.1'], name: 'b' }, ['name']],
    ['/v1/zones/z.test/rrsets/a.other./A', { data: ['192.0.2.1'] }, ['owner']],
    ['/v1/zones/z.test/rrsets/a/SOA', { data: ['x'] }, ['type']],
    ['/v1/zones/z.test/rrsets/@/CNAME', { data: ['x'] }, ['data']],
    [
      '/v1/pools/p/members/a/override',
      { state: 'sleep', until: 'tomorrow', reason: 7 },
      ['state', 'until', 'reason'],
    ],
    ['/v1/pools/p/members/a/override', { state: 'up', until: '2020-01-01T00:00:00Z' }, ['until']],
    ['/v1/pools/p/members/a/override', { until: null, when: 'now' }, ['state', 'when']],
    ['/v1/pools/p/override', { state: 'sleep' }, ['state']],
    ['/v1/overrides/WEB-*/[a]', { state: 'up' }, ['pool', 'member']],
    [`/v1/overrides/*/${'a'.repeat(129)}`, { state: 'up' }, ['member']],
    ['/v1/overrides/web-*/*', { state: 'up', pool: 'web', member: 1 }, ['pool', 'member']],
  ]
  for (const [url, body, paths] of cases) {
    const reply = await call('PUT', url, body)
    t.equal(reply.status, 400, `PUT ${url} ${JSON.stringify(body)}`)
    const found = (reply.body.errors ?? []).map((error: { path: string }) => error.path)
    t.same([...found].sort(), [...paths].sort(), `${url} ${JSON.stringify(body)}`)
    t.equal(reply.body.type, 'urn:pooldns:problem:invalid')
  }
  t.same((await call('GET', '/v1/audit')).body.items, [], 'nothing was done')
})

t.test('a CNAME beside other data is refused', async (t) => {
  await call('PUT', '/v1/zones/z.test', zone)
  const refused = await call('PUT', '/v1/zones/z.test/rrsets/ns1/CNAME', { data: ['other'] })
  t.equal(refused.status, 409)
  t.match(refused.body.errors[0].message, /CNAME/)
})

t.test('bodies that are not JSON are refused', async (t) => {
  const url = '/v1/pools/p'
  const broken = await send('PUT', url, '{"members": ', json)
  t.match(broken, { status: 400, body: { detail: /not JSON/ } })
  const twice = await send(
    'PUT',
    url,
    '{"members": {"a": {"address": "192.0.2.1"}, "a": {"address": "192.0.2.2"}}}',
    json,
  )
  t.match(twice, { status: 400, body: { errors: [{ path: 'members.a', message: 'stands there twice' }] } })
  const deep = await send('PATCH', url, `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`, json)
  t.match(deep, { status: 400, body: { errors: [{ message: /nested/ }] } })
  const proto = await send('PUT', url, '{"__proto__": {"monitor": "m"}}', json)
  t.match(proto, { status: 400, body: { errors: [{ path: '__proto__', message: /unknown field/ }] } })
  const merged = await send('PATCH', '/v1/zones/z.test', '{}', json)
  t.equal(merged.status, 405)
  const text = await send('PUT', url, 'members: {}', { ...json, 'content-type': 'text/plain' })
  t.equal(text.status, 415)
  const form = await send('PUT', url, 'a=b', { ...json, 'content-type': 'application/x-www-form-urlencoded' })
  t.equal(form.status, 415)
  const none = await send('PUT', url, '', json)
  t.equal(none.status, 400)
  const emptyDelete = await send('DELETE', '/v1/pools/none', '', json)
  t.equal(emptyDelete.status, 404, 'a content type without a body is no error')
})

t.test('bodies that are too large are refused', async (t) => {
  const large = JSON.stringify({ members: {}, padding: 'x'.repeat(5 * 1024 * 1024) })
  const pool = await send('PUT', '/v1/pools/p', large, json)
  t.match(pool, { status: 413, body: { type: 'urn:pooldns:problem:too-large' } })
  const inZone = await send('PUT', '/v1/zones/z.test', large, json)
  t.equal(inZone.status, 400, 'a zone may be 16 MiB, so this one is read and refused for its fields')
  const tooLargeZone = await send(
    'PUT',
    '/v1/zones/z.test',
    JSON.stringify({ padding: 'x'.repeat(17 * 2 ** 20) }),
    json,
  )
  t.equal(tooLargeZone.status, 413)
})

t.test('routes and methods that are none are told apart', async (t) => {
  t.match(await call('GET', '/nothing'), { status: 404, body: { detail: /\/nothing/ } })
  t.equal((await call('GET', '/v1/pools/')).status, 404)
  const wrong = await call('POST', '/v1/pools/p', {})
  t.equal(wrong.status, 405)
  t.equal(wrong.headers.get('allow'), 'DELETE, GET, HEAD, PATCH, PUT')
  t.equal((await call('DELETE', '/metrics')).headers.get('allow'), 'GET, HEAD')
  t.equal((await call('PUT', '/v1/pools', {})).status, 405)
  t.equal((await call('GET', '/v1/pools/%zz')).status, 400)
  t.equal((await call('GET', `/v1/pools/${'x'.repeat(5000)}`)).status, 414)
  t.match((await call('PUT', '/v1/pools/p?dryRun=1', {})).body.errors, [{ path: 'dryRun' }])
  t.equal((await call('DELETE', '/v1/pools/p/members/a/override?x=1')).status, 400)
  t.equal((await call('GET', '/v1/pools/%00')).status, 400)
  t.equal((await call('HEAD', '/v1/zones/z.test')).status, 200)
})

t.test('bytes that are no HTTP get a problem document', async (t) => {
  for (const [bytes, status] of [
    ['nonsense\r\n\r\n', '400'],
    [`GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, '431'],
  ] as const) {
    const socket = connect(Number(new URL(origin).port), '127.0.0.1')
    socket.setEncoding('utf8')
    let text = ''
    socket.on('data', (chunk) => {
      text += chunk
    })
    socket.write(bytes)
    await once(socket, 'close')
    t.match(text, new RegExp(`^HTTP/1.1 ${status} `))
    t.match(text, /application\/problem\+json/)
  }
})

t.test('what goes wrong inside is logged, not told', async (t) => {
  harness.database.read = async () => {
    throw new Error('secret detail', { cause: new Error('deeper') })
  }
  const reply = await call('GET', '/v1/pools?limit=1')
  t.equal(reply.status, 500)
  t.notMatch(JSON.stringify(reply.body), /secret/)
  const line = await harness.logged((entry) => entry.msg === 'request failed')
  t.match(line, { level: 'error', path: '/v1/pools', err: { message: /secret detail/, stack: /deeper/ } })
  Reflect.deleteProperty(harness.database, 'read')
})
