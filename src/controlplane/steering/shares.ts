/**
 * Which share of the answers each member has, by the very tree that is compiled for the workers: what chance decides is told by
 * its weights, what the client decides by each area apart. A member's share is that of being the first of an answer, so that those of
 * all members are 1 together, whatever number of them an answer has.
 */
import type { AnswerNode, PlanNode } from '../../dataplane/image/plan-tree.ts'

/** By where answers are counted: a slot for each member of a service. They are 1 together, or nothing where nobody is answered. */
export type Shares = ReadonlyMap<number, number>

/** The shares of a plan: one for each area of its clients, or one for all. */
export function sharesOf(plan: PlanNode): readonly Shares[] {
  // Areas inside of a choice by chance are rare, and the default is told of them.
  return plan.kind === 'located' ? plan.areas.map(shareOf) : [shareOf(plan)]
}

function shareOf(node: PlanNode): Shares {
  switch (node.kind) {
    case 'answer':
      return ofAnswer(node)
    case 'located':
      return shareOf(node.areas[0]!)
    case 'weighted':
    case 'hash':
      return joined(node.children.map((child) => ({ weight: child.weight, shares: shareOf(child.node) })))
  }
}

function ofAnswer({ select, candidates, cnames = [] }: AnswerNode): Shares {
  const all = cnames.length > 0 ? cnames : candidates
  const parts = all.map(({ counter, weight }) => {
    return { weight: select === 'rotate' ? 1 : weight, shares: new Map([[counter, 1]]) }
  })
  return joined(parts)
}

function joined(parts: readonly { readonly weight: number; readonly shares: Shares }[]): Shares {
  const total = parts.reduce((sum, { weight }) => sum + weight, 0)
  const shares = new Map<number, number>()
  for (const { weight, shares: own } of parts) {
    for (const [counter, share] of own) {
      shares.set(counter, (shares.get(counter) ?? 0) + (share * weight) / total)
    }
  }
  return shares
}
