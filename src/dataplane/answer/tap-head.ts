/**
 * What frames of dnstap have in common for a while: who we are, what kind of messages they tell of, where these came to and when. It is
 * written when it changes, as a rule once for the queries that come together, and copied for each.
 *
 * The message, the last field of it, is left open: how long it is, the client's address and its port are written into each copy, and the
 * rest behind it.
 */
import type { TapMessages } from '../image/answer-settings.ts'
import type { LocalEnd } from './client.ts'

/** Of messages: AUTH_QUERY, AUTH_RESPONSE. */
export const tapKinds = { query: 1, response: 2 } as const
export type TapKind = (typeof tapKinds)[keyof typeof tapKinds]

/** How the messages come, that are told in common. */
export interface TapWay {
  readonly kind: TapKind
  readonly ipv6: boolean
  readonly stream: boolean
}

/** Of a tag, and a number that is the field or how many octets that has. */
export const tagOctets = 4
/** Of seconds and nanoseconds, with their tags. */
const timeOctets = 11
/** Of what may change: two addresses with their ports, and two times. */
const mostChanging = 2 * (18 + tagOctets) + 2 * timeOctets

export class TapHead {
  readonly octets: Uint8Array
  readonly view: DataView
  /** The first so many are copied. */
  length = 0
  /** Where the tag of the message stands. */
  readonly messageAt: number
  /** Where the address of the client goes. */
  addressAt = 0
  /** Where the tag of its port goes. */
  portAt = 0
  readonly #answered: boolean
  readonly #addressOctets: number
  /** Where that begins which changes. */
  readonly #changing: number
  #local: LocalEnd | null = null
  #timesAt = 0
  #nowMs = -1

  constructor({ kind, ipv6, stream }: TapWay, { identity, version }: TapMessages) {
    const text = new TextEncoder()
    const field = (tag: number, value: string) => {
      const octets = text.encode(value)
      return [...u32Octets(tagged(tag, octets.length)), ...octets]
    }
    const us = [...field(0x0a, identity), ...field(0x12, version), 0x78, 1]
    this.messageAt = us.length
    const fixed = [...us, 0x72, 0, 0, 0, 0x08, kind, 0x10, ipv6 ? 2 : 1, 0x18, stream ? 2 : 1]
    this.#answered = kind === tapKinds.response
    this.#addressOctets = ipv6 ? 16 : 4
    this.#changing = fixed.length
    this.octets = new Uint8Array(fixed.length + mostChanging)
    this.octets.set(fixed)
    this.view = new DataView(this.octets.buffer)
  }

  /** Has it say where messages came to, and when. */
  fill(local: LocalEnd, nowMs: number): void {
    if (local !== this.#local) this.#setLocal(local)
    else if (nowMs === this.#nowMs) return
    this.#nowMs = nowMs
    this.#setTime(this.#timesAt, 0x40, 0x4d)
    if (this.#answered) this.#setTime(this.#timesAt + timeOctets, 0x60, 0x6d)
  }

  #setLocal(local: LocalEnd): void {
    this.#local = local
    const { octets, view } = this
    let at = this.#changing
    const { length } = local.octets
    if (length > 0) {
      octets[at++] = 0x2a
      octets[at++] = length
      for (let i = 0; i < length; i++) octets[at++] = local.octets[i]!
    }
    view.setUint32(at, tagged(0x38, local.port), true)
    this.#timesAt = at + tagOctets
    at = this.#timesAt + (this.#answered ? 2 : 1) * timeOctets
    octets[at] = 0x22
    octets[at + 1] = this.#addressOctets
    this.addressAt = at + 2
    this.portAt = this.addressAt + this.#addressOctets
    this.length = this.portAt + tagOctets
  }

  /** UNIX seconds, a varint of five octets, and nanoseconds in four octets, the lowest first. */
  #setTime(at: number, seconds: number, nanoseconds: number): void {
    const { octets, view } = this
    const whole = Math.floor(this.#nowMs / 1000)
    view.setUint32(at, tagged(seconds, whole) | 0x8000_0000, true)
    octets[at + 4] = ((whole / 0x20_0000) & 0x7f) | 0x80
    octets[at + 5] = whole / 0x1000_0000
    octets[at + 6] = nanoseconds
    view.setUint32(at + 7, (this.#nowMs - 1000 * whole) * 1_000_000, true)
  }
}

/**
 * A tag of one octet and a number, as the four octets that they are, the lowest first: as a varint that is longer than it need be, which
 * readers take, it costs no question how long it is.
 *
 * @param value below 2^21; of a larger one the lowest 21 bits
 */
export function tagged(tag: number, value: number): number {
  return (
    tag | ((value << 8) & 0x7f00) | ((value << 9) & 0x7f_0000) | ((value << 10) & 0x7f00_0000) | 0x80_8000
  )
}

function u32Octets(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer)
}
