import { TextError } from './text-error.ts'
import type { Token } from './tokens.ts'

/** The tokens of one RDATA, read from left to right, and the origin that its relative names take. */
export class TokenReader {
  readonly origin: Uint8Array
  readonly #tokens: readonly Token[]
  #at = 0

  constructor(tokens: readonly Token[], origin: Uint8Array) {
    this.#tokens = tokens
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
