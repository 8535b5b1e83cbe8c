/**
 * Full pools: what one spills is a hole of its tree (`holes.ts`). Where services choose one after the other, the next choice fills it.
 * Where they draw, the others are drawn more often instead, so that a client that is hashed to a choice stays there as long as it can.
 */
import { stableKey } from '../../dataplane/image/stable-key.ts'
import type { Pool } from '../model/pool.ts'
import { elsewhere, fill, spillsSome } from './holes.ts'
import type { AnswerTree } from './selection.ts'

/** Weights of the two sides of a node add up to this: shares are right to a millionth. */
const whole = 1_000_000

/** A pool's own tree, and the hole that takes a share (0..1) of its answers. Clients of a `hash` pool keep their side as long as they can. */
export function spillNode(pool: Pool, own: AnswerTree, share: number): AnswerTree {
  const away = Math.round(share * whole)
  if (away === 0) return own
  const sides = [
    { weight: Math.max(1, whole - away), node: own, key: stableKey(`stays ${pool.name}`) },
    { weight: away, node: elsewhere, key: stableKey(`spills ${pool.name}`) },
  ]
  return pool.select === 'hash'
    ? { kind: 'hash', within: 'spill', prefix: pool.hashPrefix, children: sides }
    : {
        kind: 'weighted',
        within: 'spill',
        children: sides.map(({ weight, node }) => ({ weight, node })),
      }
}

/** The tree in which pools keep what nobody takes. */
export function keepSpilled(tree: AnswerTree): AnswerTree {
  const kept = new Map<AnswerTree, AnswerTree>()
  const keep = (node: AnswerTree): AnswerTree => {
    const known = kept.get(node)
    if (known !== undefined) return known
    const result = keepIn(node, keep)
    kept.set(node, result)
    return result
  }
  return keep(tree)
}

function keepIn(node: AnswerTree, keep: (node: AnswerTree) => AnswerTree): AnswerTree {
  switch (node.kind) {
    case 'answer':
      return node
    case 'located':
      return { ...node, areas: node.areas.map(keep) }
    case 'weighted':
    case 'hash': {
      const sides = node.children.map((child) => child.node)
      if (node.within === 'spill' && sides[1] === elsewhere) return keep(sides[0]!)
      const [own, ...others] = sides.map(keep)
      // Clients that the next one has nothing for stay, too.
      const filled = node.within === 'spill' ? others.map((other) => fill(other, own!)) : others
      const all = [own!, ...filled]
      const children = node.children.map((child, index) => ({ ...child, node: all[index]! }))
      return { ...node, children } as AnswerTree
    }
  }
}

/** A tree that spills nothing, and how much (0..1) of the answers of the one before it stays. */
export interface Remainder {
  readonly tree: AnswerTree
  readonly share: number
}

/**
 * What stays of a tree once what it spills is gone. Where it depends on where clients are, the share is that of the area that spills
 * least, and what others spill beyond that stays in their pools.
 */
export function remainderOf(tree: AnswerTree): Remainder {
  return spillsSome(tree) ? remainderIn(tree) : { tree, share: 1 }
}

function remainderIn(tree: AnswerTree): Remainder {
  switch (tree.kind) {
    case 'answer':
      return { tree, share: tree === elsewhere ? 0 : 1 }
    case 'located': {
      const shares = tree.areas.map((area) => remainderIn(area).share)
      return { tree: keepSpilled(tree), share: Math.max(...shares) }
    }
    case 'weighted':
    case 'hash': {
      const parts = tree.children.map((child) => ({ child, ...remainderIn(child.node) }))
      const all = tree.children.reduce((sum, { weight }) => sum + weight, 0)
      const left = parts.filter(({ share }) => share > 0)
      const share = left.reduce((sum, part) => sum + (part.child.weight / all) * part.share, 0)
      if (share === 1 || left.length === 0) return { tree, share }
      if (left.length === 1) return { tree: left[0]!.tree, share }
      return { tree: reweighed(tree, left), share }
    }
  }
}

type Part = Remainder & { readonly child: { readonly weight: number } }

function reweighed(node: AnswerTree & { readonly kind: 'weighted' | 'hash' }, parts: readonly Part[]) {
  const weights = scaled(parts.map(({ child, share }) => child.weight * share))
  const children = parts.map(({ child, tree }, index) => ({ ...child, weight: weights[index]!, node: tree }))
  return { ...node, children } as AnswerTree
}

/** Weights of nodes are whole numbers whose sum is below 2^32. */
export function scaled(weights: readonly number[]): number[] {
  const factor = 2 ** 30 / weights.reduce((sum, weight) => sum + weight, 0)
  return weights.map((weight) => Math.max(1, Math.round(weight * factor)))
}

/**
 * The weights of choices that are drawn among once what full ones spill goes to those that are not, in their proportions; null where
 * none is full, or all are.
 *
 * @param shares how much of the answers of each stays
 */
export function weightsAfterSpill(weights: readonly number[], shares: readonly number[]): number[] | null {
  const free = weights.reduce((sum, weight, index) => sum + (shares[index] === 1 ? weight : 0), 0)
  const stays = weights.map((weight, index) => weight * shares[index]!)
  const spilled = weights.reduce((sum, weight, index) => sum + weight - stays[index]!, 0)
  if (spilled === 0 || free === 0) return null
  return scaled(
    stays.map((weight, index) => (shares[index] === 1 ? weight + (spilled * weight) / free : weight)),
  )
}
