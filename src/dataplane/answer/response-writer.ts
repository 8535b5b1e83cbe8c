/**
 * The message of a response while it is written into a buffer: copies wire forms out of images, patches the pointers in
 * them, counts, and keeps to the limit. Every write either happens whole or not at all. What is to be written is not
 * known here: the stages of `answer-section.ts`, `authority-section.ts` and `additional-section.ts` say it.
 */
import { fixupBases, type ZoneImage } from '../image/image.ts'
import { u16 } from '../wire/bytes.ts'
import {
  classes,
  headerLength,
  maxPointer,
  pointerBits,
  pointerLength,
  rcodes,
  rrHeadLength,
  types,
} from '../wire/constants.ts'
import type { NameScan } from '../wire/name-scan.ts'
import { hashLabelLength, hashWords, writeHashLabel } from '../wire/owner-hash.ts'
import { BufferViews } from './buffer-views.ts'
import { copyWords } from './copy-words.ts'

export const sections = { answer: 0, authority: 1, additional: 2 } as const
type Section = (typeof sections)[keyof typeof sections]

/** What a stage says of its section. After `truncated` the response holds a part of it, which nobody shall see. */
export type Fit = 'fits' | 'truncated'

/** The label of the NSEC3 that is written; filled anew for each. */
const hashLabel = new Uint8Array(hashLabelLength)

export class ResponseWriter {
  readonly #counts = new Uint16Array(3)
  readonly #views = new BufferViews()
  #out: Uint8Array = new Uint8Array(0)
  #view = new DataView(this.#out.buffer)
  #at = 0
  #limit = 0
  #questionEnd = 0
  #truncated = false
  /** Whether RRsets go with their signatures, where they have any (RFC 4035 section 3.1.1). */
  dnssecOk = false

  /** Where the response is written. */
  get out(): Uint8Array {
    return this.#out
  }

  /** Octets written so far. */
  get length(): number {
    return this.#at
  }

  hasRoom(octets: number): boolean {
    return this.#at + octets <= this.#limit
  }

  /** Octets that still fit; below 0 when what is kept free has no room. */
  get room(): number {
    return this.#limit - this.#at
  }

  /** Whether there is nothing but the question. */
  get isEmpty(): boolean {
    return this.#at === this.#questionEnd
  }

  /** RRs in the answer section. */
  get answers(): number {
    return this.#counts[sections.answer]!
  }

  /** Starts with the request's ID and its octets up to `questionEnd`, so the question keeps its case (RFC 4343, "0x20"). */
  begin(request: Uint8Array, questionEnd: number, out: Uint8Array, limit: number, dnssecOk: boolean): void {
    this.dnssecOk = dnssecOk
    out[0] = request[0]!
    out[1] = request[1]!
    for (let i = headerLength; i < questionEnd; i++) out[i] = request[i]!
    this.#view = this.#views.of(out)
    this.#out = out
    this.#questionEnd = questionEnd
    this.#limit = limit
    this.#truncated = false
    this.#empty()
  }

  /** RFC 2181 section 9: no part of an RRset that doesn't fit; the client comes back over TCP. */
  truncate(): void {
    this.#truncated = true
    this.#empty()
  }

  #empty(): void {
    this.#at = this.#questionEnd
    this.#counts[0] = 0
    this.#counts[1] = 0
    this.#counts[2] = 0
  }

  /**
   * Writes an RRset, and behind it its signatures.
   *
   * @param owner offset in the message at which the owner is spelled
   * @param apexAt offset in the message at which the zone's apex is spelled
   * @param signed whether its signatures go along
   * @returns offset of its first RR, or -1, with nothing written, when it doesn't fit
   */
  rrset(
    zone: ZoneImage,
    rrset: number,
    owner: number,
    apexAt: number,
    section: Section,
    signed = this.dnssecOk,
  ): number {
    const length = zone.wireLength(rrset) + (signed ? zone.signatureLength(rrset) : 0)
    const start = this.#at
    if (start + length > this.#limit) return -1
    this.#copyWords(zone.view, zone.wire(rrset), length)
    if (owner !== headerLength) this.#setOwners(start, owner)
    for (let i = zone.fixupCount(rrset) - 1; i >= 0; i--)
      this.#fixUp(zone.fixup(rrset, i), start, owner, apexAt)
    this.#counts[section]! += zone.rrCount(rrset)
    if (signed) this.#counts[section]! += zone.signatureCount(rrset)
    return start
  }

  /** Writes the signatures of an RRset into the answer section. Offsets are as those of `rrset`. */
  signatures(zone: ZoneImage, rrset: number, owner: number): number {
    const length = zone.signatureLength(rrset)
    const start = this.#at
    if (start + length > this.#limit) return -1
    this.#copyWords(zone.view, zone.wire(rrset) + zone.wireLength(rrset), length)
    this.#setOwners(start, owner)
    this.#counts[sections.answer]! += zone.signatureCount(rrset)
    return start
  }

  /**
   * Writes an NSEC of a node with its signatures into the authority section. Its name need not be spelled anywhere in the message: the
   * first `prefix` octets of it are written here.
   *
   * @param suffix offset in the message at which the rest of the name is spelled
   */
  nsec(zone: ZoneImage, node: number, rrset: number, prefix: number, suffix: number): Fit {
    return this.#denial(zone, rrset, zone.bytes, zone.name(node), prefix, suffix)
  }

  /**
   * The same with an NSEC3, by its place in the chain of a zone.
   *
   * @param apexAt offset in the message at which the zone's apex is spelled
   */
  nsec3(zone: ZoneImage, place: number, apexAt: number): Fit {
    writeHashLabel(zone.words, zone.chain + hashWords * place, hashLabel, 0)
    return this.#denial(zone, zone.firstHashed + place, hashLabel, 0, hashLabelLength, apexAt)
  }

  #denial(
    zone: ZoneImage,
    rrset: number,
    name: Uint8Array,
    nameAt: number,
    prefix: number,
    suffix: number,
  ): Fit {
    const length = zone.wireLength(rrset) + zone.signatureLength(rrset)
    const count = zone.rrCount(rrset) + zone.signatureCount(rrset)
    const start = this.#at
    // Behind much else, over a stream, no pointer reaches the first, and each RR spells its owner.
    const far = start > maxPointer
    if (start + length + (far ? count : 1) * prefix > this.#limit) return 'truncated'
    let from = zone.wire(rrset)
    if (!far) this.#spell(zone, name, nameAt, prefix, suffix, from, length)
    for (let rr = far ? count : 0; rr > 0; rr--) {
      const next = from + rrHeadLength + u16(zone.bytes, from + rrHeadLength - 2)
      this.#spell(zone, name, nameAt, prefix, suffix, from, next - from)
      from = next
    }
    this.#counts[sections.authority]! += count
    if (far) return 'fits'
    for (let rr = this.nextRr(start + prefix); rr < this.#at; rr = this.nextRr(rr)) this.#pointer(rr, start)
    return 'fits'
  }

  /** RRs of an image, of which the first spells its owner. */
  #spell(
    zone: ZoneImage,
    name: Uint8Array,
    nameAt: number,
    prefix: number,
    suffix: number,
    from: number,
    length: number,
  ): void {
    this.copy(name, nameAt, prefix)
    this.u16((pointerBits << 8) | suffix)
    this.#copyWords(zone.view, from + pointerLength, length - pointerLength)
  }

  #fixUp(fixup: number, start: number, owner: number, apexAt: number): void {
    const base = fixup >>> 30
    const offset = (fixup >>> 16) & maxPointer
    const to = base === fixupBases.rrset ? start : base === fixupBases.owner ? owner : apexAt
    const spelled = base === fixupBases.rrset ? to + offset : offset === 0 ? to : this.suffixAt(to, offset)
    this.#pointer(start + (fixup & 0xffff), spelled)
  }

  /** Points the owners of the RRs from `start` on to `owner`; as copied they point to the question. */
  #setOwners(start: number, owner: number): void {
    for (let rr = start; rr < this.#at; rr = this.nextRr(rr)) this.#pointer(rr, owner)
  }

  /** Offset behind the RR at `rr`. */
  nextRr(rr: number): number {
    return rr + rrHeadLength + u16(this.#out, rr + rrHeadLength - 2)
  }

  /**
   * Writes one RR into the answer section, in wire form but for its owner.
   *
   * @param owner offset in the message at which the owner is spelled
   * @returns its offset, or -1, with nothing written, when it doesn't fit
   */
  rr(source: DataView, from: number, length: number, owner: number): number {
    const at = this.#at
    if (at + length > this.#limit) return -1
    this.#copyWords(source, from, length)
    this.#pointer(at, owner)
    this.#counts[sections.answer]!++
    return at
  }

  /**
   * Writes RRSIGs into the answer section, in wire form but for their owner; there is room for them.
   *
   * @param owner offset in the message at which the owner is spelled
   * @returns offset of the first
   */
  rrsigs(source: DataView, from: number, length: number, count: number, owner: number): number {
    const start = this.#at
    this.#copyWords(source, from, length)
    if (owner !== headerLength) this.#setOwners(start, owner)
    this.#counts[sections.answer]! += count
    return start
  }

  setTtl(rr: number, ttlSeconds: number): void {
    this.#setU16(rr + 6, ttlSeconds >>> 16)
    this.#setU16(rr + 8, ttlSeconds)
  }

  /**
   * Writes the CNAME that a DNAME stands for (RFC 6672 section 3.1): the first `prefix` octets of `name` and a pointer to
   * the DNAME's target, with the DNAME's TTL.
   *
   * @param owner offset in the message at which `name` is spelled
   * @param dname offset of the DNAME in the message
   * @returns its offset, or -1, with nothing written, when it doesn't fit
   */
  synthesizeCname(owner: number, name: NameScan, prefix: number, dname: number): number {
    const out = this.#out
    const start = this.#at
    const length = prefix + pointerLength
    if (start + rrHeadLength + length > this.#limit) return -1
    // Type, class and TTL of the DNAME; then the type is put right.
    this.copy(out, dname, rrHeadLength)
    this.#pointer(start, owner)
    out[start + 3] = types.cname
    this.#setU16(start + 10, length)
    this.copy(name.bytes, 0, prefix)
    this.u16((pointerBits << 8) | (dname + rrHeadLength))
    this.#counts[sections.answer]!++
    return start
  }

  /** One TXT of class CH at the question's name, TTL 0. Text above 255 octets is cut. */
  chaosText(text: string): Fit {
    const octets = Buffer.from(text).subarray(0, 255)
    const { length } = octets
    const size = length + 1
    const head = [0, 0, 0, types.txt, 0, classes.ch, 0, 0, 0, 0, size >>> 8, size & 0xff, length]
    const rr = Uint8Array.from([...head, ...octets])
    const at = this.rr(new DataView(rr.buffer), 0, rr.length, headerLength)
    return at < 0 ? 'truncated' : 'fits'
  }

  /** Where the suffix that begins `offset` octets into the name at `at` is spelled; both may lie behind a pointer. */
  suffixAt(at: number, offset: number): number {
    const out = this.#out
    for (;;) {
      const label = out[at]!
      if (label >= pointerBits) at = this.pointedTo(at)
      else if (offset === 0) return at
      else {
        at += label + 1
        offset -= label + 1
      }
    }
  }

  /** Where the pointer at an offset leads. */
  pointedTo(at: number): number {
    return u16(this.#out, at) & maxPointer
  }

  /** Ends an OPT or a TSIG, whose RDATA begins at `start`. It was written without a look at the limit: its room was kept free. */
  endRecord(start: number): void {
    this.#setU16(start - 2, this.#at - start)
    this.#counts[sections.additional]!++
  }

  /** Writes the header. @returns the length of the message. */
  finish(request: Uint8Array, rcode: number, authoritative: boolean, question: boolean): number {
    const out = this.#out
    // QR, the opcode and RD as asked, AA, TC; RA, Z, AD and CD stay clear (RFC 8906 section 3.1.4, RFC 4035 section 3.2). What RD is
    // with an opcode that we do not know nobody can say.
    const copied = rcode === rcodes.notimp ? 0x78 : 0x79
    out[2] = 0x80 | (request[2]! & copied) | (authoritative ? 0x04 : 0) | (this.#truncated ? 0x02 : 0)
    out[3] = rcode & 0x0f
    out[4] = 0
    out[5] = question ? 1 : 0
    for (let section = 0; section < 3; section++) this.#setU16(6 + 2 * section, this.#counts[section]!)
    return this.#at
  }

  #pointer(at: number, to: number): void {
    this.#setU16(at, (pointerBits << 8) | to)
  }

  #setU16(at: number, value: number): void {
    this.#out[at] = value >>> 8
    this.#out[at + 1] = value
  }

  u8(value: number): void {
    this.#out[this.#at++] = value
  }

  u16(value: number): void {
    this.u8(value >>> 8)
    this.u8(value)
  }

  #copyWords(source: DataView, from: number, length: number): void {
    copyWords(this.#view, this.#at, source, from, length)
    this.#at += length
  }

  copy(source: Uint8Array, from: number, length: number): void {
    const out = this.#out
    const at = this.#at
    for (let i = 0; i < length; i++) out[at + i] = source[from + i]!
    this.#at = at + length
  }
}
