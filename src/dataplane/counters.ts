/**
 * What a worker counts, in a SharedArrayBuffer that it alone writes and anybody may read. Doubles, because they are
 * exact to 2^53 and an aligned one is written whole on every platform that Node runs on: a reader needs no lock.
 */
import { rcodeName, rcodes } from './wire/constants.ts'

/** Types that are counted by name; every other one is `other`, so that a label never comes from the network. */
const countedTypes: readonly (readonly [number, string])[] = [
  [1, 'A'],
  [2, 'NS'],
  [5, 'CNAME'],
  [6, 'SOA'],
  [12, 'PTR'],
  [13, 'HINFO'],
  [15, 'MX'],
  [16, 'TXT'],
  [17, 'RP'],
  [28, 'AAAA'],
  [29, 'LOC'],
  [33, 'SRV'],
  [35, 'NAPTR'],
  [37, 'CERT'],
  [39, 'DNAME'],
  [43, 'DS'],
  [44, 'SSHFP'],
  [46, 'RRSIG'],
  [47, 'NSEC'],
  [48, 'DNSKEY'],
  [50, 'NSEC3'],
  [51, 'NSEC3PARAM'],
  [52, 'TLSA'],
  [53, 'SMIMEA'],
  [59, 'CDS'],
  [60, 'CDNSKEY'],
  [61, 'OPENPGPKEY'],
  [62, 'CSYNC'],
  [63, 'ZONEMD'],
  [64, 'SVCB'],
  [65, 'HTTPS'],
  [99, 'SPF'],
  [251, 'IXFR'],
  [252, 'AXFR'],
  [255, 'ANY'],
  [256, 'URI'],
  [257, 'CAA'],
]

/** `receive-queue`: by the kernel, for want of room. */
export const dropReasons = [
  'short',
  'response',
  'source-port',
  'send',
  'rate-limit',
  'receive-queue',
] as const
export type DropReason = (typeof dropReasons)[number]

/** What the rate limiter did: nothing but count, drop, or send a truncated response. */
export const limitActions = ['drop', 'slip', 'log'] as const

/** What happens to connections. `evicted`: it was the quietest when there was no room for another one. */
export const connectionEvents = ['accepted', 'closed', 'idle', 'slow', 'evicted', 'refused'] as const
export type ConnectionEvent = (typeof connectionEvents)[number]

/** Upper bounds of the response time histogram, in seconds. */
export const durationBounds = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2] as const

/** Counters of members in answers; slot 0 takes what found no slot of its own. 2 MiB a worker, touched as used. */
export const answerSlots = 262_144

const typeSlots = countedTypes.length + 1
const rcodeSlots = 32
const durationsAt = 2 * typeSlots + rcodeSlots + dropReasons.length
const limitedAt = durationsAt + durationBounds.length + 2
const connectionsAt = limitedAt + limitActions.length
const at = {
  /** IPv4, then IPv6: one slot a type. */
  queries: 0,
  responses: 2 * typeSlots,
  dropped: 2 * typeSlots + rcodeSlots,
  durations: durationsAt,
  durationSum: limitedAt - 1,
  limited: limitedAt,
  connections: connectionsAt,
  answers: connectionsAt + connectionEvents.length,
} as const

/** Slot by type for the types below 512; what is above is `other` as well. */
const slotOfType = new Uint8Array(512).fill(countedTypes.length)
for (const [slot, [type]] of countedTypes.entries()) slotOfType[type] = slot

export function allocateCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * (at.answers + answerSlots))
}

/** The writing side; one instance for each buffer. */
export class Counters {
  readonly #cells: Float64Array

  constructor(buffer: SharedArrayBuffer) {
    this.#cells = new Float64Array(buffer)
  }

  query(ipv6: boolean, type: number): void {
    const slot = type < 512 ? slotOfType[type]! : countedTypes.length
    this.#cells[at.queries + (ipv6 ? typeSlots : 0) + slot]!++
  }

  /** @param rcode 0..31 */
  response(rcode: number): void {
    this.#cells[at.responses + rcode]!++
  }

  drop(reason: DropReason, count = 1): void {
    this.#cells[at.dropped + dropReasons.indexOf(reason)]! += count
  }

  /** @param limit one above the index of the action */
  rateLimited(limit: number): void {
    this.#cells[at.limited + limit - 1]!++
  }

  connection(event: ConnectionEvent): void {
    this.#cells[at.connections + connectionEvents.indexOf(event)]!++
  }

  /** @param count responses that took as long */
  duration(seconds: number, count = 1): void {
    let bucket = 0
    while (bucket < durationBounds.length && seconds > durationBounds[bucket]!) bucket++
    this.#cells[at.durations + bucket]! += count
    this.#cells[at.durationSum]! += count * seconds
  }

  answer(slot: number): void {
    this.#cells[at.answers + slot]!++
  }
}

/** Sums over the buffers of the workers of one transport. */
export interface CounterTotals {
  readonly queries: readonly {
    readonly family: 'ipv4' | 'ipv6'
    readonly qtype: string
    readonly count: number
  }[]
  readonly responses: readonly { readonly rcode: string; readonly count: number }[]
  readonly dropped: readonly { readonly reason: DropReason; readonly count: number }[]
  readonly limited: readonly { readonly action: (typeof limitActions)[number]; readonly count: number }[]
  readonly connections: readonly { readonly event: ConnectionEvent; readonly count: number }[]
  /** Not cumulative; one more entry than `durationBounds`. */
  readonly durations: readonly number[]
  readonly durationSumSeconds: number
}

export function readCounters(buffers: readonly SharedArrayBuffer[]): CounterTotals {
  const cells = buffers.map((buffer) => new Float64Array(buffer))
  const total = (index: number) => cells.reduce((sum, array) => sum + array[index]!, 0)
  const typeLabels = [...countedTypes.map(([, name]) => name), 'other']
  return {
    queries: (['ipv4', 'ipv6'] as const).flatMap((family, block) =>
      typeLabels.map((qtype, slot) => ({
        family,
        qtype,
        count: total(at.queries + block * typeSlots + slot),
      })),
    ),
    responses: Object.values(rcodes).map((rcode) => ({
      rcode: rcodeName(rcode),
      count: total(at.responses + rcode),
    })),
    dropped: dropReasons.map((reason, slot) => ({ reason, count: total(at.dropped + slot) })),
    limited: limitActions.map((action, slot) => ({ action, count: total(at.limited + slot) })),
    connections: connectionEvents.map((event, slot) => ({ event, count: total(at.connections + slot) })),
    durations: Array.from({ length: durationBounds.length + 1 }, (_, bucket) => total(at.durations + bucket)),
    durationSumSeconds: total(at.durationSum),
  }
}

/** Reads how often the member in a slot has been in an answer, over all the workers whose buffers are given. */
export class AnswerReader {
  readonly #cells: readonly Float64Array[]

  constructor(buffers: readonly SharedArrayBuffer[]) {
    this.#cells = buffers.map((buffer) => new Float64Array(buffer, 8 * at.answers))
  }

  total(slot: number): number {
    return this.#cells.reduce((sum, cells) => sum + cells[slot]!, 0)
  }
}
