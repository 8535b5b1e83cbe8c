/**
 * RRsets in the wire form of an image (see `image.ts`), one behind the other, with their fix-ups and the names of their
 * targets beside them.
 *
 * Compression here is what no message can change: a compressible name's end is left out where the apex, the owner or an
 * RR before in the same RRset spells it.
 */
import { ByteWriter } from '../wire/bytes.ts'
import { classes, isServiceBinding, questionPointer, types } from '../wire/constants.ts'
import type { NameField } from '../wire/rdata.ts'
import { Words } from './columns.ts'
import { fixupBases, maxFixupOffset, maxSignatures, packFixup, type ZoneImage } from './image.ts'

/** One RRset in wire terms. */
export interface WireRrset {
  /** Lower-cased wire form, at or below the apex. */
  readonly owner: Uint8Array
  readonly type: number
  readonly ttlSeconds: number
  readonly rdata: readonly Uint8Array[]
}

/** Types whose target's addresses go along in the additional section (RFC 1035 section 3.3, RFC 2782, RFC 9460 section 4.2). */
export const targetTypes: ReadonlySet<number> = new Set([
  types.ns,
  types.mx,
  types.srv,
  types.svcb,
  types.https,
])
/** A value that no fix-up can have: its base would be 3. */
const nowhere = -1

export class RrsetEncoder {
  /** Wire forms. */
  readonly wire: ByteWriter
  /** Fix-ups, each `at` counted from the beginning of its RRset. */
  readonly fixups = new Words()
  /** Lower-cased names of targets, and where each ends; one for each RR of the types that have one. */
  readonly targets = new ByteWriter()
  readonly targetEnds = new Words()
  readonly #apex: Uint8Array
  /** The name being written, in lower case. */
  readonly #name = new Uint8Array(256)
  /**
   * Suffixes that the RRset spells, by their hash: number of the RR, offsets of the suffix and of its end in that RDATA,
   * and where in the wire form it stands. Bounded by `maxFixupOffset`; of suffixes of one hash the last is kept.
   */
  readonly #spelled = new Map<string, number>()

  /**
   * @param apex lower-cased wire form
   * @param octets of wire form that are expected; more may come
   */
  constructor(apex: Uint8Array, octets: number) {
    this.#apex = apex
    this.wire = new ByteWriter(octets)
  }

  /**
   * Appends an RRset.
   *
   * @param fields the names in the RDATA of each RR
   */
  encode(
    { owner, type, ttlSeconds, rdata: rrs }: WireRrset,
    fields: readonly (readonly NameField[])[],
  ): void {
    const { wire } = this
    const start = wire.length
    if (this.#spelled.size > 0) this.#spelled.clear()
    for (const [index, rdata] of rrs.entries()) {
      const names = fields[index]!
      wire.u16(questionPointer)
      wire.u16(type)
      wire.u16(classes.in)
      wire.u32(ttlSeconds)
      const lengthAt = wire.length
      wire.u16(0)
      if (names.length === 0) wire.append(rdata, 0, rdata.length)
      else this.#compress(owner, rrs, index, names, start)
      const length = wire.length - lengthAt - 2
      wire.bytes[lengthAt] = length >>> 8
      wire.bytes[lengthAt + 1] = length & 0xff
      if (targetTypes.has(type)) this.#appendTarget(owner, type, rdata, names.at(-1)!)
    }
  }

  /** The name that an RR leads to, in lower case; of no octets when it says that there is none. */
  #appendTarget(owner: Uint8Array, type: number, rdata: Uint8Array, { offset, length }: NameField): void {
    const { targets } = this
    if (isServiceBinding(type) && length === 1) {
      // The root stands for the owner, or with priority 0 for no service at all (RFC 9460 section 2.5).
      if ((rdata[0]! | rdata[1]!) !== 0) targets.append(owner, 0, owner.length)
    } else for (let at = offset; at < offset + length; at++) targets.u8(lower(rdata[at]!))
    this.targetEnds.push(targets.length)
  }

  /**
   * Appends RRSIGs to the RRset that was appended last. Their owner is its own, and their signer is spelled out (RFC 4034 section
   * 3.1.7).
   *
   * @param signatures RDATA of each
   * @returns what the image says of them, see `rrsetAt.signatures`
   */
  sign(signatures: readonly Uint8Array[], ttlSeconds: number): number {
    const { wire } = this
    const start = wire.length
    for (const rdata of signatures) {
      wire.u16(questionPointer)
      wire.u16(types.rrsig)
      wire.u16(classes.in)
      wire.u32(ttlSeconds)
      wire.u16(rdata.length)
      wire.append(rdata)
    }
    // As many as that never have more octets than can be told.
    if (signatures.length > maxSignatures.count)
      throw new RangeError(`${signatures.length} signatures are more than an RRset can have`)
    return (wire.length - start) | (signatures.length << 24)
  }

  /** The same with those of an RRset of an image. */
  copySignatures(image: ZoneImage, rrset: number): number {
    const start = image.wire(rrset) + image.wireLength(rrset)
    const octets = image.signatureLength(rrset)
    this.wire.append(image.bytes, start, start + octets)
    return octets | (image.signatureCount(rrset) << 24)
  }

  /**
   * Appends an RRset of an image of the same zone.
   *
   * @returns what the image says of the signatures that come with it: nothing, unless they are wanted
   */
  copy(image: ZoneImage, rrset: number, signed: boolean): number {
    const wire = image.wire(rrset)
    const signatures = signed ? image.signatureLength(rrset) : 0
    this.wire.append(image.bytes, wire, wire + image.wireLength(rrset) + signatures)
    for (let i = 0; i < image.fixupCount(rrset); i++) this.fixups.push(image.fixup(rrset, i))
    return signed ? signatures | (image.signatureCount(rrset) << 24) : 0
  }

  /**
   * Appends RDATA, with room for a pointer, to be fixed up, in the place of what each compressible name shares with a name
   * that is in the message already.
   *
   * @param start where in `wire` the RRset begins
   */
  #compress(
    owner: Uint8Array,
    rrs: readonly Uint8Array[],
    index: number,
    names: readonly NameField[],
    start: number,
  ): void {
    const { wire } = this
    const rdata = rrs[index]!
    let from = 0
    for (const [field, { offset, length, compressible }] of names.entries()) {
      if (!compressible) continue
      // Of the last name nobody will want to know where it is spelled.
      const last = index === rrs.length - 1 && field === names.length - 1
      wire.append(rdata, from, offset)
      from = offset
      for (let i = 0; i < length; i++) this.#name[i] = lower(rdata[offset + i]!)
      // The root's one octet is shorter than a pointer.
      for (let at = 0; this.#name[at] !== 0; at += this.#name[at]! + 1) {
        const pointer = this.#pointerTo(at, length, owner)
        const here = wire.length - start
        if (pointer !== nowhere) {
          this.fixups.push(pointer | here)
          wire.u16(0)
          from = offset + length
          break
        }
        if (!last && here <= maxFixupOffset) {
          this.#spelled.set(this.#textOf(at, length), here)
        }
        const label = this.#name[at]! + 1
        wire.append(rdata, from, from + label)
        from += label
      }
    }
    wire.append(rdata, from, rdata.length)
  }

  /**
   * A fix-up, its `at` left out, to where the suffix of `#name` that begins at `from` is spelled in the message before it
   * is needed; `nowhere` when it is not.
   */
  #pointerTo(from: number, to: number, owner: Uint8Array): number {
    const name = this.#name
    const apex = this.#apex
    if (endsWith(apex, name, from, to)) {
      return packFixup(fixupBases.apex, apex.length - (to - from))
    }
    // A wildcard is not spelled where it stands in for another name, which may have more labels.
    if (!isWildcard(owner, 0) && endsWith(owner, name, from, to)) {
      return packFixup(fixupBases.owner, owner.length - (to - from))
    }
    if (this.#spelled.size === 0) return nowhere
    const at = this.#spelled.get(this.#textOf(from, to))
    return at === undefined ? nowhere : packFixup(fixupBases.rrset, at)
  }

  /** The octets of `#name` as a key. */
  #textOf(from: number, to: number): string {
    return Buffer.from(this.#name.buffer, from, to - from).toString('latin1')
  }
}

/** Whether the first label of the name at `at` is an asterisk (RFC 4592 section 2.1.1). */
export function isWildcard(names: Uint8Array, at: number): boolean {
  return names[at] === 1 && names[at + 1] === 0x2a
}

/** Whether `name` is, or lies below, the name in `other` from `from` to before `to`; both in lower case. */
function endsWith(name: Uint8Array, other: Uint8Array, from: number, to: number): boolean {
  const start = name.length - (to - from)
  if (start < 0) return false
  for (let i = 0; i < to - from; i++) if (name[start + i] !== other[from + i]) return false
  let at = 0
  while (at < start) at += name[at]! + 1
  return at === start
}

/** An ASCII letter in lower case (RFC 4343), any other octet as it is; a label's length is never a letter's. */
function lower(octet: number): number {
  return octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
}
