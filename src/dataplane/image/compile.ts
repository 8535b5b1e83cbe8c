/**
 * Compiles a zone's RRsets into a zone image (layout: `image.ts`). Fed RRset by RRset, in any order, so that a large
 * zone can stream from the store.
 *
 * Two passes. What comes in is encoded at once into columns (`columns.ts`), names into a table of nodes; the second pass
 * brings nodes and RRsets into their order, links them, and writes the image, whose size is known by then. So the
 * compiler holds about the image once more and hardly an object: a million RRsets cost no garbage collection.
 */
import { types } from '../wire/constants.ts'
import { nameFields } from '../wire/rdata.ts'
import { Words } from './columns.ts'
import type { ZoneImage } from './image.ts'
import { addedAt, addedWords, writeImage } from './image-writer.ts'
import { NodeTable } from './node-table.ts'
import { RrsetEncoder, type WireRrset } from './rrset-encoder.ts'

export class ZoneCompiler {
  readonly #nodes: NodeTable
  readonly #encoder: RrsetEncoder
  /** Plan slot + 1 by node. */
  readonly #services = new Map<number, number>()
  /** See `addedAt`. */
  readonly #added: Words
  readonly #soa: WireRrset

  /**
   * @param apex lower-cased wire form
   * @param soa the SOA's RDATA and TTL; negative answers carry it with the lesser of TTL and MINIMUM
   * @param like an image of about the same size, which saves growing
   */
  constructor(
    apex: Uint8Array,
    soa: { readonly rdata: Uint8Array; readonly ttlSeconds: number },
    like?: ZoneImage,
  ) {
    // Some room for what comes beyond it.
    const expected = (count: number | undefined) => Math.ceil(1.01 * (count ?? 0)) + 16
    const octets = expected(like?.bytes.length)
    this.#nodes = new NodeTable(apex, { nodes: expected(like?.nodeCount), octets: octets >> 2 })
    this.#encoder = new RrsetEncoder(apex, octets >> 2)
    this.#added = new Words(addedWords * expected(like?.rrsetTotal))
    this.#soa = { owner: apex, type: types.soa, ttlSeconds: soa.ttlSeconds, rdata: [soa.rdata] }
    this.add(this.#soa)
  }

  /** @throws TextError when the octets of a type that has names are malformed; the RRset is left out then. */
  add(rrset: WireRrset): void {
    const { owner, type, rdata } = rrset
    const names = rdata.map((octets) => nameFields(type, octets))
    this.#begin(this.#nodes.take(owner, 0, owner.length), type, rdata.length)
    this.#encoder.encode(rrset, names)
  }

  /** Adds an RRset of an image of the same zone, of a type without targets; its owner is that node of the image. */
  addFrom(image: ZoneImage, node: number, rrset: number): void {
    const owner = image.name(node)
    this.#begin(
      this.#nodes.take(image.bytes, owner, owner + image.nameLength(node)),
      image.type(rrset),
      image.rrCount(rrset),
    )
    this.#encoder.copy(image, rrset)
  }

  /** A name whose A and AAAA come from the plan in `slot`. */
  addService(owner: Uint8Array, slot: number): void {
    this.#services.set(this.#nodes.take(owner, 0, owner.length), slot + 1)
  }

  /** The image. Ends the compiler's life. */
  finish(): SharedArrayBuffer {
    this.add(this.#negativeSoa())
    // Where the last one's parts end.
    this.#begin(0, 0, 0)
    const added = this.#added.words.subarray(0, this.#added.length)
    return writeImage({
      nodes: this.#nodes,
      encoder: this.#encoder,
      services: this.#services,
      added,
      count: added.length / addedWords - 1,
    })
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

  #negativeSoa(): WireRrset {
    const rdata = this.#soa.rdata[0]!
    const minimum = new DataView(rdata.buffer, rdata.byteOffset).getUint32(rdata.length - 4)
    return { ...this.#soa, ttlSeconds: Math.min(minimum, this.#soa.ttlSeconds) }
  }
}
