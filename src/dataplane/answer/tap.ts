/**
 * Writes what was asked and answered as frames of dnstap (https://dnstap.info, `dnstap.proto`), for whoever looks on: a message of Protocol Buffers
 * in a frame of Frame Streams, straight into a ring (`tap-ring.ts`). Nothing is allocated. `onlookers.ts` has those who are told.
 *
 * Beside what others tell, `extra` says which service answered with which members of which pools. The texts come with the plans, by the
 * slots in which answers are counted (`labels` of `image/serving-set.ts`).
 *
 * Lengths that are not known when a message begins have three octets, as a varint that is longer than it need be; readers take that.
 */
import type { Counters } from '../counters.ts'
import type { TapMessages } from '../image/answer-settings.ts'
import type { ServingState } from '../image/state.ts'
import { TapWriter } from '../tap-ring.ts'
import { headerLength } from '../wire/constants.ts'
import type { BatchClock } from './batch-clock.ts'
import type { Client } from './client.ts'
import type { Draw } from './draw.ts'
import type { Walk } from './walk.ts'

/** Members of one answer that are named. */
export const mostLabels = 8
/** Octets of a frame beside its message, the identity and the labels: addresses, ports, times, a zone, and what stands in front of each. */
const otherOctets = 512
const kinds = { query: 1, response: 2 } as const
const protocols = { udp: 1, tcp: 2 } as const
const separator = new TextEncoder().encode('; ')

/** What it tells of and by. */
export interface TapParts {
  readonly stream: boolean
  readonly clock: BatchClock
  readonly counters: Counters
  readonly state: ServingState
  /** What chose the members of the answer. */
  readonly draw: Draw
}

export class Tap {
  readonly #ring: TapWriter
  readonly #octets: Uint8Array
  readonly #protocol: number
  readonly #clock: BatchClock
  readonly #counters: Counters
  readonly #state: ServingState
  readonly #draw: Draw
  /** Where it is counted what became of frames. */
  readonly #counted: number
  #settings: TapMessages | null = null
  /** Who we are, as the message has it. */
  #head = new Uint8Array()
  /** Queries until the next that is told, that one counted. */
  #left = 1
  /** Whether the last query is told. */
  #tells = false
  /** Slots of the members that answered. */
  readonly #slots = new Int32Array(mostLabels)
  #slotCount = 0
  /** The zone that was answered from, in wire form, of which the last response shows where it begins; 0 octets for none. */
  readonly #zone = new Uint8Array(255)
  #zoneOctets = 0
  /** Where the next octet goes. */
  #at = 0

  /** @param counted one of `countersAt` that counts frames */
  constructor(ring: SharedArrayBuffer, counted: number, parts: TapParts) {
    const { stream, clock, counters, state, draw } = parts
    this.#ring = new TapWriter(ring)
    this.#counted = counted
    this.#octets = this.#ring.octets
    this.#protocol = stream ? protocols.tcp : protocols.udp
    this.#clock = clock
    this.#counters = counters
    this.#state = state
    this.#draw = draw
  }

  configure(settings: TapMessages): void {
    this.#settings = settings
    this.#left = 1
    const text = new TextEncoder()
    const [identity, version] = [text.encode(settings.identity), text.encode(settings.version)]
    this.#head = Uint8Array.of(0x0a, identity.length, ...identity, 0x12, version.length, ...version)
  }

  /** Whether the query is one of those that are told; then it is, if queries are. */
  query(request: Uint8Array, length: number, client: Client): boolean {
    this.#tells = --this.#left <= 0
    if (!this.#tells) return false
    const { every, queries } = this.#settings!
    this.#left = every
    this.#slotCount = 0
    this.#zoneOctets = 0
    // What is no message is told of by nobody.
    if (queries && length >= headerLength) this.#write(kinds.query, request, length, client)
    return true
  }

  /** Notes who answers, while the walk knows. */
  note(walk: Walk): void {
    if (!this.#tells || walk.count === 0) return
    const { name, apexLabel } = walk.links[0]!
    const from = name.offsets[apexLabel]!
    this.#zoneOctets = name.length - from
    for (let i = 0; i < this.#zoneOctets; i++) this.#zone[i] = name.bytes[from + i]!
    for (let i = 0; i < walk.count; i++) {
      const link = walk.links[i]!
      if (link.kind === 'alias') this.#noteSlot(link.candidates.counter(link.candidate))
      else if (link.kind === 'members') {
        const { indexes } = this.#draw
        for (let each = 0; each < link.written; each++)
          this.#noteSlot(link.candidates.counter(indexes[each]!))
      }
    }
  }

  /** Tells of the response to the last query, if that was to be told. */
  response(message: Uint8Array, length: number, client: Client): void {
    if (this.#tells && this.#settings!.responses) this.#write(kinds.response, message, length, client)
  }

  #noteSlot(slot: number): void {
    if (this.#slotCount < mostLabels) this.#slots[this.#slotCount++] = slot
  }

  #write(kind: number, message: Uint8Array, length: number, client: Client): void {
    const extra = this.#extraOctets()
    const start = this.#ring.reserve(length + extra + this.#head.length + otherOctets)
    if (start < 0) {
      this.#counters.tapped(this.#counted, false)
      return
    }
    const octets = this.#octets
    this.#at = start + 4
    this.#copy(this.#head, this.#head.length)
    if (extra > 0) this.#extra(extra)
    octets[this.#at] = 0x72
    const lengthAt = this.#at + 1
    this.#at += 4
    this.#message(kind, message, length, client)
    const messageOctets = this.#at - lengthAt - 3
    octets[lengthAt] = (messageOctets & 0x7f) | 0x80
    octets[lengthAt + 1] = ((messageOctets >>> 7) & 0x7f) | 0x80
    octets[lengthAt + 2] = messageOctets >>> 14
    this.#small(0x78, 1)
    const frameOctets = this.#at - start - 4
    octets[start] = frameOctets >>> 24
    octets[start + 1] = frameOctets >>> 16
    octets[start + 2] = frameOctets >>> 8
    octets[start + 3] = frameOctets
    this.#ring.commit(frameOctets + 4)
    this.#counters.tapped(this.#counted, true)
  }

  #message(kind: number, message: Uint8Array, length: number, client: Client): void {
    const { local } = client
    this.#small(0x08, kind)
    this.#small(0x10, client.ipv6 ? 2 : 1)
    this.#small(0x18, this.#protocol)
    this.#field(0x22, client.octets, client.length)
    if (local.octets.length > 0) this.#field(0x2a, local.octets, local.octets.length)
    this.#number(0x30, client.port)
    this.#number(0x38, local.port)
    this.#time(0x40, 0x4d)
    if (kind === kinds.query) this.#field(0x52, message, length)
    if (this.#zoneOctets > 0) this.#field(0x5a, this.#zone, this.#zoneOctets)
    if (kind === kinds.query) return
    this.#time(0x60, 0x6d)
    this.#field(0x72, message, length)
  }

  #extraOctets(): number {
    let octets = 0
    for (let i = 0; i < this.#slotCount; i++) {
      const label = this.#state.label(this.#slots[i]!)
      if (label !== undefined) octets += label.length + (octets === 0 ? 0 : separator.length)
    }
    return octets
  }

  #extra(length: number): void {
    this.#octets[this.#at++] = 0x1a
    this.#varint(length)
    const start = this.#at
    for (let i = 0; i < this.#slotCount; i++) {
      const label = this.#state.label(this.#slots[i]!)
      if (label === undefined) continue
      if (this.#at > start) this.#copy(separator, separator.length)
      this.#copy(label, label.length)
    }
  }

  /** UNIX seconds, and nanoseconds in four octets, the lowest first. */
  #time(seconds: number, nanoseconds: number): void {
    const { nowMs } = this.#clock
    const whole = Math.floor(nowMs / 1000)
    this.#number(seconds, whole)
    const rest = (nowMs - 1000 * whole) * 1_000_000
    const octets = this.#octets
    octets[this.#at++] = nanoseconds
    for (let shift = 0; shift < 32; shift += 8) octets[this.#at++] = rest >>> shift
  }

  /** @param value below 128 */
  #small(tag: number, value: number): void {
    this.#octets[this.#at++] = tag
    this.#octets[this.#at++] = value
  }

  #number(tag: number, value: number): void {
    this.#octets[this.#at++] = tag
    this.#varint(value)
  }

  #field(tag: number, from: Uint8Array, length: number): void {
    this.#octets[this.#at++] = tag
    this.#varint(length)
    this.#copy(from, length)
  }

  #copy(from: Uint8Array, length: number): void {
    const octets = this.#octets
    let to = this.#at
    for (let i = 0; i < length; i++) octets[to++] = from[i]!
    this.#at = to
  }

  /** @param value below 2^32 */
  #varint(value: number): void {
    const octets = this.#octets
    let rest = value >>> 0
    while (rest > 0x7f) {
      octets[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    octets[this.#at++] = rest
  }
}
