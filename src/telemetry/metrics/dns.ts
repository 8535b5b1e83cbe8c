/** What the DNS workers count. Bound: the words of the protocol that are counted, and the slots for members in answers. */
import { Counter, Gauge, type Histogram, type Registry } from 'prom-client'

/** What the DNS workers have counted since they started, summed over them. */
export interface DnsCounters {
  readonly queries: readonly {
    readonly transport: string
    readonly family: string
    readonly qtype: string
    readonly count: number
  }[]
  readonly responses: readonly {
    readonly transport: string
    readonly rcode: string
    readonly count: number
  }[]
  readonly dropped: readonly { readonly reason: string; readonly count: number }[]
  readonly limited: readonly { readonly action: string; readonly count: number }[]
  /** Of TCP connections: how many were accepted, and closed for each reason. */
  readonly tcpConnections: readonly { readonly event: string; readonly count: number }[]
  readonly tcpOpen: number
  readonly duration: DurationCounts
  readonly serviceAnswers: readonly {
    readonly service: string
    readonly pool: string
    readonly member: string
    readonly count: number
  }[]
}

export interface DurationCounts {
  /** Upper bounds of the buckets, ascending, without infinity. */
  readonly boundsSeconds: readonly number[]
  /** Observations of each bucket alone (not cumulative); one more than bounds, the last for everything above. */
  readonly counts: readonly number[]
  readonly sumSeconds: number
}

export function registerDnsMetrics(registry: Registry, dns: () => DnsCounters): void {
  const counts = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (dns: DnsCounters) => readonly (Record<Label, string> & { readonly count: number })[],
  ) =>
    new Counter({
      name: `pooldns_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset()
        for (const row of read(dns())) {
          const picked: Partial<Record<Label, string>> = {}
          for (const label of labelNames) picked[label] = row[label]
          this.inc(picked, row.count)
        }
      },
    })
  counts('dns_queries_total', 'Queries received.', ['transport', 'family', 'qtype'], (dns) => dns.queries)
  counts('dns_responses_total', 'Responses sent.', ['transport', 'rcode'], (dns) => dns.responses)
  counts('dns_dropped_total', 'Messages that got no response.', ['reason'], (dns) => dns.dropped)
  counts(
    'dns_rate_limited_total',
    'Responses above the rate limit, by what became of them.',
    ['action'],
    (dns) => dns.limited,
  )
  counts(
    'tcp_connections_total',
    'TCP connections, by what happened to them.',
    ['event'],
    (dns) => dns.tcpConnections,
  )
  new Gauge({
    name: 'pooldns_tcp_connections_open',
    help: 'TCP connections that are open.',
    registers: [registry],
    collect() {
      this.set(dns().tcpOpen)
    },
  })
  counts(
    'service_answers_total',
    'Times that a member was in an answer.',
    ['service', 'pool', 'member'],
    (dns) => dns.serviceAnswers,
  )
  registerDurationHistogram(registry, () => dns().duration)
}

/**
 * A histogram whose counts are kept elsewhere. prom-client's own can only observe one value at a time, so this is the
 * part of a metric that its registry calls, and no more.
 */
function registerDurationHistogram(registry: Registry, read: () => DurationCounts): void {
  const head = {
    name: 'pooldns_dns_response_duration_seconds',
    help: 'Time from a received query to its response.',
    type: 'histogram',
    aggregator: 'sum',
  }
  const metric = {
    ...head,
    reset: () => {},
    get: async () => ({ ...head, values: histogramValues(head.name, read()) }),
  }
  registry.registerMetric(metric as unknown as Histogram)
}

function histogramValues(name: string, { boundsSeconds, counts, sumSeconds }: DurationCounts) {
  let total = 0
  const buckets = [...boundsSeconds, '+Inf'].map((le, index) => {
    total += counts[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { le }, value: total }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sumSeconds },
    { metricName: `${name}_count`, labels: {}, value: total },
  ]
}

/** The deaths of the threads that answer DNS. */
export class WorkerMetrics {
  readonly #restarts: Counter

  constructor(registry: Registry) {
    this.#restarts = new Counter({
      name: 'pooldns_worker_restarts_total',
      help: 'DNS workers that died and were started again.',
      registers: [registry],
    })
  }

  restarted(): void {
    this.#restarts.inc()
  }
}
