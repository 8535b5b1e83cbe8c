/**
 * Compiles the trees of a service into a plan image, whose layout `plan.ts` describes. A node object that is there several times is
 * compiled once, so that a service with hundreds of areas costs what its few different leaves cost.
 *
 * A tree is made by steering, not by the network, so what is wrong with it is a mistake of ours and an exception. Its bounds hold
 * what one image may cost: the memory of a plan, and the way that a query goes through it.
 */
import { aliasTable } from './alias-table.ts'
import { setLimit, sharesSets } from './answer-sets.ts'
import { compileLeaf } from './leaf-compiler.ts'
import { maxAreas } from './location-map.ts'
import {
  headerAt,
  headerWords,
  leafWords,
  maxPlanCandidates,
  maxPlanDepth,
  nodeKinds,
  planMagic,
  signedLeafWords,
  signedPlanMagic,
} from './plan.ts'
import { checkCount, checkPrefix, checkWeights, checkWhole, PlanError, type Way } from './plan-error.ts'
import {
  type AnswerNode,
  childrenOf,
  type HashNode,
  type KeyPrefix,
  type LocatedNode,
  leavesOf,
  type PlanNode,
  type WeightedNode,
} from './plan-tree.ts'
import { PlanWriter } from './plan-writer.ts'
import { maxEntries, rendezvousTable } from './rendezvous.ts'
import { SetCompiler } from './set-compiler.ts'
import type { PlanSigning } from './signatures.ts'

/** Most different node objects of a plan, whose trees for A and for AAAA are about as large. */
export const maxPlanNodes = 32_768

/** Most children of a node that is not `located`. */
const maxChildren = maxEntries
const noPrefix: KeyPrefix = { ipv4: 0, ipv6: 0 }

/**
 * @param ipv6 the tree for AAAA, where it is another one
 * @param signing for a service in a signed zone. A set of members without a signature is not answered, others have its share; where a
 *   leaf has no other left it answers with SERVFAIL.
 * @returns the plan image
 * @throws PlanError when a tree is not one by `plan-tree.ts` or is beyond a bound
 */
export function compilePlan(root: PlanNode, ipv6: PlanNode = root, signing?: PlanSigning): SharedArrayBuffer {
  return new PlanCompiler(root, ipv6, signing).compile(root, ipv6)
}

/** What is known of a node that was compiled. */
interface Compiled {
  /** Word offset. */
  readonly at: number
  /** Nodes from it to the deepest leaf below, both counted. */
  readonly height: number
  /** Longest prefixes of hashes at it or below; 0 for none. */
  readonly prefix: KeyPrefix
  /** Slots of the location maps at it or below. */
  readonly maps: ReadonlySet<number>
}

class PlanCompiler {
  readonly #compiled = new Map<PlanNode, Compiled>()
  readonly #writer = new PlanWriter()
  readonly #ttlSeconds: number
  /** Null for a plan that is not signed. */
  readonly #sets: SetCompiler | null
  /** Word offsets by number. */
  readonly #leaves: number[] = []
  #nodes = 0
  #candidates = 0
  #aliases = false

  constructor(root: PlanNode, ipv6: PlanNode, signing: PlanSigning | undefined) {
    this.#ttlSeconds = signing?.ttlSeconds ?? Number.POSITIVE_INFINITY
    const trees = { ipv4: root, ipv6 }
    this.#sets =
      signing === undefined
        ? null
        : new SetCompiler(signing, setLimit(trees), sharesSets(trees), this.#writer)
  }

  compile(root: PlanNode, ipv6: PlanNode): SharedArrayBuffer {
    const writer = this.#writer
    const header = writer.push(new Array<number>(headerWords).fill(0))
    const { at } = this.#node(root, [])
    const { at: ipv6At } = this.#node(ipv6, [])
    writer.set(header + headerAt.magic, this.#sets === null ? planMagic : signedPlanMagic)
    writer.set(header + headerAt.root, at)
    writer.set(header + headerAt.ipv6Root, ipv6At)
    writer.set(header + headerAt.anyRoot, leavesOf(root).some(hasForIpv4) ? at : ipv6At)
    writer.set(header + headerAt.aliases, this.#aliases ? 1 : 0)
    writer.set(header + headerAt.leafCount, this.#leaves.length)
    writer.set(header + headerAt.leaves, writer.push(this.#leaves))
    writer.set(header + headerAt.wire, 4 * writer.length)
    return writer.finish()
  }

  #node(node: PlanNode, way: Way): Compiled {
    const known = this.#compiled.get(node)
    // One that is inside itself becomes too deep before it is known.
    if (way.length + (known?.height ?? 1) > maxPlanDepth)
      throw new PlanError(way, `a tree is at most ${maxPlanDepth} nodes deep`)
    if (known !== undefined) return known
    if (this.#nodes++ === maxPlanNodes) throw new PlanError(way, `a tree has at most ${maxPlanNodes} nodes`)
    const compiled = this.#compileNode(node, way)
    this.#compiled.set(node, compiled)
    return compiled
  }

  #compileNode(node: PlanNode, way: Way): Compiled {
    switch (node.kind) {
      case 'answer':
        return this.#leaf(node, way)
      case 'weighted':
        return this.#weighted(node, way)
      case 'hash':
        return this.#hash(node, way)
      case 'located':
        return this.#located(node, way)
    }
  }

  #leaf(given: AnswerNode, way: Way): Compiled {
    const node = given.ttlSeconds > this.#ttlSeconds ? { ...given, ttlSeconds: this.#ttlSeconds } : given
    this.#candidates += node.candidates.length + (node.cnames?.length ?? 0)
    if (this.#candidates > maxPlanCandidates)
      throw new PlanError(way, `a tree has at most ${maxPlanCandidates} candidates`)
    this.#aliases ||= node.gives === 'cname'
    const sets = this.#sets
    const words = sets === null ? leafWords : signedLeafWords
    const at = compileLeaf(node, this.#leaves.length, way, this.#writer, words)
    sets?.compile(node, at)
    this.#leaves.push(at)
    return { at, height: 1, prefix: (node.select === 'hash' && node.prefix) || noPrefix, maps: new Set() }
  }

  #weighted(node: WeightedNode<AnswerNode>, way: Way): Compiled {
    const { children } = node
    checkCount(children.length, maxChildren, 'children', way)
    checkWeights(children, way)
    const below = this.#below(node, way)
    const all = joined(below)
    const { ipv4, ipv6 } = all.prefix
    const at = this.#writer.push([nodeKinds.weighted, children.length, ipv4, ipv6, all.maps.size])
    this.#writer.push([...all.maps])
    this.#children(below)
    this.#writer.push(aliasTable(children.map(({ weight }) => weight)))
    return { at, ...all }
  }

  #hash(node: HashNode<AnswerNode>, way: Way): Compiled {
    const { prefix, children } = node
    checkCount(children.length, maxChildren, 'children', way)
    checkWeights(children, way)
    checkPrefix(prefix, way)
    const below = this.#below(node, way)
    const at = this.#writer.push([nodeKinds.hash, children.length, prefix.ipv4, prefix.ipv6])
    this.#children(below)
    this.#writer.push(rendezvousTable(children))
    const all = joined(below)
    return { at, ...all, prefix: longest(all.prefix, prefix) }
  }

  #located(node: LocatedNode<AnswerNode>, way: Way): Compiled {
    const { mapSlot, areas } = node
    checkCount(areas.length, maxAreas, 'areas', way)
    checkWhole(mapSlot, 'the slot of a location map', way)
    const below = this.#below(node, way)
    const at = this.#writer.push([nodeKinds.located, areas.length, mapSlot])
    this.#children(below)
    const all = joined(below)
    return { at, ...all, maps: new Set([mapSlot, ...all.maps]) }
  }

  #below(node: PlanNode, way: Way): Compiled[] {
    return childrenOf(node).map((child, index) => this.#node(child, [...way, index]))
  }

  #children(below: readonly Compiled[]): void {
    this.#writer.push(below.map(({ at }) => at))
  }
}

/** Whether there may be anything in an answer for who asks for A. */
function hasForIpv4({ gives, candidates }: AnswerNode): boolean {
  return gives === 'cname' || candidates.some(({ address }) => address.length === 4)
}

/** What several nodes come to for the one above them. */
function joined(below: readonly Compiled[]): Omit<Compiled, 'at'> {
  const different = [...new Set(below)]
  return {
    height: 1 + Math.max(...different.map(({ height }) => height)),
    prefix: different.map(({ prefix }) => prefix).reduce(longest),
    maps: new Set(different.flatMap(({ maps }) => [...maps])),
  }
}

function longest(a: KeyPrefix, b: KeyPrefix): KeyPrefix {
  return { ipv4: Math.max(a.ipv4, b.ipv4), ipv6: Math.max(a.ipv6, b.ipv6) }
}
