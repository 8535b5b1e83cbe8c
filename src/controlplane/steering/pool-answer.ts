/**
 * What a pool answers: its members that serve, or, when it is down, what is left by one of the policies. Under each of these
 * the operator's word still stands: a member that was forced down or drained is answered with only when nothing else is left.
 */
import type { Pool } from '../model/pool.ts'
import {
  type Conditions,
  canServe,
  isDrained,
  isTakenOut,
  judgePool,
  type PoolJudgement,
  poolCondition,
} from './judge.ts'
import type { LastKnown } from './last-known.ts'
import type { AnsweredBy, PoolAnswer } from './selection.ts'

export function servingAnswer(judgement: PoolJudgement): PoolAnswer {
  const { pool, members } = judgement
  const unsettled =
    poolCondition(judgement).condition !== 'healthy' ||
    members.some((member) => member.near && !isDrained(member))
  return { kind: 'answer', by: 'up', pool, members: members.filter(({ serves }) => serves), unsettled }
}

export function emptyAnswer(by: 'nodata' | 'servfail'): PoolAnswer {
  return { kind: 'answer', by, pool: null, members: [], unsettled: true }
}

/** Members of a pool as if nothing had been measured; null when they have nothing to answer with. */
export function wholeAnswer(
  by: AnsweredBy,
  { pool, members }: Pick<PoolJudgement, 'pool' | 'members'>,
  conditions: Conditions,
): PoolAnswer | null {
  const able = members.filter(({ member }) => canServe(pool, member, conditions))
  if (able.length === 0) return null
  const wanted = able.filter((judgement) => !isTakenOut(judgement))
  return { kind: 'answer', by, pool, members: wanted.length > 0 ? wanted : able, unsettled: true }
}

/** The members that a pool was answered with when it was up; null when they are not known, or gone. */
export function rememberedAnswer(
  { pool, members }: PoolJudgement,
  conditions: Conditions,
  lastKnown: LastKnown,
): PoolAnswer | null {
  const names = new Set(lastKnown.pools.get(pool.name))
  const remembered = members.filter(({ member }) => names.has(member.name))
  return wholeAnswer('last-known', { pool, members: remembered }, conditions)
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
): PoolAnswer | null {
  const { whenAllDown, fallback } = judgement.pool
  switch (whenAllDown) {
    case null:
      return null
    case 'nodata':
    case 'servfail':
      return emptyAnswer(whenAllDown)
    case 'serve-all':
      return wholeAnswer('serve-all', judgement, conditions)
    case 'last-known':
      return (
        rememberedAnswer(judgement, conditions, lastKnown) ?? wholeAnswer('serve-all', judgement, conditions)
      )
    case 'fallback':
      return wholeAnswer('fallback', judgePool(pools.get(fallback!)!, conditions), conditions)
  }
}
