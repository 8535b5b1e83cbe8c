/**
 * The second pass of compiling: brings what was added to a zone into the order of an image, links it, and writes it.
 * Nodes stand in the order of their label counts, so that an ancestor's links are known before its descendants'.
 */
import { beat } from '../life/signs.ts'
import { copyRun } from '../wire/bytes.ts'
import { isServiceBinding, types } from '../wire/constants.ts'
import { hashWords } from '../wire/owner-hash.ts'
import { addedAt, addedWords, linkHashes, linkNsecs, nameOf, sortHashed } from './chain-writer.ts'
import { Words } from './columns.ts'
import { insert } from './hash-table.ts'
import {
  headerAt,
  headerWords,
  maxSignatures,
  nodeAt,
  nodeWords,
  rrsetAt,
  rrsetWords,
  zoneFlags,
  zoneMagic,
} from './image.ts'
import type { NodeTable } from './node-table.ts'
import { chainWords } from './nsec-search.ts'
import { nsecVariants } from './nsec-variants.ts'
import { isWildcard, type RrsetEncoder } from './rrset-encoder.ts'
import { UnsignedError } from './signatures.ts'

export interface CollectedZone {
  readonly nodes: NodeTable
  readonly encoder: RrsetEncoder
  /** Plan slot + 1 by node. */
  readonly services: ReadonlyMap<number, number>
  /** `addedWords` for each RRset, and for one more that says where the last one's parts end. */
  readonly added: Int32Array
  readonly signed: boolean
  /** Of the NSEC3s that deny, `hashWords` each. */
  readonly hashes: Int32Array
  /** Number of RRsets; the last of them is the SOA of negative answers, which no node owns. */
  readonly count: number
}

/** RRsets that are linked between two signs of life. */
const linkedAtOnce = 10_000

/** Flags of what a node holds. */
const holdsNs = 1
const holdsDname = 2
const holdsAddress = 4
const flags: Readonly<Record<number, number>> = {
  [types.ns]: holdsNs,
  [types.dname]: holdsDname,
  [types.a]: holdsAddress,
  [types.aaaa]: holdsAddress,
  [types.svcb]: 8,
  [types.https]: 16,
  [types.nsec]: 32,
}
const holdsNsec = 32

export function writeImage(zone: CollectedZone): SharedArrayBuffer {
  return new ImageWriter(zone).write()
}

class ImageWriter {
  readonly #zone: CollectedZone
  /** Nodes of the table by their place in the image, and the other way round. */
  readonly #order: Int32Array
  readonly #place: Int32Array
  /** The first of the node's RRsets in `#rrsets`, by place; one more entry ends the last node's. */
  readonly #first: Int32Array
  /** RRsets as they were added, in the order of the image: those of the nodes, NSEC3s, and the SOA of negative answers. */
  readonly #rrsets: Int32Array
  /** Flags by place. */
  readonly #holds: Uint8Array
  /** 0, or the place of another node + 1, by place. */
  readonly #cut: Int32Array
  readonly #dname: Int32Array
  readonly #wildcard: Int32Array
  /** Where the links of an RRset begin, and their counts as the image has them, by its place in the image. */
  readonly #linksAt: Int32Array
  readonly #linkCounts: Int32Array
  readonly #links = new Words()
  /** As the image has it. */
  #chain: Int32Array = new Int32Array(0)
  /** See `NsecChain`; null for a zone that is not signed. */
  #wildcardNsecs: Int32Array | null = null

  constructor(zone: CollectedZone) {
    const { count } = zone.nodes
    this.#zone = zone
    this.#order = new Int32Array(count)
    this.#place = new Int32Array(count)
    this.#first = new Int32Array(count + 1)
    this.#rrsets = new Int32Array(zone.count)
    this.#holds = new Uint8Array(count)
    this.#cut = new Int32Array(count)
    this.#dname = new Int32Array(count)
    this.#wildcard = new Int32Array(count)
    this.#linksAt = new Int32Array(zone.count)
    this.#linkCounts = new Int32Array(zone.count)
  }

  write(): SharedArrayBuffer {
    beat()
    this.#orderNodes()
    this.#orderRrsets()
    beat()
    this.#linkNodes()
    beat()
    if (this.#zone.signed) this.#link()
    for (let index = 0; index < this.#rrsets.length; index++) {
      if (index % linkedAtOnce === 0) beat()
      this.#linkRrset(index)
    }
    return this.#layOut()
  }

  /** Sorts by label count; those of the same stay in the order in which they came. */
  #orderNodes(): void {
    const { nodes } = this.#zone
    const next = new Int32Array(130)
    for (let node = 0; node < nodes.count; node++) next[nodes.labels(node) + 1]!++
    for (let labels = 1; labels < next.length; labels++) next[labels]! += next[labels - 1]!
    for (let node = 0; node < nodes.count; node++) {
      const place = next[nodes.labels(node)]!++
      this.#order[place] = node
      this.#place[node] = place
    }
  }

  /** Sorts by node, then by type. */
  #orderRrsets(): void {
    const { added, count } = this.#zone
    const first = this.#first
    const nodeOf = (rrset: number) => added[rrset * addedWords + addedAt.node]!
    const next = new Int32Array(first.length + 1)
    const hashed: number[] = []
    for (let rrset = 0; rrset < count - 1; rrset++) {
      const node = nodeOf(rrset)
      if (node < 0) hashed.push(rrset)
      else next[this.#place[node]! + 2]!++
    }
    for (let place = 2; place < next.length; place++) next[place]! += next[place - 1]!
    for (let rrset = 0; rrset < count - 1; rrset++) {
      const node = nodeOf(rrset)
      if (node < 0) continue
      const place = this.#place[node]!
      this.#rrsets[next[place + 1]!++] = rrset
      this.#holds[place]! |= flagOf(this.#type(rrset))
    }
    first.set(next.subarray(0, first.length))
    this.#rrsets.set(sortHashed(hashed, added, this.#zone.hashes), this.#owned)
    this.#rrsets[count - 1] = count - 1
    for (let place = 0; place < first.length - 1; place++) this.#orderByType(first[place]!, first[place + 1]!)
  }

  /** How many RRsets nodes own. */
  get #owned(): number {
    return this.#zone.count - 1 - this.#hashed
  }

  get #hashed(): number {
    return this.#zone.hashes.length / hashWords
  }

  /** Sorts the few RRsets of a node, mostly in order already, each into its place among those before it. */
  #orderByType(begin: number, end: number): void {
    const rrsets = this.#rrsets
    for (let next = begin + 1; next < end; next++) {
      const rrset = rrsets[next]!
      const type = this.#type(rrset)
      let at = next
      for (; at > begin && this.#type(rrsets[at - 1]!) > type; at--) rrsets[at] = rrsets[at - 1]!
      rrsets[at] = rrset
    }
  }

  #linkNodes(): void {
    const { nodes } = this.#zone
    const holds = this.#holds
    this.#dname[0] = holds[0]! & holdsDname ? 1 : 0
    for (let place = 1; place < nodes.count; place++) {
      const node = this.#order[place]!
      const parent = this.#place[nodes.parent.words[node]!]!
      const delegated = (holds[place]! & holdsNs) !== 0
      const aliased = (holds[place]! & holdsDname) !== 0
      const cut = this.#cut[parent]!
      const dname = this.#dname[parent]!
      // Whichever of a cut and a DNAME is higher hides what is below it, the other one too.
      this.#dname[place] = dname === 0 && aliased && cut === 0 && !delegated ? place + 1 : dname
      this.#cut[place] = cut === 0 && delegated && dname === 0 ? place + 1 : cut
      if (isWildcard(nodes.names.bytes, nodes.nameAt.words[node]!)) this.#wildcard[parent] = place + 1
    }
  }

  #link(): void {
    const owns = new Uint8Array(this.#zone.nodes.count)
    for (let index = 0; index < this.#owned; index++) {
      const place = this.#placeOf(index)
      if (this.#isOwn(place, this.#type(this.#rrsets[index]!))) owns[place] = 1
      // The NS of a cut is not the zone's own, but it is there.
      else if (this.#cut[place] === place + 1) owns[place] = 1
    }
    const services = this.#shownServices()
    const places = { nodes: this.#zone.nodes, order: this.#order, place: this.#place }
    if (this.#hashed > 0) {
      const hashed = this.#rrsets.subarray(this.#owned, this.#owned + this.#hashed)
      this.#chain = linkHashes(places, owns, services, hashed, this.#zone)
      return
    }
    for (const place of services) this.#checkService(place)
    const { chain, wildcardNsecs } = linkNsecs(
      places,
      owns,
      (place) => (this.#holds[place]! & holdsNsec) !== 0,
    )
    this.#chain = chain
    this.#wildcardNsecs = wildcardNsecs
  }

  /** Places of services, without those that a cut or a DNAME hides, which are never asked. */
  #shownServices(): number[] {
    return Array.from(this.#zone.services.keys(), (node) => this.#place[node]!).filter(
      (place) => this.#cut[place] === 0 && this.#isOwn(place, types.nsec),
    )
  }

  /** The NSECs of a service must all be there. */
  #checkService(place: number): void {
    let nsecs = 0
    for (let index = this.#first[place]!; index < this.#first[place + 1]!; index++)
      if (this.#type(this.#rrsets[index]!) === types.nsec) nsecs++
    if (nsecs !== nsecVariants.length)
      throw new UnsignedError(this.#nameAt(place), types.nsec, 'is not all that a service needs')
  }

  /** Whether the zone speaks for RRs of a type at a place itself, so that they are signed (RFC 4035 section 2.2). */
  #isOwn(place: number, type: number): boolean {
    const cut = this.#cut[place]!
    if (cut !== 0) return cut === place + 1 && (type === types.ds || type === types.nsec)
    const dname = this.#dname[place]!
    return dname === 0 || dname === place + 1
  }

  /** Place of the node that owns an RRset, by the RRset's place; that of NSEC3s and of the SOA of negative answers is the apex. */
  #placeOf(index: number): number {
    const node = this.#zone.added[this.#rrsets[index]! * addedWords + addedAt.node]!
    return node < 0 ? 0 : this.#place[node]!
  }

  #nameAt(place: number): Uint8Array {
    return nameOf(this.#zone.nodes, this.#order[place]!)
  }

  /** Fix-ups, and behind them the targets' nodes, each once, where at least one of them has something to go along. */
  #linkRrset(index: number): void {
    const { added, encoder } = this.#zone
    const base = this.#rrsets[index]! * addedWords
    const at = this.#links.length
    const fixups = added[base + addedAt.fixups]!
    const endFixups = added[base + addedWords + addedAt.fixups]!
    for (let fixup = fixups; fixup < endFixups; fixup++) this.#links.push(encoder.fixups.words[fixup]!)
    const targets = added[base + addedAt.targets]!
    const endTargets = added[base + addedWords + addedAt.targets]!
    const linked = this.#linkTargets(this.#rrsets[index]!, targets, endTargets)
    this.#linksAt[index] = at
    this.#linkCounts[index] = (endFixups - fixups) | (linked ? (endTargets - targets) << 16 : 0)
  }

  /** @returns whether there is one with something to go along; else nothing is written. */
  #linkTargets(rrset: number, first: number, end: number): boolean {
    if (first === end) return false
    const type = this.#type(rrset)
    const own = this.#place[this.#zone.added[rrset * addedWords + addedAt.node]!]!
    const before = this.#links.length
    let linked = false
    for (let target = first; target < end; target++) {
      const node = this.#targetPlace(target)
      const listed = node >= 0 && this.#isListed(node + 1, target, first, before)
      // Another one of SVCB is what a client asks for next (RFC 9460 section 4.2).
      const wanted = isServiceBinding(type) && node !== own ? holdsAddress | flagOf(type) : holdsAddress
      const shown = node >= 0 && (this.#holds[node]! & wanted) !== 0 && !listed
      this.#links.push(shown ? node + 1 : 0)
      linked ||= shown
    }
    if (!linked) this.#links.length = before
    return linked
  }

  /** Whether an RR before has the same target. A wildcard's node may stand for several names. */
  #isListed(link: number, target: number, first: number, before: number): boolean {
    for (let other = first; other < target; other++) {
      if (this.#links.words[before + other - first] === link && this.#sameTarget(other, target)) return true
    }
    return false
  }

  #sameTarget(a: number, b: number): boolean {
    const { bytes } = this.#zone.encoder.targets
    const name = (target: number) => bytes.subarray(this.#targetStart(target), this.#targetEnd(target))
    return Buffer.compare(name(a), name(b)) === 0
  }

  #targetStart(target: number): number {
    return target === 0 ? 0 : this.#targetEnd(target - 1)
  }

  #targetEnd(target: number): number {
    return this.#zone.encoder.targetEnds.words[target]!
  }

  /** Place of the node that says what a target's addresses are: its own, or the wildcard that stands in for it; or -1. */
  #targetPlace(target: number): number {
    const { nodes, encoder } = this.#zone
    const { bytes } = encoder.targets
    const from = this.#targetStart(target)
    const to = this.#targetEnd(target)
    if (from === to || !nodes.covers(bytes, from, to)) return -1
    const closest = nodes.closest(bytes, from, to)
    const place = this.#place[closest]!
    return nodes.length(closest) === to - from ? place : this.#wildcard[place]! - 1
  }

  #layOut(): SharedArrayBuffer {
    const { nodes, count, encoder } = this.#zone
    let slots = 4
    while (slots < 2 * nodes.count) slots *= 2
    const nodesAt = headerWords + 2 * slots
    const rrsetsAt = nodesAt + nodes.count * nodeWords
    const linksAt = rrsetsAt + count * rrsetWords
    const chainAt = linksAt + this.#links.length
    const bytesAt = 4 * (chainAt + this.#chain.length)
    const size = bytesAt + nodes.names.length + encoder.wire.length
    const buffer = new SharedArrayBuffer(Math.ceil(size / 4) * 4)
    const words = new Int32Array(buffer)
    const bytes = new Uint8Array(buffer)
    words[headerAt.magic] = zoneMagic
    words[headerAt.tableMask] = slots - 1
    words[headerAt.table] = headerWords
    words[headerAt.nodes] = nodesAt
    words[headerAt.rrsets] = rrsetsAt
    words[headerAt.links] = linksAt
    words[headerAt.nodeCount] = nodes.count
    words[headerAt.rrsetCount] = count
    words[headerAt.apexName] = bytesAt
    words[headerAt.apexLength] = nodes.length(0)
    words[headerAt.apexLabels] = nodes.labels(0)
    words[headerAt.maxLabels] = nodes.labels(this.#order.at(-1)!)
    words[headerAt.negativeSoa] = count - 1
    words[headerAt.chain] = chainAt
    const isHashed = this.#hashed > 0
    words[headerAt.chainLength] = this.#chain.length / (isHashed ? hashWords : chainWords)
    words[headerAt.flags] = isHashed ? zoneFlags.hashed : 0
    beat()
    const wireAt = this.#writeNodes(words, bytes, nodesAt, bytesAt, slots - 1)
    beat()
    this.#writeRrsets(words, bytes, rrsetsAt, wireAt)
    words.set(this.#links.words.subarray(0, this.#links.length), linksAt)
    words.set(this.#chain, chainAt)
    return buffer
  }

  /** @returns where in `bytes` the names end */
  #writeNodes(words: Int32Array, bytes: Uint8Array, nodesAt: number, bytesAt: number, mask: number): number {
    const { nodes, services } = this.#zone
    let free = bytesAt
    for (let place = 0; place < nodes.count; place++) {
      const node = this.#order[place]!
      const base = nodesAt + place * nodeWords
      const length = nodes.length(node)
      const first = this.#first[place]!
      words[base + nodeAt.name] = free
      words[base + nodeAt.size] = nodes.size.words[node]!
      words[base + nodeAt.rrset] = first
      words[base + nodeAt.rrsetCount] = this.#first[place + 1]! - first
      words[base + nodeAt.cut] = this.#cut[place]!
      words[base + nodeAt.wildcard] = this.#wildcard[place]! || -(this.#wildcardNsecs?.[place] ?? -1) - 1
      words[base + nodeAt.service] = services.get(node) ?? 0
      words[base + nodeAt.dname] = this.#dname[place]!
      const name = nodes.nameAt.words[node]!
      for (let i = 0; i < length; i++) bytes[free + i] = nodes.names.bytes[name + i]!
      free += length
      insert(words, headerWords, mask, nodes.hash.words[node]!, place + 1)
    }
    return free
  }

  #writeRrsets(words: Int32Array, bytes: Uint8Array, rrsetsAt: number, wireAt: number): void {
    const { added, encoder } = this.#zone
    const wire = encoder.wire.bytes
    let free = wireAt
    // Those that stand one behind the other in both are copied together, which after an edit are nearly all.
    let run = 0
    let runEnd = 0
    for (let index = 0; index < this.#rrsets.length; index++) {
      const from = this.#rrsets[index]! * addedWords
      const base = rrsetsAt + index * rrsetWords
      const start = added[from + addedAt.wire]!
      const signatures = added[from + addedAt.signatures]!
      const whole = added[from + addedWords + addedAt.wire]! - start
      const wireLength = whole - (signatures & maxSignatures.octets)
      const isSigned = this.#isSigned(index, signatures)
      const length = isSigned ? whole : wireLength
      words[base + rrsetAt.type] = added[from + addedAt.typeAndCount]!
      words[base + rrsetAt.wire] = free
      words[base + rrsetAt.wireLength] = wireLength
      words[base + rrsetAt.signatures] = isSigned ? signatures : 0
      words[base + rrsetAt.links] = this.#linksAt[index]!
      words[base + rrsetAt.linkCounts] = this.#linkCounts[index]!
      if (start !== runEnd) {
        copyRun(wire, run, runEnd, bytes, free)
        run = start
      }
      runEnd = start + length
      free += length
    }
    copyRun(wire, run, runEnd, bytes, free)
  }

  /** Whether an RRset goes into the image with the signatures that it was added with. Those of what is not the zone's own have no meaning. */
  #isSigned(index: number, signatures: number): boolean {
    if (!this.#zone.signed) return false
    const place = this.#placeOf(index)
    const type = this.#type(this.#rrsets[index]!)
    if (!this.#isOwn(place, type)) return false
    if (signatures === 0) throw new UnsignedError(this.#nameAt(place), type, 'has no signature')
    return true
  }

  #type(rrset: number): number {
    return this.#zone.added[rrset * addedWords + addedAt.typeAndCount]! & 0xffff
  }
}

function flagOf(type: number): number {
  return flags[type] ?? 0
}
