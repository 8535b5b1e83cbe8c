/**
 * From a selection to the plan that the workers answer by: the same tree, with its leaves turned into answers
 * (`answer-node.ts`). What was one branch stays one node.
 *
 * TTLs are those of the service that was asked, also for answers that come by way of a nested one: a TTL says how long the
 * answer to this name is good, and whoever set it for this name knew which pools are behind it. With `minTtlSeconds` an
 * answer that may be another one soon gets that: while a member of its pool is about to change its state, while the pool
 * is not what it should be, and under every all-down policy.
 */
import type { PlanNode } from '../../dataplane/image/plan-node.ts'
import { stableKey } from '../../dataplane/image/stable-key.ts'
import type { Service } from '../model/service.ts'
import { answerNode, type LeafSources } from './answer-node.ts'
import type { Branch, Leaf } from './branch.ts'
import type { Selection } from './selection.ts'

/** The plan that a selection comes to. */
export function toPlan({ judgement, branch }: Selection, sources: LeafSources): PlanNode {
  const made = new Map<Branch, PlanNode>()
  const nodeOf = (at: Branch): PlanNode => {
    const node = made.get(at) ?? make(at)
    made.set(at, node)
    return node
  }
  const make = (at: Branch): PlanNode => {
    switch (at.kind) {
      case 'leaf':
        return answerNode(at, ttlOf(judgement.service, at), sources)
      case 'weighted':
        return {
          kind: 'weighted',
          children: at.children.map(({ weight, branch }) => ({ weight, node: nodeOf(branch) })),
        }
      case 'hash':
        return {
          kind: 'hash',
          prefix: at.prefix,
          children: at.children.map(({ weight, name, branch }) => {
            return { weight, key: stableKey(name), node: nodeOf(branch) }
          }),
        }
      case 'located':
        return { kind: 'located', map: at.mapSlot, areas: at.areas.map(nodeOf) }
    }
  }
  return nodeOf(branch)
}

function ttlOf({ ttlSeconds, minTtlSeconds }: Service, { unsettled }: Leaf): number {
  return unsettled && minTtlSeconds !== null ? Math.min(ttlSeconds, minTtlSeconds) : ttlSeconds
}
