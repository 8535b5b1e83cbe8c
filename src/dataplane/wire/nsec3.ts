/** Fields of NSEC3 and NSEC3PARAM that stand behind a length octet (RFC 5155 section 3.3). */
import { encoded, type FieldKind, measureCounted, parseHex } from './rdata-fields.ts'
import { TextError } from './text-error.ts'

/** In hexadecimal; `-` for none. */
export const salt: FieldKind = {
  parse(tokens, out) {
    const { text } = tokens.next()
    const octets = text === '-' ? new Uint8Array() : parseHex(text)
    if (text === '' || octets.length > 255) throw new TextError('is not "-" or 1 to 255 octets')
    out.u8(octets.length)
    out.append(octets)
  },
  measure: measureCounted,
  format: (field) => (field.length === 1 ? '-' : encoded(field.subarray(1), 'hex').toUpperCase()),
}

/** In base32 with the extended hex alphabet, without padding (RFC 4648 section 7). */
export const hashedOwner: FieldKind = {
  parse(tokens, out) {
    const { text } = tokens.next()
    const octets = parseBase32(text)
    if (octets.length > 255) throw new TextError('is longer than 255 octets')
    out.u8(octets.length)
    out.append(octets)
  },
  measure(rdata, at) {
    const length = measureCounted(rdata, at)
    return length > 1 ? length : -1
  },
  format: (field) => formatBase32(field.subarray(1)),
}

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUV'

function parseBase32(text: string): Uint8Array {
  if (!/^[0-9A-V]+$/i.test(text)) throw new TextError(`"${text}" is not base32hex`)
  const octets: number[] = []
  let bits = 0
  let pending = 0
  for (const digit of text.toUpperCase()) {
    pending = ((pending << 5) | alphabet.indexOf(digit)) & 0xfff
    bits += 5
    if (bits >= 8) {
      bits -= 8
      octets.push((pending >> bits) & 0xff)
    }
  }
  // What is left over pads the last digit: less than a digit, and zero.
  if (bits >= 5 || (pending & ((1 << bits) - 1)) !== 0) throw new TextError(`"${text}" is cut off`)
  return Uint8Array.from(octets)
}

function formatBase32(octets: Uint8Array): string {
  let text = ''
  let bits = 0
  let pending = 0
  for (const octet of octets) {
    pending = ((pending << 8) | octet) & 0xfff
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet[(pending >> bits) & 31]
    }
  }
  return bits === 0 ? text : text + alphabet[(pending << (5 - bits)) & 31]
}
