/**
 * A zone image: one zone, compiled for answering, in memory that every worker reads without copying (`image-memory.ts`).
 * Immutable once written (`compile.ts`); a change compiles a new one.
 *
 * ## Layout
 * In 32-bit words unless it says bytes; the same buffer is viewed as words and as bytes:
 *
 *     header   16 words, below
 *     table    open addressing with linear probing, at most half full; a slot is (hash, node + 1), node 0 is the apex
 *     nodes    `nodeWords` each: every owner and every empty non-terminal
 *     rrsets   `rrsetWords` each: a node's are adjacent and ordered by type
 *     links    per RRset: the fix-ups of its wire form, then (NS, MX, SRV, SVCB, HTTPS) one node + 1 for each RR's target
 *     chain    the nodes that own an NSEC, in the canonical order of their names (RFC 4034 section 6.1); the apex is the first.
 *              Two words each: a key by which most are told apart (`nsec-search.ts`), and the node.
 *              Of a zone with NSEC3: the hashes that own one, in their order, five words each (`wire/owner-hash.ts`)
 *     bytes    lower-cased owner names, and RRsets in wire form, each with its RRSIGs right behind it
 *
 * ## Wire form
 * The RRs as they go into a message, with the owner as a pointer to the question (0xC00C), which is right
 * whenever the owner is the qname. A compressible name in RDATA is stored as its own labels and, where the rest of it is
 * spelled in the message already, two octets for a pointer: into the apex, the owner (both are always somewhere in
 * the message) or an RR before in the same RRset. Where those two octets are and where they point is the RRset's list of
 * fix-ups. Names are matched, cuts, wildcards and targets are found here, not by the reader.
 *
 * ## Signed zones
 * A zone is signed when it has a chain: then each RRset that it speaks for has RRSIGs, in the wire form of RRs whose owner is a
 * pointer to the question and whose signer is spelled out, so that an RRset and its signatures are copied as one piece, or
 * the RRset alone for those who don't ask for more. A signature costs 94 octets and the apex's name (with algorithms 13 and
 * 15), the chain eight octets a name, or 20 with NSEC3. NSEC3s belong to no node, for nobody can ask for them: they stand behind the RRsets
 * of all nodes, in the order of their hashes. What is not the zone's own (glue, the NS of a cut) has none. Words that are 0 say that a zone
 * is not signed, as in images that were written before there were signatures.
 *
 * ## Rejected
 * One table for all zones (an edit would touch what all zones share); objects in each worker (a copy each,
 * and garbage collection in the query path).
 */
import { u16 } from '../wire/bytes.ts'
import { maxPointer, pointerLength, rrHeadLength } from '../wire/constants.ts'
import { hashName, type NameScan } from '../wire/name-scan.ts'
import { insert } from './hash-table.ts'
import { octetsOf } from './image-memory.ts'

export const zoneMagic = 0x706f_0004
export const headerWords = 16
export const nodeWords = 8
export const rrsetWords = 6

export const headerAt = {
  magic: 0,
  tableMask: 1,
  table: 2,
  nodes: 3,
  rrsets: 4,
  links: 5,
  nodeCount: 6,
  rrsetCount: 7,
  apexName: 8,
  apexLength: 9,
  apexLabels: 10,
  maxLabels: 11,
  /** RRset index of the SOA with the TTL of negative answers (RFC 2308 section 5): the last one. */
  negativeSoa: 12,
  chain: 13,
  /** Entries of the chain; 0 for a zone that is not signed. */
  chainLength: 14,
  /** See `zoneFlags`. */
  flags: 15,
} as const

export const zoneFlags = {
  /** Nothing that the zone says may be believed any more. */
  broken: 1,
  /** The chain is one of NSEC3. */
  hashed: 2,
} as const

/** Fields of a node. `cut`, `wildcard`, `service` and `dname` are 0 for none, else one above the index. */
export const nodeAt = {
  name: 0,
  /** Octets of the name | labels << 8. */
  size: 1,
  rrset: 2,
  rrsetCount: 3,
  /** The topmost zone cut at or above the node. */
  cut: 4,
  /** The node `*` below this one; below 0 in a zone signed with NSEC that has none, for the node whose NSEC says so: -1 for the apex, and so on. */
  wildcard: 5,
  /** Slot of the plan that answers A and AAAA here. */
  service: 6,
  /** The topmost node at or above this one that holds a DNAME. */
  dname: 7,
} as const

export const rrsetAt = {
  /** Type | number of RRs << 16. */
  type: 0,
  wire: 1,
  wireLength: 2,
  links: 3,
  /** Number of fix-ups | number of targets << 16. */
  linkCounts: 4,
  /** Octets of the RRSIGs behind the wire form | their number << 24. */
  signatures: 5,
} as const

/** What a fix-up's pointer is relative to: the name of the apex, that of the RRset's owner, or the RRset's wire form. */
export const fixupBases = { apex: 0, owner: 1, rrset: 2 } as const

/**
 * So that a pointer, which has 14 bits, reaches it wherever the RRset stands: behind the question and the few aliases that may
 * come before it.
 */
export const maxFixupOffset = 0x1fff

/**
 * A fix-up as a word: its base, in 14 bits how many octets behind it is what is pointed to, and 16 bits for where in the wire
 * form the pointer is, still 0.
 */
export function packFixup(base: number, offset: number): number {
  return (base << 30) | (offset << 16)
}

/** The most that `rrsetAt.signatures` can say. */
export const maxSignatures = { count: 0xff, octets: 0xff_ffff } as const

/** Reader of a zone image. The index of a node or an RRset is a plain number; -1 and 0 as the methods say. */
export class ZoneImage {
  readonly words: Int32Array
  readonly bytes: Uint8Array
  /** The same octets, to be copied. */
  readonly view: DataView
  /** Offset in `bytes`. */
  readonly apexName: number
  readonly apexLength: number
  readonly apexLabels: number
  readonly negativeSoa: number
  /** Whether the zone is signed, and proves by NSECs or NSEC3s what is not there. */
  readonly isSigned: boolean
  /** Whether it does so by NSEC3s. */
  readonly isHashed: boolean
  /** Whether the zone may only be answered with SERVFAIL (`compileBrokenZone`). */
  readonly isBroken: boolean
  readonly #mask: number
  readonly #table: number
  readonly #nodes: number
  readonly #rrsets: number
  readonly #links: number
  readonly #maxLabels: number
  readonly #chain: number
  readonly #chainLength: number

  constructor(image: SharedArrayBuffer | Uint8Array) {
    const bytes = octetsOf(image)
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 2)
    if (words[headerAt.magic] !== zoneMagic) throw new Error('not a zone image of this version')
    this.words = words
    this.bytes = bytes
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.apexName = words[headerAt.apexName]!
    this.apexLength = words[headerAt.apexLength]!
    this.apexLabels = words[headerAt.apexLabels]!
    this.negativeSoa = words[headerAt.negativeSoa]!
    this.#mask = words[headerAt.tableMask]!
    this.#table = words[headerAt.table]!
    this.#nodes = words[headerAt.nodes]!
    this.#rrsets = words[headerAt.rrsets]!
    this.#links = words[headerAt.links]!
    this.#maxLabels = words[headerAt.maxLabels]!
    this.#chain = words[headerAt.chain]!
    this.#chainLength = words[headerAt.chainLength]!
    this.isSigned = this.#chainLength > 0
    this.isBroken = (words[headerAt.flags]! & zoneFlags.broken) !== 0
    this.isHashed = (words[headerAt.flags]! & zoneFlags.hashed) !== 0
  }

  /** Whether the suffix of `name` that begins at `label` is the apex. */
  isApex(name: NameScan, label: number): boolean {
    return name.suffixEquals(label, this.bytes, this.apexName, this.apexLength)
  }

  /** The first label of `name` whose suffix is no deeper than the zone's deepest name. */
  deepestLabel(name: NameScan): number {
    return name.count > this.#maxLabels ? name.count - this.#maxLabels : 0
  }

  /** Node of the suffix that begins at `label`, which is the apex or below it, or -1. */
  find(name: NameScan, label: number): number {
    const { words, bytes, apexLength } = this
    const mask = this.#mask
    const table = this.#table
    const hash = name.hashes[label]!
    for (let slot = hash & mask; words[table + 2 * slot + 1] !== 0; slot = (slot + 1) & mask) {
      if (words[table + 2 * slot] !== hash) continue
      const node = words[table + 2 * slot + 1]! - 1
      const base = this.#nodes + node * nodeWords
      const length = words[base + nodeAt.size]! & 0xff
      if (name.suffixEquals(label, bytes, words[base + nodeAt.name]!, length, apexLength)) return node
    }
    return -1
  }

  /** Fills the table anew: that of an image from another process was filled by another secret (`name-hash-key.ts`). */
  rehash(): void {
    const { words, bytes } = this
    words.fill(0, this.#table, this.#table + 2 * (this.#mask + 1))
    for (let node = 0; node < this.nodeCount; node++) {
      const base = this.#nodes + node * nodeWords
      const name = words[base + nodeAt.name]!
      const hash = hashName(bytes, name, name + (words[base + nodeAt.size]! & 0xff))
      insert(words, this.#table, this.#mask, hash, node + 1)
    }
  }

  /** Zone cut at or above the node, or -1. */
  cut(node: number): number {
    return this.words[this.#nodes + node * nodeWords + nodeAt.cut]! - 1
  }

  /** The node's wildcard child, or below 0. */
  wildcard(node: number): number {
    return this.words[this.#nodes + node * nodeWords + nodeAt.wildcard]! - 1
  }

  /** In a zone signed with NSEC, the node whose NSEC says that a node has no wildcard child, which is so. */
  wildcardNsec(node: number): number {
    return -this.words[this.#nodes + node * nodeWords + nodeAt.wildcard]! - 1
  }

  /** Plan slot of the service at the node, or -1. */
  service(node: number): number {
    return this.words[this.#nodes + node * nodeWords + nodeAt.service]! - 1
  }

  /** Topmost node at or above this one that holds a DNAME, or -1. Below a cut there is none: the cut hides it. */
  dname(node: number): number {
    return this.words[this.#nodes + node * nodeWords + nodeAt.dname]! - 1
  }

  get nodeCount(): number {
    return this.words[headerAt.nodeCount]!
  }

  /** RRsets of all nodes, and the SOA of negative answers. */
  get rrsetTotal(): number {
    return this.words[headerAt.rrsetCount]!
  }

  /** Offset in `bytes` of the node's name. */
  name(node: number): number {
    return this.words[this.#nodes + node * nodeWords]!
  }

  /** Octets of the node's name. */
  nameLength(node: number): number {
    return this.words[this.#nodes + node * nodeWords + nodeAt.size]! & 0xff
  }

  labels(node: number): number {
    return this.words[this.#nodes + node * nodeWords + nodeAt.size]! >>> 8
  }

  rrsetCount(node: number): number {
    return this.words[this.#nodes + node * nodeWords + nodeAt.rrsetCount]!
  }

  firstRrset(node: number): number {
    return this.words[this.#nodes + node * nodeWords + nodeAt.rrset]!
  }

  /** The node's RRset of a type, or -1. */
  rrset(node: number, type: number): number {
    const first = this.firstRrset(node)
    const end = first + this.rrsetCount(node)
    for (let rrset = first; rrset < end; rrset++) if (this.type(rrset) === type) return rrset
    return -1
  }

  type(rrset: number): number {
    return this.words[this.#rrsets + rrset * rrsetWords]! & 0xffff
  }

  rrCount(rrset: number): number {
    return this.words[this.#rrsets + rrset * rrsetWords]! >>> 16
  }

  /** Offset in `bytes` of the RRset's wire form. */
  wire(rrset: number): number {
    return this.words[this.#rrsets + rrset * rrsetWords + rrsetAt.wire]!
  }

  wireLength(rrset: number): number {
    return this.words[this.#rrsets + rrset * rrsetWords + rrsetAt.wireLength]!
  }

  /** Octets of the RRSIGs that stand behind the RRset's wire form; 0 when it has none. */
  signatureLength(rrset: number): number {
    return this.words[this.#rrsets + rrset * rrsetWords + rrsetAt.signatures]! & maxSignatures.octets
  }

  signatureCount(rrset: number): number {
    return this.words[this.#rrsets + rrset * rrsetWords + rrsetAt.signatures]! >>> 24
  }

  /** The RRset of the NSEC3 that is the first of the chain; the others follow. */
  get firstHashed(): number {
    return this.negativeSoa - this.#chainLength
  }

  /** Entries of the chain; 0 for a zone that is not signed. */
  get chainLength(): number {
    return this.#chainLength
  }

  /** Offset of the chain in `words`. */
  get chain(): number {
    return this.#chain
  }

  /** All nodes: those of a chain of NSEC in its order, so that whoever adds them to a zone again has them sorted, and then the others. */
  nodesInOrder(): Int32Array {
    const order = new Int32Array(this.nodeCount)
    const chained = new Uint8Array(this.nodeCount)
    let length = this.isHashed ? 0 : this.#chainLength
    for (let i = 0; i < length; i++) {
      const node = this.words[this.#chain + 2 * i + 1]!
      order[i] = node
      chained[node] = 1
    }
    for (let node = 0; node < chained.length; node++) if (chained[node] === 0) order[length++] = node
    return order
  }

  /** Where among the links those of an RRset begin. */
  links(rrset: number): number {
    return this.words[this.#rrsets + rrset * rrsetWords + rrsetAt.links]!
  }

  fixupCount(rrset: number): number {
    return this.words[this.#rrsets + rrset * rrsetWords + rrsetAt.linkCounts]! & 0xffff
  }

  /** See `packFixup`. */
  fixup(rrset: number, index: number): number {
    return this.words[this.#links + this.words[this.#rrsets + rrset * rrsetWords + rrsetAt.links]! + index]!
  }

  /** Reads the name that a node's CNAME leads to into `target`. */
  loadTarget(node: number, rrset: number, target: NameScan): void {
    const { bytes } = this
    const from = this.wire(rrset) + rrHeadLength
    const end = from + u16(bytes, from - 2)
    let rest = from
    while (bytes[rest] !== 0) rest += bytes[rest]! + 1
    if (end - rest !== pointerLength) {
      target.load(bytes, from, end)
      return
    }
    const fixup = this.fixup(rrset, 0)
    const offset = (fixup >>> 16) & maxPointer
    const apex = fixup >>> 30 === fixupBases.apex
    const at = apex ? this.apexName : this.name(node)
    const length = apex ? this.apexLength : this.nameLength(node)
    target.loadJoined(bytes, from, rest - from, bytes, at + offset, length - offset)
  }

  /** Whether the RRset's names have nodes in this zone that hold addresses. */
  hasTargets(rrset: number): boolean {
    return this.words[this.#rrsets + rrset * rrsetWords + rrsetAt.linkCounts]! >>> 16 !== 0
  }

  /** Node that holds the addresses of the name in RR number `index`, or -1, also when an RR before has the same name. Only where `hasTargets`. */
  target(rrset: number, index: number): number {
    return this.fixup(rrset, this.fixupCount(rrset) + index) - 1
  }
}
