/** The SDK with a collector; that a server sends what it does is shown in test/e2e/opentelemetry.test.ts. */
import t from 'tap'
import { readOtelSettings } from '../../../src/telemetry/otel/otel-settings.ts'
import { type OtelOptions, startOpenTelemetry } from '../../../src/telemetry/otel/start-otel.ts'
import { isPending } from '../../controlplane/timing/hand-clock.ts'
import { holdTimers } from '../../support/held-timers.ts'
import { OtlpCollector } from '../../support/otlp-collector.ts'
import { busyMetrics } from '../metrics/sources.ts'

const collector = await OtlpCollector.start()
t.teardown(() => collector[Symbol.asyncDispose]())
// The exporters read it by themselves.
Object.assign(process.env, collector.env, {
  OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.instance.id=mine',
})
const metrics = busyMetrics()

function start(environment: Record<string, string>, others: Partial<OtelOptions> = {}) {
  const troubles: string[] = []
  const openTelemetry = startOpenTelemetry({
    settings: readOtelSettings({ ...collector.env, ...environment }),
    version: '1.2.3',
    node: 'n1',
    families: () => metrics.families(),
    served: async () => undefined,
    onTrouble: (reason) => troubles.push(reason),
    ...others,
  })
  return { openTelemetry, troubles }
}

t.test('the series of the page are sent, with the same names, labels and values', async (t) => {
  const { openTelemetry } = start({ OTEL_TRACES_EXPORTER: 'none' })
  t.equal(openTelemetry.tracing, null)
  const points = await collector.until(({ points }) => (points.length > 0 ? points : undefined))
  await openTelemetry[Symbol.asyncDispose]()
  const page = await metrics.text()
  const names = new Set(Array.from(page.matchAll(/^# TYPE (\S+)/gm), ([, name]) => name))
  t.same(
    [...new Set(points.map(({ name }) => name))].filter((name) => !names.has(name)),
    [],
    'no other ones',
  )
  for (const [, name] of page.matchAll(/^(pooldns_\w+?)(?:\{.*)? /gm)) {
    const of = name!.replace(/_(?:bucket|sum|count)$/, '')
    t.ok(
      points.some((point) => point.name === name || point.name === of),
      name!,
    )
  }
  const one = (name: string) => points.filter((point) => point.name === name)
  t.match(one('pooldns_service_answers_total'), [
    { kind: 'sum', attributes: { service: 'www.example.test', pool: 'p', member: 'a' }, value: 9 },
  ])
  t.match(one('pooldns_tcp_connections_open'), [{ kind: 'gauge', value: 2 }])
  t.match(one('pooldns_dns_response_duration_seconds'), [
    { kind: 'histogram', bounds: [0.0001, 0.001], counts: [4, 1, 2], value: 7, sum: 0.5 },
  ])
  t.ok(one('process_resident_memory_bytes')[0]!.value > 0)
  t.match(collector.requests[0], '/v1/metrics application/x-protobuf blue')
})

t.test('a request, and the change that it writes, below the span that it names', async (t) => {
  const served = Promise.withResolvers<void>()
  const { openTelemetry } = start({ OTEL_METRICS_EXPORTER: 'none' }, { served: () => served.promise })
  const { tracing } = openTelemetry
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  const request = tracing!.request('PUT', { traceparent })
  tracing!.changes.hinted()
  tracing!.changes.wrote(8, request)
  tracing!.changes.read(8)
  tracing!.changes.compiled(8)
  tracing!.changes.handedOver(Date.now(), Date.now())
  request.end('/v1/pools/:name', 500, 'token:ci')
  served.resolve()
  const spans = await collector.until(({ spans }) => (spans.length === 7 ? spans : undefined))
  await openTelemetry[Symbol.asyncDispose]()
  const named = new Map(spans.map((span) => [span.name, span]))
  const put = named.get('PUT /v1/pools/:name')!
  t.match(put, {
    traceId: '0af7651916cd43dd8448eb211c80319c',
    parentId: 'b7ad6b7169203331',
    kind: 2,
    status: 2,
    attributes: {
      'http.request.method': 'PUT',
      'http.route': '/v1/pools/:name',
      'http.response.status_code': 500,
      'enduser.id': 'token:ci',
    },
  })
  const change = named.get('change')!
  t.match(change, { traceId: put.traceId, parentId: put.spanId, attributes: { 'pooldns.revision': 8 } })
  let beganNs = change.beganNs
  for (const stage of ['notify', 'read', 'compile', 'publish', 'acknowledge']) {
    const span = named.get(`change ${stage}`)!
    t.match(span, { traceId: put.traceId, parentId: change.spanId })
    t.ok(span.beganNs >= beganNs && span.endedNs >= span.beganNs && span.endedNs <= change.endedNs, stage)
    beganNs = span.beganNs
  }
  t.match(collector.resource, {
    'service.name': 'pooldns',
    'service.version': '1.2.3',
    'service.instance.id': 'mine',
    'deployment.environment.name': 'test',
    'telemetry.sdk.language': 'nodejs',
  })
})

t.test('what others have written has a trace of its own, but for the first that is read', async (t) => {
  collector.spans.length = 0
  const { openTelemetry } = start({ OTEL_METRICS_EXPORTER: 'none' })
  const { changes } = openTelemetry.tracing!
  changes.read(3)
  changes.wrote(4, null)
  changes.read(4)
  changes.read(6)
  const spans = await collector.until(({ spans }) => (spans.length === 12 ? spans : undefined))
  await openTelemetry[Symbol.asyncDispose]()
  t.same(
    spans
      .filter(({ name }) => name === 'change')
      .map((span) => [span.parentId, span.attributes['pooldns.revision']]),
    [
      ['', 4],
      ['', 6],
    ],
  )
  t.equal(collector.spans.length, 12)
})

t.test('of what is not sampled nothing is sent, and a change that is not served has no span', async (t) => {
  collector.spans.length = 0
  const { openTelemetry } = start({ OTEL_METRICS_EXPORTER: 'none', OTEL_TRACES_SAMPLER: 'always_off' })
  openTelemetry.tracing!.request('GET', {}).end(null, 404, '')
  await openTelemetry[Symbol.asyncDispose]()
  const served = () => Promise.reject(new Error('the server stops'))
  const other = start({ OTEL_METRICS_EXPORTER: 'none', OTEL_TRACES_SAMPLER: 'traceidratio' }, { served })
  other.openTelemetry.tracing!.changes.wrote(1, null)
  other.openTelemetry.tracing!.request('GET', {}).end(null, 404, '')
  await other.openTelemetry[Symbol.asyncDispose]()
  // On a busy machine a stop may not wait for it to arrive.
  await collector.until(({ spans }) => (spans.length > 0 ? spans : undefined))
  t.match(collector.spans, [{ name: 'GET', status: 0 }])
  t.equal(collector.spans.length, 1)
})

t.test('a collector that is away is told of, and holds up no stop', async (t) => {
  const away = await OtlpCollector.start()
  Object.assign(process.env, away.env)
  const { openTelemetry, troubles } = start({ OTEL_METRICS_EXPORTER: 'none' })
  await away[Symbol.asyncDispose]()
  openTelemetry.tracing!.request('GET', {}).end(null, 200, '')
  const time = holdTimers(t, 1000)
  const stopped = openTelemetry[Symbol.asyncDispose]()
  time.end()
  t.notOk(await isPending(stopped), 'it has its time, and no more')
  t.comment(troubles)
})
