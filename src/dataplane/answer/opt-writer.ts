/**
 * The OPT of a response (RFC 6891) with the options that answer those of the query. How long it will be is known
 * before the sections are written, so that it always fits.
 */

import type { AnswerSettings } from '../image/answer-settings.ts'
import { ednsPayload, optLength, types } from '../wire/constants.ts'
import { optionCodes } from '../wire/edns-options.ts'
import type { Query } from '../wire/query.ts'
import type { BatchClock } from './batch-clock.ts'
import type { Client } from './client.ts'
import { Cookies, cookieLength } from './cookies.ts'

/** Why, beside the rcode (RFC 8914 section 4); `none` adds nothing. */
export const extendedErrors = {
  none: -1,
  other: 0,
  prohibited: 18,
  notAuthoritative: 20,
  notSupported: 21,
} as const
export type ExtendedError = (typeof extendedErrors)[keyof typeof extendedErrors]

const optionHead = 4
/** An extended error with its code and no text. */
export const extendedErrorLength = optionHead + 2
const keepaliveLength = optionHead + 2

export class OptWriter {
  readonly cookies: Cookies
  readonly #stream: boolean
  readonly #idleTimeoutMs: number
  #nsid: Uint8Array | null = null
  #out: Uint8Array = new Uint8Array(0)
  #at = 0

  /** @param idleTimeoutMs what a stream's clients are told (RFC 7828) */
  constructor(stream: boolean, idleTimeoutMs: number, clock: BatchClock) {
    this.cookies = new Cookies(clock)
    this.#stream = stream
    this.#idleTimeoutMs = idleTimeoutMs
  }

  set settings({ nsid, cookieKeys }: AnswerSettings) {
    this.#nsid = nsid
    this.cookies.keys = cookieKeys
  }

  /**
   * Octets to keep free at the end of the response; 0 when the query had no OPT (RFC 6891 section 7). An extended error
   * is not among them: it goes with responses that have room, and is left out otherwise.
   */
  reserve(query: Query): number {
    if (!query.edns) return 0
    const { options } = query
    let length = optLength
    if (this.#nsid !== null && options.nsid) length += optionHead + this.#nsid.length
    if (this.#sendsCookie(query)) length += optionHead + cookieLength
    if (options.subnetAt > 0) length += optionHead + options.subnetLength
    if (this.#stream && options.keepalive) length += keepaliveLength
    return length
  }

  /**
   * Writes the OPT at `at`.
   *
   * @param subnetScope bits of the client subnet that the answer depends on (RFC 7871 section 7.2.1)
   * @returns the offset behind it
   */
  write(
    request: Uint8Array,
    query: Query,
    client: Client,
    rcode: number,
    error: ExtendedError,
    subnetScope: number,
    out: Uint8Array,
    at: number,
  ): number {
    const { options } = query
    this.#out = out
    this.#at = at
    this.#u8(0)
    this.#u16(types.opt)
    this.#u16(ednsPayload)
    this.#u8(rcode >>> 4)
    this.#u8(0)
    this.#u16(query.dnssecOk ? 0x8000 : 0)
    const lengthAt = this.#at
    this.#u16(0)
    if (this.#nsid !== null && options.nsid) {
      this.#head(optionCodes.nsid, this.#nsid.length)
      this.#copy(this.#nsid, 0, this.#nsid.length)
    }
    if (options.subnetAt > 0) {
      this.#head(optionCodes.clientSubnet, options.subnetLength)
      this.#copy(request, options.subnetAt, options.subnetLength)
      // Source prefix 0: the client wants no part in this, whatever the answer depends on (RFC 7871 section 7.1.2).
      const source = request[options.subnetAt + 2]!
      out[this.#at - options.subnetLength + 3] = source === 0 ? 0 : subnetScope
    }
    if (this.#sendsCookie(query)) {
      this.#head(optionCodes.cookie, cookieLength)
      this.cookies.write(request, options.cookieAt, client, out, this.#at)
      this.#at += cookieLength
    }
    if (this.#stream && options.keepalive) {
      this.#head(optionCodes.keepalive, 2)
      this.#u16(Math.floor(this.#idleTimeoutMs / 100))
    }
    if (error !== extendedErrors.none) {
      this.#head(optionCodes.extendedError, 2)
      this.#u16(error)
    }
    const length = this.#at - lengthAt - 2
    out[lengthAt] = length >>> 8
    out[lengthAt + 1] = length & 0xff
    return this.#at
  }

  #sendsCookie({ options }: Query): boolean {
    return options.cookieAt > 0 && this.cookies.keys.length > 0
  }

  #head(code: number, length: number): void {
    this.#u16(code)
    this.#u16(length)
  }

  #u8(value: number): void {
    this.#out[this.#at++] = value
  }

  #u16(value: number): void {
    this.#u8(value >>> 8)
    this.#u8(value & 0xff)
  }

  #copy(source: Uint8Array, from: number, length: number): void {
    for (let i = 0; i < length; i++) this.#out[this.#at++] = source[from + i]!
  }
}
