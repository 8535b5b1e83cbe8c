/**
 * Documents in files: read, checked and put together to one, in which every problem can be told by its file, line and column. A folder
 * stands for the files in it, and in the folders in it, that are named as YAML or JSON.
 */
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import { UsageError } from '../../config.ts'
import { canonicalName, kinds } from '../../controlplane/document/configuration.ts'
import { formatVersion, readDocument } from '../../controlplane/document/document.ts'
import { Name } from '../../controlplane/document/fields.ts'
import { joinPath, splitPath } from '../../controlplane/document/path.ts'
import { isMap } from '../../controlplane/document/schema-check.ts'
import {
  type Place,
  type PlacedProblem,
  readYamls,
  type YamlText,
} from '../../controlplane/document/yaml-text.ts'
import type { Problem } from '../../controlplane/model/errors.ts'
import { printable } from '../../terminal-text.ts'

export const fileOption = {
  file: {
    type: 'string',
    value: 'FILE',
    short: 'f',
    summary: 'a file, a folder with all in it, or - for standard input; once or several times',
    multiple: true,
    completes: 'file',
  },
} as const

/** Octets of all files together, which are in memory. */
const mostOctets = 64 * 1024 * 1024

/** What the files come to, ready to be sent. */
export interface Documents {
  readonly document: Readonly<Record<string, unknown>>
  /** Problems that a server tells of the document, each by its file, line and column. */
  told(problems: readonly Problem[]): string[]
  /** Whether a problem is one of what the files do not name. */
  isElsewhere(problem: Problem): boolean
}

/** The same, whatever is wrong with it. */
export interface ReadDocuments extends Documents {
  /** What is wrong with single files and between them, a line each. */
  readonly wrong: readonly string[]
  /** Whether a file could not be read, so that nobody can say what is not in them. */
  readonly isPartial: boolean
}

/** All that is wrong with documents, a line each. @param count of problems, where lines say more than those */
export function problemsOf(lines: readonly string[], count = lines.length): Error {
  return new Error(`${count === 1 ? 'one problem' : `${count} problems`}:\n${lines.join('\n')}`)
}

/** The documents of `--file`. Throws all that is wrong with them. */
export async function documentsOf(file: readonly string[] | undefined): Promise<Documents> {
  const documents = await readDocuments(file)
  const read = readDocument(documents.document)
  const wrong = [...documents.wrong, ...(read.ok ? [] : documents.told(read.problems))]
  if (wrong.length > 0) throw problemsOf(wrong)
  return documents
}

/** One document: a file may hold several. */
interface File {
  readonly name: string
  readonly yaml: YamlText
  readonly input: Readonly<Record<string, unknown>>
}

/** Reads `-` (standard input), files and folders. */
export async function readDocuments(paths: readonly string[] | undefined): Promise<ReadDocuments> {
  if (paths === undefined)
    throw new UsageError('which files: -f FILE, once or several times, or -f - for standard input')
  const files: File[] = []
  const wrong: string[] = []
  let octets = 0
  let isPartial = false
  for (const name of await filesOf(paths)) {
    const source = name === '-' ? await text(process.stdin) : await readFile(name, 'utf8')
    octets += Buffer.byteLength(source)
    if (octets > mostOctets) throw new UsageError(`the files have more than ${mostOctets} octets together`)
    const yamls = readYamls(source)
    wrong.push(...yamls.problems.map((problem) => syntaxLine(name, problem)))
    isPartial ||= yamls.isPartial
    for (const yaml of yamls.texts) files.push(...headOf(name, yaml, wrong))
  }
  return { ...merge(files, wrong), wrong, isPartial }
}

function syntaxLine(name: string, { path, message, place, first }: PlacedProblem): string {
  const more = first === undefined ? '' : `, first at ${placeText(name, first)}`
  return lineOf(name, place ?? { line: 1, column: 1 }, path, `${message}${more}`)
}

/** Judges what is of the file alone: its parts are judged together with those of the others. */
function headOf(name: string, yaml: YamlText, wrong: string[]): File[] {
  const input = yaml.input ?? {}
  const parts: readonly string[] = isMap(input) ? kinds.filter((kind) => isMap(input[kind])) : []
  const head = isMap(input)
    ? Object.fromEntries(Object.entries(input).filter(([key]) => !parts.includes(key) && key !== '<<'))
    : input
  const read = readDocument(head)
  if (!read.ok) {
    wrong.push(...read.problems.map(({ path, message }) => lineOf(name, yaml.placeOf(path), path, message)))
  }
  return isMap(input) ? [{ name, yaml, input }] : []
}

/** The files of a folder and of those in it, by their paths in order; what is hidden, or named as something else, is passed over. */
async function filesOf(paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  const passed: string[] = []
  for (const path of paths) {
    if (path === '-' || !(await statOf(path)).isDirectory()) {
      found.push(path)
      continue
    }
    const inside = await filesIn(path, passed, new Set())
    if (inside.length === 0) throw new UsageError(`${path} has no files that end in .yaml, .yml or .json`)
    found.push(...inside)
  }
  if (passed.length > 0) {
    const more = passed.length > mostPassed ? ` and ${passed.length - mostPassed} more` : ''
    const named = passed.slice(0, mostPassed).map(printable).join(', ')
    process.stderr.write(`not read, for only .yaml, .yml and .json are: ${named}${more}\n`)
  }
  return found
}

/** Files that are passed over and named. */
const mostPassed = 5

/** @param above folders that are being read: a link may lead back to one */
async function filesIn(folder: string, passed: string[], above: ReadonlySet<string>): Promise<string[]> {
  const real = await realpath(folder)
  if (above.has(real)) return []
  const found: string[] = []
  for (const name of (await readdir(folder)).sort()) {
    if (name.startsWith('.')) continue
    const path = join(folder, name)
    if ((await statOf(path)).isDirectory()) {
      found.push(...(await filesIn(path, passed, new Set([...above, real]))))
    } else if (/\.(ya?ml|json)$/.test(name)) found.push(path)
    else passed.push(path)
  }
  return found
}

async function statOf(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    throw new UsageError(`${path}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Where a part is written: there may be several spellings of its name. */
interface Home {
  readonly file: File
  readonly path: string
}

function merge(files: readonly File[], wrong: string[]): Documents {
  /** By kind and name as the model has it. */
  const homes = new Map<string, Home>()
  const parts: Record<string, Record<string, unknown>> = {}
  for (const file of files) {
    for (const kind of kinds) {
      const fragments = file.input[kind]
      if (!isMap(fragments)) continue
      parts[kind] ??= {}
      for (const [name, fragment] of Object.entries(fragments)) {
        const home = { file, path: joinPath(kind, name) }
        const key = homeKey(kind, name)
        const first = homes.get(key)
        if (first === undefined) {
          homes.set(key, home)
          parts[kind][name] = fragment
        } else wrong.push(...contradiction(home, fragment, first))
      }
    }
  }
  const homeOf = ({ path }: Problem) => {
    const [kind, name] = splitPath(path)
    return name === undefined ? undefined : homes.get(homeKey(String(kind), String(name)))
  }
  return {
    document: { ...headsOf(files, wrong), ...parts },
    told: (problems) => problems.map((problem) => toldLine(problem, homeOf(problem), files)),
    isElsewhere: (problem) => isPart(problem) && homeOf(problem) === undefined,
  }
}

const isPart = ({ path }: Problem) => kinds.some((kind) => path.startsWith(kind))

function homeKey(kind: string, name: string): string {
  return joinPath(kind, canonicalName(kind as (typeof kinds)[number], name))
}

/** Two that say the same are one, but for those in one file, of which one is a slip. */
function contradiction({ file, path }: Home, fragment: unknown, first: Home): string[] {
  const [kind, name] = splitPath(first.path) as [string, string]
  const other = (first.file.input[kind] as Record<string, unknown>)[name]
  const isSame = isDeepStrictEqual(other, fragment)
  if (isSame && first.file !== file) return []
  const { name: otherName, yaml } = first.file
  const what = isSame ? 'stands already' : 'is said otherwise'
  const at = `${what} at ${placeText(otherName, yaml.placeOf(first.path))}`
  const message = path === first.path ? at : `${at}, as ${name}, which is the same name`
  return [lineOf(file.name, file.yaml.placeOf(path), path, message)]
}

/** What stands beside the parts. */
function headsOf(files: readonly File[], wrong: string[]): { owner?: unknown; version?: unknown } {
  const heads: { owner?: unknown; version?: unknown } = {}
  const [first] = files
  const whose = (label: unknown) => (label === undefined ? 'nobody' : `owner ${String(label)}`)
  for (const file of files) {
    const { owner, version } = file.input
    if (owner !== first!.input.owner) {
      const message = `is ${whose(owner)}, and ${shownName(first!.name)} is of ${whose(first!.input.owner)}: apply them apart`
      wrong.push(lineOf(file.name, file.yaml.placeOf('owner'), 'owner', message))
    }
    // What is wrong with them has been told by file.
    if (typeof owner === 'string' && Name.parse(owner, 'owner', []) !== undefined) heads.owner = owner
    if (version === formatVersion) heads.version = version
  }
  return heads
}

function toldLine(problem: Problem, home: Home | undefined, files: readonly File[]): string {
  const { path, message } = problem
  if (home !== undefined) {
    const { name, yaml } = home.file
    // The path is by the spelling of the server, or of another file.
    const [, , ...steps] = splitPath(path)
    const at = joinPath(home.path, ...steps)
    const spelling = yaml.spellingAt(at)
    const written = spelling === null ? '' : ` (it is written ${spelling})`
    return lineOf(name, yaml.placeOf(at), path, `${message}${written}`)
  }
  if (isPart(problem)) return printable(`on the server: ${path} ${message}`)
  const [key] = splitPath(path)
  const file = files.find(({ input }) => key !== undefined && key in input)
  return file === undefined
    ? printable(`${path} ${message}`)
    : lineOf(file.name, file.yaml.placeOf(path), path, message)
}

const shownName = (name: string) => (name === '-' ? '<stdin>' : name)
const placeText = (name: string, { line, column }: Place) => `${shownName(name)}:${line}:${column}`

/** As compilers write it, so that editors find the way. */
function lineOf(name: string, place: Place, path: string, message: string): string {
  return printable(`${placeText(name, place)}: ${path === '' ? '' : `${path} `}${message}`)
}
