import { TextError } from '../../dataplane/wire/text-error.ts'

const unitSeconds = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 } as const

/** RFC 2181 section 8. */
const maxTtlSeconds = 0x7fff_ffff

const ttlPattern = /^(?:\d+[smhdw])*\d+[smhdw]?$/i

/** Whether a word of a master file can be nothing but a TTL: `3600`, `1h30m`, `2W`. */
export function looksLikeTtl(text: string): boolean {
  const first = text.charCodeAt(0)
  return first >= 0x30 && first <= 0x39 && ttlPattern.test(text)
}

/**
 * Seconds of a TTL as master files have it: a number, or numbers with units, without blanks.
 *
 * @throws TextError when it is none, or above 2^31 - 1.
 */
export function parseTtl(text: string): number {
  if (!looksLikeTtl(text)) throw new TextError(`"${text}" is not a TTL, such as 3600 or 1h30m`)
  let seconds = 0
  for (const [, digits, unit] of text.toLowerCase().matchAll(/(\d+)([smhdw]?)/g)) {
    seconds += Number(digits) * unitSeconds[(unit || 's') as keyof typeof unitSeconds]
  }
  if (seconds > maxTtlSeconds) throw new TextError(`TTL ${text} is above ${maxTtlSeconds} seconds`)
  return seconds
}
