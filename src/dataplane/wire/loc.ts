/**
 * LOC, a place on the Earth (RFC 1876): latitude and longitude in thousandths of a second of arc about 2^31, altitude in
 * centimetres from 100 km below the reference spheroid, and size and precisions as a digit and a power of ten, in
 * centimetres. Text is `42 21 54.000 N 71 06 18.000 W -24.00m 30.00m 10000.00m 10.00m`, of which minutes, seconds
 * and what follows the altitude may be left out.
 */
import type { FieldKind } from './rdata-fields.ts'
import { TextError } from './text-error.ts'
import type { TokenReader } from './tokens.ts'

const locLength = 16
const equator = 2 ** 31
/** Centimetres below the spheroid at which altitudes begin. */
const depth = 10_000_000
const degree = 3_600_000
/** Size 1 m, horizontal precision 10,000 m, vertical precision 10 m (RFC 1876 section 3). */
const defaultExtents = [0x12, 0x16, 0x13] as const

/** The whole RDATA of LOC. */
export const location: FieldKind = {
  parse(tokens, out) {
    const latitude = readAngle(tokens, { what: 'latitude', most: 90, positive: 'N', negative: 'S' })
    const longitude = readAngle(tokens, { what: 'longitude', most: 180, positive: 'E', negative: 'W' })
    const altitude = readCentimetres(tokens.next().text, -depth, 0xffff_ffff - depth)
    out.u8(0)
    for (const otherwise of defaultExtents) out.u8(tokens.done ? otherwise : readExtent(tokens))
    out.u32(equator + latitude)
    out.u32(equator + longitude)
    out.u32(altitude + depth)
  },
  measure(rdata, at) {
    const field = rdata.subarray(at, at + locLength)
    if (field.length < locLength || field[0] !== 0) return -1
    const extents = field.subarray(1, 4)
    if (extents.some((extent) => extent >> 4 > 9 || (extent & 15) > 9)) return -1
    const { latitude, longitude } = decode(field)
    return Math.abs(latitude) <= 90 * degree && Math.abs(longitude) <= 180 * degree ? locLength : -1
  },
  format(field) {
    const { latitude, longitude, altitude } = decode(field)
    const extents = [...field.subarray(1, 4)].map((extent) => (extent >> 4) * 10 ** (extent & 15))
    return [
      formatAngle(latitude, 'N', 'S'),
      formatAngle(longitude, 'E', 'W'),
      ...[altitude, ...extents].map(formatCentimetres),
    ].join(' ')
  },
}

function decode(field: Uint8Array): { latitude: number; longitude: number; altitude: number } {
  const view = new DataView(field.buffer, field.byteOffset)
  return {
    latitude: view.getUint32(4) - equator,
    longitude: view.getUint32(8) - equator,
    altitude: view.getUint32(12) - depth,
  }
}

interface Angle {
  readonly what: string
  /** Degrees. */
  readonly most: number
  readonly positive: string
  readonly negative: string
}

/** Degrees, minutes and seconds, of which only the first must be there. */
const angleParts = [
  { pattern: /^\d{1,3}$/, size: degree },
  { pattern: /^[0-5]?\d$/, size: 60_000 },
  { pattern: /^[0-5]?\d(?:\.\d{1,3})?$/, size: 1000 },
] as const

/** Thousandths of a second; positive to the north and to the east. */
function readAngle(tokens: TokenReader, { what, most, positive, negative }: Angle): number {
  let angle = 0
  let { text } = tokens.next()
  for (const [index, { pattern, size }] of angleParts.entries()) {
    if (index > 0 && /^[a-z]$/i.test(text)) break
    if (!pattern.test(text)) throw new TextError(`"${text}" does not fit a ${what}`)
    angle += Math.round(Number(text) * size)
    text = tokens.next().text
  }
  const side = text.toUpperCase()
  if (side !== positive && side !== negative)
    throw new TextError(`"${text}" is not ${positive} or ${negative}`)
  if (angle > most * degree) throw new TextError(`${what} is more than ${most} degrees`)
  return side === positive ? angle : -angle
}

function formatAngle(angle: number, positive: string, negative: string): string {
  const size = Math.abs(angle)
  const minutes = Math.floor((size % degree) / 60_000)
  const seconds = ((size % 60_000) / 1000).toFixed(3)
  const parts = [Math.floor(size / degree), String(minutes).padStart(2, '0'), seconds.padStart(6, '0')]
  return `${parts.join(' ')} ${angle < 0 ? negative : positive}`
}

function readCentimetres(text: string, least: number, most: number): number {
  if (!/^-?\d{1,8}(?:\.\d{1,2})?m?$/i.test(text)) throw new TextError(`"${text}" is not a length in metres`)
  const centimetres = Math.round(Number.parseFloat(text) * 100)
  if (centimetres < least || centimetres > most) {
    throw new TextError(`"${text}" is not from ${formatCentimetres(least)} to ${formatCentimetres(most)}`)
  }
  return centimetres
}

function formatCentimetres(centimetres: number): string {
  return `${(centimetres / 100).toFixed(2)}m`
}

/** One digit and a power of ten, rounded down as in RFC 1876 appendix A. */
function readExtent(tokens: TokenReader): number {
  let digit = readCentimetres(tokens.next().text, 0, 9e9)
  let power = 0
  for (; digit > 9; power++) digit = Math.floor(digit / 10)
  return (digit << 4) | power
}
