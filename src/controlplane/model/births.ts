/**
 * What tells a member, pool, service, feed or webhook from another one that had its name before: a number that the store gives to each
 * when it is made, and to a member again when its endpoint becomes another one.
 *
 * Names are what people work with, and what everything that is remembered goes by: reports, measured health, holds, the last
 * answers, until when caches may have a member. A node need not see that something went and came again; it may have been away, or
 * both may be of one revision. So what is remembered of a name ends when its birth is another one.
 */
import { formatMemberKey, type MemberKey, parseMemberKey } from './member-key.ts'

/** By what `birthKeys` make. Bounded by what the configuration holds. */
export type Births = ReadonlyMap<string, number>

export const birthKeys = {
  member: (key: MemberKey) => `member ${formatMemberKey(key)}`,
  pool: (name: string) => `pool ${name}`,
  service: (name: string) => `service ${name}`,
  feed: (name: string) => `feed ${name}`,
  webhook: (name: string) => `webhook ${name}`,
}

/** Things that are no more, though others may have their names: nothing that is remembered of these is true any more. */
export interface Ended {
  readonly members: readonly MemberKey[]
  readonly pools: readonly string[]
  readonly services: readonly string[]
  readonly feeds: readonly string[]
  readonly webhooks: readonly string[]
}

export const nothingEnded: Ended = { members: [], pools: [], services: [], feeds: [], webhooks: [] }

/** What is gone, or another thing than it was. */
export function endedBetween(before: Births, after: Births): Ended {
  if (before === after) return nothingEnded
  const found: Record<keyof typeof birthKeys, string[]> = {
    member: [],
    pool: [],
    service: [],
    feed: [],
    webhook: [],
  }
  for (const [key, born] of before) {
    if (after.get(key) === born) continue
    const space = key.indexOf(' ')
    found[key.slice(0, space) as keyof typeof birthKeys].push(key.slice(space + 1))
  }
  return {
    members: found.member.map(parseMemberKey),
    pools: found.pool,
    services: found.service,
    feeds: found.feed,
    webhooks: found.webhook,
  }
}
