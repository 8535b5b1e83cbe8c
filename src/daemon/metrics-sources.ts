/** What a scrape reads, of the parts that know it. */
import { families } from '../controlplane/model/family.ts'
import type { AnswerCounters } from '../controlplane/serve/answer-counters.ts'
import { readCounters } from '../dataplane/counter-totals.ts'
import { durationBounds } from '../dataplane/counters.ts'
import { transportNames } from '../dataplane/listener/transports.ts'
import type { DnsCounters } from '../telemetry/metrics/dns.ts'
import type { MetricsSources } from '../telemetry/metrics/metrics.ts'
import type { DataPlane } from './data-plane.ts'
import type { Parts } from './parts.ts'

/** @param parts asked at each scrape, since they are made of what is counted in */
export function metricsSources(parts: () => Parts): MetricsSources {
  return {
    refresh: () => parts().dataPlane.refresh(),
    processRestarts: () => parts().supervision?.restarts() ?? [],
    dns: () => dnsCounters(parts().dataPlane, parts().serving.counters),
    configRevision: () => parts().configuration.publisher.revision,
    configLag: () => parts().configuration.lag.seconds,
    databaseUp: () => parts().database.up,
    eventsWaiting: () => parts().events.waiting,
    databaseSchemaNewer: () => parts().database.newerSchema !== null,
    databaseEmptied: () => parts().configuration.follower.refused !== null,
    networkSuspect: () => parts().health.suspicion !== null,
    unjudgedProbes: () => {
      const { checker } = parts().health
      return Object.fromEntries(families.map((family) => [family, checker.unjudged(family)]))
    },
    badRows: () => parts().configuration.follower.badRows.length,
    snapshotWrittenAt: () => parts().configuration.snapshots.writtenAt,
    pools: () =>
      Array.from(parts().answers.pools.conditions(), ([pool, { condition }]) => ({ pool, state: condition })),
    services: () => {
      const { answers, configuration } = parts()
      const { catalog } = configuration.publisher
      const now = new Date()
      return Array.from(answers.services.conditions(), ([service, { condition }]) => {
        const override = catalog.overrideOfService(service, now)?.state ?? null
        return { service, state: condition, override }
      })
    },
    members: () =>
      parts()
        .answers.planner.members()
        .map((member) => ({ ...member, held: parts().health.checker.isHeld(member) })),
    drains: () => parts().answers.drains.states(),
    signedZones: () =>
      parts().signing.zones.map(({ apex, expiresAt, trouble }) => ({
        zone: apex,
        expiresAt: Number.isFinite(expiresAt) ? expiresAt : null,
        isTroubled: trouble !== null,
      })),
    rollovers: () => parts().rollovers.states,
    signaturesMade: () => parts().signing.made,
    unsignedSets: () => parts().signing.services.waiting,
    certificates: () =>
      Array.from(parts().health.checker.certificates(), ({ pool, member, certificate }) => ({
        pool,
        member,
        notAfterMs: certificate.notAfterMs,
      })),
    feedUses: () => {
      const nowMs = Date.now()
      return parts()
        .answers.planner.fedUses()
        .map(({ pool, member, kind, fed: { reading, state }, share }) => ({
          pool,
          member,
          kind,
          isGood: state === 'good',
          value: reading?.value ?? null,
          ageSeconds: reading === null ? null : Math.max(0, nowMs - reading.from.getTime()) / 1000,
          share,
        }))
    },
    hosts: () =>
      [...parts().configuration.publisher.catalog.hosts.values()].flat().map(({ pool, member, host }) => ({
        pool,
        member,
        addresses: parts().hosts.resolution(host).addresses.length,
        failures: parts().hosts.failures(host),
      })),
  }
}

/** What the workers have counted. */
export function dnsCounters(dataPlane: DataPlane, answers: AnswerCounters): DnsCounters {
  const each = transportNames.flatMap((transport) => {
    const { queries, responses } = readCounters(dataPlane.counters(transport))
    return {
      queries: queries.map((row) => ({ transport, ...row })),
      responses: responses.map((row) => ({ transport, ...row })),
    }
  })
  return {
    ...readCounters(transportNames.flatMap((transport) => dataPlane.counters(transport))),
    queries: each.flatMap(({ queries }) => queries),
    responses: each.flatMap(({ responses }) => responses),
    durationBoundsSeconds: durationBounds,
    serviceAnswers: answers.read(),
  }
}
