/** What feeds say of members and pools, in words. */
import type { FeedUse } from '../model/feed-use.ts'
import type { Member, Pool } from '../model/pool.ts'
import type { Fed, FedMember, FedShare } from './fed.ts'
import { percentText } from './judged.ts'

/** One use of a feed, and what it comes to. */
export interface FedUse {
  readonly kind: 'weight' | 'shed' | 'capacity'
  readonly use: FeedUse
  readonly fed: Fed
  /** Of `shed` and `capacity`. */
  readonly share: number
  /** Such as `percent of fra-1 in feed load is 93: it sheds 65 % of its answers`. */
  readonly reason: string
}

/** The uses of feeds that a member has. */
export function usesOfMember(member: Member, { weight, shed }: FedMember): FedUse[] {
  const uses: FedUse[] = []
  if (weight !== null && member.weightFeed !== null) {
    const [by, without] = [`weight ${weight.weight}`, `weight ${member.weight} holds`]
    const reason = reasonOf(member.weightFeed, weight, by, without)
    uses.push({ kind: 'weight', use: member.weightFeed, fed: weight, share: 0, reason })
  }
  if (shed !== null && member.shed !== null) {
    const reason = reasonOf(
      member.shed,
      shed,
      `it sheds ${percentText(shed.share)} of its answers`,
      'it sheds nothing',
    )
    uses.push({ kind: 'shed', use: member.shed, fed: shed, share: shed.share, reason })
  }
  return uses
}

/** The same of a pool. */
export function usesOfPool({ capacity }: Pool, full: FedShare | null): FedUse[] {
  if (capacity === null || full === null) return []
  const { limit } = capacity
  const by = `the limit is ${limit}, and ${percentText(full.share)} of its answers go on to the next pool, where there is one`
  const reason = reasonOf(capacity, full, by, 'it spills nothing')
  return [{ kind: 'capacity', use: capacity, fed: full, share: full.share, reason }]
}

/** @param by what holds by the value @param without what holds without one */
function reasonOf(use: FeedUse, { key, reading, state }: Fed, by: string, without: string): string {
  const what = `${key.column} of ${key.entity} in feed ${key.feed}`
  switch (state) {
    case 'good':
      return `${what} is ${reading!.value}: ${by}`
    case 'stale':
      return `${what} is older than ${use.maxAgeMs / 1000} s: ${without}`
    case 'missing':
      return `there is no ${what}: ${without}`
    case 'waiting':
      return `${what} has not been read yet: ${without}`
  }
}
