/**
 * Fields that hold RR types: the bitmap of NSEC, NSEC3 and CSYNC (RFC 4034 section 4.1.2) and the type that an RRSIG
 * covers. The names of types are handed in, because the table that has them is made of these fields.
 */
import { isMetaType, types } from './constants.ts'
import { bigEndian, type FieldKind, fixed, toNumber } from './rdata-fields.ts'
import { TextError } from './text-error.ts'

interface TypeNames {
  /** Null for text that is no type. */
  read(text: string): number | null
  format(type: number): string
}

/** One type in two octets. */
export function typeField(names: TypeNames): FieldKind {
  return fixed(
    2,
    'a type',
    (text) => {
      const type = names.read(text)
      return type === null ? null : bigEndian(type, 2)
    },
    (field) => names.format(toNumber(field)),
  )
}

/** Any number of types to the end of the RDATA, none twice, in the order of their numbers. */
export function typeBitmap(names: TypeNames): FieldKind {
  return {
    parse(tokens, out) {
      const found = new Set<number>()
      while (!tokens.done) {
        const { text } = tokens.next()
        const type = names.read(text)
        if (type === null || !mayBeListed(type)) throw new TextError(`"${text}" is not a type that owns data`)
        found.add(type)
      }
      out.append(encodeBitmap([...found].sort((a, b) => a - b)))
    },
    measure(rdata, at) {
      const found = decodeBitmap(rdata.subarray(at))
      return found?.every(mayBeListed) ? rdata.length - at : -1
    },
    format: (field) => decodeBitmap(field)!.map(names.format).join(' '),
  }
}

/** Bits of pseudo types must be clear (RFC 4034 section 4.1.2). */
function mayBeListed(type: number): boolean {
  return type !== 0 && type !== types.any && !isMetaType(type)
}

/** The windows of a bitmap. @param sorted types in ascending order, none twice */
export function encodeBitmap(sorted: readonly number[]): Uint8Array {
  const out: number[] = []
  for (let from = 0; from < sorted.length; ) {
    const window = sorted[from]! >> 8
    const bits: number[] = []
    for (; from < sorted.length && sorted[from]! >> 8 === window; from++) {
      const low = sorted[from]! & 0xff
      while (bits.length <= low >> 3) bits.push(0)
      bits[low >> 3]! |= 0x80 >> (low & 7)
    }
    out.push(window, bits.length, ...bits)
  }
  return Uint8Array.from(out)
}

/** Types in ascending order; null when the windows don't rise, are cut off, or end in an octet without bits. */
function decodeBitmap(field: Uint8Array): number[] | null {
  const found: number[] = []
  let before = -1
  for (let at = 0; at < field.length; ) {
    const window = field[at]!
    const length = field[at + 1] ?? 0
    const bits = field.subarray(at + 2, at + 2 + length)
    if (window <= before || length < 1 || length > 32 || bits.length < length || bits.at(-1) === 0)
      return null
    for (let bit = 0; bit < 8 * length; bit++) {
      if ((bits[bit >> 3]! & (0x80 >> (bit & 7))) !== 0) found.push(window * 256 + bit)
    }
    before = window
    at += 2 + length
  }
  return found
}
