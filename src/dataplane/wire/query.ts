/**
 * Decodes a query in place. The plain query (opcode QUERY, one question, at most an OPT behind it) never leaves this
 * file; what is legal beyond that gets the verdict `other`, and its records are walked by `other-query.ts`.
 *
 * Malformed input is a verdict, never an exception. Which one: what may be a reflected response or is too short to
 * answer is dropped; what has a header that we can answer gets FORMERR (RFC 8906 section 3).
 */

import { u16 } from './bytes.ts'
import { headerLength, opcodes, optLength, plainPayload, types } from './constants.ts'
import { EdnsOptions } from './edns-options.ts'
import { NameScan } from './name-scan.ts'
import { Tsig } from './tsig.ts'

export const verdicts = {
  ok: 0,
  dropShort: 1,
  dropResponse: 2,
  formerr: 3,
  notimp: 4,
  badvers: 5,
  other: 6,
  cookieOnly: 9,
} as const
export type Verdict = (typeof verdicts)[keyof typeof verdicts]
/** What can be acted on without a walk through the records. */
export type DirectVerdict = Exclude<Verdict, typeof verdicts.other>

export class Query {
  readonly name = new NameScan()
  readonly options = new EdnsOptions()
  /** Of a query that is signed. */
  readonly tsig = new Tsig()
  opcode = 0
  qtype = 0
  qclass = 0
  /** Offset behind the question, or 0 when there is none that could be read. */
  questionEnd = 0
  edns = false
  dnssecOk = false
  /** What the client can take over UDP, at least 512 (RFC 6891 section 6.2.3). */
  payload: number = plainPayload

  /** Fills this object from the first `length` octets of `packet`. Fields are meaningful as far as the verdict says. */
  decode(packet: Uint8Array, length: number): Verdict {
    this.questionEnd = 0
    this.edns = false
    this.dnssecOk = false
    this.payload = plainPayload
    this.options.clear()
    if (length < headerLength) return verdicts.dropShort
    const flags = packet[2]!
    if ((flags & 0x80) !== 0) return verdicts.dropResponse
    this.opcode = (flags >>> 3) & 0x0f
    if (this.opcode !== opcodes.query && this.opcode !== opcodes.notify) return verdicts.notimp
    const questions = u16(packet, 4)
    if (questions === 0 && this.opcode === opcodes.query) return this.#decodeCookieQuery(packet, length)
    if (questions !== 1) return verdicts.formerr
    const nameEnd = this.name.load(packet, headerLength, length)
    if (nameEnd < 0 || nameEnd + 4 > length) return verdicts.formerr
    this.qtype = u16(packet, nameEnd)
    this.qclass = u16(packet, nameEnd + 2)
    this.questionEnd = nameEnd + 4
    const others = u16(packet, 6) | u16(packet, 8) | this.opcode
    const additionals = u16(packet, 10)
    if (others !== 0 || additionals > 1) return verdicts.other
    return additionals === 0 ? verdicts.ok : this.#decodeAdditional(packet, this.questionEnd, length)
  }

  /** No question but a cookie: the client wants to learn ours (RFC 7873 section 5.4). */
  #decodeCookieQuery(packet: Uint8Array, length: number): Verdict {
    if ((u16(packet, 6) | u16(packet, 8)) !== 0 || u16(packet, 10) !== 1) return verdicts.formerr
    const verdict = this.#decodeAdditional(packet, headerLength, length)
    if (verdict === verdicts.other) return verdicts.formerr
    return verdict === verdicts.ok
      ? this.options.cookieAt > 0
        ? verdicts.cookieOnly
        : verdicts.formerr
      : verdict
  }

  #decodeAdditional(packet: Uint8Array, at: number, length: number): Verdict {
    // Root owner and type OPT; any other record, or an OPT below another owner, is for the walk.
    if (at + optLength > length) return verdicts.formerr
    if (packet[at] !== 0 || u16(packet, at + 1) !== types.opt) return verdicts.other
    const optionsEnd = at + optLength + u16(packet, at + 9)
    return optionsEnd > length ? verdicts.formerr : this.takeOpt(packet, at, optionsEnd)
  }

  /**
   * Takes over what an OPT says. One of another version than ours may have options of another form, which are not read.
   *
   * @param at offset of its owner, the root
   * @param end offset behind its RDATA, inside the message
   */
  takeOpt(packet: Uint8Array, at: number, end: number): DirectVerdict {
    this.edns = true
    this.dnssecOk = (packet[at + 7]! & 0x80) !== 0
    this.payload = Math.max(u16(packet, at + 3), plainPayload)
    if (packet[at + 6] !== 0) return verdicts.badvers
    return this.options.load(packet, at + optLength, end) ? verdicts.ok : verdicts.formerr
  }
}
