/**
 * What a plan is made of: a tree. Its inner nodes are the choices that depend on the client or on chance, which are made
 * for each query; whatever depends on health and configuration alone (failover, latency, who is up) has been decided
 * by steering, and is no node. Its leaves are what is answered.
 *
 * Steering makes it with members of pools as leaves; mapped to addresses and names (`AnswerNode`) it is what
 * `plan-compiler.ts` compiles. Nodes are shared where they are the same, and stay shared.
 *
 * A service has two trees, for clients may be answered from different pools when they ask for A and for AAAA. They are one
 * object where the service may be an alias, which is there for every type.
 *
 * Where a choice depends on the client, its node says by which part of its address: the scope that the answer carries in
 * its client subnet option (RFC 7871 section 7.2.1) is the longest of those on the way to the leaf.
 */

/** What every kind of leaf has. */
interface TreeLeaf {
  readonly kind: 'answer'
}

/** A node that is not a choice among choices of a service, but within one. It is answered by like any other. */
interface Split {
  /** `shed`: among the members of a pool; `spill`: between a pool (the first child) and what takes what it spills. */
  readonly within?: 'shed' | 'spill'
}

/** One child, drawn by weight for each query. */
export interface WeightedNode<L extends TreeLeaf> extends Split {
  readonly kind: 'weighted'
  /** At least one; weights are 1 or more, their sum below 2^32. */
  readonly children: readonly { readonly weight: number; readonly node: Tree<L> }[]
}

/** One child, the same for each client; keys are like those of candidates. */
export interface HashNode<L extends TreeLeaf> extends Split {
  readonly kind: 'hash'
  readonly prefix: KeyPrefix
  readonly children: readonly { readonly weight: number; readonly key: number; readonly node: Tree<L> }[]
}

/** The child of the area that the client is in, by a location map. */
export interface LocatedNode<L extends TreeLeaf> {
  readonly kind: 'located'
  /** While there is no map in it, every client is in area 0. */
  readonly mapSlot: number
  /** Nodes by area: at least one; a client of an area that has none gets that of area 0. Areas may share one node object. */
  readonly areas: readonly Tree<L>[]
}

export type Tree<L extends TreeLeaf> = L | WeightedNode<L> | HashNode<L> | LocatedNode<L>

export function childrenOf<L extends TreeLeaf>(node: Tree<L>): readonly Tree<L>[] {
  switch (node.kind) {
    case 'answer':
      return []
    case 'weighted':
    case 'hash':
      return node.children.map((child) => child.node)
    case 'located':
      return node.areas
  }
}

/** The leaves that some client may be answered from, each once, in the order in which a walk, first children first, meets them. */
export function leavesOf<L extends TreeLeaf>(root: Tree<L>): L[] {
  const seen = new Set<Tree<L>>()
  const walk = (node: Tree<L>): L[] => {
    if (seen.has(node)) return []
    seen.add(node)
    return node.kind === 'answer' ? [node] : childrenOf(node).flatMap(walk)
  }
  return walk(root)
}

/** The same tree with other leaves, or trees in their place. `make` is called once for each; a node that was shared is one again. */
export function mapTree<L extends TreeLeaf, M extends TreeLeaf>(
  root: Tree<L>,
  make: (leaf: L) => Tree<M>,
): Tree<M> {
  const made = new Map<Tree<L>, Tree<M>>()
  const map = (node: Tree<L>): Tree<M> => {
    const result = made.get(node) ?? mapNode(node, make, map)
    made.set(node, result)
    return result
  }
  return map(root)
}

function mapNode<L extends TreeLeaf, M extends TreeLeaf>(
  node: Tree<L>,
  make: (leaf: L) => Tree<M>,
  map: (child: Tree<L>) => Tree<M>,
): Tree<M> {
  switch (node.kind) {
    case 'answer':
      return make(node)
    case 'weighted':
      return { ...node, children: node.children.map((child) => ({ ...child, node: map(child.node) })) }
    case 'hash':
      return { ...node, children: node.children.map((child) => ({ ...child, node: map(child.node) })) }
    case 'located':
      return { ...node, areas: node.areas.map(map) }
  }
}

/** How many bits of a client's address are its key. */
export interface KeyPrefix {
  /** 1..32 */
  readonly ipv4: number
  /** 1..128 */
  readonly ipv6: number
}

/** What is chosen among. */
export interface Weighted {
  /** 1 or more, the sum over all candidates below 2^32; relative to the others. `rotate` does not look at it. */
  readonly weight: number
  /** Where answers that hold this candidate are counted. */
  readonly counter: number
  /** What `hash` goes by: 32 bits that stay with the candidate whatever else changes, such as `stableKey` of its name. */
  readonly key: number
}

export interface Candidate extends Weighted {
  /** 4 or 16 octets. */
  readonly address: Uint8Array
}

/** A name that the service is an alias of. */
interface CnameCandidate extends Weighted {
  /** Wire form. */
  readonly cname: Uint8Array
}

/** The leaf of a tree that can be compiled. */
export interface AnswerNode {
  readonly kind: 'answer'
  /** `servfail` answers nothing else; no `addresses` is NODATA; `cname` is one CNAME, whatever the type of the question. */
  readonly gives: 'addresses' | 'servfail' | 'cname'
  readonly select: 'rotate' | 'weighted' | 'hash'
  /** Given for `hash`. */
  readonly prefix?: KeyPrefix
  /** Most candidates in one answer. */
  readonly answers: number
  readonly ttlSeconds: number
  /** UNIX time at which the addresses are no longer known to be good: no TTL goes beyond it, but for 1 s. */
  readonly expiresAtSeconds?: number
  /** At most `maxCandidates`, of both families. */
  readonly candidates: readonly Candidate[]
  /** Given for `cname`: at least one and at most `maxCandidates`, of which one is chosen by `select`. */
  readonly cnames?: readonly CnameCandidate[]
}

/** A tree that can be compiled. */
export type PlanNode = Tree<AnswerNode>

/** The trees of a service, the same object twice where families are not told apart. */
export interface PlanTrees {
  readonly ipv4: PlanNode
  readonly ipv6: PlanNode
}
