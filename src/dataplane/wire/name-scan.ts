/**
 * A name of a query as the lookup wants it: lower-cased wire form, the offset of each label and the hash of the suffix
 * that begins there. One object is filled again and again, so that a query allocates nothing.
 *
 * The hash is that of FNV-1a with secrets in the places of its constants, over the octets from the last to the first. Running backwards makes the hashes of all suffixes
 * fall out of one pass, so that finding the zone, the node and the closest encloser costs no further hashing.
 */

import { maxLabelLength, maxNameLength } from './name.ts'
import { nameHashKey } from './name-hash-key.ts'

/** 127 labels of one octet fill a name of 255 octets. */
const maxLabels = 127

const { basis, multiplier } = nameHashKey

export class NameScan {
  /** The name in lower case. */
  readonly bytes = new Uint8Array(maxNameLength + 1)
  /** The same. */
  readonly view = new DataView(this.bytes.buffer)
  /** Offset in `bytes` of each label; entry `count` is the root. */
  readonly offsets = new Uint8Array(maxLabels + 1)
  /** Hash of the suffix that begins at each label; entry `count` is the root's. */
  readonly hashes = new Int32Array(maxLabels + 1)
  length = 0
  /** Labels without the root. */
  count = 0

  /**
   * Reads the uncompressed name at `at`, which must end before `end`.
   *
   * @returns the offset behind the name, or -1 when it is truncated, too long, or has a label type other than plain.
   */
  load(source: Uint8Array, at: number, end: number): number {
    const { bytes, offsets } = this
    let count = 0
    let to = 0
    for (;;) {
      if (at >= end) return -1
      const label = source[at]!
      if (label > maxLabelLength || to + label >= maxNameLength || at + label >= end) return -1
      offsets[count] = to
      bytes[to++] = label
      at++
      if (label === 0) break
      count++
      for (const stop = at + label; at < stop; at++) {
        const octet = source[at]!
        bytes[to++] = octet >= 0x41 && octet <= 0x5a ? octet | 0x20 : octet
      }
    }
    this.count = count
    this.length = to
    this.#hash()
    return at
  }

  /** Reads a name that stands in two pieces: whole labels, then the rest of it. Together they are a name. */
  loadJoined(
    front: Uint8Array,
    frontAt: number,
    frontLength: number,
    rest: Uint8Array,
    restAt: number,
    restLength: number,
  ): void {
    const { bytes } = this
    for (let i = 0; i < frontLength; i++) bytes[i] = front[frontAt + i]!
    for (let i = 0; i < restLength; i++) bytes[frontLength + i] = rest[restAt + i]!
    // In its own place, octet by octet.
    this.load(bytes, 0, frontLength + restLength)
  }

  #hash(): void {
    const { bytes, offsets, hashes } = this
    const factor = multiplier
    let hash = basis
    let at = this.length
    for (let label = this.count; label >= 0; label--) {
      for (const start = offsets[label]!; at > start; ) hash = Math.imul(hash ^ bytes[--at]!, factor)
      hashes[label] = mix(hash)
    }
  }

  /**
   * Whether the suffix that begins at `label` is the `length` octets at `at` of `other` (lower-cased).
   *
   * @param known octets at the end of both that are known to be the same
   */
  suffixEquals(label: number, other: Uint8Array, at: number, length: number, known = 0): boolean {
    const start = this.offsets[label]!
    if (this.length - start !== length) return false
    for (let i = 0; i < length - known; i++) if (this.bytes[start + i] !== other[at + i]) return false
    return true
  }
}

/** The low bits are the weakest of such a product, and tables mask by low bits: fold the high ones in. */
function mix(hash: number): number {
  return hash ^ (hash >>> 15)
}

/**
 * The hash that `NameScan` gives to a whole lower-cased name, which stands in `bytes` from `from` to before `to`: what
 * tables of names are keyed by.
 */
export function hashName(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let hash = basis
  for (let at = to; at > from; ) hash = Math.imul(hash ^ bytes[--at]!, multiplier)
  return mix(hash)
}
