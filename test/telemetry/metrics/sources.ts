import type { MetricsSources } from '../../../src/telemetry/metrics/metrics.ts'

/** A node on which nothing has happened. */
export const quietSources: MetricsSources = {
  refresh: async () => undefined,
  processRestarts: () => [],
  dns: () => ({
    queries: [],
    responses: [],
    dropped: [],
    limited: [],
    connections: [],
    durationBoundsSeconds: [],
    durations: [],
    durationSumSeconds: 0,
    serviceAnswers: [],
  }),
  configRevision: () => 0,
  databaseUp: () => false,
  databaseEmptied: () => false,
  databaseSchemaNewer: () => false,
  networkSuspect: () => false,
  unjudgedProbes: () => ({}),
  badRows: () => 0,
  snapshotWrittenAt: () => null,
  certificates: () => [],
  hosts: () => [],
  pools: () => [],
  services: () => [],
  members: () => [],
}
