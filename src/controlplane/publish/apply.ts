import type { Configuration } from '../model.ts'
import { putMonitor } from '../store/monitors.ts'
import { putPool } from '../store/pools.ts'
import { putService } from '../store/services.ts'
import type { Write } from '../store/transaction.ts'
import { putZone } from '../store/zones.ts'

/** Creates or replaces what a configuration holds, what is named before what names it. Leaves everything else alone. */
export async function applyConfiguration(write: Write, configuration: Configuration): Promise<void> {
  for (const monitor of configuration.monitors) await putMonitor(write, monitor, {})
  for (const pool of configuration.pools) await putPool(write, pool, {})
  for (const zone of configuration.zones) await putZone(write, zone, {})
  for (const service of configuration.services) await putService(write, service, {})
}
