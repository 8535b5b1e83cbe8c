/**
 * The share of its weight that a member wants to have, as a response says it: a number from 0 to 100, or that in decimal
 * digits, with a fraction or without, and with or without a percent sign. Whatever else stands there is not understood, which is
 * told: the member keeps the weight that it has, and is no worse a member. Where nothing stands, nothing is said.
 */
import type { SaidWeight } from '../verdict.ts'

/** At most twenty digits each: nobody means more. */
const decimal = /^\s*(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})\s*%?\s*$/

/** In percent: a weight that changes by less from one response to the next would move answers for nothing. */
const precision = 0.01

/** @param value of a header field, or from JSON; undefined and null say nothing */
export function saidWeight(value: unknown): SaidWeight | null {
  if (value === undefined || value === null) return null
  const digits = typeof value === 'string' ? decimal.exec(value)?.[1] : undefined
  const percent = digits === undefined ? value : Number(digits)
  if (typeof percent === 'number' && percent >= 0 && percent <= 100) return { percent: rounded(percent) }
  return notUnderstood(value)
}

/** Longer than any number that somebody means, and shorter than a key that keeps anybody out. */
const longestTold = 16

/**
 * What was said is no weight. It stands in the reason, which everybody may see who may read, unless it is long: some members send
 * back what they are sent, and that may be a secret.
 */
function notUnderstood(value: unknown): SaidWeight {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const told = text.length > longestTold ? `a text of ${text.length} characters` : text.toWellFormed()
  return { problem: `weight not understood: ${told}` }
}

/** Only who says 0 means it. */
function rounded(percent: number): number {
  return percent === 0 ? 0 : Math.max(precision, Math.round(percent / precision) / (1 / precision))
}

/** What stands at a JSON pointer in a text, which is to be a weight. */
export function weightAt(pointer: string, text: string): SaidWeight | null {
  let whole: unknown
  try {
    // RFC 8259 section 8.1: nobody may send the mark of an order of octets, and some do.
    whole = JSON.parse(text.replace(/^\ufeff/, ''))
  } catch {
    return { problem: 'weight not understood: the body is no JSON' }
  }
  return saidWeight(valueIn(pointer, whole))
}

/** What stands at a JSON pointer (RFC 6901) in a value; undefined when nothing does. */
export function valueIn(pointer: string, whole: unknown): unknown {
  let value = whole
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
