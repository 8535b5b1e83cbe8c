/**
 * What a member weighs: what the configuration or a feed says, times what slow start leaves of it, times what the member says that it
 * can bear, times what it does not hand on to others. It is a fraction, to the thousandth, so that a ramp of a member of weight 1 is
 * a ramp; the plan makes whole numbers of it. Only who wanted it has weight 0: an operator, a feed, or the member.
 */
import type { Member, Pool } from '../model/pool.ts'
import type { FedMember } from './fed.ts'

/** What of `Conditions` weights go by. */
interface Known {
  share(pool: string, member: string): number
  weightPercent(pool: string, member: string): number | null
  fed?(pool: Pool, member: Member): FedMember
}

export interface Weights {
  readonly weight: number
  /** Without slow start. */
  readonly steadyWeight: number
}

const neverFed: FedMember = { weight: null, shed: null }

/** What feeds say of a member; of most, nothing is asked. */
export function fedOf(pool: Pool, member: Member, { fed }: Pick<Known, 'fed'>): FedMember {
  if ((member.weightFeed === null && member.shed === null) || fed === undefined) return neverFed
  return fed(pool, member)
}

export function weightsOf(pool: Pool, member: Member, fed: FedMember, conditions: Known): Weights {
  const base = (fed.weight?.weight ?? member.weight) * (1 - (fed.shed?.share ?? 0))
  if (pool.monitor === null) {
    const weight = effective(base, 100, 1)
    return { weight, steadyWeight: weight }
  }
  const percent = conditions.weightPercent(pool.name, member.name) ?? 100
  const share = conditions.share(pool.name, member.name)
  return { weight: effective(base, percent, share), steadyWeight: effective(base, percent, 1) }
}

/** The weight that a member has now. */
export function weightNow(pool: Pool, member: Member, conditions: Known): number {
  return weightsOf(pool, member, fedOf(pool, member, conditions), conditions).weight
}

/** The weight to the thousandth, and no less than one of them unless something makes it 0 on purpose. */
function effective(weight: number, percent: number, share: number): number {
  if (weight === 0 || percent === 0) return 0
  return Math.max(1, Math.round(weight * percent * share * 10)) / 1000
}
