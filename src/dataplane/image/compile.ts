/**
 * Compiles a zone's RRsets into a zone image (layout: `image.ts`). Fed RRset by RRset, in any order, so that a large
 * zone can stream from the store.
 *
 * Two passes. What comes in is encoded at once into columns (`columns.ts`), names into a table of nodes; the second pass
 * brings nodes and RRsets into their order, links them, and writes the image, whose size is known by then. So the
 * compiler holds about the image once more and hardly an object: a million RRsets cost no garbage collection.
 */
import { canonicalRdata, sortRdata } from '../wire/canonical.ts'
import { types } from '../wire/constants.ts'
import { hashWords, readHashLabel } from '../wire/owner-hash.ts'
import { nameFields, parseRdata } from '../wire/rdata.ts'
import { addedAt, addedWords } from './chain-writer.ts'
import { Words } from './columns.ts'
import { headerAt, type ZoneImage, zoneFlags } from './image.ts'
import { writeImage } from './image-writer.ts'
import { NodeTable } from './node-table.ts'
import { RrsetEncoder, type WireRrset } from './rrset-encoder.ts'
import type { Signatures } from './signatures.ts'

export interface CompileOptions {
  /** An image of about the same size, which saves growing. */
  readonly like?: ZoneImage
  /**
   * Makes it a signed zone: what is added has an NSEC at each name of which the zone has data of its own, or an NSEC3 for each such
   * name and the empty ones above it, and all such data has signatures here. Without them NSECs are data like any other.
   */
  readonly signatures?: Signatures | undefined
}

/** An RRset in an image of the same zone. */
export interface ImageRrset {
  readonly image: ZoneImage
  readonly rrset: number
}

export class ZoneCompiler {
  readonly #nodes: NodeTable
  readonly #encoder: RrsetEncoder
  /** Plan slot + 1 by node. */
  readonly #services = new Map<number, number>()
  /** See `addedAt`. */
  readonly #added: Words
  /** Of the NSEC3s that deny, in the order in which they were added. */
  readonly #hashes = new Words()
  readonly #soa: WireRrset
  readonly #signatures: Signatures | null

  /**
   * @param apex lower-cased wire form
   * @param soa the SOA's RDATA and TTL; negative answers carry it with the lesser of TTL and MINIMUM
   */
  constructor(
    apex: Uint8Array,
    soa: { readonly rdata: Uint8Array; readonly ttlSeconds: number },
    { like, signatures }: CompileOptions = {},
  ) {
    this.#signatures = signatures ?? null
    // Some room for what comes beyond it.
    const expected = (count: number | undefined) => Math.ceil(1.01 * (count ?? 0)) + 16
    // Names and wire forms stand at an image's end, and the apex is the first name.
    const octets = expected(like === undefined ? 0 : like.bytes.length - like.apexName)
    this.#nodes = new NodeTable(apex, { nodes: expected(like?.nodeCount), octets: octets >> 2 })
    this.#encoder = new RrsetEncoder(apex, octets)
    this.#added = new Words(addedWords * expected(like?.rrsetTotal))
    this.#soa = { owner: apex, type: types.soa, ttlSeconds: soa.ttlSeconds, rdata: [soa.rdata] }
    this.add(this.#soa)
  }

  /**
   * @param signed the same RRset with signatures that it keeps; others are looked for
   * @throws TextError when the octets of a type that has names are malformed; the RRset is left out then.
   */
  add(rrset: WireRrset, signed?: ImageRrset): void {
    this.#encode(rrset)
    if (this.#signatures === null) return
    if (signed === undefined) this.#sign(rrset, rrset.ttlSeconds)
    else this.#noteSignatures(this.#encoder.copySignatures(signed.image, signed.rrset))
  }

  /** Adds an RRset of an image of the same zone with its signatures, of a type without targets; its owner is that node of the image. */
  addFrom(image: ZoneImage, node: number, rrset: number): void {
    const owner = image.name(node)
    this.#begin(
      this.#nodes.take(image.bytes, owner, owner + image.nameLength(node)),
      image.type(rrset),
      image.rrCount(rrset),
    )
    this.#noteSignatures(this.#encoder.copy(image, rrset, this.#signatures !== null))
  }

  /** The same with an NSEC3 that denies, by its place in the chain of the image. */
  addHashedFrom(image: ZoneImage, index: number): void {
    const at = this.#hashes.reserve(hashWords)
    const from = image.chain + hashWords * index
    this.#hashes.words.set(image.words.subarray(from, from + hashWords), at)
    const rrset = image.firstHashed + index
    this.#begin(nodeOfHash(at), types.nsec3, image.rrCount(rrset))
    this.#noteSignatures(this.#encoder.copy(image, rrset, true))
  }

  /**
   * A name whose A and AAAA come from the plan in `slot`. In a signed zone, what is added has its NSECs or NSEC3s
   * (`nsec-variants.ts`).
   */
  addService(owner: Uint8Array, slot: number): void {
    this.#services.set(this.#nodes.take(owner, 0, owner.length), slot + 1)
  }

  /**
   * The image. Ends the compiler's life.
   *
   * @throws UnsignedError when a signed zone lacks a signature or an NSEC
   */
  finish(): SharedArrayBuffer {
    const negative = negativeSoa(this.#soa)
    this.#encode(negative)
    // Its TTL may be less than what is signed.
    this.#sign(negative, this.#soa.ttlSeconds)
    // Where the last one's parts end.
    this.#begin(0, 0, 0)
    const added = this.#added.words.subarray(0, this.#added.length)
    return writeImage({
      nodes: this.#nodes,
      encoder: this.#encoder,
      services: this.#services,
      added,
      signed: this.#signatures !== null,
      hashes: this.#hashes.words.subarray(0, this.#hashes.length),
      count: added.length / addedWords - 1,
    })
  }

  #encode(rrset: WireRrset): void {
    const { owner, type, rdata } = rrset
    const names = rdata.map((octets) => nameFields(type, octets))
    const denies = type === types.nsec3 && this.#signatures !== null
    const node = denies ? this.#takeHash(owner) : this.#nodes.take(owner, 0, owner.length)
    this.#begin(node, type, rdata.length)
    this.#encoder.encode(rrset, names)
  }

  #takeHash(owner: Uint8Array): number {
    const at = this.#hashes.reserve(hashWords)
    readHashLabel(owner, 0, this.#hashes.words, at)
    return nodeOfHash(at)
  }

  /** Writes the signatures of the RRset that was added last. Whether it needs any is known when the zone's cuts are. */
  #sign({ owner, type, ttlSeconds, rdata }: WireRrset, originalTtlSeconds: number): void {
    if (this.#signatures === null) return
    const data = sortRdata(rdata.map((octets) => canonicalRdata(type, octets)))
    const found = this.#signatures.find(owner, type, originalTtlSeconds, data)
    if (found !== undefined) this.#noteSignatures(this.#encoder.sign(found, ttlSeconds))
  }

  #noteSignatures(signatures: number): void {
    this.#added.words[this.#added.length - addedWords + addedAt.signatures] = signatures
  }

  #begin(node: number, type: number, count: number): void {
    const { wire, fixups, targetEnds } = this.#encoder
    const added = this.#added
    const at = added.reserve(addedWords)
    added.words[at + addedAt.node] = node
    added.words[at + addedAt.typeAndCount] = type | (count << 16)
    added.words[at + addedAt.wire] = wire.length
    added.words[at + addedAt.fixups] = fixups.length
    added.words[at + addedAt.targets] = targetEnds.length
  }
}

/** The SOA as negative answers have it: with the lesser of its TTL and MINIMUM (RFC 2308 section 5). */
export function negativeSoa(soa: WireRrset): WireRrset {
  const rdata = soa.rdata[0]!
  const minimum = new DataView(rdata.buffer, rdata.byteOffset).getUint32(rdata.length - 4)
  return { ...soa, ttlSeconds: Math.min(minimum, soa.ttlSeconds) }
}

/** What stands in the place of the node of an NSEC3, whose hash is at a place among the hashes. */
const nodeOfHash = (at: number) => -1 - at / hashWords

/**
 * The image of a zone of which nothing may be believed any more, because its signatures have ended: it has no data, and whatever is
 * asked of it is answered with SERVFAIL.
 *
 * @param apex lower-cased wire form
 */
export function compileBrokenZone(apex: Uint8Array): SharedArrayBuffer {
  const soa = parseRdata('SOA', '. . 0 0 0 0 0', apex)
  const image = new ZoneCompiler(apex, { rdata: soa, ttlSeconds: 0 }).finish()
  new Int32Array(image)[headerAt.flags] = zoneFlags.broken
  return image
}
