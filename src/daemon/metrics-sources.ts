/** What a scrape reads, of the parts that know it. */
import type { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { readCounters } from '../dataplane/counter-totals.ts'
import { durationBounds } from '../dataplane/counters.ts'
import { transportNames } from '../dataplane/listener/transports.ts'
import type { DnsCounters } from '../telemetry/metrics/dns.ts'
import type { MetricsSources } from '../telemetry/metrics/metrics.ts'
import type { DataPlane } from './data-plane.ts'
import type { Parts } from './parts.ts'

export function metricsSources(parts: Parts): MetricsSources {
  const { configuration, database, dataPlane, health, hosts, serving } = parts
  return {
    dns: () => dnsCounters(dataPlane, serving.counters),
    configRevision: () => configuration.publisher.revision,
    databaseUp: () => database.up,
    networkSuspect: () => health.suspicion !== null,
    snapshotWrittenAt: () => configuration.snapshots.writtenAt,
    hosts: () =>
      [...configuration.publisher.catalog.hosts.values()].flat().map(({ pool, member, host }) => ({
        pool,
        member,
        addresses: hosts.resolution(host).addresses.length,
        failures: hosts.failures(host),
      })),
  }
}

/** What the workers have counted. Series that never counted are left out. */
function dnsCounters(dataPlane: DataPlane, answers: AnswerCounters): DnsCounters {
  const each = transportNames.map((transport) => ({
    transport,
    ...readCounters(dataPlane.counters(transport)),
  }))
  const all = readCounters(transportNames.flatMap((transport) => dataPlane.counters(transport)))
  const counted = ({ count }: { readonly count: number }) => count > 0
  return {
    queries: each.flatMap(({ transport, queries }) =>
      queries.filter(counted).map((query) => ({ transport, ...query })),
    ),
    responses: each.flatMap(({ transport, responses }) =>
      responses.filter(counted).map((response) => ({ transport, ...response })),
    ),
    dropped: all.dropped,
    limited: all.limited,
    tcpConnections: all.connections,
    // Every connection that was accepted ends in exactly one of the other events.
    tcpOpen: all.connections.reduce(
      (open, { event, count }) => (event === 'accepted' ? open + count : open - count),
      0,
    ),
    duration: {
      boundsSeconds: durationBounds,
      counts: all.durations,
      sumSeconds: all.durationSumSeconds,
    },
    serviceAnswers: answers.read(),
  }
}
