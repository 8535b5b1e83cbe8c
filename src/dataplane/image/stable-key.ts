/**
 * Hashes that decide which client gets what. They are fixed for ever: all nodes and all versions must choose the same for a
 * client, and a changed hash would move every client of every service at once. Their tests hold them by vectors.
 */

/**
 * Mixes 32 bits so that each bit of the result depends on all of them: a bijection, with the multipliers that Wellons found by
 * search ("Prospecting for Hash Functions", 2018), whose bias is a fifth of that of MurmurHash3's finaliser.
 *
 * @returns a signed number, since V8 keeps those of 32 bits without allocating
 */
export function mix32(bits: number): number {
  let x = bits ^ (bits >>> 16)
  x = Math.imul(x, 0x7feb_352d)
  x ^= x >>> 15
  x = Math.imul(x, 0x846c_a68b)
  return x ^ (x >>> 16)
}

/**
 * The key of a candidate or child from what it is called: FNV-1a of the UTF-8 octets, then `mix32`, because FNV-1a alone leaves the
 * upper bits of names that differ in the last letter nearly alike.
 *
 * @returns 0..2^32-1
 */
export function stableKey(text: string): number {
  let hash = 0x811c_9dc5
  for (const octet of new TextEncoder().encode(text)) hash = Math.imul(hash ^ octet, 0x0100_0193)
  return mix32(hash) >>> 0
}
