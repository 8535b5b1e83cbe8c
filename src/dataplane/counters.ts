/**
 * What a worker counts, in a SharedArrayBuffer that it alone writes and anybody may read. Doubles, because they are
 * exact to 2^53 and an aligned one is written whole on every platform that Node runs on: a reader needs no lock.
 */

/** Types that are counted by name; every other one is `other`, so that a label never comes from the network. */
export const countedTypes = [
  1, 2, 5, 6, 12, 13, 15, 16, 17, 28, 29, 33, 35, 37, 39, 43, 44, 46, 47, 48, 50, 51, 52, 53, 59, 60, 61, 62,
  63, 64, 65, 99, 251, 252, 255, 256, 257,
]

/**
 * `source-port`: one that nobody asks from (`source-ports.ts`); `receive-queue`: by the kernel, for want of room; `error`: by an error
 * of ours.
 */
export const dropReasons = [
  'short',
  'response',
  'source-port',
  'send',
  'rate-limit',
  'receive-queue',
  'error',
] as const
export type DropReason = (typeof dropReasons)[number]

/** What the rate limiter did: nothing but count, drop, or send a truncated response. */
export const limitActions = ['drop', 'slip', 'log'] as const
export type LimitAction = (typeof limitActions)[number]

/**
 * What happens to connections. `evicted`: it was the quietest when there was no room for another one; `unread`: its client left
 * answers unread for too long, or it held most when all together held too much; `failed`: by an error of ours; `passed`: it goes on
 * in the process that takes our place, where it is accepted once more.
 */
export const connectionEvents = [
  'accepted',
  'closed',
  'idle',
  'slow',
  'evicted',
  'refused',
  'unread',
  'failed',
  'passed',
] as const
export type ConnectionEvent = (typeof connectionEvents)[number]

/** What became of a frame of dnstap, or of the query log: left for whoever reads it, or dropped for want of room. */
export const tapOutcomes = ['written', 'dropped'] as const

/** Upper bounds of the response time histogram, in seconds. */
export const durationBounds = [1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2] as const

/** Counters of members in answers; slot 0 takes what found no slot of its own. 2 MiB a worker, touched as used. */
export const answerSlots = 262_144

/**
 * Networks that were limited, for the log: each in the slot that its bits give, in the place of the one before. Of a flood from
 * more networks at once some are told, and all are counted.
 */
export const networkSlots = 16
/** `high` and `low`: the 24 bits of an IPv4 network; 32, then 24 and `networkMarks.ipv6`, of an IPv6 one. */
export const networkCells = { high: 0, low: 1, count: 2 } as const
export const networkMarks = { ipv4: 8, ipv6: 16 } as const
const networkCellCount = 3

export const typeSlots = countedTypes.length + 1
const rcodeSlots = 32
const durationsAt = 2 * typeSlots + rcodeSlots + dropReasons.length
const limitedAt = durationsAt + durationBounds.length + 2
const connectionsAt = limitedAt + limitActions.length
const tapAt = connectionsAt + connectionEvents.length
const queryLogAt = tapAt + tapOutcomes.length
const networksAt = queryLogAt + tapOutcomes.length
/** Where each kind of counter begins. */
export const countersAt = {
  /** IPv4, then IPv6: one slot a type. */
  queries: 0,
  responses: 2 * typeSlots,
  dropped: 2 * typeSlots + rcodeSlots,
  durations: durationsAt,
  durationSum: limitedAt - 1,
  limited: limitedAt,
  connections: connectionsAt,
  tap: tapAt,
  queryLog: queryLogAt,
  networks: networksAt,
  answers: networksAt + networkSlots * networkCellCount,
} as const

/** Slot by type for the types below 512; what is above is `other` as well. */
const slotOfType = new Uint8Array(512).fill(countedTypes.length)
for (const [slot, type] of countedTypes.entries()) slotOfType[type] = slot

/** Where the cells of a slot for a network begin. */
export function networkAt(slot: number): number {
  return networksAt + slot * networkCellCount
}

export function allocateCounters(): SharedArrayBuffer {
  return new SharedArrayBuffer(8 * (countersAt.answers + answerSlots))
}

/** Adds the counters of a worker that has ended to others. Which networks were limited is no count, and left out. */
export function addCounters(to: SharedArrayBuffer, from: SharedArrayBuffer): void {
  const [sums, cells] = [new Float64Array(to), new Float64Array(from)]
  for (let cell = 0; cell < cells.length; cell++) {
    if (cell < networksAt || cell >= countersAt.answers) sums[cell]! += cells[cell]!
  }
}

/** The writing side; one instance for each buffer. */
export class Counters {
  readonly #cells: Float64Array

  constructor(buffer: SharedArrayBuffer) {
    this.#cells = new Float64Array(buffer)
  }

  query(ipv6: boolean, type: number): void {
    const slot = type < 512 ? slotOfType[type]! : countedTypes.length
    this.#cells[countersAt.queries + (ipv6 ? typeSlots : 0) + slot]!++
  }

  /** @param rcode 0..31 */
  response(rcode: number): void {
    this.#cells[countersAt.responses + rcode]!++
  }

  drop(reason: DropReason, count = 1): void {
    this.#cells[countersAt.dropped + dropReasons.indexOf(reason)]! += count
  }

  rateLimited(action: LimitAction): void {
    this.#cells[countersAt.limited + limitActions.indexOf(action)]!++
  }

  /** Notes whose response was above the limit; `networkCells` has what the words are. */
  limitedNetwork(high: number, low: number): void {
    const cells = this.#cells
    const at = networkAt(
      (high ^ (high >>> 8) ^ (high >>> 16) ^ (high >>> 24) ^ (low >>> 8)) & (networkSlots - 1),
    )
    if (cells[at + networkCells.high] !== high || cells[at + networkCells.low] !== low) {
      cells[at + networkCells.count] = 0
      cells[at + networkCells.high] = high
      cells[at + networkCells.low] = low
    }
    cells[at + networkCells.count]!++
  }

  connection(event: ConnectionEvent): void {
    this.#cells[countersAt.connections + connectionEvents.indexOf(event)]!++
  }

  /** Frames. @param at `countersAt.tap` or `countersAt.queryLog` @param dropped those that there was no room for */
  tapped(at: number, written: number, dropped: number): void {
    this.#cells[at]! += written
    this.#cells[at + 1]! += dropped
  }

  /** @param count responses that took as long */
  duration(seconds: number, count = 1): void {
    let bucket = 0
    while (bucket < durationBounds.length && seconds > durationBounds[bucket]!) bucket++
    this.#cells[countersAt.durations + bucket]! += count
    this.#cells[countersAt.durationSum]! += count * seconds
  }

  answer(slot: number): void {
    this.#cells[countersAt.answers + slot]!++
  }
}

/** Reads how often the member in a slot has been in an answer, over all the workers whose buffers are given. */
export class AnswerReader {
  readonly #cells: readonly Float64Array[]

  constructor(buffers: readonly SharedArrayBuffer[]) {
    this.#cells = buffers.map((buffer) => new Float64Array(buffer, 8 * countersAt.answers))
  }

  total(slot: number): number {
    return this.#cells.reduce((sum, cells) => sum + cells[slot]!, 0)
  }
}
