/**
 * Sends traces and metrics by OTLP over HTTP (protobuf), by the SDK of OpenTelemetry. This file, and what it imports, is loaded only where
 * the settings ask for it (`daemon/open-telemetry.ts`).
 *
 * What waits is bounded by the SDK: `OTEL_BSP_MAX_QUEUE_SIZE` spans, and one export of metrics at a time. A collector that is away costs
 * what comes meanwhile, and nobody waits for it; a stop, a second at the most.
 */
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { setGlobalErrorHandler } from '@opentelemetry/core'
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-proto'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  defaultResource,
  detectResources,
  envDetector,
  type Resource,
  resourceFromAttributes,
} from '@opentelemetry/resources'
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { MetricFamily } from '../metrics/metrics.ts'
import type { Tracing } from '../tracing.ts'
import { RegistryProducer } from './metric-producer.ts'
import type { OtelSettings } from './otel-settings.ts'
import { OtelTracing } from './otel-tracing.ts'

export interface OtelOptions {
  readonly settings: OtelSettings
  readonly version: string
  /** Id of this server. */
  readonly node: string
  readonly families: () => Promise<readonly MetricFamily[]>
  /** Resolves when the workers serve what a revision changed. */
  readonly served: (revision: number, signal: AbortSignal) => Promise<void>
  /** Something was not sent, or a setting is not understood. */
  readonly onTrouble: (reason: string) => void
}

export interface OpenTelemetry extends AsyncDisposable {
  /** Null where no traces are sent. */
  readonly tracing: Tracing | null
}

/** Points of one export of metrics; more go in several. */
const mostPoints = 20_000
const stopMs = 1000

export function startOpenTelemetry(options: OtelOptions): OpenTelemetry {
  const { settings, version, served, onTrouble } = options
  tellTroubles(onTrouble)
  const resource = resourceOf(options)
  const tracers = settings.traces ? makeTracers(settings, resource) : null
  const meters = settings.metrics ? makeMeters(options, resource) : null
  return {
    tracing: tracers && new OtelTracing(tracers.getTracer('pooldns', version), served),
    async [Symbol.asyncDispose]() {
      const closed = Promise.allSettled([tracers?.shutdown(), meters?.shutdown()])
      const { promise: late, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, stopMs)
      await Promise.race([closed, late])
      clearTimeout(timer)
    },
  }
}

function tellTroubles(onTrouble: (reason: string) => void): void {
  const tell = (message: string, ...rest: readonly unknown[]) =>
    onTrouble(
      [message, ...rest.map((each) => (each instanceof Error ? each.message : String(each)))].join(' '),
    )
  const nobody = () => undefined
  diag.setLogger(
    { error: tell, warn: tell, info: nobody, debug: nobody, verbose: nobody },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
  setGlobalErrorHandler((error) => tell(error instanceof Error ? error.message : JSON.stringify(error)))
}

/** Whose it is; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` go before. */
function resourceOf({ version, node }: OtelOptions): Resource {
  const ours = { 'service.name': 'pooldns', 'service.version': version, 'service.instance.id': node }
  return defaultResource()
    .merge(resourceFromAttributes(ours))
    .merge(detectResources({ detectors: [envDetector] }))
}

function makeTracers({ sampler, spans }: OtelSettings, resource: Resource): TracerProvider {
  const spanProcessors = [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(), ...spans })]
  return new TracerProvider({ resource, sampler: samplerOf(sampler), spanProcessors })
}

function samplerOf({ root, parentBased }: OtelSettings['sampler']): Sampler {
  const sampler =
    root === 'on'
      ? new AlwaysOnSampler()
      : root === 'off'
        ? new AlwaysOffSampler()
        : new TraceIdRatioBasedSampler(root)
  return parentBased ? new ParentBasedSampler({ root: sampler }) : sampler
}

function makeMeters({ settings, families, version }: OtelOptions, resource: Resource): MeterProvider {
  const { metricIntervalMs, metricTimeoutMs } = settings
  const reader = new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis: metricIntervalMs,
    exportTimeoutMillis: Math.min(metricIntervalMs, metricTimeoutMs),
    maxExportBatchSize: mostPoints,
    metricProducers: [new RegistryProducer(families, resource, version)],
  })
  return new MeterProvider({ resource, readers: [reader] })
}
