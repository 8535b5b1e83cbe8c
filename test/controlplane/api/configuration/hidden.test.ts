/** What opens something else than this server is for those who may write, and in no log. */
import t from 'tap'
import { createToken } from '../../../../src/controlplane/store/tokens.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

const secret = 's3cr3t'
const webhook = { url: `https://hooks.example.test/${secret}?t=${secret}` }
const monitors = {
  web: {
    type: 'http',
    method: 'POST',
    path: `/health?key=${secret}`,
    headers: { authorization: `Bearer ${secret}`, accept: 'text/plain' },
    body: secret,
  },
  redis: { type: 'tcp', port: 6379, send: `AUTH ${secret}\r\n` },
  bare: { type: 'http', path: '/health' },
}

const feed = {
  columns: { value: {} },
  source: {
    prometheus: 'http://127.0.0.1:9090',
    query: 'up',
    headers: { authorization: `Bearer ${secret}` },
  },
}

t.test('who may only read sees a mark, everywhere', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database } = harness
  const reader = await database.record((tx) => createToken(tx, 'reader', ['read']))
  const both = await database.record((tx) => createToken(tx, 'both', ['read', 'write']))
  const put = async (path: string, body: object) => {
    const { status } = await call('PUT', path, body)
    t.ok(status === 200 || status === 201, `${path} ${status}`)
  }
  for (const [name, monitor] of Object.entries(monitors)) await put(`/v1/monitors/${name}`, monitor)
  await put('/v1/webhooks/chat', webhook)
  await put('/v1/webhooks/root', { url: 'https://hooks.example.test/' })
  await put('/v1/webhooks/query', { url: `https://hooks.example.test?${secret}` })
  // Changed, and deleted: the audit log has both sides.
  await put('/v1/webhooks/chat', { ...webhook, timeout: '1s' })
  await put('/v1/monitors/web', { ...monitors.web, rise: 5 })
  await put('/v1/monitors/gone', monitors.web)
  t.equal((await call('DELETE', '/v1/monitors/gone')).status, 204)
  const read = (path: string, token: string) => call('GET', path, undefined, { token })
  await put('/v1/feeds/load', feed)
  await put('/v1/feeds/gone', feed)
  t.equal((await call('DELETE', '/v1/feeds/gone')).status, 204)
  const paths = [
    'feeds',
    'feeds/load/declaration',
    'config',
    'monitors',
    'monitors/web',
    'monitors/redis',
    'webhooks',
    'webhooks/chat',
    'webhooks/query',
  ]
  for (const path of paths) {
    const shown = await read(`/v1/${path}`, reader)
    t.equal(shown.status, 200, `${path}: ${JSON.stringify(shown.body).slice(0, 200)}`)
    t.notMatch(JSON.stringify(shown.body), /s3cr3t/, path)
    for (const token of [both, undefined]) {
      const all = await (token === undefined ? call('GET', `/v1/${path}`) : read(`/v1/${path}`, token))
      t.match(JSON.stringify(all.body), /s3cr3t/, `${path}, by who may write`)
    }
  }
  const history = (await call('GET', '/v1/revisions')).body.items as { revision: number }[]
  for (const { revision } of history) {
    const shown = await call('GET', `/v1/revisions/${revision}`)
    t.notMatch(JSON.stringify(shown.body), /s3cr3t/, `revision ${revision}`)
  }
  t.match((await read('/v1/monitors/web', reader)).body, {
    path: '/health?[hidden]',
    headers: { authorization: '[hidden]', accept: '[hidden]' },
    body: '[hidden]',
  })
  t.match((await read('/v1/monitors/bare', reader)).body, { path: '/health' })
  t.match((await read('/v1/webhooks/chat', reader)).body, { url: 'https://hooks.example.test/[hidden]' })
  t.match((await read('/v1/webhooks/root', reader)).body, { url: 'https://hooks.example.test/' })
  for (const token of [reader, both]) {
    const audit = await read('/v1/audit?limit=1000', token)
    t.notMatch(JSON.stringify(audit.body), /s3cr3t/, 'the audit log is for nobody to find them in')
    t.match(JSON.stringify(audit.body), /\[hidden\]/)
  }
  const { rows } = await database.read((tx) => tx.execute('select before, after from audit_log'))
  t.notMatch(JSON.stringify(rows), /s3cr3t/, 'they are not even stored there')
  t.notMatch(JSON.stringify(harness.lines), /s3cr3t/)
})

t.test('a mark never takes the place of what it stands for', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database } = harness
  const reader = await database.record((tx) => createToken(tx, 'reader', ['read']))
  const resources = {
    ...Object.fromEntries(Object.entries(monitors).map(([k, v]) => [`monitors/${k}`, v])),
    'webhooks/chat': webhook,
    'feeds/load': feed,
  }
  const marked: Record<string, string[]> = {
    'monitors/web': ['body', 'path', 'headers.accept', 'headers.authorization'],
    'monitors/redis': ['send'],
    'monitors/bare': [],
    'webhooks/chat': ['url'],
    'feeds/load': ['source.headers.authorization'],
  }
  const readAt = (path: string) => (path.startsWith('feeds/') ? `/v1/${path}/declaration` : `/v1/${path}`)
  for (const [path, body] of Object.entries(resources)) {
    await call('PUT', `/v1/${path}`, body)
    const shown = (await call('GET', readAt(path), undefined, { token: reader })).body
    for (const method of ['PUT', 'PATCH']) {
      const back = await call(method, `/v1/${path}`, shown)
      const fields = marked[path]!
      t.equal(back.status, fields.length === 0 ? 200 : 400, `${method} ${path}`)
      const errors: { path: string; message: string }[] = back.body.errors ?? []
      t.same(errors.map((error) => error.path).sort(), [...fields].sort())
      for (const { message } of errors) t.match(message, /\[hidden\]/)
    }
    const all = (await call('GET', readAt(path))).body
    t.match(all, body, `${path} is as it was`)
    t.equal((await call('PUT', `/v1/${path}`, all)).status, 200, 'who may write puts back what was read')
  }
})

t.test('what an old version wrote into the audit log is shown like the rest', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database } = harness
  await database.write('admin', async (write) => {
    write.audit('webhook.put', 'chat', null, { name: 'chat', url: webhook.url, secret: 'changed' })
    write.audit('monitor.put', 'web', { headers: { a: secret } }, { headers: [['a', secret]], body: null })
    write.audit('monitor.delete', 'odd', secret.length, null)
  })
  const { items } = (await call('GET', '/v1/audit')).body
  t.notMatch(JSON.stringify(items), /s3cr3t/)
  t.match(items[1], {
    before: { headers: { a: '[hidden]' } },
    after: { headers: [['a', '[hidden]']], body: null },
  })
})

t.test('the log of requests says who asked, and why somebody was refused', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const { call, database, logged } = harness
  const reader = await database.record((tx) => createToken(tx, 'reader', ['read']))
  const rows: [path: string, options: Parameters<typeof call>[3], line: object][] = [
    ['/v1/zones/a', {}, { status: 404, actor: 'admin', refusal: undefined }],
    ['/v1/zones/b', { token: reader }, { status: 404, actor: 'token:reader', refusal: undefined }],
    ['/v1/zones/c', { token: null }, { status: 401, actor: undefined, refusal: 'unauthorized' }],
    ['/v1/zones/d', { token: 'wrong' }, { status: 401, actor: undefined, refusal: 'unauthorized' }],
    ['/v1/zones/e', { headers: { origin: 'http://a.test' } }, { status: 403, refusal: 'cross-site' }],
  ]
  for (const [path, options, expected] of rows) {
    await call('GET', path, undefined, options)
    const line = await logged((each) => each.path === path)
    t.match(line, expected, path)
  }
  await call('PUT', '/v1/zones/f', {}, { token: reader })
  const weak = await logged((each) => each.path === '/v1/zones/f')
  t.match(weak, { status: 403, actor: 'token:reader', refusal: 'forbidden', client: '127.0.0.1' })
  // While a busy machine makes them, some are given back.
  let path = ''
  for (let nth = 1, status = 0; status !== 429; nth++) {
    path = `/v1/pools/p${nth}`
    status = (await call('GET', path, undefined, { token: 'wrong' })).status
  }
  t.match(await logged((each) => each.path === path), { status: 429, refusal: 'too-many-requests' })
})
