/** The part of writing an image that is about the chain of a signed zone: whether all of it is there, and in which order. */
import { beat } from '../life/signs.ts'
import { types } from '../wire/constants.ts'
import { compareHashes, hashWords } from '../wire/owner-hash.ts'
import type { NodeTable } from './node-table.ts'
import { nsecChain } from './nsec-chain.ts'
import { chainWords, labelKey } from './nsec-search.ts'
import { nsecVariants } from './nsec-variants.ts'
import { UnsignedError } from './signatures.ts'

/**
 * What is noted of each RRset when it is added: its node (of an NSEC3 that denies, -1 less the place of its hash), type | RRs << 16, where its parts begin, and its signatures, which stand behind
 * it in the wire form.
 */
export const addedAt = { node: 0, typeAndCount: 1, wire: 2, fixups: 3, targets: 4, signatures: 5 } as const
export const addedWords = 6

/** Nodes of a table by their place in an image, and the other way round. */
interface Places {
  readonly nodes: NodeTable
  readonly order: Int32Array
  readonly place: Int32Array
}

/**
 * Every name of which the zone has data of its own must own an NSEC (RFC 4035 section 2.3), and no other one may.
 *
 * @param owns 1 for each place that has such data
 * @param holds whether a place owns an NSEC
 * @returns what the image has of it, and for which see `NsecChain`
 */
export function linkNsecs(
  { nodes, order, place }: Places,
  owns: Uint8Array,
  holds: (place: number) => boolean,
): { readonly chain: Int32Array; readonly wildcardNsecs: Int32Array } {
  for (let at = 0; at < nodes.count; at++) {
    if (owns[at] === 1 && !holds(at))
      throw new UnsignedError(nameOf(nodes, order[at]!), types.nsec, 'is missing')
  }
  const { places, wildcardNsecs } = nsecChain(nodes, order, place, owns)
  const chain = new Int32Array(chainWords * places.length)
  const { bytes } = nodes.names
  for (const [index, at] of places.entries()) {
    const node = order[at]!
    const name = nodes.nameAt.words[node]!
    let below = name
    for (let label = nodes.labels(0) + 1; label < nodes.labels(node); label++) below += bytes[below]! + 1
    chain[chainWords * index] = labelKey(bytes, below)
    chain[chainWords * index + 1] = at
  }
  return { chain, wildcardNsecs }
}

/**
 * Every name of which the zone has data of its own and every empty name above one must have an NSEC3, and no other one may (RFC 5155
 * section 7.1), and a service all of its own. They are counted: whether each is of a name that is there is known to who made them. No two
 * names may have one hash.
 *
 * @param owns 1 for each place that has such data; those above are noted too
 * @param services their places
 * @param rrsets that are NSEC3s, sorted
 * @returns what the image has of it
 */
export function linkHashes(
  { nodes, order, place }: Places,
  owns: Uint8Array,
  services: readonly number[],
  rrsets: Int32Array,
  { added, hashes }: { readonly added: Int32Array; readonly hashes: Int32Array },
): Int32Array {
  const variants = nsecVariants.length
  let wanted = (variants - 1) * services.length
  for (const at of services) owns[at] = 1
  for (let at = nodes.count - 1; at >= 0; at--) {
    if (owns[at] === 0) continue
    wanted++
    if (at > 0) owns[place[nodes.parent.words[order[at]!]!]!] = 1
  }
  const unfit = (lacks: string) => new UnsignedError(nameOf(nodes, 0), types.nsec3, lacks)
  const chain = new Int32Array(hashWords * rrsets.length)
  for (const [index, rrset] of rrsets.entries()) {
    const from = hashAt(added, rrset)
    chain.set(hashes.subarray(from, from + hashWords), hashWords * index)
  }
  checkHashes(chain, 0, rrsets.length, nameOf(nodes, 0))
  if (wanted !== rrsets.length) throw unfit('is missing, or one is too many')
  return chain
}

/**
 * Only the NSEC3s of a service have one hash, and they are as many as a service needs.
 *
 * @param at where in `words` the chain begins
 * @throws UnsignedError when others have
 */
export function checkHashes(words: Int32Array, at: number, count: number, apex: Uint8Array): void {
  let alike = 1
  for (let index = 1; index <= count; index++) {
    const entry = at + hashWords * index
    if (index < count && compareHashes(words, entry - hashWords, words, entry) === 0) alike++
    else if (alike > 1 && alike !== nsecVariants.length)
      throw new UnsignedError(apex, types.nsec3, 'is of two names that have one hash')
    else alike = 1
  }
}

/** Sorts NSEC3s by their hashes. Those that were copied are in order already, of which a sort of an array makes use. */
export function sortHashed(rrsets: number[], added: Int32Array, hashes: Int32Array): number[] {
  return rrsets.sort((a, b) => {
    beat()
    return compareHashes(hashes, hashAt(added, a), hashes, hashAt(added, b))
  })
}

/** Where among the hashes that of an RRset is. */
function hashAt(added: Int32Array, rrset: number): number {
  return hashWords * (-1 - added[rrset * addedWords + addedAt.node]!)
}

/** Lower-cased wire form. */
export function nameOf(nodes: NodeTable, node: number): Uint8Array {
  const at = nodes.nameAt.words[node]!
  return nodes.names.bytes.slice(at, at + nodes.length(node))
}
