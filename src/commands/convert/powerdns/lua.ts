/**
 * The part of Lua that LUA records are mostly made of: an expression, or conditions that each lead to one.
 *
 *     ifportup(443, {'192.0.2.1', '192.0.2.2'}, {selector='all'})
 *     ;if continent('EU') then return '192.0.2.1' elseif country({'US', 'CA'}) then return {'192.0.2.2'} else return '192.0.2.3' end
 *
 * Whatever else a record says is not guessed at: it is told that it is not understood, and at which word.
 */

export type LuaValue =
  | { readonly kind: 'string'; readonly text: string }
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'word'; readonly text: string }
  | {
      readonly kind: 'table'
      readonly items: readonly LuaValue[]
      readonly fields: ReadonlyMap<string, LuaValue>
    }
  | { readonly kind: 'call'; readonly name: string; readonly arguments: readonly LuaValue[] }
  | { readonly kind: 'and' | 'or'; readonly left: LuaValue; readonly right: LuaValue }

/** What is returned under a condition; the last one has none, unless a client may get nothing. */
export interface LuaBranch {
  readonly condition: LuaValue | null
  readonly result: LuaValue
}

/** Why a record can't be carried over. */
export class NotCarried extends Error {}

/** Values in values. */
const maxDepth = 50
/** Branches of one record. */
const maxBranches = 1_000

interface LuaToken {
  readonly kind: 'string' | 'number' | 'word' | 'mark' | 'end'
  readonly text: string
}

/** @throws NotCarried for what is not understood */
export function parseLua(code: string): LuaBranch[] {
  const text = code.trim()
  const parser = new LuaParser(tokensOf(text.startsWith(';') ? text.slice(1) : `return ${text}`))
  return parser.block()
}

const form =
  /\s+|--[^\n]*|(?<word>[A-Za-z_]\w*)|(?<number>\d+(?:\.\d+)?)|'(?<single>(?:[^'\\\n]|\\.)*)'|"(?<double>(?:[^"\\\n]|\\.)*)"|\[\[(?<long>.*?)\]\]|(?<mark>==|[{}()[\],;=])/sy

function tokensOf(code: string): LuaToken[] {
  const tokens: LuaToken[] = []
  form.lastIndex = 0
  for (let at = 0; at < code.length; at = form.lastIndex) {
    form.lastIndex = at
    const groups = form.exec(code)?.groups
    if (groups === undefined)
      throw new NotCarried(`${JSON.stringify(code.slice(at, at + 20))} is not understood`)
    const { word, number, single, double, long, mark } = groups
    const quoted = single ?? double
    if (word !== undefined) tokens.push({ kind: 'word', text: word })
    else if (number !== undefined) tokens.push({ kind: 'number', text: number })
    else if (quoted !== undefined) tokens.push({ kind: 'string', text: unescaped(quoted) })
    else if (long !== undefined) tokens.push({ kind: 'string', text: long })
    else if (mark !== undefined) tokens.push({ kind: 'mark', text: mark })
  }
  return [...tokens, { kind: 'end', text: 'the end' }]
}

function unescaped(text: string): string {
  return text.replace(/\\(\d{1,3}|.)/gs, (_, escaped: string) => {
    if (/^\d/.test(escaped)) return String.fromCharCode(Number(escaped) & 0xff)
    return { n: '\n', t: '\t', r: '\r' }[escaped] ?? escaped
  })
}

class LuaParser {
  readonly #tokens: readonly LuaToken[]
  #at = 0

  constructor(tokens: readonly LuaToken[]) {
    this.#tokens = tokens
  }

  /** Conditions with returns, up to a return without one, or the end. */
  block(): LuaBranch[] {
    const branches: LuaBranch[] = []
    for (;;) {
      if (this.#takes('return')) {
        branches.push({ condition: null, result: this.#returned() })
        break
      }
      if (!this.#takes('if')) break
      this.#branches(branches)
      if (branches.at(-1)?.condition === null) break
    }
    if (this.#next.kind !== 'end') this.#notUnderstood()
    return branches
  }

  /** Behind `if`: to its `end`. */
  #branches(into: LuaBranch[]): void {
    do {
      const condition = this.#or(0)
      this.#expect('then')
      this.#expect('return')
      into.push({ condition, result: this.#returned() })
      if (into.length > maxBranches) throw new NotCarried(`it has more than ${maxBranches} conditions`)
    } while (this.#takes('elseif'))
    if (this.#takes('else')) {
      this.#expect('return')
      into.push({ condition: null, result: this.#returned() })
    }
    this.#expect('end')
    while (this.#takes(';'));
  }

  #returned(): LuaValue {
    const value = this.#or(0)
    while (this.#takes(';'));
    return value
  }

  #or(depth: number): LuaValue {
    let left = this.#and(depth)
    while (this.#takes('or')) left = { kind: 'or', left, right: this.#and(depth) }
    return left
  }

  #and(depth: number): LuaValue {
    let left = this.#value(depth)
    while (this.#takes('and')) left = { kind: 'and', left, right: this.#value(depth) }
    return left
  }

  #value(depth: number): LuaValue {
    if (depth > maxDepth) throw new NotCarried(`its values are nested deeper than ${maxDepth}`)
    const token = this.#next
    this.#at++
    switch (token.kind) {
      case 'string':
        return { kind: 'string', text: token.text }
      case 'number':
        return { kind: 'number', value: Number(token.text) }
      case 'word':
        return this.#word(token.text, depth)
      case 'mark':
        if (token.text === '{') return this.#table(depth)
        if (token.text === '(') {
          const inner = this.#or(depth + 1)
          this.#expect(')')
          return inner
        }
        break
      case 'end':
    }
    this.#at--
    return this.#notUnderstood()
  }

  #word(text: string, depth: number): LuaValue {
    // Lua lets one table or string stand without parentheses.
    if (this.#next.text === '{' && this.#next.kind === 'mark')
      return { kind: 'call', name: text, arguments: [this.#value(depth + 1)] }
    if (!this.#takes('(')) return { kind: 'word', text }
    const values: LuaValue[] = []
    while (!this.#takes(')')) {
      if (values.length > 0) this.#expect(',')
      values.push(this.#or(depth + 1))
    }
    return { kind: 'call', name: text, arguments: values }
  }

  #table(depth: number): LuaValue {
    const items: LuaValue[] = []
    const fields = new Map<string, LuaValue>()
    while (!this.#takes('}')) {
      const key = this.#key()
      const value = this.#or(depth + 1)
      if (key === null) items.push(value)
      else fields.set(key, value)
      if (!this.#takes(',') && !this.#takes(';')) {
        this.#expect('}')
        break
      }
    }
    return { kind: 'table', items, fields }
  }

  /** `name =` or `["name"] =`. */
  #key(): string | null {
    const [first, second, third, fourth] = this.#tokens.slice(this.#at, this.#at + 4)
    const isMark = (token: LuaToken | undefined, text: string) =>
      token?.kind === 'mark' && token.text === text
    if (first?.kind === 'word' && isMark(second, '=')) {
      this.#at += 2
      return first.text
    }
    if (isMark(first, '[') && second?.kind === 'string' && isMark(third, ']') && isMark(fourth, '=')) {
      this.#at += 4
      return second.text
    }
    return null
  }

  get #next(): LuaToken {
    return this.#tokens[this.#at]!
  }

  /** Goes on when this word or mark is next. */
  #takes(text: string): boolean {
    const { kind, text: next } = this.#next
    if (kind === 'string' || next !== text) return false
    this.#at++
    return true
  }

  #expect(text: string): void {
    if (!this.#takes(text)) this.#notUnderstood()
  }

  #notUnderstood(): never {
    const before = this.#tokens.slice(Math.max(0, this.#at - 2), this.#at).map(({ text }) => text)
    const where = before.length === 0 ? '' : ` behind ${before.join(' ')}`
    throw new NotCarried(`${JSON.stringify(this.#next.text)}${where} is not understood`)
  }
}
