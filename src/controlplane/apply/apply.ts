import type { Configuration } from '../model/configuration.ts'
import { nestedIn } from '../rules/answering-pools.ts'
import { partsOf } from '../rules/view.ts'
import { putMonitor } from '../store/monitors.ts'
import { putPool } from '../store/pools.ts'
import { putService } from '../store/services.ts'
import type { Write } from '../store/transaction.ts'
import { putZone } from '../store/zones.ts'

/** Creates or replaces what a configuration holds, what is named before what names it. Leaves everything else alone. */
export async function applyConfiguration(write: Write, configuration: Configuration): Promise<void> {
  for (const monitor of namedFirst(configuration.monitors, partsOf)) await putMonitor(write, monitor, {})
  // Two pools may be each other's fallback, so no order would do.
  const coming = new Set(configuration.pools.map(({ name }) => name))
  for (const pool of configuration.pools) await putPool(write, pool, {}, coming)
  for (const zone of configuration.zones) await putZone(write, zone, {})
  for (const service of namedFirst(configuration.services, nestedIn)) await putService(write, service, {})
}

/** The items, each behind those that it names. Of a circle, which the store refuses, the first one met comes last. */
function namedFirst<T extends { readonly name: string }>(
  items: readonly T[],
  namedBy: (item: T) => readonly string[],
): T[] {
  const byName = new Map(items.map((item) => [item.name, item]))
  const ordered = new Set<T>()
  const met = new Set<string>()
  // A stack of its own: a document may name longer ways than the call stack has room for.
  for (const item of items) {
    const open = [item]
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const inner = met.has(top.name) ? [] : namedBy(top).flatMap((name) => byName.get(name) ?? [])
      met.add(top.name)
      const next = inner.filter(({ name }) => !met.has(name))
      if (next.length > 0) open.push(...next)
      else {
        open.pop()
        ordered.add(top)
      }
    }
  }
  return [...ordered]
}
