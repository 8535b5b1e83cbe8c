/**
 * Writes what was asked and answered as frames of dnstap (https://dnstap.info, `dnstap.proto`), for whoever looks on: a message of Protocol Buffers
 * in a frame of Frame Streams, straight into a ring (`tap-ring.ts`). Nothing is allocated. `onlookers.ts` has those who are told.
 *
 * Beside what others tell, `extra` says which service answered with which members of which pools. The texts come with the plans, by the
 * slots in which answers are counted (`labels` of `image/serving-set.ts`).
 *
 * What frames have in common is written beforehand (`tap-head.ts`), and of long octets several are copied at a time: telling of a response
 * costs about a quarter of answering.
 */
import type { Counters } from '../counters.ts'
import type { TapMessages } from '../image/answer-settings.ts'
import type { ServingState } from '../image/state.ts'
import { TapWriter } from '../tap-ring.ts'
import { headerLength } from '../wire/constants.ts'
import type { NameScan } from '../wire/name-scan.ts'
import type { BatchClock } from './batch-clock.ts'
import { BufferViews } from './buffer-views.ts'
import type { Client } from './client.ts'
import { copyWords } from './copy-words.ts'
import type { Draw } from './draw.ts'
import { TapHead, type TapKind, tagged, tagOctets, tapKinds } from './tap-head.ts'
import type { Walk } from './walk.ts'

/** Members of one answer that are named. */
export const mostLabels = 8
/** Of the length that a frame begins with. */
const lengthOctets = 4
/** Octets of a frame beside its head, its message and the labels: its length, a zone, and what stands in front of these. */
const otherOctets = lengthOctets + 3 * tagOctets + 255
/** Between two labels: `; `. */
const separator = 0x3b20
const separatorOctets = 2

/** What it tells of and by. */
export interface TapParts {
  readonly stream: boolean
  readonly clock: BatchClock
  readonly counters: Counters
  readonly state: ServingState
  /** What chose the members of the answer. */
  readonly draw: Draw
}

/** By the family of the client. */
type Heads = Readonly<Record<'ipv4' | 'ipv6', TapHead>>

export class Tap {
  readonly #ring: TapWriter
  /** Its memory. */
  readonly #octets: Uint8Array
  readonly #view: DataView
  readonly #stream: boolean
  readonly #clock: BatchClock
  readonly #counters: Counters
  readonly #state: ServingState
  readonly #draw: Draw
  /** Where it is counted what became of frames. */
  readonly #counted: number
  #settings: TapMessages | null = null
  #queryHeads!: Heads
  #responseHeads!: Heads
  /** Of the buffers of responses. */
  readonly #views = new BufferViews()
  /** Queries until the next that is told, that one counted. */
  #left = 1
  /** Whether the last query is told. */
  #tells = false
  /** Slots of the members that answered. */
  readonly #slots = new Int32Array(mostLabels)
  #slotCount = 0
  /** The name that was asked for, which stays as it is until the next query; null where no zone holds it. */
  #name: NameScan | null = null
  /** The label of it at which the zone begins that was answered from. */
  #apexLabel = 0

  /** @param counted one of `countersAt` that counts frames */
  constructor(ring: SharedArrayBuffer, counted: number, parts: TapParts) {
    const { stream, clock, counters, state, draw } = parts
    this.#ring = new TapWriter(ring)
    this.#octets = this.#ring.octets
    this.#view = this.#ring.view
    this.#counted = counted
    this.#stream = stream
    this.#clock = clock
    this.#counters = counters
    this.#state = state
    this.#draw = draw
  }

  configure(settings: TapMessages): void {
    this.#settings = settings
    this.#left = 1
    const heads = (kind: TapKind): Heads => {
      const head = (ipv6: boolean) => new TapHead({ kind, ipv6, stream: this.#stream }, settings)
      return { ipv4: head(false), ipv6: head(true) }
    }
    this.#queryHeads = heads(tapKinds.query)
    this.#responseHeads = heads(tapKinds.response)
  }

  /** Whether the query is one of those that are told; then it is, if queries are. */
  query(request: Uint8Array, length: number, client: Client): boolean {
    this.#tells = --this.#left <= 0
    if (!this.#tells) return false
    const { every, queries } = this.#settings!
    this.#left = every
    this.#slotCount = 0
    this.#name = null
    // What is no message is told of by nobody.
    if (queries && length >= headerLength) this.#write(this.#queryHeads, 0x52, request, length, client)
    return true
  }

  /** Notes who answers, while the walk knows. */
  note(walk: Walk): void {
    if (!this.#tells || walk.count === 0) return
    const { name, apexLabel } = walk.links[0]!
    this.#name = name
    this.#apexLabel = apexLabel
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
    if (!this.#tells || !this.#settings!.responses) return
    this.#write(this.#responseHeads, 0x72, this.#views.of(message), length, client)
  }

  #noteSlot(slot: number): void {
    if (this.#slotCount < mostLabels) this.#slots[this.#slotCount++] = slot
  }

  /** @param message octets, or a view of them where there is one for long */
  #write(heads: Heads, tag: number, message: Uint8Array | DataView, length: number, client: Client): void {
    const head = client.ipv6 ? heads.ipv6 : heads.ipv4
    head.fill(client.local, this.#clock.nowMs)
    const extra = this.#extraOctets()
    const start = this.#ring.reserve(head.length + length + extra + otherOctets)
    if (start < 0) {
      this.#counters.tapped(this.#counted, false)
      return
    }
    const view = this.#view
    const octets = this.#octets
    const from = start + lengthOctets
    copyWords(view, from, head.view, 0, head.length)
    const address = from + head.addressAt
    for (let i = 0; i < client.length; i++) octets[address + i] = client.octets[i]!
    view.setUint32(from + head.portAt, tagged(0x30, client.port), true)
    let at = from + head.length
    const name = this.#name
    if (name !== null) {
      const apex = name.offsets[this.#apexLabel]!
      const zoneOctets = name.length - apex
      view.setUint32(at, tagged(0x5a, zoneOctets), true)
      at += tagOctets
      copyWords(view, at, name.view, apex, zoneOctets)
      at += zoneOctets
    }
    view.setUint32(at, tagged(tag, length), true)
    at += tagOctets
    if (message instanceof DataView) copyWords(view, at, message, 0, length)
    else for (let i = 0; i < length; i++) octets[at + i] = message[i]!
    at += length
    const messageAt = from + head.messageAt
    view.setUint32(messageAt, tagged(0x72, at - messageAt - tagOctets), true)
    if (extra > 0) at = this.#extra(at, extra)
    view.setUint32(start, at - from)
    this.#ring.commit(at - start)
    this.#counters.tapped(this.#counted, true)
  }

  #extraOctets(): number {
    let octets = 0
    for (let i = 0; i < this.#slotCount; i++) {
      const label = this.#state.label(this.#slots[i]!)
      if (label !== undefined) octets += label.length + (octets === 0 ? 0 : separatorOctets)
    }
    return octets
  }

  /** Writes it, and says where it ends. */
  #extra(at: number, length: number): number {
    const view = this.#view
    view.setUint32(at, tagged(0x1a, length), true)
    const start = at + tagOctets
    let end = start
    for (let i = 0; i < this.#slotCount; i++) {
      const label = this.#state.label(this.#slots[i]!)
      if (label === undefined) continue
      if (end > start) {
        view.setUint16(end, separator)
        end += separatorOctets
      }
      copyWords(view, end, label.view, 0, label.length)
      end += label.length
    }
    return end
  }
}
