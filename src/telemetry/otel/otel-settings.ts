/**
 * The standard variables of OpenTelemetry that its parts leave to whoever puts them together. Its exporters read theirs by themselves:
 * `OTEL_EXPORTER_OTLP_ENDPOINT`, `_HEADERS`, `_TIMEOUT`, `_COMPRESSION`, `_CERTIFICATE`, and the same for one signal
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables).
 */

type Environment = Readonly<Record<string, string | undefined>>

/** Names the variable, its value and what is accepted. */
export class OtelSettingsError extends Error {
  override readonly name = 'OtelSettingsError'
}

export interface OtelSettings {
  readonly traces: boolean
  readonly metrics: boolean
  readonly sampler: { readonly root: 'on' | 'off' | number; readonly parentBased: boolean }
  readonly metricIntervalMs: number
  readonly metricTimeoutMs: number
  readonly spans: {
    readonly scheduledDelayMillis: number
    readonly exportTimeoutMillis: number
    readonly maxQueueSize: number
    readonly maxExportBatchSize: number
  }
}

/** @throws OtelSettingsError */
export function readOtelSettings(environment: Environment): OtelSettings {
  const word = <const W extends string>(variable: string, words: readonly W[], otherwise: W): W => {
    const text = environment[variable]
    if (text === undefined || text === '') return otherwise
    const found = words.find((known) => known === text)
    if (found === undefined) throw refused(variable, text, words.join(', '))
    return found
  }
  const whole = (variable: string, otherwise: number): number => {
    const text = environment[variable]
    if (text === undefined || text === '') return otherwise
    if (!/^[1-9]\d{0,8}$/.test(text)) throw refused(variable, text, 'a whole number from 1')
    return Number(text)
  }
  const isDisabled = word('OTEL_SDK_DISABLED', ['true', 'false'], 'false') === 'true'
  const sends = (signal: string) => {
    word(`OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`, ['http/protobuf'], 'http/protobuf')
    return !isDisabled && word(`OTEL_${signal}_EXPORTER`, ['otlp', 'none'], 'otlp') === 'otlp'
  }
  word('OTEL_EXPORTER_OTLP_PROTOCOL', ['http/protobuf'], 'http/protobuf')
  const maxQueueSize = whole('OTEL_BSP_MAX_QUEUE_SIZE', 2048)
  return {
    traces: sends('TRACES'),
    metrics: sends('METRICS'),
    sampler: samplerOf(environment),
    metricIntervalMs: whole('OTEL_METRIC_EXPORT_INTERVAL', 60_000),
    metricTimeoutMs: whole('OTEL_METRIC_EXPORT_TIMEOUT', 30_000),
    spans: {
      scheduledDelayMillis: whole('OTEL_BSP_SCHEDULE_DELAY', 5000),
      exportTimeoutMillis: whole('OTEL_BSP_EXPORT_TIMEOUT', 30_000),
      maxQueueSize,
      maxExportBatchSize: Math.min(maxQueueSize, whole('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', 512)),
    },
  }
}

const samplers = { always_on: 'on', always_off: 'off', traceidratio: 'ratio' } as const
const samplerWords = Object.keys(samplers).flatMap((name) => [name, `parentbased_${name}`])

function samplerOf(environment: Environment): OtelSettings['sampler'] {
  const text = environment.OTEL_TRACES_SAMPLER || 'parentbased_always_on'
  if (!samplerWords.includes(text)) throw refused('OTEL_TRACES_SAMPLER', text, samplerWords.join(', '))
  const parentBased = text.startsWith('parentbased_')
  const root = samplers[text.replace('parentbased_', '') as keyof typeof samplers]
  if (root !== 'ratio') return { root, parentBased }
  const share = environment.OTEL_TRACES_SAMPLER_ARG || '1'
  if (!/^(?:0|1|0?\.\d+|1\.0+|0\.0+)$/.test(share))
    throw refused('OTEL_TRACES_SAMPLER_ARG', share, 'a number from 0 to 1')
  return { root: Number(share), parentBased }
}

function refused(variable: string, text: string, accepted: string): OtelSettingsError {
  return new OtelSettingsError(`${variable}: ${JSON.stringify(text)} is not accepted; it takes ${accepted}`)
}
