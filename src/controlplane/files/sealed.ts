/**
 * JSON that says whether it is what was written: a checksum stands in it, of the whole text with zeros in the checksum's place.
 * It is a field of the JSON rather than a line around it, so that every reader of JSON can read such a file.
 */
import { crc32 } from 'node:zlib'

/** For the field `crc32`, which must come before anything that is somebody's words, until `seal` fills it in. */
export const unsealed = '00000000'

const field = (digits: string) => `"crc32":"${digits}"`

/** Text with its checksum. */
export function seal(text: string): string {
  return text.replace(field(unsealed), field(checksumOf(text)))
}

/** @param digits what stands in the field */
export function isSealed(text: string, digits: unknown): boolean {
  return typeof digits === 'string' && checksumOf(text.replace(field(digits), field(unsealed))) === digits
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}
