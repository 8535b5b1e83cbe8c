import type { Configuration } from '../model/configuration.ts'
import { namedFirst, nestedIn, partsOf } from '../rules/graph.ts'
import { putMonitor } from '../store/monitors.ts'
import { putPool } from '../store/pools.ts'
import { putService } from '../store/services.ts'
import type { Write } from '../store/transaction.ts'
import { putZone } from '../store/zones.ts'

/** Creates or replaces what a configuration holds, what is named before what names it. Leaves everything else alone. */
export async function applyConfiguration(write: Write, configuration: Configuration): Promise<void> {
  for (const monitor of namedFirst(configuration.monitors, partsOf)) {
    await putMonitor(write, monitor, {})
    await write.settled()
  }
  // Two pools may be each other's fallback, so no order would do.
  const coming = new Set(configuration.pools.map(({ name }) => name))
  for (const pool of configuration.pools) {
    await putPool(write, pool, {}, coming)
    await write.settled()
  }
  for (const zone of configuration.zones) {
    await putZone(write, zone, {})
    await write.settled()
  }
  for (const service of namedFirst(configuration.services, nestedIn)) {
    await putService(write, service, {})
    await write.settled()
  }
}
