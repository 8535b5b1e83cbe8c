import t from 'tap'
import { readOtelSettings } from '../../../src/telemetry/otel/otel-settings.ts'

t.test('what holds when nothing is said', async (t) => {
  const expected = {
    traces: true,
    metrics: true,
    sampler: { root: 'on', parentBased: true },
    metricIntervalMs: 60_000,
    metricTimeoutMs: 30_000,
    spans: {
      scheduledDelayMillis: 5000,
      exportTimeoutMillis: 30_000,
      maxQueueSize: 2048,
      maxExportBatchSize: 512,
    },
  }
  t.same(readOtelSettings({}), expected)
  t.same(readOtelSettings({ OTEL_TRACES_SAMPLER: '', OTEL_METRIC_EXPORT_INTERVAL: '' }), expected)
})

t.test('what is said', async (t) => {
  t.match(readOtelSettings({ OTEL_SDK_DISABLED: 'true' }), { traces: false, metrics: false })
  t.match(readOtelSettings({ OTEL_METRICS_EXPORTER: 'none' }), { traces: true, metrics: false })
  t.match(readOtelSettings({ OTEL_TRACES_EXPORTER: 'none' }), { traces: false, metrics: true })
  const sampler = (name: string, share?: string) =>
    readOtelSettings({
      OTEL_TRACES_SAMPLER: name,
      ...(share === undefined ? {} : { OTEL_TRACES_SAMPLER_ARG: share }),
    }).sampler
  t.same(sampler('always_off'), { root: 'off', parentBased: false })
  t.same(sampler('parentbased_traceidratio', '0.25'), { root: 0.25, parentBased: true })
  t.same(sampler('traceidratio'), { root: 1, parentBased: false })
  t.match(readOtelSettings({ OTEL_BSP_MAX_QUEUE_SIZE: '10' }).spans, {
    maxQueueSize: 10,
    maxExportBatchSize: 10,
  })
})

t.test('what is not accepted', async (t) => {
  for (const [variable, text] of [
    ['OTEL_SDK_DISABLED', 'yes'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'http/json'],
    ['OTEL_EXPORTER_OTLP_METRICS_PROTOCOL', 'grpc'],
    ['OTEL_TRACES_EXPORTER', 'zipkin'],
    ['OTEL_METRICS_EXPORTER', 'prometheus'],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
    ['OTEL_METRIC_EXPORT_INTERVAL', '0'],
  ] as const)
    t.throws(() => readOtelSettings({ [variable]: text }), {
      message: new RegExp(`^${variable}: "${text}".*it takes`),
    })
  t.throws(
    () => readOtelSettings({ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }),
    /OTEL_TRACES_SAMPLER_ARG: "2"/,
  )
})
