/**
 * The share of its weight that a member wants to have, as a response says it: a number from 0 to 100, or that in decimal
 * digits, with or without a percent sign. Whatever else stands there counts as nothing said: a member that can't name
 * its weight is no worse a member.
 */

/** @param value of a header field, or from JSON */
export function weightPercent(value: unknown): number | null {
  const percent =
    typeof value === 'string' && /^\s*\d{1,3}\s*%?\s*$/.test(value) ? Number.parseInt(value, 10) : value
  return typeof percent === 'number' && percent >= 0 && percent <= 100 ? percent : null
}

/** What stands at a JSON pointer (RFC 6901) in a text; undefined when the text is no JSON or nothing stands there. */
export function valueAt(pointer: string, text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (pointer === '') return value
  for (const escaped of pointer.split('/').slice(1)) {
    // Section 4: first the one, then the other, or ~01 would become a slash.
    const token = escaped.replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, token)) return undefined
    // An array has `length` as its own, too.
    if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(token)) return undefined
    value = Reflect.get(value, token)
  }
  return value
}
