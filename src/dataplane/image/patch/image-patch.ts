/**
 * Writes the image of a zone of which a few names are edited: a copy of the image before in a few large runs, with what the edit touches taken
 * out and put in. It says what an image says that is laid out anew (`image-writer.ts`), and is no larger: only the order of nodes and of wire forms
 * may be another one. So an edit of a large zone costs what copying its octets costs, and one pass over the words that
 * say where they are.
 *
 *     names     which of them the edit touches, and where all stand afterwards (`patched-names.ts`)
 *     RRsets    those of a touched name stand where its old ones stood, or behind all when it had none
 *     bytes     what is replaced is cut out (`patched-rrsets.ts`); what comes stands at the end, and the SOA of negative answers is the last of all
 *     links     the same; RRsets that link to something else now are among what comes (`patched-links.ts`)
 *     chain     what leaves is cut out, what comes is put in its place in the order (`patched-chain.ts`)
 *     table     copied; what goes is taken out, what comes put in; filled anew when it has another size
 *
 * An image is served as it is written, and never written to again: queries are answered from the one before meanwhile.
 */
import { beat } from '../../life/signs.ts'
import { hashName, NameScan } from '../../wire/name-scan.ts'
import { hashWords } from '../../wire/owner-hash.ts'
import { insert, remove } from '../hash-table.ts'
import { headerAt, headerWords, nodeAt, nodeWords, rrsetAt, rrsetWords, ZoneImage } from '../image.ts'
import { chainWords, nsecNode } from '../nsec-search.ts'
import type { PatchedNsecs } from './patched-chain.ts'
import { type PatchedName, wildcardOf } from './patched-names.ts'
import { type ImagePatch, PatchedRrsets } from './patched-rrsets.ts'

/**
 * @throws UnsignedError when a signed zone lacks a signature or an NSEC
 * @throws TooManyTouched
 */
export function patchImage(patch: ImagePatch): SharedArrayBuffer {
  beat()
  const patched = new PatchedRrsets(patch)
  beat()
  return new PatchWriter(patch.image, patched).write()
}

class PatchWriter {
  readonly #image: ZoneImage
  readonly #patched: PatchedRrsets

  constructor(image: ZoneImage, patched: PatchedRrsets) {
    this.#image = image
    this.#patched = patched
  }

  write(): SharedArrayBuffer {
    const image = this.#image
    const { nodeCount } = this.#patched.names
    const chained = this.#patched.hashes ?? this.#patched.nsecs
    const names = [...this.#patched.names].filter(({ node, place }) => node < 0 && place >= 0)
    const bytesKept = endOf(image, image.negativeSoa) - image.apexName + this.#patched.bytes.growth
    const linksKept = image.words[headerAt.chain]! - image.words[headerAt.links]! + this.#patched.links.growth
    const rrsetCount = image.rrsetTotal + this.#patched.rrsets.growth
    const chainLength = image.chainLength + (chained?.splices.growth ?? 0)
    let slots = 4
    while (slots < 2 * nodeCount) slots *= 2
    const nodes = headerWords + 2 * slots
    const rrsets = nodes + nodeCount * nodeWords
    const links = rrsets + rrsetCount * rrsetWords
    const chain = links + linksKept + this.#patched.addedLinks.length
    const bytes = 4 * (chain + chainLength * (this.#patched.hashes === null ? chainWords : hashWords))
    const namesAt = bytes + bytesKept
    const wireAt = namesAt + names.reduce((sum, { name }) => sum + name.length, 0)
    const buffer = new SharedArrayBuffer(Math.ceil((wireAt + this.#patched.encoder.wire.length) / 4) * 4)
    const words = new Int32Array(buffer)
    words.set(image.words.subarray(0, headerWords))
    words[headerAt.tableMask] = slots - 1
    words[headerAt.nodes] = nodes
    words[headerAt.rrsets] = rrsets
    words[headerAt.links] = links
    words[headerAt.nodeCount] = nodeCount
    words[headerAt.rrsetCount] = rrsetCount
    words[headerAt.apexName] = bytes
    words[headerAt.negativeSoa] = rrsetCount - 1
    words[headerAt.chain] = chain
    words[headerAt.chainLength] = chainLength
    const to: Sections = { words, bytes: new Uint8Array(buffer), bytesAt: bytes, namesAt, wireAt, linksKept }
    this.#writeBytes(to, names)
    this.#writeTable(words, names)
    this.#writeNodes(to, names)
    beat()
    this.#writeRrsets(to)
    if (this.#patched.hashes !== null) this.#patched.hashes.write(image, words, chain)
    this.#patched.nsecs?.write(image, words, chain, this.#moved)
    if (this.#patched.nsecs !== null) this.#writeWildcardNsecs(new ZoneImage(buffer), this.#patched.nsecs)
    return buffer
  }

  /** Where nodes are that stay; null when that is where they were. */
  get #moved(): ((node: number) => number) | null {
    const { nodes } = this.#patched.names
    return nodes.growth === 0 ? null : (node) => nodes.map(node)
  }

  /** Where in the bytes is what was at a place in those before. */
  #movedBytes({ bytesAt }: Sections, at: number): number {
    return bytesAt + this.#patched.bytes.map(at - this.#image.apexName)
  }

  #writeBytes({ bytes, bytesAt, namesAt, wireAt }: Sections, names: readonly PatchedName[]): void {
    const image = this.#image
    const { apexName, negativeSoa } = image
    this.#patched.bytes.copy(image.bytes, apexName, endOf(image, negativeSoa) - apexName, bytes, bytesAt)
    let at = namesAt
    for (const { name } of names) {
      bytes.set(name, at)
      at += name.length
    }
    bytes.set(this.#patched.encoder.wire.bytes.subarray(0, this.#patched.encoder.wire.length), wireAt)
  }

  #writeTable(words: Int32Array, names: readonly PatchedName[]): void {
    const { words: old } = this.#image
    const mask = words[headerAt.tableMask]!
    const from = old[headerAt.table]!
    const end = from + 2 * (old[headerAt.tableMask]! + 1)
    const moved = this.#moved
    const gone = [...this.#patched.names].filter(({ node, place }) => node >= 0 && place < 0)
    if (mask === old[headerAt.tableMask]) {
      words.set(old.subarray(from, end), headerWords)
      for (const { name, node } of gone) remove(words, headerWords, mask, hashName(name), node + 1)
      for (let at = headerWords + 1; moved !== null && at < headerWords + end - from; at += 2)
        if (words[at] !== 0) words[at] = moved(words[at]! - 1) + 1
    } else {
      const left = new Set(gone.map(({ node }) => node + 1))
      for (let at = from; at < end; at += 2) {
        const value = old[at + 1]!
        if (value === 0 || left.has(value)) continue
        insert(words, headerWords, mask, old[at]!, moved === null ? value : moved(value - 1) + 1)
      }
    }
    for (const { name, place } of names) insert(words, headerWords, mask, hashName(name), place + 1)
  }

  #writeNodes(to: Sections, names: readonly PatchedName[]): void {
    const { words } = to
    const image = this.#image
    const at = words[headerAt.nodes]!
    const moved = this.#moved
    this.#patched.names.nodes.copy(
      image.words,
      image.words[headerAt.nodes]!,
      image.nodeCount,
      words,
      at,
      nodeWords,
    )
    const end = at + nodeWords * (words[headerAt.nodeCount]! - names.length)
    for (let base = at; base < end; base += nodeWords) {
      words[base + nodeAt.name] = this.#movedBytes(to, words[base + nodeAt.name]!)
      words[base + nodeAt.rrset] = this.#patched.rrsets.map(words[base + nodeAt.rrset]!)
      if (moved !== null) moveNodes(words, base, moved)
    }
    let nameAt = to.namesAt
    for (const each of names) {
      words[at + nodeWords * each.place + nodeAt.name] = nameAt
      nameAt += each.name.length
    }
    for (const [each, splice] of this.#patched.owned) {
      if (each.place < 0) continue
      const base = at + nodeWords * each.place
      words[base + nodeAt.size] = each.name.length | (each.labels << 8)
      words[base + nodeAt.rrset] = splice.to
      words[base + nodeAt.rrsetCount] = each.rrsets.length
      words[base + nodeAt.cut] = each.cut
      words[base + nodeAt.dname] = each.dname
      words[base + nodeAt.wildcard] = this.#patched.names.placeOf(wildcardOf(each.name)) + 1
      words[base + nodeAt.service] = each.service
    }
    let maxLabels = 0
    for (let base = at; base < words[headerAt.rrsets]!; base += nodeWords)
      maxLabels = Math.max(maxLabels, words[base + nodeAt.size]! >>> 8)
    words[headerAt.maxLabels] = maxLabels
  }

  #writeRrsets(to: Sections): void {
    const { words, linksKept, wireAt } = to
    const { words: old, rrsetTotal } = this.#image
    const at = words[headerAt.rrsets]!
    const links = words[headerAt.links]!
    this.#patched.rrsets.copy(old, old[headerAt.rrsets]!, rrsetTotal, words, at, rrsetWords)
    this.#patched.links.copy(
      old,
      old[headerAt.links]!,
      old[headerAt.chain]! - old[headerAt.links]!,
      words,
      links,
    )
    words.set(this.#patched.addedLinks.words.subarray(0, this.#patched.addedLinks.length), links + linksKept)
    this.#placeKept(words)
    for (let base = at; base < links; base += rrsetWords) {
      words[base + rrsetAt.wire] = this.#movedBytes(to, words[base + rrsetAt.wire]!)
      words[base + rrsetAt.links] = this.#patched.links.map(words[base + rrsetAt.links]!)
    }
    this.#moveTargets(words)
    const comes = this.#patched.written.flatMap(({ rrsets }) =>
      rrsets.filter((one) => typeof one !== 'number'),
    )
    for (const one of [...comes, ...this.#patched.relinked.values()]) {
      const base = at + rrsetWords * one.index
      const [typeAndCount, wireLength, signatures, linkCounts] = one.words
      words[base + rrsetAt.type] = typeAndCount
      words[base + rrsetAt.wire] = one.stays ? this.#movedBytes(to, one.wire) : wireAt + one.wire
      words[base + rrsetAt.wireLength] = wireLength
      words[base + rrsetAt.links] = linksKept + one.links
      words[base + rrsetAt.linkCounts] = linkCounts
      words[base + rrsetAt.signatures] = signatures
    }
  }

  /** Puts what stays of touched names into the gaps, and notes where the others go. */
  #placeKept(words: Int32Array): void {
    const { words: old } = this.#image
    const at = words[headerAt.rrsets]!
    for (const { splice, rrsets } of this.#patched.written) {
      for (const [i, one] of rrsets.entries()) {
        const index = splice.to + i
        const written = typeof one === 'number' ? this.#patched.relinked.get(one) : one
        if (written !== undefined) written.index = index
        if (typeof one !== 'number') continue
        const from = old[headerAt.rrsets]! + rrsetWords * one
        words.set(old.subarray(from, from + rrsetWords), at + rrsetWords * index)
      }
    }
    for (const [rrset, written] of this.#patched.relinked) {
      if (written.index < 0) written.index = this.#patched.rrsets.map(rrset)
      // These have no links of before.
      words[at + rrsetWords * written.index + rrsetAt.linkCounts] = 0
    }
  }

  /** The targets of RRsets that stay, where nodes do not stay where they were. */
  #moveTargets(words: Int32Array): void {
    const moved = this.#moved
    if (moved === null) return
    const links = words[headerAt.links]!
    for (let base = words[headerAt.rrsets]!; base < links; base += rrsetWords) {
      const counts = words[base + rrsetAt.linkCounts]!
      const first = links + words[base + rrsetAt.links]! + (counts & 0xffff)
      for (let at = first; at < first + (counts >>> 16); at++)
        if (words[at] !== 0) words[at] = moved(words[at]! - 1) + 1
    }
  }

  /** By `nsec-search.ts`, which finds them for answers, in the chain as it is now. */
  #writeWildcardNsecs(zone: ZoneImage, nsecs: PatchedNsecs): void {
    const places = [...this.#patched.names].flatMap(({ place }) => (place < 0 ? [] : [place]))
    for (const node of nsecs.doubtful(this.#image))
      if (this.#patched.names.ofNode(node) === undefined) places.push(this.#patched.names.nodes.map(node))
    const scan = new NameScan()
    for (const place of places) {
      if (zone.wildcard(place) >= 0) continue
      scan.load(zone.bytes, zone.name(place), zone.name(place) + zone.nameLength(place))
      const at = zone.words[headerAt.nodes]! + nodeWords * place + nodeAt.wildcard
      zone.words[at] = -nsecNode(zone, scan, 0, true) - 1
    }
  }
}

/** The parts of an image that is being written. */
interface Sections {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  readonly bytesAt: number
  /** In the bytes, the names that come. */
  readonly namesAt: number
  /** In the bytes, the RRsets that come. */
  readonly wireAt: number
  /** Number of the links that stay. */
  readonly linksKept: number
}

/** Where an RRset ends, with its signatures. */
function endOf(image: ZoneImage, rrset: number): number {
  return image.wire(rrset) + image.wireLength(rrset) + image.signatureLength(rrset)
}

/** Of a node that stays, the others that it knows. */
function moveNodes(words: Int32Array, base: number, moved: (node: number) => number): void {
  for (const field of [nodeAt.cut, nodeAt.dname, nodeAt.wildcard]) {
    const other = words[base + field]!
    if (other > 0) words[base + field] = moved(other - 1) + 1
    if (other < 0) words[base + field] = -moved(-other - 1) - 1
  }
}
