import type { PoolJudgement, TierJudgement } from './judge.ts'

export const poolConditions = ['healthy', 'degraded', 'down'] as const
/**
 * - `healthy`: every counted member is kept, and the first tier serves
 * - `degraded`: up, but a counted member is not kept, or a later tier serves
 * - `down`: not up by its members, whatever the pool answers then
 */
export type PoolCondition = (typeof poolConditions)[number]

export interface ConditionReport {
  readonly condition: PoolCondition
  /** Such as `2 of 5 members up, minUp 0.5`. */
  readonly reason: string
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
