import type { DnsCounters } from '../../../src/telemetry/metrics/dns.ts'
import { Metrics, type MetricsSources } from '../../../src/telemetry/metrics/metrics.ts'

/** A node on which nothing has happened. */
export const quietSources: MetricsSources = {
  refresh: async () => undefined,
  processRestarts: () => [],
  dns: () => ({
    queries: [],
    responses: [],
    dropped: [],
    limited: [],
    tapped: [],
    queryLog: [],
    connections: [],
    durationBoundsSeconds: [],
    durations: [],
    durationSumSeconds: 0,
    serviceAnswers: [],
  }),
  configRevision: () => 0,
  configLag: () => 0,
  databaseUp: () => false,
  eventsWaiting: () => 0,
  databaseEmptied: () => false,
  databaseSchemaNewer: () => false,
  networkSuspect: () => false,
  unjudgedProbes: () => ({}),
  badRows: () => 0,
  snapshotWrittenAt: () => null,
  certificates: () => [],
  feedUses: () => [],
  hosts: () => [],
  drains: () => [],
  signedZones: () => [],
  rollovers: () => [],
  signaturesMade: () => 0,
  unsignedSets: () => ({ answers: 0, ahead: 0 }),
  pools: () => [],
  services: () => [],
  members: () => [],
}

const dns: DnsCounters = {
  queries: [
    { transport: 'udp', family: 'ipv4', qtype: 'A', count: 7 },
    { transport: 'tcp', family: 'ipv6', qtype: 'other', count: 2 },
  ],
  responses: [{ transport: 'udp', rcode: 'NOERROR', count: 6 }],
  dropped: [{ reason: 'short', count: 3 }],
  limited: [{ action: 'slip', count: 4 }],
  tapped: [{ outcome: 'dropped', count: 8 }],
  queryLog: [{ outcome: 'written', count: 9 }],
  connections: [
    { event: 'accepted', count: 5 },
    { event: 'closed', count: 2 },
    { event: 'idle', count: 1 },
  ],
  durationBoundsSeconds: [0.0001, 0.001],
  durations: [4, 1, 2],
  durationSumSeconds: 0.5,
  serviceAnswers: [{ service: 'www.example.test', pool: 'p', member: 'a', count: 9 }],
}

/** Those of a node on which something of each kind has happened. */
export function busyMetrics(): Metrics {
  const sources: MetricsSources = {
    refresh: async () => undefined,
    processRestarts: () => [{ process: 'data', count: 3 }],
    dns: () => dns,
    configRevision: () => 42,
    configLag: () => 1.5,
    databaseUp: () => true,
    eventsWaiting: () => 7,
    databaseEmptied: () => false,
    databaseSchemaNewer: () => false,
    networkSuspect: () => true,
    unjudgedProbes: () => ({ ipv4: 0, ipv6: 3 }),
    badRows: () => 2,
    snapshotWrittenAt: () => new Date(90_000),
    certificates: () => [{ pool: 'p', member: 'h', notAfterMs: 1_790_000_000_000 }],
    feedUses: () => [
      { pool: 'p', member: 'h', kind: 'shed', isGood: true, value: 93, ageSeconds: 1.5, share: 0.65 },
      { pool: 'p', member: null, kind: 'capacity', isGood: true, value: 150, ageSeconds: 2, share: 0.5 },
    ],
    hosts: () => [{ pool: 'p', member: 'h', addresses: 3, failures: 2 }],
    signedZones: () => [
      { zone: 'example.test', expiresAt: 1_800_000_000, isTroubled: false },
      { zone: 'other.test', expiresAt: null, isTroubled: true },
    ],
    rollovers: () => [
      {
        zone: 'example.test',
        kind: 'ksk',
        step: 'parent',
        waitsFor: 'parent-silent',
        stepSeconds: 7200,
        dueSeconds: null,
      },
      {
        zone: 'other.test',
        kind: 'zsk',
        step: 'switch',
        waitsFor: 'caches',
        stepSeconds: 60,
        dueSeconds: 3540,
      },
    ],
    signaturesMade: () => 7,
    unsignedSets: () => ({ answers: 2, ahead: 30 }),
    drains: () => [
      { pool: 'p', member: 'x', complete: true },
      { pool: 'p', member: 'z', complete: false },
    ],
    pools: () => [{ pool: 'p', state: 'degraded' }],
    services: () => [{ service: 'www.example.test', state: 'up', override: 'drain' }],
    members: () => [
      { pool: 'p', member: 'x', weight: 12.5, override: 'drain', held: false },
      { pool: 'p', member: 'y', weight: 0, override: null, held: true },
    ],
  }
  const metrics = new Metrics('1.2.3', sources, () => 100_000)
  const read = { hits: 5, misses: 4, stale: 3, evictions: 2, entries: 6, octets: 7000 }
  metrics.cache.state = () => ({ ...read, serverUp: true })
  metrics.cache.failed('late')
  return metrics
}
