/**
 * The chain of a signed zone: its nodes that own an NSEC in the canonical order of their names (RFC 4034 section 6.1). A name comes before
 * those below it, and all those below it before the next name beside it: so this is a walk through the tree that they are, with
 * siblings in the order of their labels.
 */
import { beat } from '../life/signs.ts'
import { compareLabels } from '../wire/canonical.ts'
import type { NodeTable } from './node-table.ts'

/** A wildcard's label, as it stands in a name (RFC 4592 section 2.1.1). */
export const asteriskLabel = Uint8Array.of(1, 0x2a)

export interface NsecChain {
  /** Places; the apex is the first. */
  readonly places: Int32Array
  /** By place, the one whose NSEC speaks for the wildcard right below it: the last of the chain that is not behind that. */
  readonly wildcardNsecs: Int32Array
}

/**
 * @param order nodes of the table by place; parents come before their children
 * @param place the other way round
 * @param owns 1 for each place that owns an NSEC; the apex does
 */
export function nsecChain(
  nodes: NodeTable,
  order: Int32Array,
  place: Int32Array,
  owns: Uint8Array,
): NsecChain {
  const { first, children } = childrenOf(nodes, order, place)
  const { bytes } = nodes.names
  const labelOf = (of: number) => nodes.nameAt.words[order[of]!]!
  const places = new Int32Array(nodes.count)
  const wildcardNsecs = new Int32Array(nodes.count)
  let length = 0
  const inOrder = (a: number, b: number) => {
    beat()
    return compareLabels(bytes, labelOf(a), bytes, labelOf(b))
  }
  const visit = (parent: number) => {
    beat()
    if (owns[parent] === 1) places[length++] = parent
    // An array: what is in order already, as after an edit, costs it one pass.
    const siblings = Array.from(children.subarray(first[parent]!, first[parent + 1]!))
    if (siblings.length > 1) siblings.sort(inOrder)
    let passed = false
    for (const child of siblings) {
      if (!passed && compareLabels(bytes, labelOf(child), asteriskLabel, 0) > 0) {
        wildcardNsecs[parent] = places[length - 1]!
        passed = true
      }
      visit(child)
    }
    if (!passed) wildcardNsecs[parent] = places[length - 1]!
  }
  visit(0)
  return { places: places.slice(0, length), wildcardNsecs }
}

/** Places of the children of each place, one behind the other; one more entry of `first` ends the last one's. */
function childrenOf(nodes: NodeTable, order: Int32Array, place: Int32Array) {
  const { count } = nodes
  const parentOf = (of: number) => place[nodes.parent.words[order[of]!]!]!
  const first = new Int32Array(count + 1)
  for (let child = 1; child < count; child++) first[parentOf(child) + 1]!++
  for (let parent = 1; parent <= count; parent++) first[parent]! += first[parent - 1]!
  const next = first.slice()
  const children = new Int32Array(count - 1)
  for (let child = 1; child < count; child++) children[next[parentOf(child)]!++] = child
  return { first, children }
}
