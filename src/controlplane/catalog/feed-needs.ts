/** What of feeds a configuration goes by: which entities are to be read, and whom they concern. */
import { entityKey, type FeedEntity, type FeedUse, readingKey } from '../model/feed-use.ts'
import type { Monitor } from '../model/monitor.ts'
import type { Member, Pool } from '../model/pool.ts'
import { partsOf, reach } from '../rules/graph.ts'

/** An entity, and the pools that go by it. */
export interface NeededEntity extends FeedEntity {
  readonly pools: ReadonlySet<string>
}

/** What of a configuration goes by feeds; by name. */
interface Fed {
  readonly pools: ReadonlyMap<string, Pool>
  readonly monitors: ReadonlyMap<string, Monitor>
}

/** Every entity that a configuration names, by `entityKey`. Bounded by its members, pools and monitors. */
export function feedNeeds({ pools, monitors }: Fed): ReadonlyMap<string, NeededEntity> {
  const needs = new Map<string, FeedEntity & { readonly pools: Set<string> }>()
  const need = (use: FeedUse | null, pool: string, member?: string) => {
    if (use === null) return
    const { feed, entity } = readingKey(use, pool, member)
    const key = entityKey({ feed, entity })
    const known = needs.get(key) ?? { feed, entity, pools: new Set<string>() }
    known.pools.add(pool)
    needs.set(key, known)
  }
  for (const pool of pools.values()) {
    const monitored = usesOfMonitor(pool.monitor, monitors)
    need(pool.capacity, pool.name)
    for (const member of pool.members) {
      for (const use of [...usesOfMember(member), ...monitored]) need(use, pool.name, member.name)
    }
  }
  return needs
}

function usesOfMember({ weightFeed, shed }: Member): (FeedUse | null)[] {
  return weightFeed === null && shed === null ? [] : [weightFeed, shed]
}

/** Monitors of type `feed` that a monitor is, or judges by. */
function usesOfMonitor(name: string | null, monitors: ReadonlyMap<string, Monitor>): readonly FeedUse[] {
  if (name === null) return []
  const parts = reach([name], (each) => {
    const monitor = monitors.get(each)
    return monitor === undefined ? [] : partsOf(monitor)
  })
  return parts.flatMap((part) => {
    const monitor = monitors.get(part)
    return monitor?.type === 'feed' ? [monitor] : []
  })
}
