/**
 * Documents in files: read, checked and put together to one, in which every problem can be told by its file, line and column. A folder
 * stands for the files in it that are named as YAML or JSON.
 */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import { UsageError } from '../../config.ts'
import { kinds } from '../../controlplane/document/configuration.ts'
import { readDocument } from '../../controlplane/document/document.ts'
import { joinPath, splitPath } from '../../controlplane/document/path.ts'
import { isMap } from '../../controlplane/document/schema-check.ts'
import { readYaml, type YamlText } from '../../controlplane/document/yaml-text.ts'
import type { Problem } from '../../controlplane/model/errors.ts'
import { printable } from '../../terminal-text.ts'

export const fileOption = {
  file: {
    type: 'string',
    value: 'FILE',
    short: 'f',
    summary: 'a file, a folder, or - for standard input; once or several times',
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
}

/** All that is wrong with documents, a line each. @param count of problems, where lines say more than those */
export function problemsOf(lines: readonly string[], count = lines.length): Error {
  return new Error(`${count === 1 ? 'one problem' : `${count} problems`}:\n${lines.join('\n')}`)
}

/** The documents of `--file`. Throws all that is wrong with them. */
export async function documentsOf(file: readonly string[] | undefined): Promise<Documents> {
  if (file === undefined)
    throw new UsageError('which files: -f FILE, once or several times, or -f - for standard input')
  return readDocuments(file)
}

interface File {
  readonly name: string
  readonly yaml: YamlText
  readonly input: Readonly<Record<string, unknown>>
}

/** Reads `-` (standard input), files and folders. */
async function readDocuments(paths: readonly string[]): Promise<Documents> {
  const files: File[] = []
  const wrong: string[] = []
  let octets = 0
  for (const name of await filesOf(paths)) {
    const source = name === '-' ? await text(process.stdin) : await readFile(name, 'utf8')
    octets += Buffer.byteLength(source)
    if (octets > mostOctets) throw new UsageError(`the files have more than ${mostOctets} octets together`)
    const yaml = readYaml(source)
    if (yaml.ok) files.push(...checked(name, yaml, wrong))
    else {
      wrong.push(
        ...yaml.problems.map(({ message, place }) =>
          lineOf(name, place ?? { line: 1, column: 1 }, '', message),
        ),
      )
    }
  }
  const merged = merge(files, wrong)
  if (wrong.length > 0) throw problemsOf(wrong)
  return merged
}

function checked(name: string, yaml: YamlText, wrong: string[]): File[] {
  const input = yaml.input ?? {}
  const read = readDocument(input)
  if (read.ok) return [{ name, yaml, input: input as File['input'] }]
  wrong.push(...read.problems.map(({ path, message }) => lineOf(name, yaml.placeOf(path), path, message)))
  return []
}

async function filesOf(paths: readonly string[]): Promise<string[]> {
  const found: string[] = []
  for (const path of paths) {
    if (path === '-' || !(await statOf(path)).isDirectory()) {
      found.push(path)
      continue
    }
    const inside = (await readdir(path)).filter(
      (name) => !name.startsWith('.') && /\.(ya?ml|json)$/.test(name),
    )
    if (inside.length === 0) throw new UsageError(`${path} has no files that end in .yaml, .yml or .json`)
    found.push(...inside.sort().map((name) => join(path, name)))
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

function merge(files: readonly File[], wrong: string[]): Documents {
  /** By kind and name. */
  const homes = new Map<string, File>()
  const parts: Record<string, Record<string, unknown>> = {}
  const heads: { owner?: unknown; version?: unknown } = {}
  let ownerHome: File | null = null
  for (const file of files) {
    const { owner } = file.input
    if (ownerHome !== null && heads.owner !== owner) {
      const other = ownerHome.input.owner
      const whose = (label: unknown) => (label === undefined ? 'nobody' : `owner ${String(label)}`)
      wrong.push(
        lineOf(
          file.name,
          file.yaml.placeOf('owner'),
          'owner',
          `is ${whose(owner)}, and ${ownerHome.name} is of ${whose(other)}: apply them apart`,
        ),
      )
    }
    ownerHome ??= file
    if (owner !== undefined) heads.owner = owner
    if (file.input.version !== undefined) heads.version = file.input.version
    for (const kind of kinds) {
      const fragments = file.input[kind]
      if (!isMap(fragments)) continue
      parts[kind] ??= {}
      for (const [name, fragment] of Object.entries(fragments)) {
        const path = joinPath(kind, name)
        const home = homes.get(path)
        if (home === undefined) {
          homes.set(path, file)
          parts[kind][name] = fragment
        } else if (!isDeepStrictEqual(parts[kind][name], fragment)) {
          const { line, column } = home.yaml.placeOf(path)
          wrong.push(
            lineOf(
              file.name,
              file.yaml.placeOf(path),
              path,
              `is said otherwise at ${home.name}:${line}:${column}`,
            ),
          )
        }
      }
    }
  }
  const told = ({ path, message }: Problem) => {
    const [kind, name] = splitPath(path)
    const home =
      homes.get(kind === undefined || name === undefined ? '' : joinPath('', kind, name)) ?? files[0]
    return home === undefined
      ? `${path} ${message}`
      : lineOf(home.name, home.yaml.placeOf(path), path, message)
  }
  return { document: { ...heads, ...parts }, told: (problems) => problems.map(told) }
}

/** As compilers write it, so that editors find the way. */
function lineOf(
  name: string,
  { line, column }: { readonly line: number; readonly column: number },
  path: string,
  message: string,
): string {
  const file = name === '-' ? '<stdin>' : name
  return printable(`${file}:${line}:${column}: ${path === '' ? '' : `${path} `}${message}`)
}
