/**
 * The feed that is built in: what the nodes' own probes have found. Nobody declares it; it is there as soon as a node has probed.
 *
 * An entity is a member as one node sees it: `<pool>/<member>@<node>`. Names of pools and members have neither `/` nor `@`.
 */
import { builtInFeeds } from '../../model/built-in-feeds.ts'
import type { MemberKey } from '../../model/member-key.ts'
import type { KnownFeed } from '../../store/feed-stores.ts'

const dayMs = 86_400_000
/** What nodes keep of their probes, together. */
export const probesAgeMs = 7 * dayMs
export const probesRows = 1_000_000
/** How long an answer may be given again. Charts ask again and again. */
export const probesCacheMs = 5_000

export const probesFeed = {
  id: 0,
  value: {
    name: 'probes',
    columns: builtInFeeds.probes,
    retention: { ageMs: probesAgeMs, rows: probesRows },
  },
} as const satisfies KnownFeed

/** @param node id of the one that probes */
export function probedEntity({ pool, member }: MemberKey, node: string): string {
  return `${pool}/${member}@${node}`
}
