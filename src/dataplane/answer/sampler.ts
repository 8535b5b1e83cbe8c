/**
 * Keeps some of the questions that a worker is asked (`sample.ts` has the memory, and what it promises). A question that is not kept costs two
 * comparisons and a subtraction.
 *
 * Each window keeps a sample of fixed size in which every question of the window is with the same chance: Li's algorithm L
 * ("Reservoir-Sampling Algorithms of Time Complexity O(n(1 + log(N/n)))", 1994). It draws how many questions to pass over until the
 * next one that is kept, by a threshold that sinks as more are seen. Rejected: one question in so many. It would either hold
 * next to nothing on a quiet server, or let a flood of a second overwrite ten minutes.
 *
 * The threshold stands in the window's head, so a worker that takes a dead one's place goes on with its window. Questions that were passed
 * over are counted when the next is kept, or the window ends: what is read meanwhile is a little too low.
 */
import { Random } from '../random.ts'
import {
  networkBits,
  SampleMemory,
  sampleFlags,
  sampleWindows,
  slotAt,
  windowAt,
  windowMs,
} from '../sample.ts'
import type { Query } from '../wire/query.ts'
import type { BatchClock } from './batch-clock.ts'
import type { Client } from './client.ts'
import { ClientNetwork } from './client-network.ts'

/** Questions that are passed over at the most; a window has no more. */
const mostPassed = 2 ** 30

export class Sampler {
  readonly #memory: SampleMemory
  readonly #stream: boolean
  readonly #clock: BatchClock
  readonly #random: Random
  readonly #network = new ClientNetwork()
  /** Where the window lies that is being filled; -1 before the first. */
  #place = -1
  /** Its first millisecond, as `BatchClock.wrappedMs` has it. */
  #beganAt: number
  /** Questions until the next that is kept, that one counted: when it was drawn, and now. */
  #drawn = 1
  #left = 1

  /** @param stream whether the questions come over one */
  constructor(buffer: SharedArrayBuffer, stream: boolean, clock: BatchClock, random = new Random()) {
    this.#memory = new SampleMemory(buffer)
    this.#stream = stream
    this.#clock = clock
    this.#random = random
    this.#beganAt = clock.wrappedMs - windowMs
  }

  /** Notes a question that is answered. */
  note(request: Uint8Array, query: Query, client: Client): void {
    // Also when the clock was set back.
    if ((this.#clock.wrappedMs - this.#beganAt) >>> 0 >= windowMs) this.#turn()
    if (--this.#left <= 0) this.#take(request, query, client)
  }

  /** Forgets all that was kept. */
  clear(): void {
    const memory = this.#memory
    for (let place = 0; place < sampleWindows; place++) memory.setNumber(place, 0)
    memory.words.fill(0)
    this.#place = -1
    this.#beganAt = this.#clock.wrappedMs - windowMs
  }

  /** Goes to the window of this moment, which may have been begun before. */
  #turn(): void {
    const { heads } = this.#memory
    if (this.#place >= 0) heads[this.#memory.head(this.#place) + windowAt.seen]! += this.#drawn - this.#left
    const { nowMs } = this.#clock
    const number = Math.floor(nowMs / windowMs)
    this.#place = number % sampleWindows
    this.#beganAt = (number * windowMs) | 0
    if (this.#memory.numberIn(this.#place) !== number) this.#begin(number, nowMs)
    this.#draw()
  }

  #begin(number: number, nowMs: number): void {
    const memory = this.#memory
    const head = memory.head(this.#place)
    memory.setNumber(this.#place, 0)
    memory.heads[head + windowAt.beganMs] = nowMs
    memory.heads[head + windowAt.seen] = 0
    memory.heads[head + windowAt.threshold] = 1
    memory.setNumber(this.#place, number)
  }

  #take(request: Uint8Array, query: Query, client: Client): void {
    const { heads, slots } = this.#memory
    const head = this.#memory.head(this.#place)
    heads[head + windowAt.seen]! += this.#drawn
    const seen = heads[head + windowAt.seen]!
    this.#write(seen <= slots ? seen - 1 : this.#random.below(slots), request, query, client)
    if (seen >= slots) heads[head + windowAt.threshold]! *= Math.exp(Math.log(this.#chance()) / slots)
    this.#draw()
  }

  /** Draws which question is the next to be kept: every one until all slots are full. */
  #draw(): void {
    const { heads, slots } = this.#memory
    const head = this.#memory.head(this.#place)
    const isFull = heads[head + windowAt.seen]! >= slots
    const passed = isFull
      ? Math.floor(Math.log(this.#chance()) / Math.log1p(-heads[head + windowAt.threshold]!))
      : 0
    this.#drawn = Math.min(passed, mostPassed) + 1
    this.#left = this.#drawn
  }

  /** Above 0 and below 1. */
  #chance(): number {
    return this.#random.next() / 0x1_0000_0000
  }

  #write(slot: number, request: Uint8Array, { name, qtype, options }: Query, client: Client): void {
    const { words, octets } = this.#memory
    const network = this.#network
    network.load(request, options, client)
    const bits = Math.min(network.bits, network.ipv6 ? networkBits.ipv6 : networkBits.ipv4)
    const at = this.#memory.slot(this.#place, slot)
    const odd = words[at]! | 1
    Atomics.store(words, at, odd)
    words[at + slotAt.kind] =
      qtype | (network.ipv6 ? sampleFlags.ipv6 : 0) | (this.#stream ? sampleFlags.stream : 0)
    words[at + slotAt.high] = network.words[0]! & maskOf(bits)
    words[at + slotAt.low] = network.words[1]! & maskOf(bits - 32)
    words[at + slotAt.sizes] = name.length | (bits << 8)
    const nameAt = 4 * (at + slotAt.name)
    for (let i = 0; i < name.length; i++) octets[nameAt + i] = name.bytes[i]!
    Atomics.store(words, at, (odd + 1) | 0)
  }
}

/** Of a word of which so many bits count. */
function maskOf(bits: number): number {
  return bits >= 32 ? -1 : bits <= 0 ? 0 : -1 << (32 - bits)
}
