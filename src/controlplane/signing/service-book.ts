/**
 * The signatures of one service, as the main thread has them: public data, of RRsets that its plans answer with or may answer with soon. A
 * plan is compiled with what is found here; what is not is noted, and asked for.
 *
 *     an RRset is     when                                     and a plan with it
 *     missing         it has not been signed yet               leaves it out until it has
 *     signed          its RRSIGs have come                     is answered with them
 *     refused         it can't be signed now, or has ended     leaves it out
 *
 * It is of one owner, TTL, zone and set of keys: with others there is another book.
 *
 * Bounded: by what the last plan and what may come after it have, twice (`prune`).
 */
import type { SetSignatures } from '../../dataplane/image/signatures.ts'
import { hostnameToWire } from '../../dataplane/wire/name.ts'
import { signatureTimes } from '../dnssec/rrset-signer.ts'
import type { ServedKey } from '../model/dnssec.ts'

/** What is signed, and by what. */
export interface BookSubject {
  readonly service: string
  readonly apex: string
  readonly keys: readonly ServedKey[]
  /** The Original TTL. */
  readonly ttlSeconds: number
}

interface Entry {
  /** RDATA of each; null: refused. */
  rrsigs: readonly Uint8Array[] | null
  /** When the last of them begins, UNIX seconds; 0 when refused. */
  inception: number
  /** When the first of them ends, UNIX seconds; 0 when refused. */
  expiration: number
  /** The last round in which somebody looked for it. */
  round: number
}

/** Of all that is signed in a book, in UNIX seconds; without any, they begin at once, and end at once and never. */
export interface BookTimes {
  readonly signatures: number
  /** When the last of them begins. */
  readonly beginsAt: number
  /** When the first of them ends. */
  readonly expiresAt: number
  /** When the last of them does. */
  readonly endsAt: number
}

/** Fewer are kept whether anybody looks for them or not. */
const fewEntries = 16

export class ServiceBook implements SetSignatures, BookSubject {
  readonly service: string
  readonly apex: string
  readonly keys: readonly ServedKey[]
  readonly ttlSeconds: number
  /** Lower-cased wire form. */
  readonly owner: Uint8Array
  /** What the last plan lacked. */
  readonly missing = new Set<string>()
  readonly #nowSeconds: () => number
  readonly #entries = new Map<string, Entry>()
  /** What `times` gives; null when it has to be looked for. */
  #times: BookTimes | null = null
  #round = 0
  /** When it began. */
  #roundSeconds: number

  constructor({ service, apex, keys, ttlSeconds }: BookSubject, nowSeconds: () => number) {
    this.service = service
    this.apex = apex
    this.keys = keys
    this.ttlSeconds = ttlSeconds
    this.owner = hostnameToWire(service)
    this.#nowSeconds = nowSeconds
    this.#roundSeconds = nowSeconds()
  }

  get size(): number {
    return this.#entries.size
  }

  /** A plan is about to be compiled: from now on only what is looked for is of use. */
  begin(): void {
    this.#round++
    this.#roundSeconds = this.#nowSeconds()
    this.missing.clear()
  }

  of(key: string): readonly Uint8Array[] | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      this.missing.add(key)
      return undefined
    }
    entry.round = this.#round
    return entry.rrsigs !== null && entry.expiration > this.#roundSeconds ? entry.rrsigs : undefined
  }

  /** Whether an RRset is not missing. */
  knows(key: string): boolean {
    return this.#entries.has(key)
  }

  /** Those of some RRsets that are missing; the others are of use. @param most how many at the most */
  lacking(keys: Iterable<string>, most = Number.POSITIVE_INFINITY): Set<string> {
    const lacking = new Set<string>()
    for (const key of keys) {
      const entry = this.#entries.get(key)
      if (entry !== undefined) entry.round = this.#round
      else if (lacking.size < most) lacking.add(key)
    }
    return lacking
  }

  /** @param rrsigs RDATA, which end at the earliest by the first of them; none: refused. @returns whether it was known before */
  keep(key: string, rrsigs: readonly Uint8Array[]): boolean {
    this.#times = null
    const before = this.#entries.has(key)
    const inception = Math.max(...rrsigs.map((rrsig) => timeIn(rrsig, 12)))
    const expiration = Math.min(...rrsigs.map((rrsig) => timeIn(rrsig, 8)))
    const isSigned = rrsigs.length > 0
    this.#entries.set(key, {
      rrsigs: isSigned ? rrsigs : null,
      inception: isSigned ? inception : 0,
      expiration: isSigned ? expiration : 0,
      round: this.#round,
    })
    return before
  }

  /** What is to be signed again: what was refused, has a week left at the most, or has not begun, as the clock was set back. */
  due(nowSeconds: number): string[] {
    const until = nowSeconds + signatureTimes.renewSeconds
    return [...this.#entries]
      .filter(([, { inception, expiration }]) => expiration <= until || inception > nowSeconds)
      .map(([key]) => key)
  }

  /** Forgets what nobody has looked for in this round, once that is more than half. */
  prune(): void {
    let used = 0
    for (const { round } of this.#entries.values()) if (round === this.#round) used++
    if (this.#entries.size <= Math.max(2 * used, fewEntries)) return
    this.#times = null
    for (const [key, { round }] of this.#entries) if (round !== this.#round) this.#entries.delete(key)
  }

  keySet(): Iterable<string> {
    return this.#entries.keys()
  }

  /** Looked for once after each change: with each signature that is made all books are asked. */
  get times(): BookTimes {
    this.#times ??= this.#lookForTimes()
    return this.#times
  }

  #lookForTimes(): BookTimes {
    let signatures = 0
    let beginsAt = 0
    let expiresAt = Number.POSITIVE_INFINITY
    let endsAt = 0
    for (const { rrsigs, inception, expiration } of this.#entries.values()) {
      if (rrsigs === null) continue
      beginsAt = Math.max(beginsAt, inception)
      expiresAt = Math.min(expiresAt, expiration)
      endsAt = Math.max(endsAt, expiration)
      signatures++
    }
    return { signatures, beginsAt, expiresAt, endsAt }
  }
}

/** The expiration at 8, the inception at 12 (RFC 4034 section 3.1). */
function timeIn(rrsig: Uint8Array, at: 8 | 12): number {
  return new DataView(rrsig.buffer, rrsig.byteOffset).getUint32(at)
}
