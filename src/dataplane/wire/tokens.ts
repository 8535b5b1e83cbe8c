import { TextError } from './text-error.ts'

/** A word or a quoted string of presentation text (RFC 1035 section 5.1), its escapes still in it. */
export interface Token {
  readonly text: string
  readonly quoted: boolean
}

/** Tokens of one line. @throws TextError on a line break, an open quote or a backslash at the end. */
export function splitTokens(source: string): Token[] {
  if (/[\n\r]/.test(source)) throw new TextError('a line break stands in the text')
  const tokens: Token[] = []
  let at = 0
  while (at < source.length) {
    if (source[at] === ' ' || source[at] === '\t') {
      at++
      continue
    }
    const quoted = source[at] === '"'
    const start = quoted ? at + 1 : at
    const end = tokenEnd(source, start, quoted)
    tokens.push({ text: source.slice(start, end), quoted })
    at = quoted ? end + 1 : end
  }
  return tokens
}

function tokenEnd(source: string, start: number, quoted: boolean): number {
  let at = start
  for (; at < source.length; at++) {
    const char = source[at]
    if (char === '\\') at++
    else if (quoted ? char === '"' : char === ' ' || char === '\t') return at
    else if (!quoted && char === '"') throw new TextError('a quote stands inside a word')
  }
  if (at > source.length) throw new TextError('a backslash stands at the end')
  if (quoted) throw new TextError('a quote is not closed')
  return at
}
