/** Finds the NSEC3 that speaks for a name in a zone whose chain is one of hashes (`image.ts`). Allocates nothing. */
import type { NameScan } from '../wire/name-scan.ts'
import { compareHashes, hashOwner, hashWords } from '../wire/owner-hash.ts'
import type { ZoneImage } from './image.ts'

/** Of the name that was looked for last. */
const hash = new Int32Array(hashWords)

/**
 * The place in the chain of the NSEC3 that matches a name, or else of the one that covers it: the last one that is not behind its hash,
 * before the first one the last of all (RFC 5155 section 3.1.7). Of a service it is the first one (`nsec-variants.ts`).
 *
 * @param zone `isHashed`
 * @param label label of `name` at which the name begins, the apex's or one before it
 * @param wildcard whether it is not that name but the wildcard right below it
 */
export function hashedIndex(zone: ZoneImage, name: NameScan, label: number, wildcard: boolean): number {
  hashOwner(name.bytes, name.offsets[label]!, name.length, wildcard, hash)
  const { words, chain, chainLength } = zone
  let low = -1
  let high = chainLength
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    if (compareHashes(words, chain + hashWords * middle, hash, 0) > 0) high = middle
    else low = middle
  }
  if (low < 0) low = chainLength - 1
  while (low > 0 && compareHashes(words, chain + hashWords * (low - 1), words, chain + hashWords * low) === 0)
    low--
  return low
}
