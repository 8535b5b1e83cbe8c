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
  parseAllDocuments,
  type Range,
  stringify,
  type YAMLError,
  Document as YamlDocument,
} from 'yaml'
import type { Problem } from '../model/errors.ts'
import { type ConfigurationResult, parseConfiguration } from './configuration.ts'
import { joinPath, splitPath } from './path.ts'
import { maxProblems } from './schema-check.ts'

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
  /** Of what is there twice: where it stands first. */
  readonly first?: Place
}

/** What a text holds, and where each part of it stands. */
export interface YamlText {
  readonly ok: true
  readonly input: unknown
  /** The place of what has a path, or of the part around it that is there. */
  placeOf(path: string): Place
  /** How something is written that is another value than it looks: `010` for 10. Null for what is as it looks. */
  spellingAt(path: string): string | null
}

export type YamlResult = YamlText | { readonly ok: false; readonly problems: readonly PlacedProblem[] }

/** The documents of one text, one behind the other. */
export interface YamlTexts {
  /** Those that could be read, whatever else is wrong with their keys. */
  readonly texts: readonly YamlText[]
  readonly problems: readonly PlacedProblem[]
  /** Whether some could not be read. */
  readonly isPartial: boolean
}

/** Reads a text of YAML or JSON that holds one document, with nothing wrong in it. */
export function readYaml(text: string): YamlResult {
  const { texts, problems } = readYamls(text)
  if (problems.length > 0) return { ok: false, problems }
  if (texts.length === 1) return texts[0]!
  const message = `there are ${texts.length} documents in it, and one is taken here`
  return { ok: false, problems: [{ path: '', message, place: null }] }
}

/** Reads a text of YAML or JSON. */
export function readYamls(text: string): YamlTexts {
  const lines = new LineCounter()
  const texts: YamlText[] = []
  const problems: PlacedProblem[] = []
  let isPartial = false
  const documents = parseAll(text, lines)
  if (!Array.isArray(documents)) return { texts, problems: [refused(documents)], isPartial: true }
  for (const document of documents) {
    const read = readParsed(document, lines)
    problems.push(...read.problems)
    if (read.text === null) isPartial = true
    else texts.push(read.text)
  }
  return { texts, problems: problems.slice(0, maxProblems), isPartial }
}

/** @returns what is wrong, when nothing can be read */
function parseAll(text: string, lineCounter: LineCounter): YamlDocument[] | string {
  try {
    // That keys are unique is found out below: this would compare each with each, and name neither.
    const options = { uniqueKeys: false, strict: true, prettyErrors: false, lineCounter } as const
    const found = parseAllDocuments(text, options)
    return 'empty' in found ? [new YamlDocument(null)] : found
  } catch (error) {
    if (error instanceof RangeError) return tooDeep
    throw error
  }
}

const tooDeep = 'the document is nested too deeply'
const refused = (message: string): PlacedProblem => ({ path: '', message, place: null })

function readParsed(
  document: YamlDocument,
  lines: LineCounter,
): { readonly text: YamlText | null; readonly problems: readonly PlacedProblem[] } {
  const complaints = [...document.errors, ...document.warnings]
  if (complaints.length > 0) {
    return { text: null, problems: complaints.map((complaint) => syntaxProblem(complaint, lines)) }
  }
  try {
    const { problems, canBeRead } = keyProblems(document.contents, lines)
    if (!canBeRead) return { text: null, problems }
    return {
      text: {
        ok: true,
        input: document.toJS({ maxAliasCount }),
        placeOf: (path) => placeAt(lines, offsetOf(document, splitPath(path))),
        spellingAt: (path) => spellingOf(document.getIn(splitPath(path), true)),
      },
      problems,
    }
  } catch (error) {
    // toJS throws on too many aliases and on an alias without an anchor; nesting without end exhausts the stack.
    if (error instanceof RangeError) return { text: null, problems: [refused(tooDeep)] }
    if (error instanceof ReferenceError) return { text: null, problems: [refused(aliasWords(error))] }
    throw error
  }
}

/** What its aliases can't be read for. */
function aliasWords({ message }: ReferenceError): string {
  const name = /^Unresolved alias .*: (.*)$/s.exec(message)?.[1]
  return name === undefined
    ? 'the aliases of the document come to too much'
    : `there is no &${name} before *${name}`
}

/** How a scalar is written whose value is another text than that. */
function spellingOf(node: unknown): string | null {
  if (!isScalar(node) || node.type !== 'PLAIN' || typeof node.value === 'string') return null
  return node.source === undefined || node.source === String(node.value) ? null : node.source
}

/** Tags that say what JSON has, too. */
const plainTags: ReadonlySet<string> = new Set(
  ['map', 'seq', 'str', 'int', 'float', 'bool', 'null'].map((name) => `tag:yaml.org,2002:${name}`),
)

/** Keys are names: each once, and each what it looks like. */
function keyProblems(root: unknown, lines: LineCounter) {
  const problems: PlacedProblem[] = []
  let canBeRead = true
  const add = (path: string, message: string, node: unknown, first?: unknown) => {
    const at = (of: unknown) => placeAt(lines, startOf(of) ?? 0)
    problems.push({ path, message, place: at(node), ...(first === undefined ? {} : { first: at(first) }) })
  }
  const walk = (node: unknown, path: string): void => {
    if (isNode(node) && 'tag' in node && node.tag !== undefined && !plainTags.has(node.tag)) {
      // What it makes (a set, ordered pairs, octets) is no map, list or scalar of JSON, and would be read as an empty one.
      canBeRead = false
      add(path, `has ${words.TAG_RESOLVE_FAILED}`, node)
      return
    }
    if (isSeq(node)) for (const [index, item] of node.items.entries()) walk(item, joinPath(path, index))
    if (!isYamlMap(node)) return
    const seen = new Map<string, unknown>()
    for (const { key, value } of node.items) {
      if (!isScalar(key)) {
        canBeRead = false
        add(path, 'has a key that is no text', key)
        continue
      }
      const name = String(key.value)
      const at = joinPath(path, name)
      const written = spellingOf(key)
      if (key.source === '') add(path, 'has a key without a name', key)
      else if (written !== null) {
        add(path, `has the key ${written}, which YAML takes for ${name}: put it in quotation marks`, key)
      } else if (name === '<<' && key.type === 'PLAIN') {
        add(path, 'has <<, and keys are not merged here: write the fields, or an alias for all of them', key)
      } else if (seen.has(name)) add(at, 'is there twice', key, seen.get(name))
      if (!seen.has(name)) seen.set(name, key)
      walk(value, at)
    }
  }
  walk(root, '')
  return { problems, canBeRead }
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

/** What the reader of YAML says in words of those who write such readers. */
const words: Partial<Record<YAMLError['code'], string>> = {
  BAD_ALIAS: 'an alias (*name) or anchor (&name) without a name, or of one that is not there before it',
  BLOCK_AS_IMPLICIT_KEY:
    'a second key on this line: put text with ": " in it in quotation marks, or a key on its own line',
  MULTILINE_IMPLICIT_KEY: 'a key is on one line, with a colon behind it: is the colon missing?',
  TAB_AS_INDENT: 'a tab at the beginning of the line: indent with blanks',
  TAG_RESOLVE_FAILED: 'a tag (!name), and none is taken here: put text that begins with ! in quotation marks',
}

const plainer: readonly (readonly [RegExp, string])[] = [
  [/^Implicit map keys need to be followed/, 'a name without a colon behind it'],
  [
    /^Flow (map|sequence) in block collection must be|^Expected flow (map|sequence) to end/,
    'a { or [ that is not closed, or is closed too far to the left',
  ],
  [/^Plain value cannot start with/, 'text that begins so must stand in quotation marks'],
  [
    /^All (sequence|mapping|collection) items must start at the same column/,
    'is not indented like the lines before it',
  ],
  [/^Missing closing/, 'a quotation mark that is not closed'],
  [/^Maximum call stack/, tooDeep],
]

function syntaxProblem({ code, message, pos }: YAMLError, lines: LineCounter): PlacedProblem {
  const plain = words[code] ?? plainer.find(([pattern]) => pattern.test(message))?.[1]
  return { path: '', message: plain ?? message, place: placeAt(lines, pos[0]) }
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
