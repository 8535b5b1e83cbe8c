/**
 * `$GENERATE start-stop[/step] owner [TTL] [class] type RDATA`, as BIND has it: one entry for each number of the range. In
 * owner and RDATA `$` is the number, `${offset,width,base}` the number in another form, `\$` and `$$` a plain `$`.
 * Bases: `d` (the default), `o`, `x`, `X`, and `n` or `N` for nibbles in reverse, with dots between, as in ip6.arpa;
 * the width of those counts the dots.
 */
import { TextError } from '../../dataplane/wire/text-error.ts'
import { splitTokens } from '../../dataplane/wire/tokens.ts'
import { readClass } from './rr-text.ts'
import type { Entry, PlacedToken } from './scanner.ts'
import { looksLikeTtl } from './ttl.ts'

interface Range {
  readonly start: number
  readonly stop: number
  readonly step: number
}

/** RRs of one directive, and of all in a file: a line makes as much work as a million. */
export const maxGenerated = 1_000_000

/** A label has 63 octets and a string 255; more digits than that fit nowhere. */
const maxWidth = 255

/** What a directive makes. */
export interface Generator {
  readonly range: Range
  /** The entry of a number of the range, at the directive's place. May throw a TextError. */
  entryOf(number: number): Entry
}

/**
 * @param name the token `$GENERATE`
 * @param words those behind it
 * @throws TextError
 */
export function readGenerate(name: PlacedToken, words: readonly PlacedToken[]): Generator {
  const [rangeWord, lhs, ...rest] = words
  const typeAt = rest.findIndex(({ text }) => !looksLikeTtl(text) && readClass(text) === null)
  const head = rest.slice(0, typeAt + 1)
  const rhs = rest.slice(typeAt + 1)
  if (rangeWord === undefined || lhs === undefined || typeAt < 0 || rhs.length === 0) {
    throw new TextError('$GENERATE takes a range, an owner, a type and RDATA')
  }
  const range = parseRange(rangeWord.text)
  const owner = compileTemplate(lhs.text)
  // RDATA of several fields is one quoted word to BIND, and quotes in that are escaped: `MX "10 mail$"`, `TXT "\"rack $\""`.
  const unwrap = rhs.length === 1 && rhs[0]!.quoted
  const data = rhs.map((token) => ({
    token,
    template: compileTemplate(unwrap ? token.text.replaceAll(/\\(.)/gs, unquote) : token.text),
  }))
  const { line, column } = name
  const dataOf = (number: number): PlacedToken[] =>
    data.flatMap(({ token, template }) => {
      const text = template(number)
      const parts = unwrap ? splitTokens(text) : [{ text, quoted: token.quoted }]
      return parts.map((part) => ({ ...part, line: token.line, column: token.column }))
    })
  const entryOf = (number: number): Entry => ({
    line,
    indented: false,
    broken: false,
    tokens: [{ text: owner(number), quoted: false, line, column }, ...head, ...dataOf(number)],
  })
  return { range, entryOf }
}

const unquote = (pair: string, escaped: string) => (escaped === '"' ? escaped : pair)

/** @throws TextError */
export function parseRange(text: string): Range {
  const match = /^(\d{1,10})-(\d{1,10})(?:\/(\d{1,10}))?$/.exec(text)
  if (match === null) throw new TextError(`"${text}" is not a range, such as 1-254 or 0-100/2`)
  const [start, stop, step] = [Number(match[1]), Number(match[2]), Number(match[3] ?? 1)]
  if (stop > 0x7fff_ffff || step > 0x7fff_ffff || step < 1 || start > stop) {
    throw new TextError(`range ${text} must rise, by a step of 1 or more, to 2147483647 at most`)
  }
  if ((stop - start) / step >= maxGenerated) {
    throw new TextError(`range ${text} makes more than ${maxGenerated} RRs`)
  }
  return { start, stop, step }
}

/** What a text becomes for a number. Throws a TextError for a number that can't be shown in the form asked for. */
export type Template = (number: number) => string

/** @throws TextError for a `${...}` that is none. */
export function compileTemplate(text: string): Template {
  const parts: (string | Template)[] = []
  let plain = ''
  for (let at = 0; at < text.length; ) {
    if (text[at] === '\\') {
      plain += text.slice(at, at + 2)
      at += 2
    } else if (text[at] !== '$') {
      plain += text[at++]
    } else if (text[at + 1] === '$') {
      plain += '\\$'
      at += 2
    } else {
      const form = /^\{[^}]*\}?/.exec(text.slice(at + 1))?.[0] ?? ''
      parts.push(plain, form === '' ? String : parseForm(form))
      plain = ''
      at += 1 + form.length
    }
  }
  parts.push(plain)
  return (number) => parts.map((part) => (typeof part === 'string' ? part : part(number))).join('')
}

function parseForm(text: string): Template {
  const match = /^\{(-?\d{1,10})(?:,(\d{1,3})(?:,([doxXnN]))?)?\}$/.exec(text)
  const width = Number(match?.[2] ?? 0)
  if (match === null || width > maxWidth) {
    throw new TextError(
      `"$${text}" is not \${offset,width,base} with a width to ${maxWidth} and a base of d, o, x, X, n or N`,
    )
  }
  const offset = Number(match[1])
  const show = forms[(match[3] ?? 'd') as keyof typeof forms]
  return (number) => {
    const value = number + offset
    if (value < 0 && show !== forms.d) throw new TextError(`"$${text}" makes ${number} negative`)
    return show(value, width)
  }
}

/** Shows what printf's `%0*d` does: the sign counts. */
function decimal(value: number, width: number): string {
  return value < 0 ? `-${String(-value).padStart(width - 1, '0')}` : String(value).padStart(width, '0')
}

const forms = {
  d: decimal,
  o: (value: number, width: number) => value.toString(8).padStart(width, '0'),
  x: (value: number, width: number) => value.toString(16).padStart(width, '0'),
  X: (value: number, width: number) => value.toString(16).toUpperCase().padStart(width, '0'),
  n: nibbles,
  N: (value: number, width: number) => nibbles(value, width).toUpperCase(),
} as const

/** `0x1a` in width 5 is `a.1.0`. A width that ends with a dot keeps it, as BIND does. */
function nibbles(value: number, width: number): string {
  const count = Math.max(value.toString(16).length, Math.ceil(width / 2))
  const digits = value.toString(16).padStart(count, '0').split('').reverse().join('.')
  return digits.length < width ? `${digits}.` : digits
}
