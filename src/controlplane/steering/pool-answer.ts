/**
 * What a pool answers when it is down: what is left by one of the policies. Under each of these the operator's word still stands: a member that was forced down or drained is answered with only when nothing else is left.
 */
import type { Pool } from '../model/pool.ts'
import { type Conditions, canServe, isTakenOut, judgePool, type PoolJudgement } from './judge.ts'
import type { LastKnown } from './last-known.ts'
import type { AnsweredBy, PoolAnswer } from './selection.ts'

export function emptyAnswer(by: 'nodata' | 'servfail'): PoolAnswer {
  return { kind: 'answer', by, pool: null, members: [], of: 0, unsettled: true }
}

/** Of a service that has nothing of a family: NODATA, for nothing that may change soon. */
export const absentAnswer: PoolAnswer = { ...emptyAnswer('nodata'), by: 'up', unsettled: false }

/** Members of a pool, with all their addresses, as if nothing had been measured; null when they have nothing to answer with. */
export function wholeAnswer(
  by: AnsweredBy,
  { pool, members }: Pick<PoolJudgement, 'pool' | 'members'>,
): PoolAnswer | null {
  const able = members.filter((judgement) => canServe(pool, judgement))
  if (able.length === 0) return null
  const wanted = able.filter((judgement) => !isTakenOut(judgement))
  const answering = (wanted.length > 0 ? wanted : able).map((one) => ({ ...one, addresses: one.all }))
  return { kind: 'answer', by, pool, members: answering, of: members.length, unsettled: true }
}

/** The members that a pool was answered with when it was up; null when they are not known, or gone. */
export function rememberedAnswer({ pool, members }: PoolJudgement, lastKnown: LastKnown): PoolAnswer | null {
  const names = new Set(lastKnown.pools.get(pool.name))
  const remembered = members.filter(({ member }) => names.has(member.name))
  return wholeAnswer('last-known', { pool, members: remembered })
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
      return wholeAnswer('serve-all', judgement)
    case 'last-known':
      return rememberedAnswer(judgement, lastKnown) ?? wholeAnswer('serve-all', judgement)
    case 'fallback':
      return wholeAnswer('fallback', judgePool(pools.get(fallback!)!, judgement.asked, conditions))
  }
}
