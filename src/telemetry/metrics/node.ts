import { Gauge, type Registry } from 'prom-client'

/** What this node is at. */
export interface NodeState {
  /** Configuration revision that this node serves. */
  configRevision(): number
  databaseUp(): boolean
  /** Whether this node doubts its own network. */
  networkSuspect(): boolean
  /** When the cold-start snapshot was last written; null when there is none. */
  snapshotWrittenAt(): Date | null
}

export function registerNodeMetrics(registry: Registry, state: NodeState, now: () => number): void {
  const gauge = (name: string, help: string, read: () => number | null) =>
    new Gauge({
      name: `pooldns_${name}`,
      help,
      registers: [registry],
      collect() {
        const value = read()
        if (value === null) this.remove()
        else this.set(value)
      },
    })
  gauge('config_revision', 'Revision of the configuration that this node serves.', () =>
    state.configRevision(),
  )
  gauge('database_up', 'Whether the last use of the database succeeded.', () => Number(state.databaseUp()))
  gauge(
    'network_suspect',
    'Whether this node doubts its own network, so that failures of members do not count.',
    () => Number(state.networkSuspect()),
  )
  gauge('snapshot_age_seconds', 'Age of the cold-start snapshot; absent when there is none.', () => {
    const writtenAt = state.snapshotWrittenAt()
    return writtenAt === null ? null : Math.max(0, (now() - writtenAt.getTime()) / 1000)
  })
}
