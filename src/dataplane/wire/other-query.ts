/**
 * The queries that are legal but not plain: records in other sections than the question, several additional records,
 * NOTIFY. They are rare, so the general decoder of dns-packet reads them, at its price (it allocates, and it throws on
 * malformed input, which becomes FORMERR here).
 */
import { type Answer, decode, type OptAnswer } from 'dns-packet'
import { opcodes } from './constants.ts'
import { type DirectVerdict, type Query, verdicts } from './query.ts'

export const otherVerdicts = { notify: 7, signed: 8 } as const
export type OtherVerdict = DirectVerdict | (typeof otherVerdicts)[keyof typeof otherVerdicts]

/**
 * Queries of these kinds are short; the bound is for dns-packet's sake, which follows chains of pointers without a limit,
 * so that its price grows with the square of the length.
 */
const maxLength = 4096

/** Completes what `query.decode` began on the same octets and answered with `other`. */
export function decodeOther(query: Query, packet: Uint8Array, length: number): OtherVerdict {
  if (length > maxLength) return verdicts.formerr
  let additionals: Answer[]
  try {
    additionals = decode(Buffer.from(packet.buffer, packet.byteOffset, length)).additionals!
  } catch {
    return verdicts.formerr
  }
  // It lets the last record's RDATA run over the end.
  if (decode.bytes > length) return verdicts.formerr
  const opts = additionals.filter((record): record is OptAnswer => record.type === 'OPT')
  const opt = opts[0]
  if (opts.length > 1 || (opt !== undefined && opt.name !== '.')) return verdicts.formerr
  if (opt !== undefined) {
    const verdict = query.setEdns(opt.udpPayloadSize, opt.ednsVersion, opt.flags)
    if (verdict !== verdicts.ok) return verdict
  }
  // We hold no keys: the caller answers NOTAUTH, as RFC 8945 section 5.2 has it for a key that is not known.
  if (additionals.some((record) => (record.type as string) === 'TSIG')) return otherVerdicts.signed
  return query.opcode === opcodes.notify ? otherVerdicts.notify : verdicts.ok
}
