/**
 * The OPT of a response (RFC 6891) with the options that answer those of the query. How long it will be is known
 * before the sections are written, so that it always fits.
 */

import type { AnswerSettings } from '../image/answer-settings.ts'
import { ednsPayload, optLength, types } from '../wire/constants.ts'
import { optionCodes, subnetHead } from '../wire/edns-options.ts'
import type { Query } from '../wire/query.ts'
import type { BatchClock } from './batch-clock.ts'
import type { Client } from './client.ts'
import { Cookies, cookieLength } from './cookies.ts'
import type { ResponseWriter } from './response-writer.ts'

/** Why, beside the rcode (RFC 8914 section 4, RFC 9824 section 9); `none` adds nothing. */
export const extendedErrors = {
  none: -1,
  other: 0,
  signatureExpired: 7,
  prohibited: 18,
  notAuthoritative: 20,
  notSupported: 21,
  invalidQueryType: 30,
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
  readonly #cookie = new Uint8Array(cookieLength)
  #nsid: Uint8Array | null = null

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
   * Writes the OPT.
   *
   * @param subnetScope bits of the client subnet that the answer depends on (RFC 7871 section 7.2.1)
   */
  write(
    request: Uint8Array,
    query: Query,
    client: Client,
    rcode: number,
    error: ExtendedError,
    subnetScope: number,
    writer: ResponseWriter,
  ): void {
    const { options } = query
    writer.u8(0)
    writer.u16(types.opt)
    writer.u16(ednsPayload)
    writer.u8(rcode >>> 4)
    writer.u8(0)
    writer.u16(query.dnssecOk ? 0x8000 : 0)
    writer.u16(0)
    const start = writer.length
    if (this.#nsid !== null && options.nsid) {
      writer.u16(optionCodes.nsid)
      writer.u16(this.#nsid.length)
      writer.copy(this.#nsid, 0, this.#nsid.length)
    }
    if (options.subnetAt > 0) {
      writer.u16(optionCodes.clientSubnet)
      writer.u16(options.subnetLength)
      // Source prefix 0: the client wants no part in this, whatever the answer depends on (RFC 7871 section 7.1.2).
      const scope = request[options.subnetAt + 2] === 0 ? 0 : subnetScope
      writer.copy(request, options.subnetAt, subnetHead - 1)
      writer.u8(scope)
      writer.copy(request, options.subnetAt + subnetHead, options.subnetLength - subnetHead)
    }
    if (this.#sendsCookie(query)) {
      writer.u16(optionCodes.cookie)
      writer.u16(cookieLength)
      this.cookies.write(request, options.cookieAt, client, this.#cookie)
      writer.copy(this.#cookie, 0, cookieLength)
    }
    if (this.#stream && options.keepalive) {
      writer.u16(optionCodes.keepalive)
      writer.u16(2)
      writer.u16(Math.floor(this.#idleTimeoutMs / 100))
    }
    if (error !== extendedErrors.none) {
      writer.u16(optionCodes.extendedError)
      writer.u16(2)
      writer.u16(error)
    }
    writer.endRecord(start)
  }

  #sendsCookie({ options }: Query): boolean {
    return options.cookieAt > 0 && this.cookies.keys.length > 0
  }
}
