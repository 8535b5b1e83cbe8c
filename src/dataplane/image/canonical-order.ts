/**
 * The nodes of a zone in the canonical order of their names (RFC 4034 section 6.1). A name comes before those below it, and all
 * those below it before the next name beside it: so this is a walk through the tree that they are, with siblings in the order of
 * their labels.
 */
import { compareLabels } from '../wire/canonical.ts'
import type { NodeTable } from './node-table.ts'

/**
 * @param order nodes of the table by place; parents come before their children
 * @param place the other way round
 * @returns places; the apex is the first
 */
export function canonicalOrder(nodes: NodeTable, order: Int32Array, place: Int32Array): Int32Array {
  const { first, children } = childrenOf(nodes, order, place)
  const { bytes } = nodes.names
  const labelOf = (of: number) => nodes.nameAt.words[order[of]!]!
  const sorted = new Int32Array(nodes.count)
  let length = 0
  const visit = (parent: number) => {
    sorted[length++] = parent
    const from = first[parent]!
    const to = first[parent + 1]!
    if (from === to) return
    // An array: what is in order already, as after an edit, costs it one pass.
    const siblings = Array.from(children.subarray(from, to))
    if (siblings.length > 1) siblings.sort((a, b) => compareLabels(bytes, labelOf(a), bytes, labelOf(b)))
    for (const child of siblings) visit(child)
  }
  visit(0)
  return sorted
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
