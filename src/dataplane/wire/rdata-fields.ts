/**
 * The kinds of field that RDATA is made of. A kind reads itself from presentation tokens, says how long it is in the
 * wire form, and writes itself as text.
 *
 * `measure` is the gate for octets that came as octets (RFC 3597's `\#`): whatever it lets pass must have a text that
 * `parse` takes back. Kinds that need more than a few lines have a file of their own.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from './address.ts'
import type { ByteWriter } from './bytes.ts'
import { formatName, formatOctet, lowerName, parseName, parseOctet } from './name.ts'
import { TextError } from './text-error.ts'
import type { TokenReader } from './tokens.ts'

export interface FieldKind {
  /** Reads as many tokens as the field takes and appends its wire form. */
  parse(tokens: TokenReader, out: ByteWriter): void
  /** Length in octets of the field at `at`, or -1 when it is malformed or runs over the end. */
  measure(rdata: Uint8Array, at: number): number
  /** Empty for a field of no octets, which then has no token. */
  format(field: Uint8Array): string
  /** Set for a domain name; `compressible` where a message may point to its end. */
  readonly name?: 'compressible' | 'plain'
  /** For a field with names in it: its octets with these in lower case. */
  fold?(field: Uint8Array): Uint8Array
}

/** A field of one token and `octets` octets. `read` gives null for text that is not `what`. */
export function fixed(
  octets: number,
  what: string,
  read: (text: string) => Uint8Array | null,
  format: (field: Uint8Array) => string,
): FieldKind {
  return {
    parse(tokens, out) {
      const { text } = tokens.next()
      const field = read(text)
      if (field === null) throw new TextError(`"${text}" is not ${what}`)
      out.append(field)
    },
    measure: (rdata, at) => (at + octets <= rdata.length ? octets : -1),
    format,
  }
}

/** A whole number in network order. `names` are words that stand for a number in text; we write the number. */
export function unsigned(octets: 1 | 2 | 4, names: Readonly<Record<string, number>> = {}): FieldKind {
  const most = 2 ** (8 * octets) - 1
  const words = new Map(Object.entries(names))
  const read = (text: string) => {
    const value = /^\d{1,10}$/.test(text) ? Number(text) : (words.get(text.toUpperCase()) ?? Number.NaN)
    return value <= most ? bigEndian(value, octets) : null
  }
  return fixed(octets, `a number from 0 to ${most}`, read, (field) => String(toNumber(field)))
}

export function bigEndian(value: number, octets: number): Uint8Array {
  return Uint8Array.from({ length: octets }, (_, i) => (value / 2 ** (8 * (octets - 1 - i))) & 0xff)
}

export function toNumber(octets: Uint8Array): number {
  return octets.reduce((value, octet) => value * 256 + octet, 0)
}

export const u8 = unsigned(1)
export const u16 = unsigned(2)
export const u32 = unsigned(4)

const periodUnits: Readonly<Record<string, number>> = { w: 604_800, d: 86_400, h: 3600, m: 60, s: 1, '': 1 }

/** Seconds, which may be written with units as BIND and NSD read them: `1h30m`. */
export const period = fixed(
  4,
  'a number from 0 to 4294967295 or a time such as 1h30m',
  (text) => {
    if (!/^(?:\d{1,10}|(?:\d{1,10}[wdhms])+)$/i.test(text)) return null
    let seconds = 0
    for (const [, count, unit] of text.toLowerCase().matchAll(/(\d+)([wdhms]?)/g)) {
      seconds += Number(count) * periodUnits[unit!]!
    }
    return seconds > 0xffff_ffff ? null : bigEndian(seconds, 4)
  },
  (field) => String(toNumber(field)),
)

export const ipv4 = fixed(4, 'an IPv4 address', parseIpv4, formatIpv4)
export const ipv6 = fixed(16, 'an IPv6 address', parseIpv6, formatIpv6)

/** EUI-48 and EUI-64: pairs of hexadecimal digits with hyphens between them (RFC 7043). */
export function hyphenated(octets: number): FieldKind {
  const pattern = new RegExp(`^[0-9a-f]{2}(?:-[0-9a-f]{2}){${octets - 1}}$`, 'i')
  return fixed(
    octets,
    `${octets} pairs of hexadecimal digits with hyphens between them`,
    (text) => (pattern.test(text) ? Buffer.from(text.replaceAll('-', ''), 'hex') : null),
    (field) => encoded(field, 'hex').replace(/..(?!$)/g, '$&-'),
  )
}

/** A 64-bit locator or node identifier of ILNP: four groups, as in an IPv6 address but never shortened (RFC 6742). */
export const locator64 = fixed(
  8,
  'four groups of hexadecimal digits with colons between them',
  (text) => {
    if (!/^[0-9a-f]{1,4}(?::[0-9a-f]{1,4}){3}$/i.test(text)) return null
    const groups = text.split(':').map((group) => group.padStart(4, '0'))
    return Buffer.from(groups.join(''), 'hex')
  },
  (field) => encoded(field, 'hex').replace(/.{4}(?!$)/g, '$&:'),
)

export const compressibleName = domainName('compressible')
export const plainName = domainName('plain')

function domainName(name: 'compressible' | 'plain'): FieldKind {
  return {
    parse: (tokens, out) => out.append(parseName(tokens.next().text, tokens.origin)),
    measure: measureName,
    format: formatName,
    fold: lowerName,
    name,
  }
}

/** Names to the end of the RDATA, perhaps none; they are never compressed. */
export const plainNames: FieldKind = {
  parse(tokens, out) {
    while (!tokens.done) plainName.parse(tokens, out)
  },
  measure(rdata, at) {
    let end = at
    while (end < rdata.length) {
      const length = measureName(rdata, end)
      if (length < 0) return -1
      end += length
    }
    return end - at
  },
  format(field) {
    const names: string[] = []
    for (let at = 0; at < field.length; ) {
      const length = measureName(field, at)
      names.push(formatName(field.subarray(at, at + length)))
      at += length
    }
    return names.join(' ')
  },
  // Lengths of labels are no letters.
  fold: lowerName,
}

/** Length of the name at `at`, or -1 when it is none; a compression pointer is none. */
function measureName(rdata: Uint8Array, at: number): number {
  let end = at
  for (;;) {
    const length = rdata[end]
    if (length === undefined || length > 63) return -1
    end += length + 1
    if (end - at > 255) return -1
    if (length === 0) return end - at
  }
}

/** A field of one token and up to 255 octets behind a length octet. `read` and `isSound` refuse what does not fit. */
export function counted(
  read: (text: string) => Uint8Array,
  format: (octets: Uint8Array) => string,
  isSound: (octets: Uint8Array) => boolean = () => true,
): FieldKind {
  return {
    parse(tokens, out) {
      const octets = read(tokens.next().text)
      out.u8(octets.length)
      out.append(octets)
    },
    measure(rdata, at) {
      const end = at + 1 + (rdata[at] ?? rdata.length)
      return end <= rdata.length && isSound(rdata.subarray(at + 1, end)) ? end - at : -1
    },
    format: (field) => format(field.subarray(1)),
  }
}

/** One <character-string> of RFC 1035 section 3.3. */
export const string = counted((text) => {
  const octets = stringOctets(text)
  if (octets.length > 255) throw new TextError('is a string longer than 255 octets')
  return octets
}, formatString)

/** One or more <character-string>s to the end of the RDATA. */
export const strings: FieldKind = {
  parse(tokens, out) {
    do string.parse(tokens, out)
    while (!tokens.done)
  },
  measure(rdata, at) {
    let end = at
    do {
      const length = string.measure(rdata, end)
      if (length < 0) return -1
      end += length
    } while (end < rdata.length)
    return end - at
  },
  format(field) {
    const parts: string[] = []
    for (let at = 0; at < field.length; at += field[at]! + 1) {
      parts.push(formatString(field.subarray(at + 1, at + 1 + field[at]!)))
    }
    return parts.join(' ')
  },
}

/** Property tag of CAA: letters and digits (RFC 8659 section 4.1). */
export const tag = counted(
  (text) => {
    if (!isTag(text)) throw new TextError(`"${text}" is not letters and digits`)
    return Buffer.from(text.toLowerCase(), 'latin1')
  },
  (octets) => encoded(octets, 'latin1'),
  (octets) => isTag(encoded(octets, 'latin1')),
)

function isTag(text: string): boolean {
  return /^[a-z0-9]{1,255}$/i.test(text)
}

/** Octets to the end of the RDATA, at least `least`, written as one quoted string (the values of CAA and URI). */
export function text(least: 0 | 1): FieldKind {
  return {
    parse(tokens, out) {
      const octets = stringOctets(tokens.next().text)
      if (octets.length < least) throw new TextError('is empty')
      out.append(octets)
    },
    measure: (rdata, at) => restLength(rdata, at, least),
    format: formatString,
  }
}

/** Octets to the end of the RDATA in hexadecimal. */
export const hex = rest(1, parseHex, (field) => encoded(field, 'hex').toUpperCase())
/** Octets to the end of the RDATA in base64; `optionalBase64` may be absent altogether. */
export const base64 = rest(1, parseBase64, (field) => encoded(field, 'base64'))
export const optionalBase64 = rest(0, parseBase64, (field) => encoded(field, 'base64'))

function rest(
  least: 0 | 1,
  read: (text: string) => Uint8Array,
  format: (field: Uint8Array) => string,
): FieldKind {
  return {
    parse(tokens, out) {
      const octets = read(tokens.rest())
      if (octets.length < least) throw new TextError('is missing')
      out.append(octets)
    },
    measure: (rdata, at) => restLength(rdata, at, least),
    format,
  }
}

function restLength(rdata: Uint8Array, at: number, least: number): number {
  return rdata.length - at >= least ? rdata.length - at : -1
}

/** @throws TextError for what is not pairs of hexadecimal digits. */
export function parseHex(digits: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/i.test(digits)) throw new TextError('is not pairs of hexadecimal digits')
  return Buffer.from(digits, 'hex')
}

/** @throws TextError for what is not base64 with its padding (RFC 4648 section 4). */
export function parseBase64(digits: string): Uint8Array {
  if (digits.length % 4 !== 0 || !/^[a-z0-9+/]*={0,2}$/i.test(digits)) throw new TextError('is not base64')
  return Buffer.from(digits, 'base64')
}

/** Octets of a string with its escapes resolved. */
export function stringOctets(source: string): Uint8Array {
  const octets: number[] = []
  for (let at = 0; at < source.length; ) {
    const { octet, next } = parseOctet(source, at)
    octets.push(octet)
    at = next
  }
  return Uint8Array.from(octets)
}

const stringSpecials = new Set([0x22, 0x5c])

/** A quoted string of these octets. */
export function formatString(octets: Uint8Array): string {
  let inner = ''
  for (const octet of octets) inner += formatOctet(octet, stringSpecials, true)
  return `"${inner}"`
}

/** Octets as text: hexadecimal, base64, or (`latin1`) characters of the same codes. */
export function encoded(octets: Uint8Array, encoding: 'hex' | 'base64' | 'latin1'): string {
  return Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString(encoding)
}
