/**
 * The beginning of HIP (RFC 8005 section 5): the tag's length, the algorithm, the key's length, the host identity tag and the
 * public key. In text (section 6) it is algorithm, tag in hexadecimal and key in base64, each one word, for names follow.
 */
import { encoded, type FieldKind, parseBase64, parseHex, u8 } from './rdata-fields.ts'
import { naming, TextError } from './text-error.ts'
import type { TokenReader } from './tokens.ts'

const headLength = 4

export const hostIdentity: FieldKind = {
  parse(tokens, out) {
    const start = out.length
    out.u8(0)
    u8.parse(tokens, out)
    const tag = word(tokens, 'tag', parseHex, 255)
    out.bytes[start] = tag.length
    const key = word(tokens, 'public key', parseBase64, 65_535)
    out.u16(key.length)
    out.append(tag)
    out.append(key)
  },
  measure(rdata, at) {
    const [tag, , high, low] = rdata.subarray(at, at + headLength)
    if (low === undefined || tag === 0 || high! + low === 0) return -1
    const length = headLength + tag! + 256 * high! + low
    return at + length <= rdata.length ? length : -1
  },
  format(field) {
    const keyAt = headLength + field[0]!
    const tag = encoded(field.subarray(headLength, keyAt), 'hex').toUpperCase()
    return `${field[1]} ${tag} ${encoded(field.subarray(keyAt), 'base64')}`
  },
}

/** @throws TextError that names the part, also when it has no octets or more than its length can say */
function word(
  tokens: TokenReader,
  part: string,
  read: (text: string) => Uint8Array,
  most: number,
): Uint8Array {
  return naming(part, () => {
    const octets = read(tokens.next().text)
    if (octets.length === 0) throw new TextError('is empty')
    if (octets.length > most) throw new TextError(`is longer than ${most} octets`)
    return octets
  })
}
