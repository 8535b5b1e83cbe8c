/**
 * The RRsets of a zone image that is edited: which parts of the image before go, and what comes in their place, in wire form with its
 * signatures and links. RRsets that stay are numbers here, as in the image. Bounded by the edit.
 */
import { canonicalRdata, sortRdata } from '../../wire/canonical.ts'
import { types } from '../../wire/constants.ts'
import { nameFields } from '../../wire/rdata.ts'
import { Words } from '../columns.ts'
import type { ZoneImage } from '../image.ts'
import { nameOf, rdataOf, ttlOf } from '../image-contents.ts'
import { nsecVariants } from '../nsec-variants.ts'
import { RrsetEncoder, type WireRrset } from '../rrset-encoder.ts'
import { type Signatures, UnsignedError } from '../signatures.ts'
import { PatchedHashes, PatchedNsecs } from './patched-chain.ts'
import { PatchedLinks } from './patched-links.ts'
import { type PatchedName, PatchedNames, type ZonePatch } from './patched-names.ts'
import { type Splice, Splices } from './splices.ts'

export interface ImagePatch extends ZonePatch {
  /** With the TTL of negative answers, and the TTL that is signed. */
  readonly negativeSoa: WireRrset
  readonly soaTtlSeconds: number
  /** NSEC3s that deny. */
  readonly hashed: readonly WireRrset[]
  /** Of a signed zone. */
  readonly signatures: Signatures | null
}

/** An RRset that comes, or stays with other links: what the image says of it. */
export interface Written {
  /** As in the image, but for the places of its parts. */
  readonly words: readonly [typeAndCount: number, wireLength: number, signatures: number, linkCounts: number]
  /** In the wire form of what comes; of one that stays, in the image's bytes. */
  readonly wire: number
  readonly stays: boolean
  /** In the links that come. */
  readonly links: number
  /** In the image afterwards. */
  index: number
}

export class PatchedRrsets {
  readonly names: PatchedNames
  readonly encoder: RrsetEncoder
  /** Of the image's RRsets, of its bytes from the first name on, and of its links. */
  readonly rrsets = new Splices()
  readonly bytes = new Splices()
  readonly links = new Splices()
  readonly addedLinks = new Words()
  /** What the chain comes to; null for the one that the zone doesn't have. */
  readonly nsecs: PatchedNsecs | null
  readonly hashes: PatchedHashes | null
  /** RRsets that stay, and link to other nodes. */
  readonly relinked = new Map<number, Written>()
  /** What comes into the RRsets, by the splice that makes room for it. */
  readonly written: { readonly splice: Splice; readonly rrsets: readonly (Written | number)[] }[] = []
  /** Touched names: the splice of their RRsets. */
  readonly owned = new Map<PatchedName, Splice>()
  /** RRsets of touched names that stay. */
  readonly #kept = new Set<number>()
  readonly #patch: ImagePatch
  readonly #image: ZoneImage
  readonly #linker: PatchedLinks

  /** @throws UnsignedError, TooManyTouched */
  constructor(patch: ImagePatch) {
    const { image, apex, left, hashed } = patch
    this.#patch = patch
    this.#image = image
    this.names = new PatchedNames(patch)
    this.#linker = new PatchedLinks(this.names, apex)
    this.encoder = new RrsetEncoder(apex, 0)
    const isNsec = image.isSigned && !image.isHashed
    this.nsecs = isNsec ? new PatchedNsecs(image, this.names, (each) => this.#isChained(each)) : null
    const gone = [...left.keys()].filter((rrset) => rrset >= image.firstHashed)
    this.hashes = image.isHashed ? new PatchedHashes(image, gone, hashed) : null
    this.#replaceNames()
    this.#relink()
    this.#replaceHashed()
    this.#replaceNegativeSoa()
    for (const splices of [this.rrsets, this.bytes, this.links]) splices.seal()
  }

  /** Of RRsets that stay where they are, the links that are others now. */
  #relink(): void {
    const image = this.#image
    for (const [rrset, node] of this.#linker.affected(image)) {
      if (this.names.ofNode(node) !== undefined && !this.#kept.has(rrset)) continue
      const targets = this.#linker.linksOf({
        owner: nameOf(image, node),
        type: image.type(rrset),
        rdata: rdataOf(image, node, rrset),
      })
      const fixups = Array.from({ length: image.fixupCount(rrset) }, (_, index) => image.fixup(rrset, index))
      const typeAndCount = image.type(rrset) | (image.rrCount(rrset) << 16)
      const signatures = image.signatureLength(rrset) | (image.signatureCount(rrset) << 24)
      const linkCounts = fixups.length | (targets.length << 16)
      this.#cutLinks(rrset)
      this.relinked.set(rrset, {
        words: [typeAndCount, image.wireLength(rrset), signatures, linkCounts],
        wire: image.wire(rrset),
        stays: true,
        links: this.#addLinks([...fixups, ...targets]),
        index: -1,
      })
    }
  }

  #replaceNames(): void {
    const image = this.#image
    for (const each of this.names) {
      const { node, rrsets } = each
      const first = node < 0 ? 0 : image.firstRrset(node)
      const count = node < 0 ? 0 : image.rrsetCount(node)
      const isOwn = (type: number) => isOwnAt(each, type)
      this.#check(each)
      const written = rrsets.map((rrset) => this.#keepOrEncode(each, rrset, isOwn))
      for (const one of written) if (typeof one === 'number') this.#kept.add(one)
      for (let rrset = first; rrset < first + count; rrset++) {
        if (this.#kept.has(rrset)) continue
        this.#cutWire(rrset)
        this.#cutLinks(rrset)
      }
      if (node >= 0 && each.place < 0) this.#cutBytes(image.name(node), image.nameLength(node))
      // Where there were none there is no place for them.
      const at = count === 0 ? this.#firstUnowned : first
      const splice = this.rrsets.add(at, count, written.length)
      this.written.push({ splice, rrsets: written })
      this.owned.set(each, splice)
    }
  }

  #replaceHashed(): void {
    const image = this.#image
    if (this.hashes === null) return
    for (const rrset of this.#patch.left.keys()) {
      if (rrset < image.firstHashed) continue
      this.rrsets.add(rrset, 1, 0)
      this.#cutWire(rrset)
      this.#cutLinks(rrset)
    }
    for (const { rrset, splice } of this.hashes.added) {
      const at = this.rrsets.add(image.firstHashed + splice.at, 0, 1)
      this.written.push({ splice: at, rrsets: [this.#encode(rrset, true)] })
    }
  }

  /** It is written behind all others, so that the image says where its bytes end. */
  #replaceNegativeSoa(): void {
    const { image, negativeSoa, soaTtlSeconds } = this.#patch
    this.#cutWire(image.negativeSoa)
    this.#cutLinks(image.negativeSoa)
    const splice = this.rrsets.add(image.negativeSoa, 1, 1)
    this.written.push({ splice, rrsets: [this.#encode(negativeSoa, true, soaTtlSeconds)] })
  }

  get #firstUnowned(): number {
    const image = this.#image
    return image.isHashed ? image.firstHashed : image.negativeSoa
  }

  #cutWire(rrset: number): void {
    const image = this.#image
    this.#cutBytes(image.wire(rrset), image.wireLength(rrset) + image.signatureLength(rrset))
  }

  #cutBytes(at: number, octets: number): void {
    this.bytes.add(at - this.#image.apexName, octets, 0)
  }

  #cutLinks(rrset: number): void {
    const image = this.#image
    const targets = image.hasTargets(rrset) ? image.rrCount(rrset) : 0
    this.links.add(image.links(rrset), image.fixupCount(rrset) + targets, 0)
  }

  #addLinks(links: readonly number[]): number {
    const at = this.addedLinks.reserve(links.length)
    this.addedLinks.words.set(links, at)
    return at
  }

  /** One that stays as it is, by its index, unless it has to be signed now, or not any more. */
  #keepOrEncode(
    { name, node }: PatchedName,
    rrset: number | WireRrset,
    isOwn: (type: number) => boolean,
  ): Written | number {
    const image = this.#image
    if (typeof rrset !== 'number') return this.#encode(rrset, isOwn(rrset.type))
    const type = image.type(rrset)
    const isSigned = image.signatureCount(rrset) > 0
    if (this.#patch.signatures === null || isSigned === isOwn(type)) return rrset
    const whole = { owner: name, type, ttlSeconds: ttlOf(image, rrset), rdata: rdataOf(image, node, rrset) }
    return this.#encode(whole, isOwn(type))
  }

  #encode(rrset: WireRrset, isOwn: boolean, originalTtlSeconds = rrset.ttlSeconds): Written {
    const { owner, type, ttlSeconds, rdata } = rrset
    const encoder = this.encoder
    const wire = encoder.wire.length
    const fixups = encoder.fixups.length
    encoder.encode(
      rrset,
      rdata.map((octets) => nameFields(type, octets)),
    )
    const wireLength = encoder.wire.length - wire
    let signatures = 0
    if (this.#patch.signatures !== null && isOwn) {
      const data = sortRdata(rdata.map((octets) => canonicalRdata(type, octets)))
      const found = this.#patch.signatures.find(owner, type, originalTtlSeconds, data)
      if (found === undefined) throw new UnsignedError(owner, type, 'has no signature')
      signatures = encoder.sign(found, ttlSeconds)
    }
    const own = encoder.fixups.words.subarray(fixups, encoder.fixups.length)
    const targets = this.#linker.linksOf(rrset)
    return {
      words: [type | (rdata.length << 16), wireLength, signatures, own.length | (targets.length << 16)],
      wire,
      stays: false,
      links: this.#addLinks([...own, ...targets]),
      index: -1,
    }
  }

  /** A name of which the zone has data of its own has an NSEC, and a service has all of its own (`chain-writer.ts`). */
  #check(each: PatchedName): void {
    if (this.nsecs === null || !this.#isChained(each)) return
    const nsecs = each.rrsets.filter((rrset) => this.names.typeOf(rrset) === types.nsec).length
    if (each.service > 0 && each.cut === 0 && nsecs !== nsecVariants.length)
      throw new UnsignedError(each.name, types.nsec, 'is not all that a service needs')
    if (nsecs === 0) throw new UnsignedError(each.name, types.nsec, 'is missing')
  }

  /** Whether a name owns an NSEC, or ought to: it has data of the zone's own, or is a cut. */
  #isChained(each: PatchedName): boolean {
    const isShownService = each.service > 0 && each.cut === 0 && isOwnAt(each, types.nsec)
    if (isShownService || (each.cut === each.place + 1 && each.place > 0)) return true
    return each.rrsets.some((rrset) => isOwnAt(each, this.names.typeOf(rrset)))
  }
}

/** Whether the zone speaks for RRs of a type at a name itself (`image-writer.ts`). */
function isOwnAt({ cut, dname, place }: PatchedName, type: number): boolean {
  if (cut !== 0) return cut === place + 1 && (type === types.ds || type === types.nsec)
  return dname === 0 || dname === place + 1
}
