/**
 * Bodies of requests. JSON.parse keeps the last of two members with one name, silently: a pool that names a member
 * twice would lose one. So the text is scanned once more for that, and for nesting that would exhaust the stack of
 * whoever walks the value.
 */
import type { FastifyInstance } from 'fastify'
import { joinPath } from '../document/path.ts'
import { ControlError, type Problem } from '../model/errors.ts'

/** Octets of a fragment of the document, unless its route says otherwise. */
export const fragmentLimit = 1024 * 1024

const maxDepth = 64

/** Bounds the problems of one body. */
const maxDuplicates = 100

/** Takes JSON (and JSON merge patches, RFC 7396) and nothing else. An empty body is none: `undefined`. */
export function parseJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    async (_request: unknown, text: string) => (text === '' ? undefined : parseJson(text)),
  )
}

/** The value of a JSON text. Throws `invalid` when it is none, nests too deeply or repeats a name. */
export function parseJson(text: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new ControlError('invalid', `the body is not JSON: ${reason}`)
  }
  const problems = scan(text)
  if (problems.length > 0) throw new ControlError('invalid', 'the body is not acceptable', { problems })
  return value
}

interface Level {
  /** Where the value that is open stands. */
  readonly path: string
  /** Names so far; null in an array. */
  readonly names: Set<string> | null
  /** The path of the member or item that comes next or is being read. */
  next: string
  index: number
  expectsName: boolean
}

/** What JSON.parse lets pass. The text is known to be JSON, which makes this a walk over its punctuation. */
function scan(text: string): Problem[] {
  const problems: Problem[] = []
  /** Bound: `maxDepth`. */
  const levels: Level[] = []
  for (let at = 0; at < text.length; at++) {
    const level = levels.at(-1)
    switch (text[at]) {
      case '{':
      case '[': {
        if (levels.length === maxDepth) {
          return [{ path: '', message: `the body is nested more than ${maxDepth} levels deep` }]
        }
        const names = text[at] === '{' ? new Set<string>() : null
        const path = level?.next ?? ''
        const next = names === null ? joinPath(path, 0) : ''
        levels.push({ path, names, next, index: 0, expectsName: names !== null })
        break
      }
      case '}':
      case ']':
        levels.pop()
        break
      case ',':
        if (level === undefined) break
        if (level.names === null) level.next = joinPath(level.path, ++level.index)
        else level.expectsName = true
        break
      case '"': {
        const end = stringEnd(text, at)
        if (level?.names != null && level.expectsName) {
          const name = JSON.parse(text.slice(at, end + 1)) as string
          level.expectsName = false
          level.next = joinPath(level.path, name)
          if (level.names.has(name)) problems.push({ path: level.next, message: 'stands there twice' })
          if (problems.length === maxDuplicates) return problems
          level.names.add(name)
        }
        at = end
        break
      }
    }
  }
  return problems
}

function stringEnd(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}
