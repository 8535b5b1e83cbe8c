/** Whom the server answers, for which host, and whom it takes for local: on every route, before anything else. */
import { once } from 'node:events'
import { connect } from 'node:net'
import t from 'tap'
import { createToken } from '../../../../src/controlplane/store/tokens.ts'
import { parsePrefix } from '../../../../src/dataplane/wire/prefix.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { adminToken, type Harness, startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

/** Sends a head as it is, with CRLF for line ends, and resolves to the status, the head and the body of the reply. */
async function exchange(
  harness: Harness,
  head: string,
): Promise<{ status: number; head: string; body: string }> {
  const socket = connect(Number(new URL(harness.origin).port), '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  socket.write(`${head.trim().replaceAll('\n', '\r\n')}\r\nConnection: close\r\n\r\n`)
  await once(socket, 'close')
  const end = text.indexOf('\r\n\r\n')
  return { status: Number(text.split(' ', 2)[1]), head: text.slice(0, end), body: text.slice(end + 4) }
}

const everyRoute = [
  '/',
  '/health',
  '/ready',
  '/metrics',
  '/openapi.json',
  '/docs/',
  '/console',
  '/history',
  '/v1/zones',
  '/no',
]

t.test('names that are not ours are refused, on every route', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), {
    httpHosts: ['dns.example', 'dns2.example'],
  })
  for (const path of everyRoute) {
    const { status } = await exchange(harness, `GET ${path} HTTP/1.1\nHost: evil.example`)
    t.equal(status, 421, path)
  }
  const { origin } = harness
  const port = new URL(origin).port
  const hosts: Record<number, string[]> = {
    200: [
      'localhost',
      'LOCALHOST:80',
      'localhost.',
      'localhost:',
      `127.0.0.1:${port}`,
      '198.51.100.7',
      '[::1]',
      '[2001:DB8::1]:65535',
      '[fe80::1%eth0]',
      'dns.example',
      'DNS.Example.:8080',
      'dns2.example',
    ],
    421: [
      'localhost.evil.example',
      'sub.dns.example',
      'xdns.example',
      'dns.example.evil.test',
      'localhost.localdomain',
      'a.localhost',
      '127.1',
      '2130706433',
      '0x7f000001',
      '127.0.0.1.evil.example',
    ],
    400: [
      '',
      'a b',
      'user@localhost',
      'localhost:x',
      'localhost:65536',
      '[::1',
      '[localhost]',
      '[127.0.0.1]',
      '::1',
    ],
  }
  for (const [status, texts] of Object.entries(hosts)) {
    for (const text of texts) {
      const reply = await exchange(harness, `GET /health HTTP/1.1\nHost: ${text}`)
      t.equal(reply.status, Number(status), `Host: ${text}`)
    }
  }
  const heads: [status: number, head: string][] = [
    [400, 'GET /health HTTP/1.1\nAccept: */*'],
    [200, 'GET /health HTTP/1.0\nAccept: */*'],
    [421, 'GET /health HTTP/1.0\nHost: evil.example'],
    [400, 'GET /health HTTP/1.1\nHost: localhost\nHost: evil.example'],
    [400, 'GET /health HTTP/1.1\nHost: localhost\nHost: localhost'],
    [421, 'GET http://evil.example/health HTTP/1.1\nHost: localhost'],
    [421, 'GET http://localhost/health HTTP/1.1\nHost: evil.example'],
    [200, `GET http://localhost:${port}/health HTTP/1.1\nHost: localhost`],
    [421, 'OPTIONS /v1/zones HTTP/1.1\nHost: evil.example\nOrigin: http://evil.example'],
    [421, 'POST /tools/lookup HTTP/1.1\nHost: evil.example\nContent-Length: 0'],
  ]
  for (const [status, head] of heads) t.equal((await exchange(harness, head)).status, status, head)
  const refused = await exchange(harness, 'GET / HTTP/1.1\nHost: evil.example')
  t.match(refused.head, /content-type: application\/problem\+json/i)
  t.match(refused.head, /x-content-type-options: nosniff/i)
})

t.test('who is refused for a name is told what to do about it', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { body } = await exchange(harness, 'GET /metrics HTTP/1.1\nHost: Pooldns.monitoring.svc:3000')
  t.match(JSON.parse(body).detail, /answer for pooldns\.monitoring\.svc\b.*add it to POOLDNS_HTTP_HOSTS/)
})

t.test('every reply says that its type is not to be guessed', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const heads = [
    'GET / HTTP/1.1\nHost: localhost',
    'GET / HTTP/1.1\nHost: evil.example',
    'GET / HTTP/1.1\nAccept: */*',
    'GET / HTTP/1.1\nHost: localhost\nExpect: miracles',
    'GET /%zz HTTP/1.1\nHost: localhost',
    'CONNECT evil.example:443 HTTP/1.1\nHost: evil.example',
    'broken',
  ]
  for (const head of heads)
    t.match((await exchange(harness, head)).head, /x-content-type-options: nosniff/i, head)
  const aborting = new AbortController()
  const headers = { authorization: `Bearer ${adminToken}` }
  const stream = await fetch(`${harness.origin}/v1/events/stream`, { headers, signal: aborting.signal })
  t.equal(stream.status, 200)
  t.equal(stream.headers.get('x-content-type-options'), 'nosniff')
  aborting.abort()
})

t.test('pages of other sites are refused, on every route', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), { httpHosts: ['dns.example'] })
  const { call, origin } = harness
  const ask = async (headers: Record<string, string>, path = '/history', method = 'GET') => {
    const lines = Object.entries({ Host: new URL(origin).host, ...headers }).map(
      ([name, text]) => `${name}: ${text}`,
    )
    return (await exchange(harness, `${method} ${path} HTTP/1.1\n${lines.join('\n')}`)).status
  }
  for (const path of everyRoute) t.equal(await ask({ 'Sec-Fetch-Site': 'cross-site' }, path), 403, path)
  const rows: [status: number, headers: Record<string, string>, method?: string][] = [
    [200, { 'Sec-Fetch-Site': 'same-origin' }],
    [200, { 'Sec-Fetch-Site': 'none', 'Sec-Fetch-Mode': 'navigate' }],
    [403, { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }],
    [403, { 'Sec-Fetch-Site': 'same-site' }],
    [403, { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'no-cors', 'Sec-Fetch-Dest': 'image' }],
    [403, { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'iframe' }],
    [200, { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }],
    [
      403,
      { 'Sec-Fetch-Site': 'same-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' },
      'POST',
    ],
    [403, { 'Sec-Fetch-Site': 'none, cross-site' }],
    [403, { Origin: 'http://evil.example' }],
    [403, { Origin: 'null' }],
    [403, { Origin: 'http://127.0.0.1:1' }],
    [403, { Origin: 'file://' }],
    [200, { Origin: origin }],
    [200, { Origin: 'https://dns.example' }],
    [401, { Host: 'dns.example', Origin: 'https://dns.example:8443' }],
    [200, { Host: 'localhost', Origin: 'http://localhost:80' }],
    [403, { Host: 'localhost', Origin: 'http://localhost:8080' }],
    [403, { Host: 'localhost', Origin: 'http://localhost.evil.example' }],
  ]
  for (const [status, headers, method] of rows) {
    t.equal(await ask(headers, '/history', method), status, JSON.stringify([headers, method]))
  }
  // A link in a manual or a wiki. Nothing is done by it, and nothing of ours is on the page that opens.
  const link = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': 'navigate', 'Sec-Fetch-Dest': 'document' }
  t.equal(await ask(link, '/docs'), 200)
  t.equal(await ask(link, '/docs/?x=1'), 200)
  t.equal(await ask(link, '/docs/json'), 403)
  t.equal(await ask(link, '/console'), 200)
  t.equal(await ask(link, '/console/assets/main.js'), 403)
  t.equal(await ask({ ...link, 'Sec-Fetch-Dest': 'iframe' }, '/console'), 403)
  t.equal(await ask({ ...link, 'Sec-Fetch-Dest': 'iframe' }, '/docs/'), 403)
  t.equal(await ask({ ...link, 'Sec-Fetch-Mode': 'no-cors' }, '/docs/'), 403)
  t.equal(await ask(link, '/docs/', 'POST'), 403)
  const known = { headers: { 'sec-fetch-site': 'cross-site' } }
  t.match((await call('PUT', '/v1/monitors/m', {}, known)).body, { status: 403, type: /cross-site$/ })
})

t.test('behind a proxy the tools are for nobody without a token', async (t) => {
  const trustedProxies = [parsePrefix('127.0.0.1/32')!, parsePrefix('10.0.0.0/8')!]
  const database = await postgres.createDatabase()
  await using direct = await startHarness(database)
  await using behind = await startHarness(database, { trustedProxies })
  await using anywhere = await startHarness(database, { trustedProxies, publicToolsAnywhere: true })
  const host = `Host: ${new URL(direct.origin).host}`
  const rows: [harness: Harness, status: number, fields: string, version?: string][] = [
    [direct, 200, host],
    [direct, 200, 'Host: localhost'],
    [direct, 200, 'Host: [::1]'],
    [direct, 401, 'Host: 198.51.100.7'],
    [direct, 401, host, '1.0'],
    ...[
      'X-Forwarded-For: 127.0.0.1',
      'Forwarded: for=127.0.0.1',
      'Via: 1.1 proxy',
      'X-Real-IP: 127.0.0.1',
      'X-Forwarded-Port: 443',
      'X-Forwarded: 127.0.0.1',
      'X-Original-Forwarded-For: 127.0.0.1',
      'X-Client-IP: 127.0.0.1',
      'X-Cluster-Client-IP: 127.0.0.1',
      'CF-Connecting-IP: 203.0.113.9',
      'True-Client-IP: 203.0.113.9',
      'Fastly-Client-IP: 203.0.113.9',
      'X-Envoy-External-Address: 203.0.113.9',
      'X-Envoy-Expected-RQ-Timeout-MS: 15000',
    ].map((field): [Harness, number, string] => [direct, 401, `${host}\n${field}`]),
    [behind, 401, host],
    [behind, 401, `${host}\nX-Forwarded-For: 203.0.113.9`],
    [behind, 401, `${host}\nX-Forwarded-For: 127.0.0.1, 203.0.113.9`],
    [behind, 401, `${host}\nX-Forwarded-For: 127.0.0.1`],
    [behind, 401, `${host}\nX-Forwarded-For: ::1\nForwarded: for=203.0.113.9`],
    [behind, 200, `${host}\nX-Forwarded-For: ::1`],
    [anywhere, 200, `${host}\nX-Forwarded-For: 203.0.113.9`],
  ]
  for (const path of ['/history', '/v1/tools/validate?ip=1.2.3.4']) {
    for (const [harness, status, fields, version = '1.1'] of rows) {
      const reply = await exchange(harness, `GET ${path} HTTP/${version}\n${fields}`)
      t.equal(reply.status, status, `${path} ${fields} ${version}`)
    }
  }
})

t.test('the client is who the trusted proxies say it is', async (t) => {
  const prefixes = ['127.0.0.1/32', '10.0.0.0/8', '2001:db8:f::/48']
  await using harness = await startHarness(await postgres.createDatabase(), {
    trustedProxies: prefixes.map((text) => parsePrefix(text)!),
  })
  const rows: [client: string, ...fields: string[]][] = [
    ['127.0.0.1'],
    ['203.0.113.9', 'X-Forwarded-For: 203.0.113.9'],
    ['203.0.113.9', 'X-Forwarded-For: 192.0.2.66, 203.0.113.9, 10.1.2.3'],
    ['203.0.113.9', 'X-Forwarded-For: 192.0.2.66', 'X-Forwarded-For: 203.0.113.9'],
    ['203.0.113.9', 'X-Forwarded-For: 203.0.113.9:4711, 2001:db8:f::1'],
    ['203.0.113.9', 'X-Forwarded-For: ::ffff:203.0.113.9'],
    ['2001:db8::9', 'X-Forwarded-For: [2001:DB8:0::9]:4711'],
    ['10.1.2.3', 'X-Forwarded-For: unknown, 10.1.2.3'],
    ['10.9.9.9', 'X-Forwarded-For: 10.9.9.9, 10.1.2.3'],
    ['127.0.0.1', 'X-Forwarded-For: evil'],
    ['127.0.0.1', 'X-Forwarded-For: ,'],
    ['203.0.113.9', 'Forwarded: for=192.0.2.66, for=203.0.113.9;proto=https;by=10.0.0.1'],
    ['2001:db8::9', 'Forwarded: proto=https;For="[2001:db8::9]:4711"'],
    ['203.0.113.9', 'Forwarded: for="1, for=2", for=203.0.113.9'],
    ['127.0.0.1', 'Forwarded: for=192.0.2.66, proto=https'],
    ['127.0.0.1', 'Forwarded: for=_hidden'],
    ['127.0.0.1', 'Forwarded: for=192.0.2.66', 'X-Forwarded-For: 203.0.113.9'],
    ['203.0.113.9', 'Forwarded: for=203.0.113.9', 'X-Forwarded-For: 203.0.113.9'],
  ]
  for (const [index, [client, ...fields]] of rows.entries()) {
    const path = `/v1/zones/row-${index}`
    await exchange(harness, `GET ${path} HTTP/1.1\nHost: localhost\n${fields.join('\n')}`.trim())
    const line = await harness.logged((each) => each.path === path)
    t.equal(line.client, client, fields.join(' / '))
  }
})

t.test('metrics may ask for a token, and the documentation loads by plain HTTP', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase(), { metricsAccess: 'token' })
  const { call, database, origin } = harness
  const reader = await database.record((tx) => createToken(tx, 'reader', ['read']))
  const reporter = await database.record((tx) => createToken(tx, 'reporter', ['report']))
  t.equal((await call('GET', '/metrics', undefined, { token: null })).status, 401)
  t.equal((await call('HEAD', '/metrics', undefined, { token: null })).status, 401)
  t.equal((await call('GET', '/metrics', undefined, { token: reporter })).status, 403)
  t.equal((await call('GET', '/metrics', undefined, { token: reader })).status, 200)
  const page = await fetch(`${origin}/docs/`)
  const policy = page.headers.get('content-security-policy')
  t.match(policy, /default-src 'self'/)
  t.notMatch(policy, /upgrade-insecure-requests/)
  const parts = [...(await page.text()).matchAll(/(?:src|href)="([^"]+\.(?:js|css))"/g)]
  t.ok(parts.length >= 3)
  for (const [, part] of parts) {
    t.equal((await fetch(new URL(part!, `${origin}/docs/`))).status, 200, part!)
  }
  const moved = await fetch(`${origin}/docs/static/index.html`, { redirect: 'manual' })
  t.same([moved.status, moved.headers.get('location')], [302, '/docs/'])
  const nothing = await fetch(`${origin}/docs/static/../nothing`)
  t.match(await nothing.json(), { status: 404, type: 'urn:pooldns:problem:not-found' })
})
