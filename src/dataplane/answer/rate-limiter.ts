/**
 * Response rate limiting: keeps this server from being the amplifier of an attack with forged addresses. Responses are
 * counted by client prefix (/24 of IPv4, /56 of IPv6: what one attacked network looks like) and by kind, so that a flood for names
 * that don't exist doesn't cost the network its answers.
 *
 * Each prefix and kind has a token bucket that holds a second's worth. Memory is fixed: sets of four buckets, found by a
 * keyed hash; a newcomer takes the place of the one in its set that was used longest ago. Two that hash alike share a
 * bucket, which a 32-bit check makes rare.
 */
import { getRandomValues } from 'node:crypto'
import type { RateLimit } from '../image/answer-settings.ts'
import { prefixHolds } from '../wire/prefix.ts'
import type { BatchClock } from './batch-clock.ts'
import type { Client } from './client.ts'

export const responseKinds = { answer: 0, nodata: 1, nxdomain: 2, referral: 3, error: 4 } as const
export type ResponseKind = (typeof responseKinds)[keyof typeof responseKinds]

export const limits = { pass: 0, drop: 1, slip: 2, log: 3 } as const
export type Limit = (typeof limits)[keyof typeof limits]

/** 1.5 MiB a worker. */
const sets = 1 << 14
const ways = 4
/** Above every kind. */
const ipv4Mark = 8
const ipv6Mark = 16

export class RateLimiter {
  readonly #settings: RateLimit
  readonly #clock: BatchClock
  readonly #checks = new Int32Array(sets * ways)
  readonly #tokens = new Float32Array(sets * ways)
  readonly #usedMs = new Float64Array(sets * ways)
  readonly #slips = new Uint8Array(sets * ways)
  /** Unknown to others, so that nobody can aim at a bucket. */
  readonly #salt = getRandomValues(new Int32Array(2))

  constructor(settings: RateLimit, clock: BatchClock) {
    this.#settings = settings
    this.#clock = clock
  }

  /** What becomes of a response that is about to go out. */
  judge(client: Client, kind: ResponseKind): Limit {
    const bucket = this.#find(client, kind)
    const { nowMs } = this.#clock
    const { perSecond, slip, logOnly } = this.#settings
    const elapsedMs = nowMs - this.#usedMs[bucket]!
    const tokens = Math.min(perSecond, this.#tokens[bucket]! + (elapsedMs * perSecond) / 1000)
    this.#usedMs[bucket] = nowMs
    if (tokens >= 1) {
      this.#tokens[bucket] = tokens - 1
      return limits.pass
    }
    this.#tokens[bucket] = tokens
    if (this.#isExempt(client)) return limits.pass
    if (logOnly) return limits.log
    if (slip === 0) return limits.drop
    this.#slips[bucket] = (this.#slips[bucket]! + 1) % slip
    return this.#slips[bucket] === 0 ? limits.slip : limits.drop
  }

  /** The bucket of a prefix and kind, taken over and filled when it was somebody else's. */
  #find(client: Client, kind: ResponseKind): number {
    const ipv4 = client.length === 4
    const { octets } = client
    // What counts in two words: 24 bits and the kind, or 56 bits and the kind, marked apart.
    const high = (octets[0]! << 24) | (octets[1]! << 16) | (octets[2]! << 8) | (ipv4 ? kind : octets[3]!)
    const low = ipv4
      ? ipv4Mark
      : (octets[4]! << 24) | (octets[5]! << 16) | (octets[6]! << 8) | ipv6Mark | kind
    const first = (mix(high ^ this.#salt[0]!, low) & (sets - 1)) * ways
    // 0 marks a bucket that nobody has used.
    const check = mix(high ^ this.#salt[1]!, low) | 1
    let oldest = first
    for (let bucket = first; bucket < first + ways; bucket++) {
      if (this.#checks[bucket] === check) return bucket
      if (this.#usedMs[bucket]! < this.#usedMs[oldest]!) oldest = bucket
    }
    this.#checks[oldest] = check
    this.#tokens[oldest] = this.#settings.perSecond
    this.#usedMs[oldest] = this.#clock.nowMs
    this.#slips[oldest] = 0
    return oldest
  }

  #isExempt(client: Client): boolean {
    const { exempt } = this.#settings
    for (let i = 0; i < exempt.length; i++)
      if (prefixHolds(exempt[i]!, client.octets, client.length)) return true
    return false
  }
}

/** Multiplications by odd constants and shifts, so that every bit of both words reaches every bit of the result. */
function mix(high: number, low: number): number {
  let hash = Math.imul(high, 0x2c1b_3c6d)
  hash = Math.imul(hash ^ (hash >>> 15) ^ low, 0x297a_2d39)
  hash = Math.imul(hash ^ (hash >>> 14), 0x846c_a68b)
  return hash ^ (hash >>> 16)
}
