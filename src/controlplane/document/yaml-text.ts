/**
 * Documents as text. JSON is YAML, so that one reader serves both. Bounded on purpose: a document comes from a
 * pipeline or a person, and a few bytes of aliases must not become gigabytes of objects.
 */
import {
  isNode,
  isScalar,
  isSeq,
  isMap as isYamlMap,
  LineCounter,
  parseDocument as parseYaml,
  type Range,
  stringify,
  type YAMLError,
  type Document as YamlDocument,
} from 'yaml'
import type { Problem } from '../model/errors.ts'
import { type ConfigurationResult, parseConfiguration } from './configuration.ts'
import { splitPath } from './path.ts'

/** Most times that aliases may be resolved, counted with those inside of them. */
const maxAliasCount = 100

/** Where something stands in a text, both counted from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** A problem of syntax, with its place. */
export interface PlacedProblem extends Problem {
  readonly place: Place | null
}

/** What a text holds, and where each part of it stands. */
export interface YamlText {
  readonly ok: true
  readonly input: unknown
  /** The place of what has a path, or of the part around it that is there. */
  placeOf(path: string): Place
}

export type YamlResult = YamlText | { readonly ok: false; readonly problems: readonly PlacedProblem[] }

/** Reads a text of YAML or JSON. */
export function readYaml(text: string): YamlResult {
  const refused = (message: string): YamlResult => ({
    ok: false,
    problems: [{ path: '', message, place: null }],
  })
  const lines = new LineCounter()
  try {
    const document = parseYaml(text, {
      uniqueKeys: true,
      strict: true,
      prettyErrors: false,
      lineCounter: lines,
    })
    const complaints = [...document.errors, ...document.warnings]
    if (complaints.length > 0) {
      return { ok: false, problems: complaints.map((complaint) => syntaxProblem(complaint, lines)) }
    }
    return {
      ok: true,
      input: document.toJS({ maxAliasCount }),
      placeOf: (path) => placeAt(lines, offsetOf(document, splitPath(path))),
    }
  } catch (error) {
    // toJS throws on too many aliases and on an alias without an anchor; nesting without end exhausts the stack.
    if (error instanceof RangeError) return refused('the document is nested too deeply')
    if (error instanceof ReferenceError) return refused(error.message)
    throw error
  }
}

/** A document as text, every part of it written out, a value a line. */
export function formatYaml(document: unknown): string {
  return stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 })
}

/** Reads a whole configuration. Problems of syntax name line and column; those of content, a path. */
export function parseDocument(text: string): ConfigurationResult {
  const read = readYaml(text)
  if (read.ok) return parseConfiguration(read.input)
  return {
    ok: false,
    problems: read.problems.map(({ path, message, place }) => {
      return {
        path,
        message: place === null ? message : `${message} at line ${place.line}, column ${place.column}`,
      }
    }),
  }
}

function syntaxProblem({ message, pos }: YAMLError, lines: LineCounter): PlacedProblem {
  return { path: '', message, place: placeAt(lines, pos[0]) }
}

function placeAt(lines: LineCounter, offset: number): Place {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(line, 1), column: Math.max(col, 1) }
}

/** Where the last of some steps stands: its key in a map, its item in a list; or where the way to it ends. */
function offsetOf(document: YamlDocument, steps: readonly (string | number)[]): number {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const step of steps) {
    if (isNode(node) && 'source' in node && !isScalar(node))
      node = (node as { resolve?: (of: unknown) => unknown }).resolve?.(document)
    if (isYamlMap(node)) {
      const pair = node.items.find(({ key }) => String(isScalar(key) ? key.value : key) === String(step))
      if (pair === undefined) return offset
      offset = startOf(pair.key) ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      offset = startOf(node) ?? offset
    } else return offset
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node.range as Range | null | undefined)?.[0] : undefined
}
