/**
 * Which share of the answers each member has, by the very tree that is compiled for the workers: what chance decides is told by
 * its weights, what the client decides by the area that it is in. A member's share is that of being the first of an answer, so that
 * those of all members are 1 together, whatever number of them an answer has.
 */
import { type AnswerNode, childrenOf, type PlanNode } from '../../dataplane/image/plan-tree.ts'

/** By where answers are counted: a slot for each member of a service. They are 1 together, or nothing where nobody is answered. */
export type Shares = ReadonlyMap<number, number>

/** The area of a client by the map in a slot. */
export type AreaIn = (mapSlot: number) => number

/** Maps that answers go by, by their slots: how many areas of each a plan tells apart. */
export function mapsOf(plan: PlanNode): Map<number, number> {
  const maps = new Map<number, number>()
  const seen = new Set<PlanNode>()
  const walk = (node: PlanNode) => {
    if (seen.has(node)) return
    seen.add(node)
    if (node.kind === 'located') {
      maps.set(node.mapSlot, Math.max(maps.get(node.mapSlot) ?? 0, node.areas.length))
    }
    for (const child of childrenOf(node)) walk(child)
  }
  walk(plan)
  return maps
}

/** The shares for clients of some areas. */
export function sharesOf(plan: PlanNode, areaIn: AreaIn): Shares {
  switch (plan.kind) {
    case 'answer':
      return ofAnswer(plan)
    case 'located':
      return sharesOf(areaOf(plan, areaIn), areaIn)
    case 'weighted':
    case 'hash':
      return joined(
        plan.children.map((child) => ({ weight: child.weight, shares: sharesOf(child.node, areaIn) })),
      )
  }
}

/** What clients of some areas are answered by, down to where chance decides: the same object for all that are answered alike. */
export function nodeFor(plan: PlanNode, areaIn: AreaIn): PlanNode {
  return plan.kind === 'located' ? nodeFor(areaOf(plan, areaIn), areaIn) : plan
}

/** As workers find it: a client of an area that has none gets that of area 0. */
function areaOf({ mapSlot, areas }: PlanNode & { readonly kind: 'located' }, areaIn: AreaIn): PlanNode {
  return areas[areaIn(mapSlot)] ?? areas[0]!
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
