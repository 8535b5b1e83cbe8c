/** What selecting comes to: the answer, and a judgement of every choice, pool and member, for explaining. */
import type { Tree } from '../../dataplane/image/plan-tree.ts'
import type { AllDownPolicy, Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { MemberJudgement, PoolJudgement } from './judge.ts'

/** What made an answer: `up`, or the policy that had to answer. */
export type AnsweredBy = 'up' | AllDownPolicy

/** Members of one pool, or nobody. */
export interface PoolAnswer {
  readonly kind: 'answer'
  readonly by: AnsweredBy
  /** Null for `nodata` and `servfail`. */
  readonly pool: Pool | null
  readonly members: readonly MemberJudgement[]
  /** Whether the answer is likely to be another one soon: a member is about to change, or the pool is not what it should be. */
  readonly unsettled: boolean
}

/** How a service is answered: a tree like that of its plan, whose leaves are still members, not yet addresses. */
export type AnswerTree = Tree<PoolAnswer>

/** What the areas of a service's location map mean. */
export interface ServiceAreas {
  readonly mapSlot: number
  /** Positions in `Service.choices` in order of preference, by area, at least of area 0. */
  readonly areas: readonly (readonly number[])[]
}

interface ChoiceState {
  /** See `choiceKey` in `compose.ts`. */
  readonly key: string
  /** Whether it counts as up to the service. */
  readonly up: boolean
  /** Whether some client of the service is answered from it; for a nested service's choices: if that one is used. */
  readonly used: boolean
  /** Such as `second choice, the first is up`. */
  readonly why: string
  /** Smoothed time of its probes; null when there is none. */
  readonly latencyMs: number | null
}

export type ChoiceJudgement = ChoiceState &
  (
    | { readonly kind: 'pool'; readonly judgement: PoolJudgement }
    | { readonly kind: 'service'; readonly judgement: ServiceJudgement }
  )

export interface ServiceJudgement {
  readonly service: Service
  /** Whether one of its choices is. */
  readonly up: boolean
  /** Choices in the order of the service. */
  readonly choices: readonly ChoiceJudgement[]
  /** What `geo` and `nearest` go by; null while there is no map. See `explainArea`. */
  readonly areas: ServiceAreas | null
}

export interface Selection {
  readonly judgement: ServiceJudgement
  readonly by: AnsweredBy
  readonly tree: AnswerTree
}
