import type { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { durationBounds, readCounters } from '../dataplane/counters.ts'
import type { Fleet } from '../dataplane/listener/fleet.ts'
import { transportNames } from '../dataplane/listener/transports.ts'
import type { DnsCounters } from '../telemetry/metrics.ts'

/** What the workers have counted, as the metrics show it. Series that never counted are left out. */
export function dnsCounters(fleet: Fleet, answers: AnswerCounters): DnsCounters {
  const each = transportNames.map((transport) => ({ transport, ...readCounters(fleet.counters(transport)) }))
  const all = readCounters(transportNames.flatMap((transport) => fleet.counters(transport)))
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
