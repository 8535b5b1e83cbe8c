/** What selecting comes to: the answer, and a judgement of every choice, pool and member, for explaining. */
import type { Tree } from '../../dataplane/image/plan-tree.ts'
import type { Asked } from '../model/family.ts'
import type { OverrideState } from '../model/override.ts'
import type { AllDownPolicy, Pool } from '../model/pool.ts'
import type { Service } from '../model/service.ts'
import type { MemberJudgement, PoolJudgement } from './judge.ts'

/** What made an answer: `up`, or the policy that had to answer. */
export type AnsweredBy = 'up' | AllDownPolicy

/** Members of one pool, or nobody. */
export interface PoolAnswer {
  readonly kind: 'answer'
  readonly by: AnsweredBy
  /** Null for `nodata` and `servfail`, and where there is nothing of the family that is asked for. */
  readonly pool: Pool | null
  readonly members: readonly MemberJudgement[]
  /** Members that the pool has of the family. */
  readonly of: number
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
  /** The operator's word on a service that is a choice; left out for none. */
  readonly forced?: OverrideState
  /** Left out: it spills nothing. */
  readonly spills?: true
}

/** Whether it is the operator who keeps a service from being a choice. */
export function isForcedOut(forced: OverrideState | null | undefined): boolean {
  return forced === 'down' || forced === 'drain'
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
  /** False: none of its choices has anything of the family that is asked for, so it is neither up nor down. */
  readonly present: boolean
  /** Choices in the order of the service. */
  readonly choices: readonly ChoiceJudgement[]
  /** What `geo` and `nearest` go by; null while there is no map. See `explainArea`. */
  readonly areas: ServiceAreas | null
}

/** How a service is answered in one family, or in both (`any`). */
export interface Selection {
  readonly asked: Asked
  readonly judgement: ServiceJudgement
  readonly by: AnsweredBy
  readonly tree: AnswerTree
  /** Whether pools that are full keep some of what they would spill, since nobody takes it. */
  readonly keepsSpill: boolean
}

/** How a service is answered: the same object twice where the families are not told apart. */
export interface Selections {
  readonly ipv4: Selection
  readonly ipv6: Selection
}

/** The selections, each once, without those of a family of which there is nothing, unless that is all. */
export function distinct({ ipv4, ipv6 }: Selections): readonly Selection[] {
  const both = ipv4 === ipv6 ? [ipv4] : [ipv4, ipv6]
  const present = both.filter(({ judgement }) => judgement.present)
  return present.length === 0 ? [ipv4] : present
}
