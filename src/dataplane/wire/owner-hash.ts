/**
 * The hashed owner names of NSEC3 (RFC 5155 section 5) with the only parameters that we use (RFC 9276): SHA-1, no iterations, no salt.
 *
 * A hash is five words, each with its sign turned, so that they compare as signed numbers in the order of the hash's octets. SHA-1 is
 * written out here because a hash out of `node:crypto` allocates, and takes three times as long for so little.
 */

/** Words of a hash. */
export const hashWords = 5
/** Octets of the label that a hash is written as: 32 digits, and their number. */
export const hashLabelLength = 33

/** The message of one call in blocks of 64 octets, and the schedule of one block; filled anew by each call. */
const message = new Uint8Array(320)
const schedule = new Int32Array(80)

/**
 * Hashes the name that stands in `bytes` from `from` to before `to`, lower-cased wire form. Allocates nothing.
 *
 * @param wildcard whether it is not that name but the wildcard right below it
 * @param out gets the hash, from `outAt` on
 */
export function hashOwner(
  bytes: Uint8Array,
  from: number,
  to: number,
  wildcard: boolean,
  out: Int32Array,
  outAt = 0,
): void {
  let length = 0
  if (wildcard) {
    message[0] = 1
    message[1] = 0x2a
    length = 2
  }
  for (let at = from; at < to; at++) message[length++] = bytes[at]!
  const bits = 8 * length
  message[length++] = 0x80
  const end = (length + 8 + 63) & ~63
  while (length < end - 2) message[length++] = 0
  message[length++] = bits >>> 8
  message[length] = bits & 0xff
  out[outAt] = 0x67452301
  out[outAt + 1] = 0xefcdab89
  out[outAt + 2] = 0x98badcfe
  out[outAt + 3] = 0x10325476
  out[outAt + 4] = 0xc3d2e1f0
  for (let block = 0; block < end; block += 64) compress(block, out, outAt)
  for (let i = 0; i < hashWords; i++) out[outAt + i]! ^= 0x8000_0000
}

/** One block of SHA-1 (RFC 3174 section 6.1). */
function compress(block: number, out: Int32Array, outAt: number): void {
  for (let i = 0, at = block; i < 16; i++, at += 4) {
    schedule[i] = (message[at]! << 24) | (message[at + 1]! << 16) | (message[at + 2]! << 8) | message[at + 3]!
  }
  for (let i = 16; i < 80; i++) {
    const word = schedule[i - 3]! ^ schedule[i - 8]! ^ schedule[i - 14]! ^ schedule[i - 16]!
    schedule[i] = (word << 1) | (word >>> 31)
  }
  let a = out[outAt]!
  let b = out[outAt + 1]!
  let c = out[outAt + 2]!
  let d = out[outAt + 3]!
  let e = out[outAt + 4]!
  for (let i = 0; i < 80; i++) {
    const mixed =
      i < 20
        ? ((b & c) | (~b & d)) + 0x5a827999
        : i < 40
          ? (b ^ c ^ d) + 0x6ed9eba1
          : i < 60
            ? ((b & c) | (b & d) | (c & d)) + 0x8f1bbcdc
            : (b ^ c ^ d) + 0xca62c1d6
    const next = (((a << 5) | (a >>> 27)) + mixed + e + schedule[i]!) | 0
    e = d
    d = c
    c = (b << 30) | (b >>> 2)
    b = a
    a = next
  }
  out[outAt]! += a
  out[outAt + 1]! += b
  out[outAt + 2]! += c
  out[outAt + 3]! += d
  out[outAt + 4]! += e
}

/** Below 0 when the hash at `aAt` is before the one at `bAt`, above when it is behind, 0 when they are one. */
export function compareHashes(a: Int32Array, aAt: number, b: Int32Array, bAt: number): number {
  for (let i = 0; i < hashWords; i++) {
    const left = a[aAt + i]!
    const right = b[bAt + i]!
    if (left !== right) return left < right ? -1 : 1
  }
  return 0
}

/** Writes a hash as a label: in base32 with the extended hex alphabet (RFC 4648 section 7), in lower case. */
export function writeHashLabel(hash: Int32Array, hashAt: number, out: Uint8Array, at: number): void {
  out[at] = hashLabelLength - 1
  for (let digit = 0; digit < hashLabelLength - 1; digit++) {
    const word = (5 * digit) >>> 5
    const bit = (5 * digit) & 31
    let value = ((hash[hashAt + word]! ^ 0x8000_0000) << bit) >>> 27
    if (bit > 27) value |= (hash[hashAt + word + 1]! ^ 0x8000_0000) >>> (59 - bit)
    out[at + 1 + digit] = value < 10 ? 0x30 + value : 0x57 + value
  }
}

/** Reads a hash from a label that `writeHashLabel` wrote. @param out gets it, from `outAt` on */
export function readHashLabel(bytes: Uint8Array, at: number, out: Int32Array, outAt: number): void {
  for (let i = 0; i < hashWords; i++) out[outAt + i] = 0
  for (let digit = 0; digit < hashLabelLength - 1; digit++) {
    const char = bytes[at + 1 + digit]!
    const value = char < 0x3a ? char - 0x30 : char - 0x57
    const word = (5 * digit) >>> 5
    const bit = (5 * digit) & 31
    out[outAt + word]! |= bit <= 27 ? value << (27 - bit) : value >>> (bit - 27)
    if (bit > 27) out[outAt + word + 1]! |= value << (59 - bit)
  }
  for (let i = 0; i < hashWords; i++) out[outAt + i]! ^= 0x8000_0000
}
