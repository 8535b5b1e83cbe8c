/**
 * What an edit makes of the chain of NSEC of a zone image: the NSECs that are others, found without making those that stay. The chain is
 * merged with the names that come, once, as numbers.
 */

import type { ZoneImage } from '../../dataplane/image/image.ts'
import { nameOf, rdataOf } from '../../dataplane/image/image-contents.ts'
import { chainWords } from '../../dataplane/image/nsec-search.ts'
import type { WireRrset } from '../../dataplane/image/rrset-encoder.ts'
import { compareNames } from '../../dataplane/wire/canonical.ts'
import { types } from '../../dataplane/wire/constants.ts'
import type { EditedNames, NodeRrsets } from './edited-names.ts'
import { nsecOf, nsecsOf, type SignedOwner } from './nsec-chain.ts'

export interface ChangedChain {
  /** NSECs of other names than the edited ones that are no more, by their RRset with its node. */
  readonly left: NodeRrsets
  /** NSECs of the edited names, and those in the place of the ones that are left. */
  readonly added: readonly WireRrset[]
}

/** @param ttlSeconds of NSECs, which is that of those in the image */
export function changeChain(image: ZoneImage, names: EditedNames, ttlSeconds: number): ChangedChain {
  const edited = new Set<number>()
  const owned = new Map<number, SignedOwner>()
  const came: SignedOwner[] = []
  for (const each of names) {
    const { node } = each
    edited.add(node)
    const owner = names.signed(each)
    if (owner === null) continue
    if (node >= 0 && image.rrset(node, types.nsec) >= 0) owned.set(node, owner)
    else came.push(owner)
  }
  came.sort((a, b) => compareNames(a.name, b.name))
  const order = mergedOrder(image, came, (node) => edited.has(node) && !owned.has(node))
  const left: NodeRrsets = new Map()
  const added: WireRrset[] = []
  const nameAt = (entry: number) => (entry < 0 ? came[-entry - 1]!.name : nameOf(image, entry))
  for (let i = 0; i < order.entries.length; i++) {
    const entry = order.entries[i]!
    const next = order.entries[(i + 1) % order.entries.length]!
    const owner = entry < 0 ? came[-entry - 1] : owned.get(entry)
    if (owner === undefined && next === order.nextBefore[i]) continue
    if (owner !== undefined) {
      added.push(...nsecsOf(owner, nameAt(next), ttlSeconds))
      continue
    }
    for (const rrset of nsecsIn(image, entry)) {
      left.set(rrset, entry)
      added.push(nsecOf(nameAt(entry), nameAt(next), bitmapBefore(image, entry, rrset), ttlSeconds))
    }
  }
  return { left, added }
}

/** The chain as it will be, of nodes and, below 0, of those that came: -1 for the first. */
function mergedOrder(image: ZoneImage, came: readonly SignedOwner[], isGone: (node: number) => boolean) {
  const { words, chain, chainLength } = image
  const nodeAt = (index: number) => words[chain + chainWords * index + 1]!
  const entries = new Int32Array(chainLength + came.length)
  /** The node that followed one before. */
  const nextBefore = new Int32Array(entries.length)
  const places = came.map(({ name }) => placeOf(image, name, nodeAt))
  let length = 0
  let arrived = 0
  for (let index = 0; index <= chainLength; index++) {
    while (places[arrived] === index) entries[length++] = -++arrived
    if (index === chainLength || isGone(nodeAt(index))) continue
    nextBefore[length] = nodeAt((index + 1) % chainLength)
    entries[length++] = nodeAt(index)
  }
  return { entries: entries.subarray(0, length), nextBefore }
}

/** How many nodes of the chain are before a name. */
function placeOf(image: ZoneImage, name: Uint8Array, nodeAt: (index: number) => number): number {
  let low = 0
  let high = image.chainLength
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareNames(nameOf(image, nodeAt(middle)), name) < 0) low = middle + 1
    else high = middle
  }
  return low
}

/** The NSECs of a node in their order. */
export function nsecsIn(image: ZoneImage, node: number): number[] {
  const found: number[] = []
  const end = image.firstRrset(node) + image.rrsetCount(node)
  for (let rrset = image.firstRrset(node); rrset < end; rrset++)
    if (image.type(rrset) === types.nsec) found.push(rrset)
  return found
}

/** The bitmap of one of a node's NSECs, which is behind the next name. */
function bitmapBefore(image: ZoneImage, node: number, rrset: number): Uint8Array {
  const rdata = rdataOf(image, node, rrset)[0]!
  let at = 0
  while (rdata[at] !== 0) at += rdata[at]! + 1
  return rdata.subarray(at + 1)
}
