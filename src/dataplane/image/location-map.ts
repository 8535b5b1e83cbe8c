/**
 * A location map image: which area an address is in, found by a binary search without allocation. Control plane compiles it from
 * ranges, workers read it, and many plans may go by the same one.
 *
 * Layout in words: magic, ranges of IPv4, ranges of IPv6, the starts of IPv4, the starts of IPv6 as upper and lower half of their 64
 * bits, then in half words the areas of IPv4 and those of IPv6.
 *
 * A lookup also says how much of the address it took: the length of the shortest prefix around the address that lies wholly in
 * its range. Prefixes so found never overlap, for each is a block of the one partition of its range into the largest blocks,
 * which is what the scopes of answers must be (RFC 7871 section 7.2.1).
 */
import { octetsOf } from './image-memory.ts'

/** Most ranges of a family; the whole routing tables of the Internet have a quarter of this. */
export const maxRanges = 4_194_304

/** Most areas: as many as 16 bits number. */
export const maxAreas = 65_536

/**
 * Ranges of addresses: an area begins at an address and goes on to where the next one begins. What areas mean is a matter of
 * whoever made the ranges; 0 is that of addresses about which nothing is known. The first start is 0, starts ascend,
 * and no two neighbours have the same area.
 */
export interface LocationRanges {
  readonly ipv4: { readonly starts: Uint32Array; readonly areas: Uint16Array }
  /** Ranges of the first 64 bits of an address: no allocation is finer than that. */
  readonly ipv6: { readonly starts: BigUint64Array; readonly areas: Uint16Array }
}

const headerAt = { magic: 0, ipv4: 1, ipv6: 2 } as const
const headerWords = 3
const mapMagic = 0x706f_2001

/**
 * @returns the location map image
 * @throws RangeError when the ranges are not by `LocationRanges`
 */
export function compileLocationMap({ ipv4, ipv6 }: LocationRanges): SharedArrayBuffer {
  check('IPv4', ipv4.starts, ipv4.areas)
  check('IPv6', ipv6.starts, ipv6.areas)
  const [count4, count6] = [ipv4.starts.length, ipv6.starts.length]
  const startWords = headerWords + count4 + 2 * count6
  const buffer = new SharedArrayBuffer(4 * (startWords + Math.ceil((count4 + count6) / 2)))
  const words = new Uint32Array(buffer)
  words[headerAt.magic] = mapMagic
  words[headerAt.ipv4] = count4
  words[headerAt.ipv6] = count6
  words.set(ipv4.starts, headerWords)
  let at = headerWords + count4
  for (const start of ipv6.starts) {
    words[at++] = Number(start >> 32n)
    words[at++] = Number(start & 0xffff_ffffn)
  }
  const areas = new Uint16Array(buffer, 4 * startWords)
  areas.set(ipv4.areas)
  areas.set(ipv6.areas, count4)
  return buffer
}

/** The ranges that an image was compiled of. @throws Error when it is none of this version */
export function rangesOf(image: SharedArrayBuffer): LocationRanges {
  const words = new Uint32Array(image)
  if (words[headerAt.magic] !== mapMagic) throw new Error('not a location map image of this version')
  const [count4, count6] = [words[headerAt.ipv4]!, words[headerAt.ipv6]!]
  const ipv6At = headerWords + count4
  const areas = new Uint16Array(image, 4 * (ipv6At + 2 * count6))
  const starts = new BigUint64Array(count6)
  for (let nth = 0; nth < count6; nth++) {
    starts[nth] = (BigInt(words[ipv6At + 2 * nth]!) << 32n) | BigInt(words[ipv6At + 2 * nth + 1]!)
  }
  return {
    ipv4: { starts: words.slice(headerWords, ipv6At), areas: areas.slice(0, count4) },
    ipv6: { starts, areas: areas.slice(count4, count4 + count6) },
  }
}

function check(family: string, starts: Uint32Array | BigUint64Array, areas: Uint16Array): void {
  const wrong = (problem: string) => new RangeError(`location ranges of ${family}: ${problem}`)
  if (starts.length !== areas.length) throw wrong(`${starts.length} starts and ${areas.length} areas`)
  if (starts.length > maxRanges) throw wrong(`${starts.length} of them, more than ${maxRanges}`)
  if (starts.length === 0 || Number(starts[0]) !== 0) throw wrong('the first does not start at 0')
  for (let i = 1; i < starts.length; i++) {
    if (starts[i]! <= starts[i - 1]!) throw wrong(`number ${i} does not start behind the one before it`)
    if (areas[i] === areas[i - 1]) throw wrong(`number ${i} has the area of the one before it`)
  }
}

export class LocationMap {
  /** What the last lookup found. */
  area = 0
  /** How many bits of the address the last lookup depended on, 0..32 or 0..64. */
  scope = 0
  readonly #words: Uint32Array
  readonly #areas: Uint16Array
  readonly #ipv4: number
  readonly #ipv6: number
  readonly #ipv6At: number

  constructor(image: SharedArrayBuffer | Uint8Array) {
    const { buffer, byteOffset, byteLength } = octetsOf(image)
    const words = new Uint32Array(buffer, byteOffset, byteLength >>> 2)
    if (words[headerAt.magic] !== mapMagic) throw new Error('not a location map image of this version')
    this.#words = words
    this.#ipv4 = words[headerAt.ipv4]!
    this.#ipv6 = words[headerAt.ipv6]!
    this.#ipv6At = headerWords + this.#ipv4
    const areasAt = 4 * (this.#ipv6At + 2 * this.#ipv6)
    this.#areas = new Uint16Array(buffer, byteOffset + areasAt, (byteLength - areasAt) >>> 1)
  }

  /** Octets that it takes. */
  get length(): number {
    return this.#words.byteLength
  }

  /** @param address 32 bits, signed or not */
  findIpv4(address: number): void {
    const words = this.#words
    const wanted = address >>> 0
    let low = 0
    let high = this.#ipv4
    // The range is from `low` on, and before `high`.
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      if (words[headerWords + middle]! <= wanted) low = middle
      else high = middle
    }
    this.area = this.#areas[low]!
    const below = low === 0 ? 0 : apart(address ^ (words[headerWords + low]! - 1))
    const above = high === this.#ipv4 ? 0 : apart(address ^ words[headerWords + high]!)
    this.scope = Math.max(below, above)
  }

  /** @param upper the first 32 bits of the address, signed or not; @param lower the next 32 */
  findIpv6(upper: number, lower: number): void {
    const words = this.#words
    const starts = this.#ipv6At
    const wantedUpper = upper >>> 0
    const wantedLower = lower >>> 0
    let low = 0
    let high = this.#ipv6
    while (high - low > 1) {
      const middle = (low + high) >>> 1
      const startUpper = words[starts + 2 * middle]!
      const isBehind =
        startUpper === wantedUpper ? words[starts + 2 * middle + 1]! > wantedLower : startUpper > wantedUpper
      if (isBehind) high = middle
      else low = middle
    }
    this.area = this.#areas[this.#ipv4 + low]!
    let below = 0
    if (low > 0) {
      const startLower = words[starts + 2 * low + 1]!
      // One less than the start, which borrows from the upper half when the lower one is 0.
      const lastUpper = words[starts + 2 * low]! - (startLower === 0 ? 1 : 0)
      below = apart64(upper ^ lastUpper, lower ^ (startLower - 1))
    }
    const above =
      high === this.#ipv6
        ? 0
        : apart64(upper ^ words[starts + 2 * high]!, lower ^ words[starts + 2 * high + 1]!)
    this.scope = Math.max(below, above)
  }
}

/** Length of the shortest prefix that two different numbers of 32 bits don't share. @param difference by exclusive or */
function apart(difference: number): number {
  return Math.clz32(difference) + 1
}

function apart64(upperDifference: number, lowerDifference: number): number {
  return upperDifference === 0 ? 32 + apart(lowerDifference) : apart(upperDifference)
}
