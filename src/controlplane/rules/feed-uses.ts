/** Where parts of a configuration name columns of feeds: that these are there is told by `feeds.ts`. */

import type { FeedUse } from '../model/feed-use.ts'
import type { Monitor } from '../model/monitor.ts'
import type { Member, Pool } from '../model/pool.ts'
import type { Breach } from './breach.ts'
import { type ColumnUse, columnBreaches, type FeedColumns } from './feeds.ts'

export function columnsOfMonitor(monitor: Monitor): readonly ColumnUse[] {
  return monitor.type === 'feed' ? uses(monitor, []) : []
}

export function columnsOfMember({ weightFeed, shed }: Member, at: Breach['at'] = []): readonly ColumnUse[] {
  if (weightFeed === null && shed === null) return []
  return [...uses(weightFeed, [...at, 'weight']), ...uses(shed, [...at, 'shed'])]
}

export function columnsOfPool({ capacity, members }: Pool): readonly ColumnUse[] {
  return [
    ...uses(capacity, ['capacity']),
    ...members.flatMap((member) => columnsOfMember(member, ['members', member.name])),
  ]
}

/** What is named and is not there. */
export function usesOfFeedsBreaches(feeds: FeedColumns, { monitors, pools }: Fed): Breach[] {
  return [
    ...monitors.flatMap((monitor) =>
      columnBreaches(feeds, { kind: 'monitors', name: monitor.name }, columnsOfMonitor(monitor)),
    ),
    ...pools.flatMap((pool) =>
      columnBreaches(feeds, { kind: 'pools', name: pool.name }, columnsOfPool(pool)),
    ),
  ]
}

interface Fed {
  readonly monitors: readonly Monitor[]
  readonly pools: readonly Pool[]
}

function uses(use: FeedUse | null, at: Breach['at']): ColumnUse[] {
  return use === null ? [] : [{ feed: use.feed, column: use.column, at }]
}
