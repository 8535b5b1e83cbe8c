/** Traces and metrics that a server sends to a collector, and what a server loads that sends none. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { main, node, startDaemonProcess } from '../support/daemon.ts'
import { temporaryDataFolder } from '../support/kept.ts'
import { OtlpCollector, type SentSpan } from '../support/otlp-collector.ts'
import { ask } from './ask.ts'
import { put, soa } from './fixture.ts'

/** A process with it has no package of OpenTelemetry, and can load none; but for the API, which prom-client has, too. */
const withoutPackages = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module'
  registerHooks({
    resolve(specifier, context, next) {
      if (!/^@opentelemetry\\/(?!api$)/.test(specifier)) return next(specifier, context)
      const error = new Error("Cannot find package '" + specifier + "' imported from here")
      throw Object.assign(error, { code: 'ERR_MODULE_NOT_FOUND' })
    },
  })`)}`

t.test('requests and changes are traces, and metrics are those of the page', async (t) => {
  await using collector = await OtlpCollector.start()
  await using daemon = await startDaemonProcess({
    env: { POOLDNS_OTEL: 'on', OTEL_SERVICE_NAME: 'dns-eu', ...collector.env },
  })
  const zone = { soa, rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }] }
  await put(daemon, '/v1/zones/other.test', zone)
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  const response = await daemon.request('/v1/zones/example.test', {
    method: 'PUT',
    json: zone,
    headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
  })
  t.equal(response.status, 201)
  t.same((await ask(daemon.dns, 'a.example.test')).answers, ['192.0.2.1'])
  const spans = await collector.until(({ spans }) => {
    const ours = spans.filter((span) => span.traceId === traceId)
    return ours.length === 7 ? ours : undefined
  })
  const named = (name: string): SentSpan => spans.find((span) => span.name === name)!
  const request = named('PUT /v1/zones/:apex')
  t.match(request, {
    parentId: 'b7ad6b7169203331',
    kind: 2,
    attributes: { 'http.response.status_code': 201 },
  })
  const change = named('change')
  t.equal(change.parentId, request.spanId)
  const stages = ['notify', 'read', 'compile', 'publish', 'acknowledge'].map((name) =>
    named(`change ${name}`),
  )
  for (const [nth, stage] of stages.entries()) {
    t.equal(stage.parentId, change.spanId)
    if (nth > 0) t.equal(stage.beganNs, stages[nth - 1]!.endedNs, stage.name)
  }
  t.ok(named('change read').endedNs > named('change read').beganNs, 'it was read')
  t.ok(named('change acknowledge').endedNs > named('change acknowledge').beganNs, 'it was acknowledged')
  t.equal(collector.resource['service.name'], 'dns-eu')
  const revision = await collector.until(({ points }) =>
    points.find(({ name, value }) => name === 'pooldns_config_revision' && value >= 2),
  )
  t.equal(revision.kind, 'gauge')
  t.notOk(
    collector.spans.some(({ name }) => /health|metrics|ready/.test(name)),
    'what is asked all day long is left out',
  )
})

t.test(
  'a server that sends nothing loads nothing of it; one that is to send and can not says so',
  async (t) => {
    const env = { NODE_OPTIONS: `--import=${withoutPackages}` }
    await using daemon = await startDaemonProcess({ env })
    await put(daemon, '/v1/zones/example.test', {
      soa,
      rrsets: [{ name: 'a', type: 'A', data: ['192.0.2.1'] }],
    })
    const dataDir = await temporaryDataFolder('pooldns-otel-')
    const child = spawn(node, [main, 'serve'], {
      env: {
        ...process.env,
        ...env,
        POOLDNS_OTEL: 'on',
        POOLDNS_DATA_DIR: dataDir,
        POOLDNS_DNS_LISTEN: '127.0.0.1:0',
        POOLDNS_HTTP_LISTEN: '127.0.0.1:0',
      },
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    t.teardown(() => child.kill('SIGKILL'))
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'exit') as Promise<[number]>])
    t.equal(code, 2)
    t.match(said, /POOLDNS_OTEL is on, and the package @opentelemetry\/[a-z-]+ is not installed/)
  },
)
