/**
 * Answers that not every client has. A service that steers by `geo` gives a client what its list says and nothing else, so when
 * all of a list is down, the clients of that list have no answer though others have one. Their place in the tree is a hole, the
 * leaf `nobody`. Whoever knows what they get instead fills it: a service that names this one with its next choice, the
 * service that was asked with its `whenAllDown`. Clients whose place is no hole see nothing of that.
 *
 * What a full pool spills is a hole too, the leaf `elsewhere`, in a node that draws between it and the pool. Whoever has a next
 * choice fills it with that; where nobody has, the pool keeps its answers (`keepSpilled`).
 */
import { childrenOf, leavesOf, mapTree } from '../../dataplane/image/plan-tree.ts'
import type { AnswerTree, PoolAnswer } from './selection.ts'

/** The one hole there is: told by being this object. If one were left, its clients would get SERVFAIL. */
export const nobody: PoolAnswer = {
  kind: 'answer',
  by: 'servfail',
  pool: null,
  members: [],
  of: 0,
  unsettled: true,
}

/** What a full pool spills, as long as nobody takes it. Stands as the second child of a node `within: 'spill'`, and nowhere else. */
export const elsewhere: PoolAnswer = { ...nobody }

/**
 * Most nodes on the way to a leaf in a tree that was filled, unless it was higher before. With the levels of services above it
 * (`maxNesting`) that stays within what a plan may have (`maxPlanDepth`).
 */
const maxFilledHeight = 8

const isHole = (tree: AnswerTree) => tree === nobody || tree === elsewhere

export function hasHoles(tree: AnswerTree): boolean {
  return leavesOf(tree).some(isHole)
}

/** Whether it is full pools that spill. */
export function spillsSome(tree: AnswerTree): boolean {
  return leavesOf(tree).includes(elsewhere)
}

/** Whether there are clients that it has nothing for. */
export function lacksSome(tree: AnswerTree): boolean {
  return leavesOf(tree).includes(nobody)
}

/**
 * The tree with another one in its holes. Below an area of a location map the filling is what it gives to clients of that area,
 * where it goes by the same map.
 *
 * Where that would be too high a tree, the holes get the first leaf of the filling, whoever asks.
 */
export function fill(tree: AnswerTree, filling: AnswerTree): AnswerTree {
  if (!hasHoles(tree)) return tree
  const fits = heightOf(tree) + heightOf(filling) - 1 <= maxFilledHeight
  return fillWith(tree, fits ? filling : leavesOf(filling)[0]!)
}

function fillWith(tree: AnswerTree, filling: AnswerTree): AnswerTree {
  if (isHole(tree)) return filling
  if (tree.kind !== 'located' || filling.kind !== 'located' || filling.mapSlot !== tree.mapSlot)
    return mapTree<PoolAnswer, PoolAnswer>(tree, (leaf) => (isHole(leaf) ? filling : leaf))
  // Areas share nodes, and are to go on sharing those that come out the same.
  const filled = new Map<AnswerTree, Map<AnswerTree, AnswerTree>>()
  const areas = tree.areas.map((below, area) => {
    const here = filling.areas[area] ?? filling.areas[0]!
    const known = filled.get(below) ?? new Map<AnswerTree, AnswerTree>()
    const result = known.get(here) ?? (hasHoles(below) ? fillWith(below, here) : below)
    filled.set(below, known.set(here, result))
    return result
  })
  return { ...tree, areas }
}

/** Nodes from the root to the deepest leaf, both counted. */
function heightOf(root: AnswerTree): number {
  const known = new Map<AnswerTree, number>()
  const heightAt = (node: AnswerTree): number => {
    const height = known.get(node) ?? 1 + Math.max(0, ...new Set(childrenHeights(node)))
    known.set(node, height)
    return height
  }
  const childrenHeights = (node: AnswerTree): number[] => childrenOf(node).map(heightAt)
  return heightAt(root)
}
