/**
 * The beginning of IPSECKEY (RFC 4025) and the whole of AMTRELAY (RFC 8777): a few numbers, one of which says what the
 * gateway behind them is: nothing (`.`), an IPv4 address, an IPv6 address or a name, which is never compressed.
 */
import { type FieldKind, ipv4, ipv6, plainName, u8 } from './rdata-fields.ts'
import { TextError } from './text-error.ts'
import type { TokenReader } from './tokens.ts'

const nothing: FieldKind = {
  parse(tokens) {
    const { text } = tokens.next()
    if (text !== '.') throw new TextError(`gateway "${text}" must be "." for type 0`)
  },
  measure: (rdata, at) => (at <= rdata.length ? 0 : -1),
  format: () => '.',
}

/** Gateways by their type. */
const gateways: readonly FieldKind[] = [nothing, ipv4, ipv6, plainName]

/** Precedence, gateway type, algorithm and gateway of IPSECKEY, which it begins with. */
export const ipsecGateway: FieldKind = {
  parse(tokens, out) {
    u8.parse(tokens, out)
    const type = readType(tokens)
    out.u8(type)
    u8.parse(tokens, out)
    gateways[type]!.parse(tokens, out)
  },
  measure: (rdata) => measureGateway(rdata, 3, rdata[1]),
  format: (field) => `${field[0]} ${field[1]} ${field[2]} ${gateways[field[1]!]!.format(field.subarray(3))}`,
  fold: (field) => foldGateway(field, 3, field[1]!),
}

/** Precedence, discovery optional, relay type and relay of AMTRELAY. */
export const amtRelay: FieldKind = {
  parse(tokens, out) {
    u8.parse(tokens, out)
    const { text: optional } = tokens.next()
    if (optional !== '0' && optional !== '1') throw new TextError(`"${optional}" is not 0 or 1`)
    const type = readType(tokens)
    out.u8((optional === '1' ? 0x80 : 0) | type)
    gateways[type]!.parse(tokens, out)
  },
  measure: (rdata) => measureGateway(rdata, 2, (rdata[1] ?? 0) & 0x7f),
  format(field) {
    const type = field[1]! & 0x7f
    return `${field[0]} ${field[1]! >> 7} ${type} ${gateways[type]!.format(field.subarray(2))}`
  },
  fold: (field) => foldGateway(field, 2, field[1]! & 0x7f),
}

function readType(tokens: TokenReader): number {
  const { text } = tokens.next()
  if (!/^[0-3]$/.test(text)) throw new TextError(`gateway type "${text}" is not a number from 0 to 3`)
  return Number(text)
}

/** Length of `head` octets and the gateway behind them, at the beginning of the RDATA. */
function measureGateway(rdata: Uint8Array, head: number, type: number | undefined): number {
  const length = gateways[type ?? -1]?.measure(rdata, head) ?? -1
  return length < 0 ? -1 : head + length
}

function foldGateway(field: Uint8Array, head: number, type: number): Uint8Array {
  const fold = gateways[type]!.fold
  return fold === undefined ? field : Buffer.concat([field.subarray(0, head), fold(field.subarray(head))])
}
