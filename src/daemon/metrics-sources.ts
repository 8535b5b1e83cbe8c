/** What a scrape reads, of the parts that know it. */
import type { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { durationBounds, readCounters } from '../dataplane/counters.ts'
import { transports } from '../dataplane/listener/protocol.ts'
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
  const totals = transports.map((transport) => ({
    transport,
    ...readCounters(dataPlane.counters(transport)),
  }))
  const { tcp } = totals.find(({ transport }) => transport === 'tcp')!
  const counted = ({ count }: { readonly count: number }) => count > 0
  return {
    queries: totals.flatMap(({ transport, queries }) =>
      queries.filter(counted).map((query) => ({ transport, ...query })),
    ),
    responses: totals.flatMap(({ transport, responses }) =>
      responses.filter(counted).map((response) => ({ transport, ...response })),
    ),
    dropped: totals[0]!.dropped.map(({ reason }, index) => ({
      reason,
      count: totals.reduce((sum, { dropped }) => sum + dropped[index]!.count, 0),
    })),
    limited: totals[0]!.limited,
    tcpConnections: tcp,
    // Every connection that was accepted ends in exactly one of the other events.
    tcpOpen: tcp.reduce((open, { event, count }) => (event === 'accepted' ? open + count : open - count), 0),
    duration: {
      boundsSeconds: durationBounds,
      counts: totals[0]!.durations.map((_, bucket) =>
        totals.reduce((sum, { durations }) => sum + durations[bucket]!, 0),
      ),
      sumSeconds: totals.reduce((sum, { durationSumSeconds }) => sum + durationSumSeconds, 0),
    },
    serviceAnswers: answers.read(),
  }
}
