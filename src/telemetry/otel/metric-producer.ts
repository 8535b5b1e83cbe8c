/** The series of `/metrics`, as what OTLP sends: one name and one meaning in both. */
import { type Attributes, type HrTime, ValueType } from '@opentelemetry/api'
import { millisToHrTime } from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type Histogram,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics'
import type { MetricFamily } from '../metrics/metrics.ts'
import type { Series } from '../metrics/series.ts'

export class RegistryProducer implements MetricProducer {
  readonly #read: () => Promise<readonly MetricFamily[]>
  readonly #resource: Resource
  readonly #version: string
  readonly #startTime = millisToHrTime(performance.timeOrigin)

  constructor(read: () => Promise<readonly MetricFamily[]>, resource: Resource, version: string) {
    this.#read = read
    this.#resource = resource
    this.#version = version
  }

  async collect(): Promise<CollectionResult> {
    const families = await this.#read()
    const times = { startTime: this.#startTime, endTime: millisToHrTime(Date.now()) }
    const metrics = families.map((family) => metricOf(family, times))
    const scope = { name: 'pooldns', version: this.#version }
    return { resourceMetrics: { resource: this.#resource, scopeMetrics: [{ scope, metrics }] }, errors: [] }
  }
}

type Times = { readonly startTime: HrTime; readonly endTime: HrTime }

function metricOf({ name, help, type, series }: MetricFamily, times: Times): MetricData {
  const head = {
    descriptor: { name, description: help, unit: '', valueType: ValueType.DOUBLE },
    aggregationTemporality: AggregationTemporality.CUMULATIVE,
  }
  if (type === 'histogram') {
    const dataPoints = histogramsOf(series).map(({ labels, value }) => point(labels, value, times))
    return { ...head, dataPointType: DataPointType.HISTOGRAM, dataPoints }
  }
  const dataPoints = series.map(({ labels, value }) => point(labels, value, times))
  return type === 'counter'
    ? { ...head, dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints }
    : { ...head, dataPointType: DataPointType.GAUGE, dataPoints }
}

function point<T>(labels: Series['labels'], value: T, times: Times): DataPoint<T> {
  return { ...times, attributes: labels as Attributes, value }
}

/** Series of buckets, which are cumulative, with their sums and counts, put together by their other labels. */
function histogramsOf(series: readonly Series[]): { labels: Series['labels']; value: Histogram }[] {
  const byLabels = new Map<string, { labels: Series['labels']; buckets: [number, number][]; sum: number }>()
  for (const { labels, value, metricName = '' } of series) {
    const { le, ...rest } = labels
    const key = JSON.stringify(rest)
    const found = byLabels.get(key) ?? { labels: rest, buckets: [], sum: 0 }
    byLabels.set(key, found)
    if (le !== undefined) found.buckets.push([le === '+Inf' ? Infinity : Number(le), value])
    else if (metricName.endsWith('_sum')) found.sum = value
  }
  return Array.from(byLabels.values(), ({ labels, buckets, sum }) => {
    const sorted = buckets.toSorted(([one], [other]) => one - other)
    const boundaries = sorted.map(([bound]) => bound).filter(Number.isFinite)
    const counts = sorted.map(([, count], nth) => count - (sorted[nth - 1]?.[1] ?? 0))
    return { labels, value: { buckets: { boundaries, counts }, sum, count: sorted.at(-1)?.[1] ?? 0 } }
  })
}
