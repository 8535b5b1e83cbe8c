/**
 * Which members a service is answered with, and why. Pure: configuration, what was measured and what the operator said
 * go in; a selection comes out that names, member by member, why it was kept or dropped.
 *
 * Two levels. A pool is judged by its members: each is in or out, and the pool is up when the share of those in reaches
 * `minUp`. A service then takes the first pool that is up (`failover`). When none is, `whenAllDown` decides.
 *
 * What was measured and what was forced stay two things: an override wins, and the reason says that it did. One thing it
 * can't do: a host without an address has nothing to be answered with, so forcing it up does not keep it.
 */
import type { HealthState, Member, OverrideState, Pool, Resolution, Service } from '../model.ts'

/** What is known of members now; the caller's tables stand behind it. */
export interface Conditions {
  /** What the probes say; members of pools without a monitor are never asked for. */
  measured(pool: string, member: string): HealthState
  /** The operator's word while it lasts, or null. */
  forced(pool: string, member: string): OverrideState | null
  /** What resolving a host has come to; asked for those that `needsAddresses` says. */
  resolution(host: string): Resolution
}

/** Whether anything depends on the addresses of a member's host: its answers, or where it is probed. */
export function needsAddresses({ hosts, monitor }: Pool, { host, probeAddress }: Member): boolean {
  return host !== null && (hosts === 'resolve' || (monitor !== null && probeAddress === null))
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
  'not resolved',
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
      return canServe(pool, member, conditions)
        ? { member, kept: true, reason: 'forced up' }
        : { member, kept: false, reason: 'not resolved' }
    case 'down':
      return { member, kept: false, reason: 'forced down' }
    case 'drain':
      return { member, kept: false, reason: 'draining' }
    case null:
  }
  if (needsAddresses(pool, member) && !hasAddress(member, conditions)) {
    return { member, kept: false, reason: 'not resolved' }
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

function hasAddress({ host }: Member, conditions: Conditions): boolean {
  return host === null || conditions.resolution(host).addresses.length > 0
}

/** Whether there is anything to answer with; the name of a host is enough for a CNAME. */
function canServe({ hosts }: Pool, member: Member, conditions: Conditions): boolean {
  return hosts === 'cname' || hasAddress(member, conditions)
}

/** @param pools every pool that the service names, by name */
export function selectMembers(
  service: Service,
  pools: ReadonlyMap<string, Pool>,
  conditions: Conditions,
  lastKnown: LastKnown | undefined,
): Selection {
  const judgements = service.choices
    .filter(({ kind }) => kind === 'pool')
    .map(({ name }) => judgePool(pools.get(name)!, conditions))
  if (judgements.length === 0) return { outcome: 'servfail', pool: null, members: [], judgements }
  const chosen = judgements.find(({ up }) => up)
  if (chosen !== undefined)
    return { outcome: 'pool-up', pool: chosen.pool, members: kept(chosen), judgements }
  return { ...selectAllDown(service, pools, judgements, conditions, lastKnown), judgements }
}

function selectAllDown(
  service: Service,
  pools: ReadonlyMap<string, Pool>,
  judgements: readonly PoolJudgement[],
  conditions: Conditions,
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
      const members =
        pool?.members.filter(
          (member) => lastKnown!.members.includes(member.name) && canServe(pool, member, conditions),
        ) ?? []
      if (pool !== undefined && members.length > 0) return { outcome: 'last-known', pool, members }
      return serveAll(judgements, conditions)
    }
    case 'serve-all':
      return serveAll(judgements, conditions)
  }
}

/**
 * The first pool as if nothing had been measured. What the operator took out stays out as long as anything is left. A
 * pool without members has nothing to serve, and neither has one of hosts without addresses, so the first that has some is
 * taken.
 */
function serveAll(
  judgements: readonly PoolJudgement[],
  conditions: Conditions,
): Omit<Selection, 'judgements'> {
  const servable = ({ pool, members }: PoolJudgement) =>
    members.filter(({ member }) => canServe(pool, member, conditions))
  const judgement =
    judgements.find((candidate) => servable(candidate).length > 0) ??
    judgements.find(({ members }) => members.length > 0) ??
    judgements[0]!
  const { pool } = judgement
  const able = servable(judgement)
  const wanted = able.filter(({ reason }) => reason !== 'forced down' && reason !== 'draining')
  const served = wanted.length > 0 ? wanted : able.length > 0 ? able : judgement.members
  return { outcome: 'serve-all', pool, members: served.map(({ member }) => member) }
}

function kept(judgement: PoolJudgement): Member[] {
  return judgement.members.filter((member) => member.kept).map(({ member }) => member)
}
