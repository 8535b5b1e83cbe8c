/**
 * Writes a response into a buffer: copies wire forms out of images, patches the pointers in them, and keeps to the
 * limit. Every write either happens whole or not at all.
 */
import type { Counters } from '../counters.ts'
import { fixupBases, type ZoneImage } from '../image/image.ts'
import type { Candidates, Leaf } from '../image/plan.ts'
import {
  classes,
  headerLength,
  isServiceBinding,
  maxPointer,
  pointerLength,
  questionPointer,
  rrHeadLength,
  types,
} from '../wire/constants.ts'
import type { NameScan } from '../wire/name-scan.ts'
import type { Clock } from './clock.ts'
import type { Draw } from './draw.ts'

export type Section = 0 | 1 | 2

export class ResponseWriter {
  readonly #counters: Counters
  readonly #draw: Draw
  readonly #clock: Clock
  readonly #counts = new Uint16Array(3)
  readonly #uncompressed = new Uint8Array(256)
  #out: Uint8Array = new Uint8Array(0)
  #at = 0
  #limit = 0
  #questionEnd = 0
  #truncated = false
  /** Offset in the message of the RDATA of the first RR that `rrset` or `cname` wrote last. */
  rdataAt = 0

  constructor(counters: Counters, draw: Draw, clock: Clock) {
    this.#counters = counters
    this.#draw = draw
    this.#clock = clock
  }

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

  /** RRs in the answer section. */
  get answers(): number {
    return this.#counts[0]!
  }

  /** Starts with the request's octets up to `questionEnd`, so the question keeps its case (RFC 4343, "0x20"). */
  begin(request: Uint8Array, questionEnd: number, out: Uint8Array, limit: number): void {
    for (let i = 0; i < questionEnd; i++) out[i] = request[i]!
    this.#out = out
    this.#at = questionEnd
    this.#questionEnd = questionEnd
    this.#limit = limit
    this.#truncated = false
    this.#counts[0] = 0
    this.#counts[1] = 0
    this.#counts[2] = 0
  }

  truncate(): void {
    this.#at = this.#questionEnd
    this.#truncated = true
    this.#counts[0] = 0
    this.#counts[1] = 0
    this.#counts[2] = 0
  }

  /**
   * @param owner offset in the message at which the owner is spelled
   * @param apexAt offset in the message at which the zone's apex is spelled
   * @returns false, with nothing written, when it doesn't fit
   */
  rrset(zone: ZoneImage, rrset: number, owner: number, apexAt: number, section: Section): boolean {
    const length = zone.wireLength(rrset)
    if (this.#at + length > this.#limit) return false
    const start = this.#at
    this.#copy(zone.bytes, zone.wire(rrset), length)
    const count = zone.rrCount(rrset)
    this.rdataAt = start + rrHeadLength
    if (owner !== headerLength) this.#setOwners(start, owner)
    for (let i = zone.fixupCount(rrset) - 1; i >= 0; i--)
      this.#fixUp(zone.fixup(rrset, i), start, owner, apexAt)
    this.#counts[section]! += count
    return true
  }

  #fixUp(fixup: number, start: number, owner: number, apexAt: number): void {
    const base = fixup >>> 30
    const offset = (fixup >>> 16) & maxPointer
    const to = base === fixupBases.rrset ? start : base === fixupBases.owner ? owner : apexAt
    const spelled = base === fixupBases.rrset ? to + offset : offset === 0 ? to : this.suffixAt(to, offset)
    this.#pointer(start + (fixup & 0xffff), spelled)
  }

  /** Octets of the RDATA at `rdataAt`. */
  get rdataLength(): number {
    return (this.#out[this.rdataAt - 2]! << 8) | this.#out[this.rdataAt - 1]!
  }

  /**
   * The CNAME that a DNAME, the RRset just written, stands for (RFC 6672 section 3.1): the first `prefix` octets of `name`
   * and a pointer to the DNAME's target, with the DNAME's TTL.
   *
   * @returns false, with nothing written, when it doesn't fit
   */
  synthesizeCname(owner: number, name: NameScan, prefix: number): boolean {
    const out = this.#out
    const targetAt = this.rdataAt
    const start = this.#at
    const length = prefix + pointerLength
    if (start + rrHeadLength + length > this.#limit) return false
    // Type, class and TTL of the DNAME; then the type is put right.
    this.#copy(out, targetAt - rrHeadLength, rrHeadLength)
    this.#pointer(start, owner)
    out[start + 3] = types.cname
    out[start + 10] = length >>> 8
    out[start + 11] = length & 0xff
    this.#copy(name.bytes, 0, prefix)
    this.#pointer(this.#at, targetAt)
    this.#at += pointerLength
    this.rdataAt = start + rrHeadLength
    this.#counts[0]!++
    return true
  }

  /** One TXT of class CH at the question's name, TTL 0. Text above 255 octets is cut. */
  chaosText(text: string): void {
    const octets = Buffer.from(text).subarray(0, 255)
    const head = [
      questionPointer >>> 8,
      questionPointer & 0xff,
      0,
      types.txt,
      0,
      classes.ch,
      0,
      0,
      0,
      0,
      0,
      octets.length + 1,
      octets.length,
    ]
    this.#copy(Uint8Array.from([...head, ...octets]), 0, head.length + octets.length)
    this.#counts[0]!++
  }

  /** Points the owners of the RRs from `start` on to `owner`; as copied they point to the question. */
  #setOwners(start: number, owner: number): void {
    for (let rr = start; rr < this.#at; rr = this.#nextRr(rr)) this.#pointer(rr, owner)
  }

  #nextRr(rr: number): number {
    return rr + rrHeadLength + ((this.#out[rr + 10]! << 8) | this.#out[rr + 11]!)
  }

  /** The addresses that go along with the RRset just written, as a courtesy (MX, SRV, SVCB, NS of an apex). */
  additional(zone: ZoneImage, rrset: number, apexAt: number): void {
    if (zone.hasTargets(rrset))
      this.#targets(zone, rrset, this.#at - zone.wireLength(rrset), apexAt, -1, false)
  }

  /**
   * The glue of the referral whose NS were just written. Addresses of servers at or below the cut come first, because without
   * them nobody gets there; those of others may be left out (RFC 9471 section 3).
   *
   * @param cut the node of the cut
   * @returns false when an address at or below the cut does not fit
   */
  glue(zone: ZoneImage, rrset: number, apexAt: number, cut: number): boolean {
    if (!zone.hasTargets(rrset)) return true
    const start = this.#at - zone.wireLength(rrset)
    if (!this.#targets(zone, rrset, start, apexAt, cut, true)) return false
    this.#targets(zone, rrset, start, apexAt, cut, false)
    return true
  }

  /**
   * Writes the addresses of an RRset's targets, of those at or below the cut or of all others.
   *
   * @returns false when one did not fit; those before it stay.
   */
  #targets(
    zone: ZoneImage,
    rrset: number,
    start: number,
    apexAt: number,
    cut: number,
    below: boolean,
  ): boolean {
    const type = zone.type(rrset)
    const binding = isServiceBinding(type)
    const nameOffset = rrHeadLength + targetOffset(type)
    let rr = start
    for (let i = 0; i < zone.rrCount(rrset); i++) {
      const node = zone.target(rrset, i)
      const target = rr + nameOffset
      // There the root stands for the owner (RFC 9460 section 2.5.2), which the RR points to.
      const spelled = binding && this.#out[target] === 0 ? this.#pointedTo(rr) : target
      rr = this.#nextRr(rr)
      // Only a stream can carry an RRset so large that a pointer doesn't reach its end; courtesy ends there.
      if (target > maxPointer) return true
      if (node < 0 || (cut >= 0 && zone.cut(node) === cut) !== below) continue
      if (!this.#atTarget(zone, zone.rrset(node, types.a), spelled, apexAt)) return false
      if (!this.#atTarget(zone, zone.rrset(node, types.aaaa), spelled, apexAt)) return false
      if (!binding) continue
      const next = zone.rrset(node, type)
      if (next !== rrset && !this.#atTarget(zone, next, spelled, apexAt)) return false
    }
    return true
  }

  #atTarget(zone: ZoneImage, rrset: number, owner: number, apexAt: number): boolean {
    return rrset < 0 || this.rrset(zone, rrset, owner, apexAt, 2)
  }

  /** Chooses among a leaf's candidates of one family. @returns false when the answer doesn't fit. */
  members(leaf: Leaf, candidates: Candidates, owner: number): boolean {
    const count = Math.min(leaf.answers, candidates.count)
    if (this.#at + count * candidates.rrLength > this.#limit) return false
    this.#draw.several(leaf, candidates, count)
    const { indexes } = this.#draw
    for (let i = 0; i < count; i++) this.#member(leaf, candidates, indexes[i]!, owner)
    this.#counts[0]! += count
    return true
  }

  #member(leaf: Leaf, candidates: Candidates, index: number, owner: number): void {
    const at = this.#at
    this.#copy(leaf.bytes, candidates.wire(index), candidates.rrLength)
    this.#pointer(at, owner)
    if (leaf.expiresAtSeconds !== 0) this.#setTtl(at, this.#ttlNow(leaf))
    this.#counters.answer(candidates.counter(index))
  }

  /** What is left of the TTL of the addresses, if that is less than the service's. */
  #ttlNow(leaf: Leaf): number {
    const left = leaf.expiresAtSeconds - Math.floor(this.#clock.nowMs / 1000)
    return Math.min(leaf.ttlSeconds, Math.max(1, left))
  }

  #setTtl(rr: number, ttlSeconds: number): void {
    const out = this.#out
    out[rr + 6] = ttlSeconds >>> 24
    out[rr + 7] = ttlSeconds >>> 16
    out[rr + 8] = ttlSeconds >>> 8
    out[rr + 9] = ttlSeconds
  }

  /** One of the names that a leaf makes the service an alias of. @returns false when it doesn't fit */
  cname(leaf: Leaf, cnames: Candidates, owner: number): boolean {
    const { bytes } = leaf
    const index = this.#draw.one(leaf, cnames)
    const wire = cnames.wire(index)
    const length = rrHeadLength + ((bytes[wire + 10]! << 8) | bytes[wire + 11]!)
    if (this.#at + length > this.#limit) return false
    const at = this.#at
    this.#copy(bytes, wire, length)
    this.#pointer(at, owner)
    this.rdataAt = at + rrHeadLength
    this.#counters.answer(cnames.counter(index))
    this.#counts[0]!++
    return true
  }

  /** Where the suffix that begins `offset` octets into the name at `at` is spelled; both may lie behind a pointer. */
  suffixAt(at: number, offset: number): number {
    const out = this.#out
    for (;;) {
      const label = out[at]!
      if (label >= 0xc0) at = this.#pointedTo(at)
      else if (offset === 0) return at
      else {
        at += label + 1
        offset -= label + 1
      }
    }
  }

  /** Reads the name at an offset of the message, which may end in a pointer, into `name`. */
  expandName(at: number, name: NameScan): void {
    const out = this.#out
    const flat = this.#uncompressed
    let to = 0
    for (;;) {
      at = this.suffixAt(at, 0)
      const label = out[at]!
      for (let i = 0; i <= label; i++) flat[to++] = out[at++]!
      if (label === 0) break
    }
    name.load(flat, 0, to)
  }

  /** Says that an OPT was written, which ends at `at`. */
  endOpt(at: number): void {
    this.#at = at
    this.#counts[2]!++
  }

  /** Writes the header. @returns the length of the message. */
  finish(request: Uint8Array, rcode: number, authoritative: boolean, question: boolean): number {
    const out = this.#out
    // QR, the opcode and RD as asked, AA, TC; RA, Z, AD and CD stay clear (RFC 8906 section 3.1.4, RFC 4035 section 3.2).
    out[2] = 0x80 | (request[2]! & 0x79) | (authoritative ? 0x04 : 0) | (this.#truncated ? 0x02 : 0)
    out[3] = rcode & 0x0f
    out[4] = 0
    out[5] = question ? 1 : 0
    for (let section = 0; section < 3; section++) {
      const count = this.#counts[section]!
      out[6 + 2 * section] = count >>> 8
      out[7 + 2 * section] = count & 0xff
    }
    return this.#at
  }

  /** Where the pointer at an offset leads. */
  #pointedTo(at: number): number {
    return ((this.#out[at]! & 0x3f) << 8) | this.#out[at + 1]!
  }

  #pointer(at: number, to: number): void {
    this.#out[at] = 0xc0 | (to >>> 8)
    this.#out[at + 1] = to & 0xff
  }

  #copy(source: Uint8Array, from: number, length: number): void {
    const out = this.#out
    const at = this.#at
    for (let i = 0; i < length; i++) out[at + i] = source[from + i]!
    this.#at = at + length
  }
}

/** Octets of RDATA before the target's name. */
function targetOffset(type: number): number {
  return type === types.srv ? 6 : type === types.ns ? 0 : 2
}
