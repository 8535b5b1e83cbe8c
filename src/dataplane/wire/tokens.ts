import { TextError } from './text-error.ts'

/** A word or a quoted string of presentation text (RFC 1035 section 5.1), its escapes still in it. */
export interface Token {
  readonly text: string
  readonly quoted: boolean
  /**
   * Where in `text` a quoted value begins, for a word such as `alpn="h2,h3"` (RFC 9460 section 2.1): its quotes are left
   * out of `text`. Only parameters take such a word (`TokenReader.nextParameter`).
   */
  readonly valueAt?: number
}

/** Tokens of one line. @throws TextError on a line break, an open quote or a backslash at the end. */
export function splitTokens(source: string): Token[] {
  if (/[\n\r]/.test(source)) throw new TextError('a line break stands in the text')
  const tokens: Token[] = []
  let at = 0
  while (at < source.length) {
    if (isSpace(source[at])) {
      at++
      continue
    }
    const quoted = source[at] === '"'
    const start = quoted ? at + 1 : at
    const end = tokenEnd(source, start, quoted)
    const text = source.slice(start, end)
    at = quoted ? end + 1 : end
    if (quoted || source[end] !== '"') {
      tokens.push({ text, quoted })
      continue
    }
    const valueEnd = parameterEnd(source, end)
    tokens.push({ text: text + source.slice(end + 1, valueEnd), quoted, valueAt: text.length })
    at = valueEnd + 1
  }
  return tokens
}

/** End of a word or a string; of a word also the quote that stands in it. */
function tokenEnd(source: string, start: number, quoted: boolean): number {
  let at = start
  for (; at < source.length; at++) {
    const char = source[at]
    if (char === '\\') at++
    else if (char === '"' || (!quoted && isSpace(char))) return at
  }
  if (at > source.length) throw new TextError('a backslash stands at the end')
  if (quoted) throw new TextError('a quote is not closed')
  return at
}

/** Closing quote of the value that opens at `quote`, which must stand behind `=` and end the word. */
function parameterEnd(source: string, quote: number): number {
  if (source[quote - 1] !== '=') throw new TextError('a quote stands inside a word')
  const end = tokenEnd(source, quote + 1, true)
  if (end + 1 < source.length && !isSpace(source[end + 1])) {
    throw new TextError('text stands behind a closing quote')
  }
  return end
}

function isSpace(char: string | undefined): boolean {
  return char === ' ' || char === '\t'
}

/** The tokens of one RDATA, read from left to right, and the origin that its relative names take. */
export class TokenReader {
  readonly origin: Uint8Array
  readonly #tokens: readonly Token[]
  #at = 0

  /** @throws TextError as `splitTokens` */
  constructor(source: string, origin: Uint8Array) {
    this.#tokens = splitTokens(source)
    this.origin = origin
  }

  get done(): boolean {
    return this.#at === this.#tokens.length
  }

  /** @throws TextError when there is none, or when it is a parameter with a quoted value. */
  next(): Token {
    const token = this.nextParameter()
    if (token.valueAt !== undefined) throw new TextError('a quote stands inside a word')
    return token
  }

  /** Like `next`, of a word that may be `key="value"`. */
  nextParameter(): Token {
    const token = this.#tokens[this.#at]
    if (token === undefined) throw new TextError('is missing')
    this.#at++
    return token
  }

  /** Every token that is left, joined: hexadecimal and base64 may be broken anywhere (RFC 4034 section 2.2). */
  rest(): string {
    let text = ''
    while (!this.done) text += this.next().text
    return text
  }

  /** The token that `next` would give. */
  peek(): Token | undefined {
    return this.#tokens[this.#at]
  }
}
