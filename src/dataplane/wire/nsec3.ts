/** Fields of NSEC3 and NSEC3PARAM that stand behind a length octet (RFC 5155 section 3.3). */
import { bigEndian, counted, encoded, parseHex, toNumber } from './rdata-fields.ts'
import { TextError } from './text-error.ts'

/** A salt in hexadecimal; `-` for none. */
export const salt = counted(
  (text) => {
    const octets = text === '-' ? new Uint8Array() : parseHex(text)
    if (text === '' || octets.length > 255) throw new TextError('is not "-" or 1 to 255 octets')
    return octets
  },
  (octets) => (octets.length === 0 ? '-' : encoded(octets, 'hex').toUpperCase()),
)

/** A hash in base32 with the extended hex alphabet, without padding (RFC 4648 section 7). */
export const hashedOwner = counted(
  (text) => {
    const octets = parseBase32(text)
    if (octets.length > 255) throw new TextError('is longer than 255 octets')
    return octets
  },
  formatBase32,
  (octets) => octets.length > 0,
)

// Eight digits are five octets. The alphabet is that of numbers to the base of 32, which JavaScript reads and writes.

function parseBase32(text: string): Uint8Array {
  if (!/^[0-9A-V]+$/i.test(text)) throw new TextError(`"${text}" is not base32hex`)
  const groups = text.match(/.{1,8}/g)!.map((digits) => Number.parseInt(digits.padEnd(8, '0'), 32))
  const octets = Uint8Array.from(groups.flatMap((group) => [...bigEndian(group, 5)]))
  const length = (5 * text.length) >> 3
  // What is left over pads the last digit: less than a digit, and zero.
  if ((5 * text.length) % 8 >= 5 || octets.subarray(length).some((octet) => octet !== 0)) {
    throw new TextError(`"${text}" is cut off`)
  }
  return octets.slice(0, length)
}

function formatBase32(octets: Uint8Array): string {
  let text = ''
  for (let at = 0; at < octets.length; at += 5) {
    const group = new Uint8Array(5)
    group.set(octets.subarray(at, at + 5))
    text += toNumber(group).toString(32).padStart(8, '0')
  }
  return text.slice(0, Math.ceil((8 * octets.length) / 5)).toUpperCase()
}
