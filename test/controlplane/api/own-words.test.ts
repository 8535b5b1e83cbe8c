/**
 * Every constraint of the database is checked before it at the edge, in words of ours, and what SQL can't keep never gets
 * there: each of these would else come back with the text of an error of PostgreSQL.
 */
import t from 'tap'
import { adminToken, startHarness } from './fixture.ts'

const soa = { mname: 'ns1.example.test.', rname: 'h.example.test.' }

t.test('words of the database reach no client', async (t) => {
  await using api = await startHarness(null)
  const headers = { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' }
  const call = async (method: string, path: string, body?: unknown) => {
    const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) }
    const reply = await fetch(api.origin + path, init)
    const text = await reply.text()
    const what = `${method} ${path.slice(0, 90)}: ${reply.status}`
    t.ok(reply.status < 500, what)
    t.notMatch(text, /database|constraint|violates|relation/, what)
    return reply.status
  }
  await call('PUT', '/v1/zones/example.test', { soa, rrsets: [{ name: '@', type: 'NS', data: ['ns1'] }] })
  await call('PUT', '/v1/pools/p', { members: { a: { address: '192.0.2.1' }, h: { host: 'x.test' } } })
  t.equal(await call('PUT', '/v1/pools/p/members/b', { address: '192.0.2.1' }), 409)
  await call('PUT', '/v1/pools/p/members/c', { host: 'x.test' })
  await call('PUT', '/v1/pools/p/members/c', { host: 'X.test.' })
  await call('PATCH', '/v1/pools/p/members/a', { address: null, host: 'x.test' })
  for (const name of [
    'a/b',
    '*',
    'a\\032b',
    'a\\000',
    "it's",
    '"q"',
    'a%b',
    '\\196',
    'a\\.b',
    '@',
    '_tcp',
    'a;b',
    'a\\064',
    'x'.repeat(63),
    `${'\\200'.repeat(63)}.${'\\200'.repeat(63)}.${'\\200'.repeat(63)}`,
  ]) {
    const url = `/v1/services/${encodeURIComponent(`${name}.example.test`)}`
    t.equal(await call('PUT', url, { pools: ['p'] }), 201)
    t.equal(await call('GET', url), 200)
    t.equal(await call('PUT', `/v1/zones/${encodeURIComponent(`${name}.z.test`)}`, { soa }), 201)
    await call('PUT', `/v1/zones/example.test/rrsets/${encodeURIComponent(name)}/TXT`, { data: ['"x"'] })
  }
  await call('PUT', '/v1/services/s.example.test', { pools: ['p', 'p'] })
  await call('PUT', '/v1/services/s.example.test', { pools: ['p', { service: 's.example.test' }] })
  await call('PUT', '/v1/services/s.example.test', { pools: ['p'], ttl: { max: 5, min: 99 } })
  await call('PUT', '/v1/services/s.example.test', { pools: ['p'], whenAllDown: 'fallback' })
  await call('PUT', '/v1/services/s.example.test', { pools: ['p'], fallback: 'p' })
  await call('PUT', '/v1/services/s.example.test', { pools: ['p'], fallback: 'p', whenAllDown: 'fallback' })
  await call('PUT', '/v1/services/s.example.test', { pools: [] })
  await call('PUT', '/v1/pools/q', { whenAllDown: 'fallback', fallback: 'q' })
  await call('PUT', '/v1/pools/q', { fallback: 'p' })
  await call('PUT', '/v1/pools/q', { minUp: 'NaN', answers: 0 })
  await call('PUT', '/v1/pools/q', {
    members: { a: { address: '1.2.3.4', probe: { address: '0.0.0.0', port: 0 } } },
  })
  await call('PUT', '/v1/pools/q', {
    members: { a: { host: '-a.test' }, b: { host: 'a..b' }, c: { host: `${'x'.repeat(64)}.test` } },
  })
  await call('PUT', '/v1/pools/q', { members: { a: { address: '::1.2.3.4' }, b: { address: '::102:304' } } })
  await call('PUT', '/v1/webhooks/w', { url: 'HTTP://example.test/x' })
  await call('PUT', '/v1/webhooks/w', { url: 'http://example.test/x', kinds: [], pools: [] })
  await call('PUT', '/v1/webhooks/w', { url: 'http://example.test/x', pools: ['*'], timeout: 0 })
  await call('POST', '/v1/tokens', { name: 'A/b', scopes: ['read'] })
  await call('POST', '/v1/tokens', { name: 'a b', scopes: ['read'] })
  await call('POST', '/v1/tokens', { name: 'ab', scopes: [] })
  await call('POST', '/v1/tokens', { name: 'abc', scopes: ['read', 'read'] })
  await call('POST', '/v1/tokens', { name: 'x'.repeat(300), scopes: ['read'] })
  await call('POST', '/v1/tokens', { name: 'é', scopes: ['read'] })
  await call('PUT', '/v1/tokens/a%2Fb', { scopes: ['read'] })
  await call('PUT', '/v1/zones/z%5C.', { soa })
  for (const at of [
    '0000-01-01T00:00:00Z',
    '9999-12-31T23:59:59-10:00',
    '0001-01-01T00:00:00+10:00',
    '2027-02-31T00:00:00Z',
  ]) {
    await call('GET', `/v1/events?since=${encodeURIComponent(at)}`)
    await call('PUT', '/v1/pools/p/members/a/override', { state: 'down', until: at })
  }
  for (const k of ['%00', '%ED%A0%80', 'a%00b', 'x'.repeat(400)])
    for (const p of [
      'monitors/',
      'pools/',
      'services/',
      'zones/',
      'webhooks/',
      'pools/p/members/',
      'audit?key=',
      'events?pool=',
      'events?node=',
      'events?kind=',
      'zones/example.test/rrsets/a/',
      'overrides/a/',
      'monitors?cursor=',
    ])
      await call('GET', `/v1/${p}${k}`)
  for (const k of ['%00']) {
    await call('DELETE', `/v1/pools/${k}`)
    await call('DELETE', `/v1/tokens/${k}`)
    await call('DELETE', `/v1/overrides/${k}/a`)
    await call('DELETE', `/v1/pools/p/members/${k}/override`)
    await call('POST', `/v1/pools/${k}/fail-back`)
    await call('POST', `/v1/pools/p/members/${k}/fail-back`)
    await call('DELETE', `/v1/zones/example.test/rrsets/${k}/A`)
    await call('GET', `/v1/zones/${k}/zonefile`)
  }
  await call('PUT', '/v1/pools/p/members/a/override', { state: 'down', reason: 'a\u0000' })
  await call('PUT', '/v1/monitors/web', { host: 'x\u0000', path: '/\ud800', expect: { body: '\u0000' } })
  await call('PUT', '/v1/monitors/web', { headers: { 'x-a': '\u0000' } })
  await call('PUT', '/v1/monitors/web', { type: 'composite', monitors: ['web', 'web'] })
  await call('PUT', '/v1/zones/t.test', { soa: { ...soa, mname: 'a\\.' } })
  await call('PUT', '/v1/zones/t.test', { soa: { ...soa, serial: 4294967295 } })
  await call('PUT', '/v1/zones/example.test/rrsets/x/TXT', { data: ['"\u0000"', '"\ud800"', '"\u00e9"'] })
  await call('PUT', '/v1/zones/example.test/rrsets/x/A', {
    data: Array.from({ length: 4097 }, (_, i) => `10.0.${i >> 8}.${i & 255}`),
  })
})
