/**
 * Writes what was asked and answered as frames of dnstap (https://dnstap.info, `dnstap.proto`), for whoever looks on: a message of Protocol Buffers
 * in a frame of Frame Streams, straight into a ring (`tap-ring.ts`). Nothing is allocated. `onlookers.ts` has those who are told.
 *
 * Beside what others tell, `extra` says which service answered with which members of which pools. The texts come with the plans, by the
 * slots in which answers are counted (`labels` of `image/serving-set.ts`).
 *
 * What frames have in common is written beforehand (`tap-head.ts`), of long octets several are copied at a time, and those who read see the
 * frames of a batch together, since to make them seen costs as much as to write a few dozen octets: telling of a response
 * costs about a quarter of answering.
 */
import type { Counters } from '../counters.ts'
import type { TapMessages } from '../image/answer-settings.ts'
import { type Label, labelSeparator } from '../image/serving-set.ts'
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
  /** Of the members that answered. */
  readonly #labels: Label[] = []
  #labelCount = 0
  #extraOctets = 0
  /** Of the frame that is being written: where it begins, and where its message's tag stands. */
  #start = 0
  #messageAt = 0
  /** Frames since the last were published. */
  #written = 0
  #dropped = 0
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
    this.#labelCount = 0
    this.#extraOctets = 0
    this.#name = null
    // What is no message is told of by nobody.
    if (queries && length >= headerLength) this.#writeQuery(request, length, client)
    return true
  }

  #writeQuery(request: Uint8Array, length: number, client: Client): void {
    const at = this.#begin(this.#queryHeads, 0x52, length, client)
    if (at < 0) return
    for (let i = 0; i < length; i++) this.#octets[at + i] = request[i]!
    this.#end(at + length)
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
    const at = this.#begin(this.#responseHeads, 0x72, length, client)
    if (at < 0) return
    copyWords(this.#view, at, this.#views.of(message), 0, length)
    this.#end(at + length)
  }

  /** Has the reader see what was told since the last time. */
  publish(): void {
    if (this.#written + this.#dropped === 0) return
    this.#ring.publish()
    this.#counters.tapped(this.#counted, this.#written, this.#dropped)
    this.#written = 0
    this.#dropped = 0
  }

  #noteSlot(slot: number): void {
    if (this.#labelCount === mostLabels) return
    const label = this.#state.label(slot)
    if (label === undefined) return
    this.#labels[this.#labelCount++] = label
    this.#extraOctets += label.length
  }

  /** Begins a frame, up to its message. @returns where that goes; -1 when there is no room for the frame */
  #begin(heads: Heads, tag: number, length: number, client: Client): number {
    const head = client.ipv6 ? heads.ipv6 : heads.ipv4
    head.fill(client.local, this.#clock.nowMs)
    const start = this.#ring.reserve(head.length + length + this.#extraOctets + otherOctets)
    if (start < 0) {
      this.#dropped++
      return -1
    }
    const view = this.#view
    const from = start + lengthOctets
    this.#start = start
    this.#messageAt = from + head.messageAt
    copyWords(view, from, head.view, 0, head.length)
    copyWords(view, from + head.addressAt, client.view, 0, client.length)
    view.setUint32(from + head.portAt, tagged(0x30, client.port), true)
    let at = from + head.length
    const name = this.#name
    if (name !== null) {
      const apex = name.offsets[this.#apexLabel]!
      const zoneOctets = name.length - apex
      view.setUint32(at, tagged(0x5a, zoneOctets), true)
      copyWords(view, at + tagOctets, name.view, apex, zoneOctets)
      at += tagOctets + zoneOctets
    }
    view.setUint32(at, tagged(tag, length), true)
    return at + tagOctets
  }

  /** Ends a frame whose message ends there. */
  #end(messageEnd: number): void {
    const view = this.#view
    view.setUint32(this.#messageAt, tagged(0x72, messageEnd - this.#messageAt - tagOctets), true)
    const end = this.#labelCount === 0 ? messageEnd : this.#extra(messageEnd)
    view.setUint32(this.#start, end - this.#start - lengthOctets)
    this.#ring.commit(end - this.#start)
    this.#written++
  }

  /** Writes who answered, and says where it ends. */
  #extra(at: number): number {
    const view = this.#view
    // The separator in front of the first is overwritten by the tag.
    let end = at + tagOctets - labelSeparator.length
    for (let i = 0; i < this.#labelCount; i++) {
      const label = this.#labels[i]!
      copyWords(view, end, label.view, 0, label.length)
      end += label.length
    }
    view.setUint32(at, tagged(0x1a, end - at - tagOctets), true)
    return end
  }
}
