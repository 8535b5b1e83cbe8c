/**
 * Which members of a pool are kept, why, and whether the pool is up.
 *
 * What was measured and what was forced stay two things: an override wins, and the reason says that it did. One thing it
 * can't do: a host without an address has nothing to be answered with, so forcing it up does not keep it.
 *
 * A pool is up when the share of members kept reaches `minUp`, and one is. A member that is drained has left the count: it
 * is neither healthy nor sick. A pool that selects by `failover` is judged tier by tier, in order of priority, each by its
 * own `minUp`; the first that is up serves, and members of the others are kept but do not serve.
 *
 * A member's weight is what the configuration says, times what slow start leaves of it, times what the member says it can
 * bear. It stays a fraction here, to the thousandth, so that a ramp of a member of weight 1 is a ramp; the plan makes whole
 * numbers of it. Only who wanted it has weight 0: an operator, or the member.
 */
import type { PoolCondition } from '../model/event.ts'
import type { HealthState, Resolution } from '../model/observation.ts'
import type { OverrideState } from '../model/override.ts'
import { type Member, needsAddresses, type Pool } from '../model/pool.ts'

/**
 * What is known of members now; the caller's tables stand behind it. Of a pool without a monitor nothing but `forced` and
 * `resolution` is asked for.
 */
export interface Conditions {
  /** What the probes say. */
  measured(pool: string, member: string): HealthState
  /** The last state that was not `unknown`, whenever that was; null when there has been none. */
  lastKnown(pool: string, member: string): 'up' | 'down' | null
  /** Whether failures or successes are counting towards a change of state. */
  near(pool: string, member: string): boolean
  /** 0..1: how much of its weight a member that came back has by now. */
  share(pool: string, member: string): number
  /** What a member says of itself: how much of its weight it can bear; null when it says nothing. */
  weightPercent(pool: string, member: string): number | null
  /** Smoothed time of its probes in milliseconds; null without samples. */
  latencyMs(pool: string, member: string): number | null
  /** The operator's word while it lasts, or null. */
  forced(pool: string, member: string): OverrideState | null
  /** What resolving a host has come to; asked for those that `needsAddresses` says, and those to be answered with. */
  resolution(host: string): Resolution
}

export const memberReasons = [
  'up',
  'unknown, counts as up',
  'unknown, was up',
  'not monitored',
  'forced up',
  'down',
  'unknown, counts as down',
  'unknown, was down',
  'forced down',
  'draining',
  'not resolved',
] as const
export type MemberReason = (typeof memberReasons)[number]

export interface MemberJudgement {
  readonly member: Member
  readonly kept: boolean
  readonly reason: MemberReason
  /** Kept, and of the tier that serves. */
  readonly serves: boolean
  /** The weight it has now; 0: a last resort. */
  readonly weight: number
  /**
   * The same without slow start, for `hash`: clients that are to stay where they are should move once when a member comes
   * back, not at each step of a ramp. What a member says of itself does count, for moving clients is all that relieves it.
   */
  readonly steadyWeight: number
  /** About to change its state. */
  readonly near: boolean
}

/** The members of one priority; of a pool that does not select by `failover`, all of them. */
export interface TierJudgement {
  readonly priority: number
  readonly minUp: number
  readonly up: boolean
  /** Members but the drained ones. */
  readonly counted: number
  readonly kept: number
  readonly drained: number
}

export interface PoolJudgement {
  readonly pool: Pool
  /** Members in the order of the pool. */
  readonly members: readonly MemberJudgement[]
  /** At least one, in order of priority. */
  readonly tiers: readonly TierJudgement[]
  /** The tier that serves; null: by its members the pool is down. */
  readonly serving: TierJudgement | null
}

export interface ConditionReport {
  readonly condition: PoolCondition
  /** Such as `2 of 5 members up, minUp 0.5`. */
  readonly reason: string
}

export function judgePool(pool: Pool, conditions: Conditions): PoolJudgement {
  const judged = pool.members.map((member) => judgeMember(pool, member, conditions))
  const tiers =
    pool.select === 'failover'
      ? prioritiesOf(pool).map((priority) => {
          const minUp = pool.tiers.find((tier) => tier.priority === priority)?.minUp ?? pool.minUp
          const members = judged.filter(({ member }) => member.priority === priority)
          return judgeTier(priority, minUp, members)
        })
      : [judgeTier(1, pool.minUp, judged)]
  const serving = tiers.find(({ up }) => up) ?? null
  const serves = ({ kept, member }: (typeof judged)[number]) =>
    kept && serving !== null && (pool.select !== 'failover' || member.priority === serving.priority)
  const members = judged.map((judgement) => ({ ...judgement, serves: serves(judgement) }))
  return { pool, members, tiers, serving }
}

/** A pool without members has a tier too, which is down. */
function prioritiesOf({ members }: Pool): number[] {
  const priorities = [...new Set(members.map(({ priority }) => priority))].sort((a, b) => a - b)
  return priorities.length === 0 ? [1] : priorities
}

function judgeTier(
  priority: number,
  minUp: number,
  members: readonly Pick<MemberJudgement, 'kept' | 'reason'>[],
): TierJudgement {
  const drained = members.filter(isDrained).length
  const counted = members.length - drained
  const kept = members.filter((judgement) => judgement.kept).length
  // Divided, not multiplied: 7 / 100 is 0.07, but 0.07 * 100 is more than 7.
  return { priority, minUp, up: kept > 0 && kept / counted >= minUp, counted, kept, drained }
}

export function isDrained({ reason }: Pick<MemberJudgement, 'reason'>): boolean {
  return reason === 'draining'
}

/** Whether it is the operator who keeps it from answering. */
export function isTakenOut({ reason }: MemberJudgement): boolean {
  return reason === 'draining' || reason === 'forced down'
}

function judgeMember(pool: Pool, member: Member, conditions: Conditions): Omit<MemberJudgement, 'serves'> {
  const [kept, reason] = keep(pool, member, conditions)
  if (pool.monitor === null) {
    return { member, kept, reason, weight: member.weight, steadyWeight: member.weight, near: false }
  }
  const share = conditions.share(pool.name, member.name)
  const percent = conditions.weightPercent(pool.name, member.name) ?? 100
  return {
    member,
    kept,
    reason,
    weight: effectiveWeight(member.weight, percent, share),
    steadyWeight: effectiveWeight(member.weight, percent, 1),
    near: conditions.near(pool.name, member.name),
  }
}

/** The weight to the thousandth, and no less than one unless something makes it 0 on purpose. */
function effectiveWeight(weight: number, percent: number, share: number): number {
  if (weight === 0 || percent === 0) return 0
  return Math.max(1, Math.round(weight * percent * share * 10)) / 1000
}

type Keeping = readonly [kept: boolean, reason: MemberReason]

function keep(pool: Pool, member: Member, conditions: Conditions): Keeping {
  switch (conditions.forced(pool.name, member.name)) {
    case 'up':
      return canServe(pool, member, conditions) ? [true, 'forced up'] : [false, 'not resolved']
    case 'down':
      return [false, 'forced down']
    case 'drain':
      return [false, 'draining']
    case null:
  }
  if (needsAddresses(pool, member) && !hasAddress(member, conditions)) return [false, 'not resolved']
  if (pool.monitor === null) return [true, 'not monitored']
  switch (conditions.measured(pool.name, member.name)) {
    case 'up':
      return [true, 'up']
    case 'down':
      return [false, 'down']
    case 'unknown':
      return keepUnknown(pool, member, conditions)
  }
}

function keepUnknown(pool: Pool, member: Member, conditions: Conditions): Keeping {
  switch (pool.unknown) {
    case 'up':
      return [true, 'unknown, counts as up']
    case 'down':
      return [false, 'unknown, counts as down']
    case 'last-known':
  }
  switch (conditions.lastKnown(pool.name, member.name)) {
    case 'up':
      return [true, 'unknown, was up']
    case 'down':
      return [false, 'unknown, was down']
    case null:
      return [true, 'unknown, counts as up']
  }
}

function hasAddress({ host }: Member, conditions: Conditions): boolean {
  return host === null || conditions.resolution(host).addresses.length > 0
}

/** Whether there is anything to answer with; the name of a host is enough for a CNAME. */
export function canServe({ hosts }: Pool, member: Member, conditions: Conditions): boolean {
  return hosts === 'cname' || hasAddress(member, conditions)
}

/** What a pool's members come to, for its events and for the TTL of its answers. */
export function poolCondition({ pool, tiers, serving }: PoolJudgement): ConditionReport {
  const whole = serving === tiers[0] && tiers.every(({ kept, counted }) => kept === counted)
  const condition = serving === null ? 'down' : whole ? 'healthy' : 'degraded'
  const [only] = tiers
  if (pool.select !== 'failover' || tiers.length === 1) return { condition, reason: describe(only!) }
  const what = serving === null ? 'no tier is up' : `tier ${serving.priority} serves`
  const each = tiers.map((tier) => `tier ${tier.priority}: ${describe(tier)}`)
  return { condition, reason: [what, ...each].join('; ') }
}

function describe({ kept, counted, drained, minUp }: TierJudgement): string {
  const apart = drained === 0 ? '' : `, ${drained} draining`
  return `${kept} of ${counted} ${counted === 1 ? 'member' : 'members'} up${apart}, minUp ${minUp}`
}
