/**
 * Response rate limiting: keeps this server from being the amplifier of an attack with forged addresses. Two things are counted for a
 * client's prefix (/24 of IPv4, /56 of IPv6: what one attacked network looks like):
 *
 * - responses to one question. A flood asks the same again and again; a resolver, which caches, asks many different things, and
 *   some of them once for each client subnet. So the question is the name, the type and the client subnet where there is an
 *   answer, the name where there is no data, the cut of a referral, and no more than the zone of names that don't exist and
 *   the prefix of errors, for random names are a flood of their own (`Responder` says which);
 * - octets that responses have more than their queries, over all questions: what amplification is. The limit is as many full
 *   responses a second as one question may have, so that whoever forges different questions gets no more by them. An answer that
 *   was chosen for the client subnet in the query counts a quarter: a resolver has to ask for each of its clients' networks, and
 *   may not cache one answer for all, so that it would be limited for our steering.
 *
 * Each has a token bucket that holds a second's worth. Memory is fixed: sets of four buckets, found by a keyed
 * hash; a newcomer takes the place of the one in its set that was used longest ago. Two that hash alike share a
 * bucket, which a 32-bit check makes rare.
 */
import { getRandomValues } from 'node:crypto'
import { type LimitAction, networkMarks } from '../counters.ts'
import type { RateLimit } from '../image/answer-settings.ts'
import { mix32 } from '../image/stable-key.ts'
import { ednsPayload } from '../wire/constants.ts'
import { prefixHolds } from '../wire/prefix.ts'
import type { BatchClock } from './batch-clock.ts'
import type { Client } from './client.ts'

export const responseKinds = { answer: 0, nodata: 1, nxdomain: 2, referral: 3, error: 4 } as const
export type ResponseKind = (typeof responseKinds)[keyof typeof responseKinds]

/** Of the octets of a steered answer one in so many counts. */
export const steeredShare = 4
/** Their buckets come to 1 MiB a worker. */
const sets = 1 << 14
const ways = 4
/**
 * A bucket has 16 octets, so that a set is one line of the processor's cache: a check, which is 0 while nobody has used the bucket,
 * `wrappedMs` of its last use, and its tokens. These are a double, since octets of a second can be more than floats count one by one.
 */
const bucketWords = 4
const bucketDoubles = 2
const usedAt = 1
const tokensAt = 1
/** Longer ago than any use. */
const never = 2 ** 32
/** What kinds are told apart by in hashes. */
const kindStep = 0x9e37_79b9 | 0

export class RateLimiter {
  /** The prefix that was judged last, as `networkCells` of the counters wants it. */
  readonly network = new Int32Array(2)
  /** Of that prefix. */
  readonly #hashes = new Int32Array(2)
  readonly #settings: RateLimit
  readonly #clock: BatchClock
  readonly #words = new Int32Array(sets * ways * bucketWords)
  readonly #tokens = new Float64Array(this.#words.buffer)
  /** How many responses of a bucket were limited since one slipped. Who takes a bucket over goes on from there. */
  readonly #slips = new Uint8Array(sets * ways)
  /** Unknown to others, so that nobody can aim at a bucket. */
  readonly #salt = getRandomValues(new Int32Array(2))

  constructor(settings: RateLimit, clock: BatchClock) {
    this.#settings = settings
    this.#clock = clock
  }

  /**
   * What becomes of a response that is about to go out.
   *
   * @param question a hash of what it is counted by, beside prefix and kind
   * @param excess octets that it has more than its query
   */
  judge(client: Client, kind: ResponseKind, question: number, excess: number): LimitAction | 'pass' {
    const { perSecond, slip, logOnly } = this.#settings
    this.#read(client)
    const place = this.#hashes[0]!
    const check = this.#hashes[1]!
    const key = question ^ Math.imul(kind, kindStep)
    const whole = this.#fill(place, check, perSecond * ednsPayload)
    const asked = this.#fill(mix32(place ^ key), check ^ key, perSecond)
    const tokens = this.#tokens
    const wholeAt = whole * bucketDoubles + tokensAt
    const askedAt = asked * bucketDoubles + tokensAt
    if (tokens[askedAt]! >= 1 && tokens[wholeAt]! >= excess) {
      tokens[askedAt]!--
      if (excess > 0) tokens[wholeAt]! -= excess
      return 'pass'
    }
    if (this.#isExempt(client)) return 'pass'
    if (logOnly) return 'log'
    if (slip === 0) return 'drop'
    this.#slips[asked] = (this.#slips[asked]! + 1) % slip
    return this.#slips[asked] === 0 ? 'slip' : 'drop'
  }

  /** 24 bits, or 56. */
  #read(client: Client): void {
    const { network } = this
    const ipv4 = client.length === 4
    const { octets } = client
    network[0] = (octets[0]! << 24) | (octets[1]! << 16) | (octets[2]! << 8) | (ipv4 ? 0 : octets[3]!)
    network[1] = ipv4
      ? networkMarks.ipv4
      : (octets[4]! << 24) | (octets[5]! << 16) | (octets[6]! << 8) | networkMarks.ipv6
    for (let i = 0; i < 2; i++) this.#hashes[i] = mix32(mix32(network[0]! ^ this.#salt[i]!) ^ network[1]!)
  }

  /**
   * The bucket of what hashes so, with what has come to it since it was used last; taken over and full when it was another's. A clock
   * that was set back fills it.
   */
  #fill(place: number, hash: number, perSecond: number): number {
    const words = this.#words
    const tokens = this.#tokens
    const now = this.#clock.wrappedMs
    const check = hash | 1
    const first = (place & (sets - 1)) * ways
    let oldest = first
    let longestMs = 0
    for (let bucket = first; bucket < first + ways; bucket++) {
      const at = bucket * bucketWords
      const unusedMs = (now - words[at + usedAt]!) >>> 0
      if (words[at] === check) {
        // Mostly so under load.
        if (unusedMs === 0) return bucket
        words[at + usedAt] = now
        const filled = tokens[bucket * bucketDoubles + tokensAt]! + (unusedMs * perSecond) / 1000
        tokens[bucket * bucketDoubles + tokensAt] = Math.min(perSecond, filled)
        return bucket
      }
      const idleMs = words[at] === 0 ? never : unusedMs
      if (idleMs > longestMs) {
        longestMs = idleMs
        oldest = bucket
      }
    }
    words[oldest * bucketWords] = check
    words[oldest * bucketWords + usedAt] = now
    tokens[oldest * bucketDoubles + tokensAt] = perSecond
    return oldest
  }

  #isExempt(client: Client): boolean {
    const { exempt } = this.#settings
    for (let i = 0; i < exempt.length; i++)
      if (prefixHolds(exempt[i]!, client.octets, client.length)) return true
    return false
  }
}
