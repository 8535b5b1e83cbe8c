/** What selecting comes to: the answer, and a judgement of every choice, pool and member, for explaining. */
import type { Service } from '../model/service.ts'
import type { Branch, Outcome } from './branch.ts'
import type { PoolJudgement } from './judge.ts'

/** What the areas of a service's location map mean. */
export interface ServiceAreas {
  readonly mapSlot: number
  /** By area, at least area 0: places in `Service.choices`, in order of preference. */
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

export interface PoolChoice extends ChoiceState {
  readonly kind: 'pool'
  readonly judgement: PoolJudgement
  /** What it is answered with: `up`, or by which policy of its own; null when it is down. */
  readonly outcome: Outcome | null
}

export interface ServiceChoice extends ChoiceState {
  readonly kind: 'service'
  readonly judgement: ServiceJudgement
}

export interface ServiceJudgement {
  readonly service: Service
  /** Whether one of its choices is. */
  readonly up: boolean
  /** In the order of the service. */
  readonly choices: readonly (PoolChoice | ServiceChoice)[]
  /** Of `geo` and `nearest`; null while there is no map. See `explainArea`. */
  readonly areas: ServiceAreas | null
}

export interface Selection {
  readonly judgement: ServiceJudgement
  /** `up`, or the policy that answers. */
  readonly outcome: Outcome
  readonly branch: Branch
}
