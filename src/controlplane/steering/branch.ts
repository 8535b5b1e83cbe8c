/**
 * What a selection comes to: a tree like that of a plan, whose leaves are still members, not yet addresses. Branches are
 * shared where they are the same, and stay shared in the plan.
 */
import type { AllDownPolicy, ClientPrefix, Pool } from '../model/pool.ts'
import type { MemberJudgement } from './judge.ts'

/** `up`, or the policy that had to answer. */
export type Outcome = 'up' | AllDownPolicy

/** Members of one pool, or nobody. */
export interface Leaf {
  readonly kind: 'leaf'
  readonly outcome: Outcome
  /** Null for `nodata` and `servfail`. */
  readonly pool: Pool | null
  readonly members: readonly MemberJudgement[]
  /** Whether the answer is likely to be another one soon: a member is about to change, or the pool is not what it should be. */
  readonly unsettled: boolean
}

export interface WeightedBranch {
  readonly kind: 'weighted'
  readonly children: readonly { readonly weight: number; readonly branch: Branch }[]
}

export interface HashBranch {
  readonly kind: 'hash'
  readonly prefix: ClientPrefix
  /** `name` stays with the child whatever else changes. */
  readonly children: readonly { readonly weight: number; readonly name: string; readonly branch: Branch }[]
}

export interface LocatedBranch {
  readonly kind: 'located'
  readonly mapSlot: number
  readonly areas: readonly Branch[]
}

export type Branch = Leaf | WeightedBranch | HashBranch | LocatedBranch

/** The leaves that some client may be answered from, each once. */
export function leavesOf(branch: Branch): Leaf[] {
  const seen = new Set<Branch>()
  const walk = (at: Branch): Leaf[] => {
    if (seen.has(at)) return []
    seen.add(at)
    switch (at.kind) {
      case 'leaf':
        return [at]
      case 'weighted':
      case 'hash':
        return at.children.flatMap((child) => walk(child.branch))
      case 'located':
        return at.areas.flatMap(walk)
    }
  }
  return walk(branch)
}
