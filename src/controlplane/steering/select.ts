/**
 * Which members a service is answered with, and why. Pure: configuration, what was measured and what the operator said
 * go in; a selection comes out that names, member by member, why it was kept or dropped.
 *
 * Two levels. A pool is judged by its members: each is in or out, and the pool is up when the share of those in reaches
 * `minUp`. A service then takes the first pool that is up (`failover`). When none is, `whenAllDown` decides.
 *
 * What was measured and what was forced stay two things: an override wins, and the reason says that it did.
 */
import type { HealthState, Member, OverrideState, Pool, Service } from '../model.ts'

/** What is known of members now; the caller's tables stand behind it. */
export interface Conditions {
  /** What the probes say; members of pools without a monitor are never asked for. */
  measured(pool: string, member: string): HealthState
  /** The operator's word while it lasts, or null. */
  forced(pool: string, member: string): OverrideState | null
}

/** Members by name as a service was last answered when at least one pool was up. */
export interface LastKnown {
  readonly pool: string
  readonly members: readonly string[]
}

export const memberReasons = [
  'up',
  'unknown, counts as up',
  'not monitored',
  'forced up',
  'down',
  'forced down',
  'draining',
] as const
export type MemberReason = (typeof memberReasons)[number]

export interface MemberJudgement {
  readonly member: Member
  readonly kept: boolean
  readonly reason: MemberReason
}

export interface PoolJudgement {
  readonly pool: Pool
  readonly up: boolean
  readonly members: readonly MemberJudgement[]
}

/** How a service is answered: from a pool that is up, by its all-down policy, or not at all. */
export interface Selection {
  readonly outcome: 'pool-up' | 'serve-all' | 'last-known' | 'fallback' | 'nodata' | 'servfail'
  /** The pool answered from; null for `nodata` and `servfail`. */
  readonly pool: Pool | null
  readonly members: readonly Member[]
  /** Every pool of the service, in its order, for explaining. */
  readonly judgements: readonly PoolJudgement[]
}

export function judgePool(pool: Pool, conditions: Conditions): PoolJudgement {
  const members = pool.members.map((member) => judgeMember(pool, member, conditions))
  // A drained member is neither healthy nor sick: it has left the count.
  const counted = members.filter(({ reason }) => reason !== 'draining').length
  const kept = members.filter((judgement) => judgement.kept).length
  return { pool, up: kept > 0 && kept >= pool.minUp * counted, members }
}

function judgeMember(pool: Pool, member: Member, conditions: Conditions): MemberJudgement {
  switch (conditions.forced(pool.name, member.name)) {
    case 'up':
      return { member, kept: true, reason: 'forced up' }
    case 'down':
      return { member, kept: false, reason: 'forced down' }
    case 'drain':
      return { member, kept: false, reason: 'draining' }
    case null:
  }
  if (pool.monitor === null) return { member, kept: true, reason: 'not monitored' }
  switch (conditions.measured(pool.name, member.name)) {
    case 'up':
      return { member, kept: true, reason: 'up' }
    case 'unknown':
      return { member, kept: true, reason: 'unknown, counts as up' }
    case 'down':
      return { member, kept: false, reason: 'down' }
  }
}

/** @param pools every pool that the service names, by name */
export function selectMembers(
  service: Service,
  pools: ReadonlyMap<string, Pool>,
  conditions: Conditions,
  lastKnown: LastKnown | undefined,
): Selection {
  const judgements = service.pools.map((name) => judgePool(pools.get(name)!, conditions))
  const chosen = judgements.find(({ up }) => up)
  if (chosen !== undefined)
    return { outcome: 'pool-up', pool: chosen.pool, members: kept(chosen), judgements }
  return { ...selectAllDown(service, pools, judgements, lastKnown), judgements }
}

function selectAllDown(
  service: Service,
  pools: ReadonlyMap<string, Pool>,
  judgements: readonly PoolJudgement[],
  lastKnown: LastKnown | undefined,
): Omit<Selection, 'judgements'> {
  switch (service.whenAllDown) {
    case 'nodata':
    case 'servfail':
      return { outcome: service.whenAllDown, pool: null, members: [] }
    case 'fallback': {
      const pool = pools.get(service.fallback!)!
      return { outcome: 'fallback', pool, members: pool.members }
    }
    case 'last-known': {
      const pool = lastKnown === undefined ? undefined : pools.get(lastKnown.pool)
      const members = pool?.members.filter(({ name }) => lastKnown!.members.includes(name)) ?? []
      if (pool !== undefined && members.length > 0) return { outcome: 'last-known', pool, members }
      return serveAll(judgements)
    }
    case 'serve-all':
      return serveAll(judgements)
  }
}

/**
 * The first pool as if nothing had been measured. What the operator took out stays out as long as anything is left. A
 * pool without members has nothing to serve, so the first that has some is taken.
 */
function serveAll(judgements: readonly PoolJudgement[]): Omit<Selection, 'judgements'> {
  const { pool, members } = judgements.find((judgement) => judgement.members.length > 0) ?? judgements[0]!
  const wanted = members.filter(({ reason }) => reason !== 'forced down' && reason !== 'draining')
  const served = wanted.length > 0 ? wanted.map(({ member }) => member) : pool.members
  return { outcome: 'serve-all', pool, members: served }
}

function kept(judgement: PoolJudgement): Member[] {
  return judgement.members.filter((member) => member.kept).map(({ member }) => member)
}
