/**
 * The queries that are legal but not plain: records in other sections than the question, several additional records,
 * NOTIFY. Of their records only OPT and TSIG mean something to us, so this walks from record to record by their lengths,
 * and looks into those two alone.
 *
 * Invariants: what runs over the end of the message, or of its OPT, is FORMERR wherever it stands; the price is one pass
 * over the octets, whatever they are; nothing is allocated and nothing is thrown.
 *
 * Rejected: the general decoder of dns-packet. It hides how long an OPT's RDATA is, so that options that overrun it
 * can't be told; it knows each option by its meaning and not by its place; it follows chains of pointers without a limit.
 */
import { u16 } from './bytes.ts'
import { headerLength, maxPointer, opcodes, pointerBits, rrFixedLength, types } from './constants.ts'
import { maxLabelLength, maxNameLength } from './name.ts'
import { type DirectVerdict, type Query, verdicts } from './query.ts'

export const otherVerdicts = { notify: 7, signed: 8 } as const
export type OtherVerdict = DirectVerdict | (typeof otherVerdicts)[keyof typeof otherVerdicts]

/** Completes what `query.decode` began on the same octets and answered with `other`. */
export function decodeOther(query: Query, packet: Uint8Array, length: number): OtherVerdict {
  const verdict = walk(query, packet, length)
  // What stands in a message that can't be trusted must not be echoed.
  if (verdict === verdicts.formerr) query.options.clear()
  return verdict
}

function walk(query: Query, packet: Uint8Array, length: number): OtherVerdict {
  const firstAdditional = u16(packet, 6) + u16(packet, 8)
  const count = firstAdditional + u16(packet, 10)
  let verdict: OtherVerdict = query.opcode === opcodes.notify ? otherVerdicts.notify : verdicts.ok
  let at = query.questionEnd
  for (let index = 0; index < count; index++) {
    const fixed = ownerEnd(packet, at, length)
    if (fixed < 0 || fixed + rrFixedLength > length) return verdicts.formerr
    const end = fixed + rrFixedLength + u16(packet, fixed + 8)
    if (end > length) return verdicts.formerr
    switch (u16(packet, fixed)) {
      case types.opt: {
        // One OPT, with the root as its owner, in the additional section (RFC 6891 section 6.1.1).
        if (query.edns || index < firstAdditional || packet[at] !== 0) return verdicts.formerr
        const ofOpt = query.takeOpt(packet, at, end)
        if (ofOpt === verdicts.formerr) return verdicts.formerr
        if (ofOpt !== verdicts.ok) verdict = ofOpt
        break
      }
      case types.tsig:
        // Only as the last record of all (RFC 8945 section 5.1).
        if (index < firstAdditional || index + 1 < count) return verdicts.formerr
        if (!query.tsig.load(packet, at, fixed, end)) return verdicts.formerr
        // We hold no keys: the caller answers NOTAUTH, as section 5.2 has it for a key that is not known.
        if (verdict !== verdicts.badvers) verdict = otherVerdicts.signed
        break
    }
    at = end
  }
  return verdict
}

/**
 * The offset behind the owner at `at`, or -1 when it is malformed. Nobody asks what the owner is, so a pointer ends it and
 * is not followed; it must lead backwards (RFC 1035 section 4.1.4).
 */
function ownerEnd(packet: Uint8Array, at: number, length: number): number {
  const start = at
  while (at < length) {
    const label = packet[at]!
    if (label >= pointerBits) {
      if (at + 2 > length) return -1
      const target = u16(packet, at) & maxPointer
      return target >= headerLength && target < start ? at + 2 : -1
    }
    at += label + 1
    if (label > maxLabelLength || at - start > maxNameLength) return -1
    if (label === 0) return at
  }
  return -1
}
