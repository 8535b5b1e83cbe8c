import type { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { durationBounds, readCounters } from '../dataplane/counters.ts'
import type { Fleet } from '../dataplane/listener/fleet.ts'
import { transports } from '../dataplane/listener/protocol.ts'
import type { DnsCounters } from '../telemetry/metrics.ts'

/** What the workers have counted, as the metrics show it. Series that never counted are left out. */
export function dnsCounters(fleet: Fleet, answers: AnswerCounters): DnsCounters {
  const totals = transports.map((transport) => ({ transport, ...readCounters(fleet.counters(transport)) }))
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
