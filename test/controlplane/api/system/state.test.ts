import t from 'tap'
import type { ApiContext } from '../../../../src/controlplane/api/context.ts'
import { startApi } from '../../../../src/controlplane/api/server.ts'
import { startPostgres } from '../../../support/postgres.ts'
import { startHarness } from '../fixture.ts'

const postgres = await startPostgres()
t.teardown(() => postgres.stop())

t.test('what the process says about itself', async (t) => {
  const harness = await startHarness(await postgres.createDatabase(), { kubernetes: true })
  t.teardown(() => harness[Symbol.asyncDispose]())
  const { call, state, lines } = harness

  t.test('the root tells version and time', async (t) => {
    const before = Math.floor(Date.now() / 1000)
    const { body } = await call('GET', '/')
    const after = Date.now() / 1000
    t.same(Object.keys(body), ['version', 'date', 'kubernetes'])
    t.equal(body.version, '1.2.3')
    t.equal(body.kubernetes, true)
    t.ok(Number.isInteger(body.date) && before <= body.date && body.date <= after)
  })

  t.test('health is up while the process can answer DNS', async (t) => {
    t.same((await call('GET', '/health')).body, { status: 'up' })
    state.canAnswer = false
    t.equal((await call('GET', '/health')).status, 503)
    state.canAnswer = true
  })

  t.test('readiness says what is missing', async (t) => {
    const snapshot = { writtenAt: null, ageSeconds: null }
    t.same((await call('GET', '/ready')).body, { status: 'ready', snapshot })
    state.missing = [
      { path: 'serving', message: 'waiting for the database' },
      { path: 'health', message: 'the first round is not done' },
    ]
    const waiting = await call('GET', '/ready')
    t.equal(waiting.status, 503)
    t.ok(waiting.headers.get('retry-after'))
    t.match(waiting.body, { detail: /waiting for the database; the first round/, errors: state.missing })
    // Each probe of an orchestrator is a line of the log while a server starts.
    const line = await harness.logged(({ path, msg }) => path === '/ready' && msg === 'request refused')
    t.match(line, { reason: /waiting for the database/ })
    t.notOk('err' in line, 'without a stack')
    state.missing = []
  })

  t.test('how old the snapshot is, and what is wrong with it', async (t) => {
    state.snapshot = { writtenAt: new Date('2026-01-02T03:04:05Z'), troubles: ['it could not be written'] }
    state.now = new Date('2026-01-02T03:04:06.5Z')
    t.same((await call('GET', '/ready')).body, {
      status: 'ready',
      snapshot: { writtenAt: '2026-01-02T03:04:05.000Z', ageSeconds: 1.5 },
      warnings: ['it could not be written'],
    })
    state.snapshot = { writtenAt: null, troubles: [] }
    state.now = null
  })

  t.test('a suspect network is a warning, and no more', async (t) => {
    state.suspicion = '6 of 6 members that were up fail at once, in 2 of 2 pools'
    const warnings = [`this node's own network is suspect: ${state.suspicion}`]
    t.match(await call('GET', '/health'), { status: 200, body: { status: 'up', warnings } })
    t.match(await call('GET', '/ready'), { status: 200, body: { status: 'ready', warnings } })
    state.suspicion = null
    t.same((await call('GET', '/health')).body, { status: 'up' })
  })

  t.test('metrics are text for Prometheus', async (t) => {
    const reply = await call('GET', '/metrics')
    t.match(reply.headers.get('content-type'), /^text\/plain; version=0.0.4/)
    t.match(reply.body, /^pooldns_build_info\{version="1.2.3"\} 1$/m)
  })

  t.test('many metrics go by gzip to those who take it', async (t) => {
    const members = Array.from({ length: 2000 }, (_, i) => ({ pool: 'large', member: `member-${i}` }))
    harness.metrics.members.retain(members)
    t.teardown(() => harness.metrics.members.retain([]))
    const last = /pool="large",member="member-1999",to="up"\} 0$/m
    for (const [accepted, coding] of [
      ['gzip', 'gzip'],
      ['application/openmetrics-text, gzip;q=0.5', 'gzip'],
      ['deflate, GZIP ; q=1', 'gzip'],
      ['gzip;q=0', null],
      ['gzip ; q=0.00', null],
      ['identity', null],
      ['xgzip', null],
    ] as const) {
      const reply = await call('GET', '/metrics', undefined, { headers: { 'accept-encoding': accepted } })
      t.equal(reply.headers.get('content-encoding'), coding, accepted)
      t.equal(reply.headers.get('vary'), 'accept-encoding')
      t.match(reply.body, last)
    }
  })

  t.test('an OpenAPI document that knows every route', async (t) => {
    const { body } = await call('GET', '/openapi.json')
    t.equal(body.openapi, '3.1.0')
    t.same(Object.keys(body.paths).sort(), [
      '/',
      '/health',
      '/history',
      '/metrics',
      '/openapi.json',
      '/ready',
      '/tools/lookup',
      '/tools/validate',
      '/v1/audit',
      '/v1/config',
      '/v1/database/accept-empty',
      '/v1/events',
      '/v1/events/stream',
      '/v1/explain',
      '/v1/feeds',
      '/v1/feeds/{name}',
      '/v1/feeds/{name}/declaration',
      '/v1/feeds/{name}/rows',
      '/v1/gradual-changes',
      '/v1/gradual-changes/{id}',
      '/v1/gradual-changes/{id}/finish',
      '/v1/gradual-changes/{id}/go-back',
      '/v1/gradual-changes/{id}/pause',
      '/v1/gradual-changes/{id}/resume',
      '/v1/history',
      '/v1/monitors',
      '/v1/monitors/{name}',
      '/v1/nodes',
      '/v1/nodes/{id}',
      '/v1/overrides',
      '/v1/overrides/preview',
      '/v1/overrides/{pool}/{member}',
      '/v1/overview',
      '/v1/plan',
      '/v1/pools',
      '/v1/pools/{name}',
      '/v1/pools/{name}/members/{member}',
      '/v1/pools/{name}/members/{member}/fail-back',
      '/v1/pools/{name}/members/{member}/override',
      '/v1/pools/{name}/members/{member}/report',
      '/v1/pools/{name}/override',
      '/v1/reports',
      '/v1/revisions',
      '/v1/revisions/{revision}',
      '/v1/revisions/{revision}/diff',
      '/v1/revisions/{revision}/rollback',
      '/v1/services',
      '/v1/services/{name}',
      '/v1/services/{name}/override',
      '/v1/services/{name}/shares',
      '/v1/session',
      '/v1/sign-in',
      '/v1/tokens',
      '/v1/tokens/{name}',
      '/v1/tools/lookup',
      '/v1/tools/validate',
      '/v1/traffic',
      '/v1/webhooks',
      '/v1/webhooks/{name}',
      '/v1/webhooks/{name}/test',
      '/v1/zones',
      '/v1/zones/{apex}',
      '/v1/zones/{apex}/dnssec',
      '/v1/zones/{apex}/dnssec/cancel-roll',
      '/v1/zones/{apex}/dnssec/ds-seen',
      '/v1/zones/{apex}/dnssec/export-key',
      '/v1/zones/{apex}/dnssec/import-key',
      '/v1/zones/{apex}/dnssec/roll',
      '/v1/zones/{apex}/rrsets',
      '/v1/zones/{apex}/rrsets/{owner}/{type}',
      '/v1/zones/{apex}/zonefile',
      '/{name}',
    ])
    for (const [path, operations] of Object.entries<Record<string, Record<string, unknown>>>(body.paths)) {
      for (const [method, operation] of Object.entries(operations)) {
        const name = `${method} ${path}`
        t.type(operation.summary, 'string', name)
        t.ok(Object.keys(operation.responses as object).length > 0, name)
        const params = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1])
        const described = (operation.parameters as { in: string; name: string }[] | undefined) ?? []
        t.same(
          described.filter((item) => item.in === 'path').map((item) => item.name),
          params,
          name,
        )
        if (method === 'put' || method === 'patch') t.ok(operation.requestBody, name)
        const open = !/^\/(v1|\{name\})/.test(path) || /tools|history|sign-in/.test(path)
        t.equal(operation.security === undefined, open, `${name} says whether it needs a token`)
      }
    }
  })

  t.test('a page for it', async (t) => {
    const page = await call('GET', '/docs/')
    t.match(page.headers.get('content-type'), /text\/html/)
    t.equal((await call('GET', '/docs/json')).body.openapi, '3.1.0')
  })

  t.test('one line of log a request', async (t) => {
    await call('GET', '/v1/zones/nothing.test?secret=hush')
    const line = await harness.logged((entry) => entry.path === '/v1/zones/nothing.test')
    t.match(line, { level: 'info', msg: 'request', method: 'GET', status: 400, client: '127.0.0.1' })
    t.type(line.durationMs, 'number')
    t.notOk(lines.some((entry) => JSON.stringify(entry).includes('hush')))
  })
})

t.test('a port in use is an error of the start', async (t) => {
  await using harness = await startHarness(await postgres.createDatabase())
  const port = Number(new URL(harness.origin).port)
  const { database, metrics } = harness
  const context = {
    database,
    metrics,
    log: null,
    adminTokenHash: new Uint8Array(32),
  } as unknown as ApiContext
  await t.rejects(startApi(context, { host: '127.0.0.1', port }, 5000), { code: 'EADDRINUSE' })
})
