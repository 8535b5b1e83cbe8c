/**
 * The language of gdnsd's configuration, vscf (gdnsd.config(5), "LOW-LEVEL SYNTAX"): hashes, arrays and strings, nested, with
 * `$include{file}` in the place of a value or a key. Values know where they stand.
 */
import { readdir, realpath, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import type { Place } from '../draft.ts'
import { type Input, LineFinder, SyntaxProblem } from '../input.ts'

export interface VscfString {
  readonly kind: 'string'
  readonly text: string
  readonly place: Place
}
export interface VscfArray {
  readonly kind: 'array'
  readonly items: readonly VscfValue[]
  readonly place: Place
}
export interface VscfHash {
  readonly kind: 'hash'
  readonly entries: ReadonlyMap<string, VscfEntry>
  readonly place: Place
}
export interface VscfEntry {
  readonly value: VscfValue
  /** Of the key. */
  readonly place: Place
}
export type VscfValue = VscfString | VscfArray | VscfHash

/** Hashes in hashes, and files in files. */
const maxDepth = 100
const maxFiles = 1_000

interface State {
  readonly input: Input
  /** Without symbolic links: nothing outside of it is read. */
  readonly folder: string
  files: number
}

/**
 * Reads a file whose top level is a hash, with all that it includes from its folder.
 *
 * @throws SyntaxProblem, and what the file system says of the file itself
 */
export async function readVscf(file: string, input: Input): Promise<VscfHash> {
  const state: State = { input, folder: await realpath(dirname(file)), files: 0 }
  const read = await readFileOf(state, file, [])
  if (read.kind === 'hash') return read
  throw new SyntaxProblem(read.place, 'the file must be a hash, and is an array')
}

async function readFileOf(
  state: State,
  file: string,
  trail: readonly string[],
): Promise<VscfHash | VscfArray> {
  if (++state.files > maxFiles)
    throw new SyntaxProblem({ file, line: 1 }, `more than ${maxFiles} files are included`)
  const text = await state.input.read(file)
  return new Parser(state, file, text, [...trail, await realpath(file)]).file()
}

class Parser {
  readonly #state: State
  readonly #file: string
  readonly #text: string
  readonly #trail: readonly string[]
  readonly #lines: LineFinder
  #at = 0

  constructor(state: State, file: string, text: string, trail: readonly string[]) {
    this.#state = state
    this.#file = file
    this.#text = text
    this.#trail = trail
    this.#lines = new LineFinder(file, text)
  }

  async file(): Promise<VscfHash | VscfArray> {
    this.#skip()
    if (this.#text[this.#at] !== '[') return this.#hash(null, 0)
    const array = await this.#array(0)
    this.#skip()
    if (this.#at < this.#text.length) this.#fail('text stands behind the end of the array')
    return array
  }

  #fail(message: string, at = this.#at): never {
    throw new SyntaxProblem(this.#lines.at(at), message)
  }

  /** White space and comments. */
  #skip(): void {
    const found = /(?:[\s\0]|[#;][^\n]*)*/y
    found.lastIndex = this.#at
    found.exec(this.#text)
    this.#at = found.lastIndex
  }

  /** @param close the brace that ends it; null for the end of the file */
  async #hash(close: '}' | null, depth: number): Promise<VscfHash> {
    const place = this.#lines.at(close === null ? this.#at : this.#at - 1)
    if (depth > maxDepth) this.#fail(`hashes and arrays are nested deeper than ${maxDepth}`)
    const entries = new Map<string, VscfEntry>()
    const put = (key: string, entry: VscfEntry) => {
      if (entries.has(key))
        throw new SyntaxProblem(entry.place, `the key ${JSON.stringify(key)} is there twice`)
      entries.set(key, entry)
    }
    for (;;) {
      this.#skip()
      const at = this.#at
      if (close === null && at >= this.#text.length) break
      if (at >= this.#text.length) throw new SyntaxProblem(place, 'a hash is not closed')
      if (this.#text[at] === close) {
        this.#at++
        break
      }
      if (this.#startsInclude()) {
        const included = await this.#included('keys')
        for (const hash of included) for (const [key, entry] of hash.entries) put(key, entry)
      } else {
        const key = this.#string()
        this.#skip()
        const [arrow] = /^=>?/.exec(this.#text.slice(this.#at, this.#at + 2)) ?? []
        if (arrow === undefined) this.#fail(`"=>" is missing behind the key ${JSON.stringify(key.text)}`)
        this.#at += arrow!.length
        put(key.text, { value: await this.#value(depth + 1), place: key.place })
      }
      this.#comma()
    }
    return { kind: 'hash', entries, place }
  }

  async #array(depth: number): Promise<VscfArray> {
    const place = this.#lines.at(this.#at)
    if (depth > maxDepth) this.#fail(`hashes and arrays are nested deeper than ${maxDepth}`)
    this.#at++
    const items: VscfValue[] = []
    for (;;) {
      this.#skip()
      if (this.#at >= this.#text.length) throw new SyntaxProblem(place, 'an array is not closed')
      if (this.#text[this.#at] === ']') {
        this.#at++
        return { kind: 'array', items, place }
      }
      items.push(await this.#value(depth + 1))
      this.#comma()
    }
  }

  async #value(depth: number): Promise<VscfValue> {
    this.#skip()
    const char = this.#text[this.#at]
    if (char === '[') return this.#array(depth)
    if (char === '{') {
      this.#at++
      return this.#hash('}', depth)
    }
    if (this.#startsInclude()) return (await this.#included('value'))[0]!
    return this.#string()
  }

  #comma(): void {
    this.#skip()
    if (this.#text[this.#at] === ',') this.#at++
  }

  #string(): VscfString {
    const at = this.#at
    const quoted = this.#text[at] === '"'
    const form = quoted
      ? /"((?:[^"\\]|\\.)*)"/sy
      : /((?:[^\][}{;#,"=\\\s\0$]|\\.)(?:[^\][}{;#,"=\\\s\0]|\\.)*)/sy
    form.lastIndex = at
    const [, source] = form.exec(this.#text) ?? []
    if (source === undefined) {
      if (quoted) this.#fail('a quote is not closed')
      this.#fail(
        at >= this.#text.length
          ? 'a value is missing at the end'
          : `${JSON.stringify(this.#text[at])} can not stand here`,
      )
    }
    this.#at = form.lastIndex
    return { kind: 'string', text: this.#unescaped(source!, at), place: this.#lines.at(at) }
  }

  #unescaped(source: string, at: number): string {
    return source.replace(/\\(\d{1,3}|.)/gs, (_, escaped: string) => {
      if (!/^\d/.test(escaped)) return escaped
      if (escaped.length < 3 || Number(escaped) > 255) this.#fail(`\\${escaped} is no escape`, at)
      return String.fromCharCode(Number(escaped))
    })
  }

  #startsInclude(): boolean {
    return this.#text.startsWith('$include{', this.#at)
  }

  async #included(context: 'keys'): Promise<VscfHash[]>
  async #included(context: 'value'): Promise<VscfValue[]>
  async #included(context: 'keys' | 'value'): Promise<VscfValue[]> {
    const start = this.#at
    this.#at += '$include{'.length
    this.#skip()
    const { text } = this.#string()
    this.#skip()
    if (this.#text[this.#at] !== '}') this.#fail('"}" is missing behind the name of the file')
    this.#at++
    const files = await this.#filesOf(text, start)
    if (context === 'value' && files.length !== 1)
      this.#fail(`a value comes from one file, and ${text} names ${files.length}`, start)
    const values: (VscfHash | VscfArray)[] = []
    for (const file of files) {
      const value = await readFileOf(this.#state, file, this.#trail)
      if (context === 'keys' && value.kind !== 'hash')
        this.#fail(`${text} is an array, and a hash is due`, start)
      values.push(value)
    }
    return values
  }

  /** The files that an include names, each a regular one inside the folder that does not lead back. */
  async #filesOf(text: string, at: number): Promise<string[]> {
    if (/[*?[\]]/.test(text)) this.#fail(`${text} is a pattern, which is not read here: name each file`, at)
    const path = isAbsolute(text) ? text : join(dirname(this.#file), text)
    try {
      await this.#checkInside(path, text, at)
      if (!(await stat(path)).isDirectory()) return [path]
      const names = (await readdir(path)).filter((name) => !name.startsWith('.')).sort()
      const files = names.map((name) => join(path, name))
      for (const file of files) await this.#checkInside(file, file, at)
      return files
    } catch (error) {
      if (error instanceof SyntaxProblem) throw error
      return this.#fail(
        `${text} can not be included: ${error instanceof Error ? error.message : String(error)}`,
        at,
      )
    }
  }

  async #checkInside(path: string, text: string, at: number): Promise<void> {
    const real = await realpath(path)
    const way = relative(this.#state.folder, real)
    if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way))
      this.#fail(`${text} is outside of ${this.#state.folder}, the folder of the configuration`, at)
    if (this.#trail.includes(real)) this.#fail(`${text} includes itself`, at)
  }
}
