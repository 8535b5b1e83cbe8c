/**
 * What a pool answers: its members that serve, or, when it is down, what is left by one of the policies. Under each of these
 * the operator's word still stands: a member that was forced down or drained is answered with only when nothing else is left.
 */
import type { Pool } from '../model/pool.ts'
import type { Leaf, Outcome } from './branch.ts'
import { type Conditions, canServe } from './conditions.ts'
import { isDrained, isTakenOut, judgePool, type MemberJudgement, type PoolJudgement } from './judge.ts'
import type { LastKnown } from './last-known.ts'
import { poolCondition } from './pool-condition.ts'

export function servingLeaf(judgement: PoolJudgement): Leaf {
  const { pool, members } = judgement
  const unsettled =
    poolCondition(judgement).condition !== 'healthy' ||
    members.some((member) => member.near && !isDrained(member))
  return { kind: 'leaf', outcome: 'up', pool, members: members.filter(({ serves }) => serves), unsettled }
}

export function emptyLeaf(outcome: 'nodata' | 'servfail'): Leaf {
  return { kind: 'leaf', outcome, pool: null, members: [], unsettled: true }
}

/** A pool as if nothing had been measured; null when it has nothing to answer with. */
export function wholeLeaf(
  outcome: Outcome,
  { pool, members }: PoolJudgement,
  conditions: Conditions,
): Leaf | null {
  return leafOf(outcome, pool, members, conditions)
}

/** The members that a pool was answered with when it was up; null when they are not known, or gone. */
export function rememberedLeaf(
  { pool, members }: PoolJudgement,
  conditions: Conditions,
  lastKnown: LastKnown,
): Leaf | null {
  const names = new Set(lastKnown.pools.get(pool.name))
  const remembered = members.filter(({ member }) => names.has(member.name))
  return leafOf('last-known', pool, remembered, conditions)
}

function leafOf(
  outcome: Outcome,
  pool: Pool,
  members: readonly MemberJudgement[],
  conditions: Conditions,
): Leaf | null {
  const able = members.filter(({ member }) => canServe(pool, member, conditions))
  if (able.length === 0) return null
  const wanted = able.filter((judgement) => !isTakenOut(judgement))
  return { kind: 'leaf', outcome, pool, members: wanted.length > 0 ? wanted : able, unsettled: true }
}

/**
 * What a pool that is down answers by its own `whenAllDown`; null when it has none, or nothing to answer with by it: then it
 * counts as down to who names it.
 */
export function ownAnswer(
  judgement: PoolJudgement,
  pools: ReadonlyMap<string, Pool>,
  conditions: Conditions,
  lastKnown: LastKnown,
): Leaf | null {
  const { whenAllDown, fallback } = judgement.pool
  switch (whenAllDown) {
    case null:
      return null
    case 'nodata':
    case 'servfail':
      return emptyLeaf(whenAllDown)
    case 'serve-all':
      return wholeLeaf('serve-all', judgement, conditions)
    case 'last-known':
      return rememberedLeaf(judgement, conditions, lastKnown) ?? wholeLeaf('serve-all', judgement, conditions)
    case 'fallback':
      return wholeLeaf('fallback', judgePool(pools.get(fallback!)!, conditions), conditions)
  }
}
