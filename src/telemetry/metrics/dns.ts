/** What the DNS workers count. Bound: the words of the protocol that are counted, and the slots for members in answers. */
import type { Registry } from 'prom-client'
import { type Count, expose, exposeCounts, exposeValue, type Scrape, type Series } from './series.ts'

/** What the DNS workers have counted since they started, summed over them. Each count has the labels of its series. */
export interface DnsCounters {
  readonly queries: readonly Count[]
  readonly responses: readonly Count[]
  readonly dropped: readonly Count[]
  readonly limited: readonly Count[]
  /** What became of frames of dnstap. */
  readonly tapped: readonly Count[]
  /** What became of queries that the query log is told of. */
  readonly queryLog: readonly Count[]
  /** How many TCP connections were accepted, and closed for each reason. */
  readonly connections: readonly Count[]
  /** Upper bounds of the buckets of response times, ascending, without infinity. */
  readonly durationBoundsSeconds: readonly number[]
  /** Responses of each bucket alone (not cumulative); one more than bounds, the last for everything above. */
  readonly durations: readonly number[]
  readonly durationSumSeconds: number
  readonly serviceAnswers: readonly Count[]
}

export function registerDnsMetrics(registry: Registry, scrape: Scrape, read: () => DnsCounters): void {
  const dns = scrape.once(read)
  const counts = (name: string, help: string, read: (dns: DnsCounters) => readonly Count[]) =>
    exposeCounts(registry, `pooldns_${name}`, help, () => read(dns()))
  counts('dns_queries_total', 'Queries received.', ({ queries }) => queries)
  counts('dns_responses_total', 'Responses sent.', ({ responses }) => responses)
  counts('dns_dropped_total', 'Messages that got no response.', ({ dropped }) => dropped)
  const limited = 'Responses above the rate limit, by what became of them.'
  counts('dns_rate_limited_total', limited, (dns) => dns.limited)
  const frames = 'Frames of dnstap that were left for the collector, or dropped for want of room.'
  counts('dnstap_frames_total', frames, ({ tapped }) => tapped)
  const queries = 'Queries that were left for the query log, or dropped for want of room.'
  counts('query_log_queries_total', queries, ({ queryLog }) => queryLog)
  const connections = 'TCP connections, by what happened to them.'
  counts('tcp_connections_total', connections, (dns) => dns.connections)
  const open = 'TCP connections that are open.'
  exposeValue(registry, 'gauge', 'pooldns_tcp_connections_open', open, () => openConnections(dns()))
  counts('service_answers_total', 'Times that a member was in an answer.', (dns) => dns.serviceAnswers)
  const duration = 'pooldns_dns_response_duration_seconds'
  expose(registry, 'histogram', duration, 'Time from a received query to its response.', () =>
    histogramSeries(duration, dns()),
  )
}

/** Every connection that was accepted ends in exactly one of the other events. */
function openConnections({ connections }: DnsCounters): number {
  return connections.reduce(
    (open, { event, count }) => (event === 'accepted' ? open + count : open - count),
    0,
  )
}

function histogramSeries(name: string, dns: DnsCounters): Series[] {
  let total = 0
  const buckets = [...dns.durationBoundsSeconds, '+Inf'].map((le, index) => {
    total += dns.durations[index] ?? 0
    return { metricName: `${name}_bucket`, labels: { le }, value: total }
  })
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: dns.durationSumSeconds },
    { metricName: `${name}_count`, labels: {}, value: total },
  ]
}
