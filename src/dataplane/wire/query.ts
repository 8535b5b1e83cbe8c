/**
 * Decodes a query in place. The plain query (opcode QUERY, one question, at most an OPT behind it) never leaves this
 * file; what is legal beyond that gets the verdict `other` and goes through dns-packet (`other-query.ts`).
 *
 * Malformed input is a verdict, never an exception. Which one: what may be a reflected response or is too short to
 * answer is dropped; what has a header that we can answer gets FORMERR (RFC 8906 section 3).
 */

import { u16 } from './bytes.ts'
import { headerLength, opcodes, optLength, plainPayload, types } from './constants.ts'
import { EdnsOptions } from './edns-options.ts'
import { NameScan } from './name-scan.ts'

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
/** What can be acted on without the general decoder. */
export type DirectVerdict = Exclude<Verdict, typeof verdicts.other>

export class Query {
  readonly name = new NameScan()
  readonly options = new EdnsOptions()
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
    // Root owner and type OPT; any other record, or an OPT below another owner, is for the general decoder.
    if (at + optLength > length) return verdicts.formerr
    if (packet[at] !== 0 || u16(packet, at + 1) !== types.opt) return verdicts.other
    const optionsEnd = at + optLength + u16(packet, at + 9)
    if (optionsEnd > length) return verdicts.formerr
    this.#setEdns(u16(packet, at + 3), u16(packet, at + 7))
    if (packet[at + 6] !== 0) return verdicts.badvers
    return this.options.load(packet, at + optLength, optionsEnd) ? verdicts.ok : verdicts.formerr
  }

  /** What dns-packet read of an OPT; its options are taken as if there were none. */
  setEdns(payload: number, version: number, flags: number): DirectVerdict {
    this.#setEdns(payload, flags)
    return version === 0 ? verdicts.ok : verdicts.badvers
  }

  #setEdns(payload: number, flags: number): void {
    this.edns = true
    this.dnssecOk = (flags & 0x8000) !== 0
    this.payload = Math.max(payload, plainPayload)
  }
}
