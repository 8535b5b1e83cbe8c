/**
 * The language of named.conf: statements of words, some with a block of statements, each ended by a semicolon. `include "file";` stands for
 * the statements of that file.
 */
import { realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import type { Place } from '../draft.ts'
import { type Input, LineFinder, SyntaxProblem } from '../input.ts'

export interface Statement {
  /** Before and behind the block, which stands among them as nothing. */
  readonly words: readonly string[]
  readonly block: readonly Statement[] | null
  readonly place: Place
}

/** Blocks in blocks, and files in files. */
const maxDepth = 50
const maxFiles = 1_000

interface State {
  readonly input: Input
  /** Without symbolic links: nothing outside of it is read. */
  readonly folder: string
  files: number
}

/** @param folder that all files must lie in. @throws SyntaxProblem, UsageError */
export async function readNamedConf(file: string, folder: string, input: Input): Promise<Statement[]> {
  return readFileOf({ input, folder: await realpath(folder), files: 0 }, file, [])
}

async function readFileOf(state: State, file: string, trail: readonly string[]): Promise<Statement[]> {
  if (++state.files > maxFiles)
    throw new SyntaxProblem({ file, line: 1 }, `more than ${maxFiles} files are included`)
  const text = await state.input.read(file)
  const statements = new ConfParser(file, text).statements(null, 0)
  const inside = [...trail, await realpath(file)]
  const found: Statement[] = []
  for (const statement of statements) found.push(...(await included(state, file, statement, inside)))
  return found
}

/** The statement, with the files that it or its block names put in their places. */
async function included(
  state: State,
  file: string,
  statement: Statement,
  trail: readonly string[],
): Promise<Statement[]> {
  const [word, name, ...more] = statement.words
  if (word === 'include' && statement.block === null) {
    if (name === undefined || more.length > 0)
      throw new SyntaxProblem(statement.place, 'include takes one file')
    const path = await checkedPath(state, file, name, statement.place, trail)
    return readFileOf(state, path, trail)
  }
  if (statement.block === null) return [statement]
  const block: Statement[] = []
  for (const inner of statement.block) block.push(...(await included(state, file, inner, trail)))
  return [{ ...statement, block }]
}

async function checkedPath(
  { folder }: State,
  file: string,
  name: string,
  place: Place,
  trail: readonly string[],
): Promise<string> {
  const path = isAbsolute(name) ? name : join(dirname(file), name)
  const real = await realpath(path).catch((error: unknown) => {
    throw new SyntaxProblem(
      place,
      `${name} can not be included: ${error instanceof Error ? error.message : String(error)}`,
    )
  })
  const way = relative(folder, real)
  if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way))
    throw new SyntaxProblem(place, `${name} is outside of ${folder}: say --folder if it is meant to be read`)
  if (trail.includes(real)) throw new SyntaxProblem(place, `${name} includes itself`)
  return path
}

const form =
  /\s+|\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/|"(?<quoted>(?:[^"\\\n]|\\.)*)"|(?<mark>[{};])|(?<word>(?:[^\s{};"#/]|\/(?![/*]))+)/y

class ConfParser {
  readonly #text: string
  readonly #lines: LineFinder
  #at = 0

  constructor(file: string, text: string) {
    this.#text = text
    this.#lines = new LineFinder(file, text)
  }

  /** @param close where the block began; null for the file */
  statements(close: Place | null, depth: number): Statement[] {
    if (depth > maxDepth)
      throw new SyntaxProblem(this.#lines.at(this.#at), `blocks are nested deeper than ${maxDepth}`)
    const found: Statement[] = []
    for (;;) {
      const token = this.#token()
      if (token === null) {
        if (close !== null) throw new SyntaxProblem(close, 'a block is not closed')
        return found
      }
      if (token.mark === '}' && close !== null) return found
      if (token.mark === ';') continue
      if (token.mark === '}') throw new SyntaxProblem(token.place, '"}" closes no block')
      found.push(this.#statement(token, depth))
    }
  }

  #statement(first: Token, depth: number): Statement {
    const words: string[] = []
    let block: Statement[] | null = null
    for (let token: Token | null = first; ; token = this.#token()) {
      if (token === null) throw new SyntaxProblem(first.place, 'a statement has no ";" at its end')
      if (token.mark === ';') return { words, block, place: first.place }
      if (token.mark === '}') throw new SyntaxProblem(token.place, '";" is missing before "}"')
      if (token.mark === '{') block = [...(block ?? []), ...this.statements(token.place, depth + 1)]
      else words.push(token.text)
    }
  }

  #token(): Token | null {
    while (this.#at < this.#text.length) {
      const start = this.#at
      form.lastIndex = start
      const groups = form.exec(this.#text)?.groups
      if (groups === undefined) {
        const what =
          this.#text[start] === '"' ? 'a quote is not closed in its line' : 'a comment is not closed'
        throw new SyntaxProblem(this.#lines.at(start), what)
      }
      this.#at = form.lastIndex
      const { quoted, mark, word } = groups
      const text = quoted?.replace(/\\(.)/g, '$1') ?? word ?? ''
      if (quoted !== undefined || mark !== undefined || word !== undefined)
        return { text, mark: mark ?? null, place: this.#lines.at(start) }
    }
    return null
  }
}

interface Token {
  readonly text: string
  readonly mark: string | null
  readonly place: Place
}
