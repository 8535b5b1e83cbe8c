/**
 * The TSIG of a query (RFC 8945 section 4.2), as far as it is read: we hold no keys, and echo what tells the client that. One
 * object is filled again and again, so that a query allocates nothing.
 */
import { u16 } from './bytes.ts'
import { headerLength, maxPointer, pointerBits, rrFixedLength } from './constants.ts'
import { maxLabelLength, maxNameLength } from './name.ts'

/** Class ANY; octets of the time and the fudge, of all fields between the algorithm and the MAC, and of those behind the MAC. */
export const tsigFields = { class: 255, timeAndFudge: 8, beforeMac: 10, behindMac: 6 } as const

export class Tsig {
  /** The name of the key, uncompressed. */
  readonly name = new Uint8Array(maxNameLength)
  nameLength = 0
  /** Offset and length of the algorithm's name in the query. */
  algorithmAt = 0
  algorithmLength = 0

  /** Octets of the one that refuses the key. */
  get responseLength(): number {
    const { beforeMac, behindMac } = tsigFields
    return this.nameLength + rrFixedLength + this.algorithmLength + beforeMac + behindMac
  }

  /**
   * Reads the record.
   *
   * @param at offset of its owner
   * @param fixed offset behind the owner
   * @param end offset behind its RDATA, inside the message
   * @returns false when it is malformed
   */
  load(packet: Uint8Array, at: number, fixed: number, end: number): boolean {
    if (u16(packet, fixed + 2) !== tsigFields.class) return false
    this.nameLength = this.#expand(packet, at, fixed)
    this.algorithmAt = fixed + rrFixedLength
    this.algorithmLength = plainNameLength(packet, this.algorithmAt, end)
    if (this.nameLength < 0 || this.algorithmLength < 0) return false
    const mac = this.algorithmAt + this.algorithmLength + tsigFields.beforeMac
    if (mac > end) return false
    const other = mac + u16(packet, mac - 2) + tsigFields.behindMac
    return other <= end && other + u16(packet, other - 2) === end
  }

  /**
   * Writes the owner out. Pointers lead backwards, each behind the header and before all that was read so far, and the name is
   * as long as a name may be at the most, so this comes to an end.
   */
  #expand(packet: Uint8Array, at: number, end: number): number {
    let length = 0
    let before = at
    for (;;) {
      if (at >= end) return -1
      const label = packet[at]!
      if (label >= pointerBits) {
        at = u16(packet, at) & maxPointer
        if (at < headerLength || at >= before) return -1
        before = at
        continue
      }
      if (label > maxLabelLength || length + label >= maxNameLength) return -1
      for (let i = 0; i <= label; i++) this.name[length++] = packet[at++]!
      if (label === 0) return length
    }
  }
}

/** Octets of an uncompressed name (section 4.2 has no other one for the algorithm), or -1 when there is none before `end`. */
function plainNameLength(packet: Uint8Array, start: number, end: number): number {
  for (let at = start; at < end; ) {
    const label = packet[at]!
    at += label + 1
    if (label > maxLabelLength || at - start > maxNameLength) return -1
    if (label === 0) return at - start
  }
  return -1
}
