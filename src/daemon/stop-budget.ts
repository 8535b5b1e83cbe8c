/**
 * How long a stop may take, and who gets how much of it. A stop that takes longer is cut off.
 *
 * What has no share takes no time worth one: the DNS workers answer what they have received, a compilation is given up at
 * once, probes are called off, and events and the last snapshot are stored only while the database answers. A database that
 * hangs gets two seconds to answer whoever asks it first, and is not asked again; then one to close its connections; a snapshot can't be written then, so those seconds are free.
 */
export const stopBudget = {
  totalMs: 10_000,
  /** HTTP requests in progress. */
  requestsMs: 5_000,
  /** The last pass of the snapshot: enough for what changed in the seconds before, not for every zone. */
  snapshotMs: 2_000,
  /** The compile thread, which may be in the middle of a zone. */
  compilerMs: 1_000,
} as const
