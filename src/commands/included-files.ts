/**
 * `$INCLUDE file [origin]` (RFC 1035 section 5.1): puts a zone file and what it includes together to one text, which can go into
 * the database or to a server like any other.
 *
 * A file's name is relative to the file that has the directive. The origin of an included file is the one of the directive, else
 * that of the file around it, whose own origin and owner are behind it what they were before, as BIND has it; `$TTL` stays.
 * All of that is said in the text by absolute names, so that it means the same to every reader.
 *
 * What can't be included leaves a line that readers refuse, and a note on what to say of it, so that whoever mends a zone is told
 * of it together with everything else.
 *
 * Only regular files inside the folder of the zone file are read, whatever symbolic links and `..` say: whoever may write zones
 * should not come to read /etc/shadow in error messages. Hard links can't be told from files.
 */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, join, relative, sep } from 'node:path'
import { show } from '../controlplane/document/schema-check.ts'
import { tokenOctets, unquoted } from '../controlplane/zonefile/rr-text.ts'
import {
  type Entry,
  maxEntryLength,
  octetText,
  type PlacedToken,
  Scanner,
} from '../controlplane/zonefile/scanner.ts'
import { formatName, hostnameToWire, parseName } from '../dataplane/wire/name.ts'
import { TextError } from '../dataplane/wire/text-error.ts'
import type { AssembledLines } from './assembled-lines.ts'
import { parsedOrNull } from './parsed-or-null.ts'

/** Files within files. BIND's own limit is its stack; nobody was seen to need more than three. */
const maxDepth = 10
/** Directives that are followed, over all. */
const maxIncluded = 1_000
/** Octets of all that is included: what the API takes of a zone. */
const maxIncludedOctets = 512 * 1024 * 1024

/** Where files are looked for, when that is not beside the file that names them. */
export interface IncludeFolders {
  /** Relative names are relative to it, as BIND has it. */
  readonly base: string
  /** Nothing outside of it is read. */
  readonly limit: string
}

/** The owner that an entry without one inherits, which `$GENERATE` does not change; null for none. */
type Owner = { readonly name: string } | null

/** A file that is being read. */
interface OpenFile {
  readonly path: string
  readonly real: string
  readonly handle: FileHandle
  readonly octets: number
  readonly outer: OpenFile | null
  origin: Uint8Array
  owner: Owner
  /** An included file may have changed the owner since the last entry. */
  ownerIsLost: boolean
}

export class IncludedFiles {
  readonly #lines: AssembledLines
  readonly #folders: IncludeFolders | null
  /** What files must lie in, without symbolic links: the folder of the zone file, unless another one is given. */
  #folder = ''
  #count = 0
  #octets = 0
  #out: string[] = []
  readonly #included = new Set<string>()

  constructor(lines: AssembledLines, folders: IncludeFolders | null = null) {
    this.#lines = lines
    this.#folders = folders
  }

  /** Real paths of what was included so far. */
  get included(): ReadonlySet<string> {
    return this.#included
  }

  /** The text of a zone file in pieces. Throws what the file system says of the zone file itself. */
  async *assemble(path: string, apex: string): AsyncGenerator<Uint8Array> {
    this.#folder = await realpath(this.#folders?.limit ?? dirname(path))
    await using handle = await open(path)
    const { size: octets } = await handle.stat()
    const state = { origin: hostnameToWire(apex), owner: null, ownerIsLost: false }
    yield* this.#read({ path, real: await realpath(path), handle, octets, outer: null, ...state })
  }

  async *#read(file: OpenFile): AsyncGenerator<Uint8Array> {
    const complaints: { readonly line: number; readonly column: number; readonly message: string }[] = []
    const scanner = new Scanner((place, message) => void complaints.push({ ...place, message }))
    /** Lines of the entry that is open. Bound: the scanner's, of an entry. */
    let held: string[] = []
    let line = 0
    const release = (end: number) => {
      const start = line - held.length + 1
      const count = Math.max(0, end - start + 1)
      for (const [index, text] of held.slice(0, count).entries()) this.#put(file, start + index, text)
      held = held.slice(count)
    }
    const take = async function* (this: IncludedFiles, entries: readonly Entry[]) {
      for (const [index, entry] of entries.entries()) {
        release(entry.line - 1)
        if (isDirective(entry, '$INCLUDE')) {
          const last = index === entries.length - 1
          const end = last ? (scanner.openLine ?? line + 1) - 1 : entry.tokens.at(-1)!.line
          held = held.slice(end - entry.line + 1)
          yield* this.#include(file, entry)
        } else this.#follow(file, entry, held)
      }
      release((scanner.openLine ?? line + 1) - 1)
    }
    for await (const texts of linesOf(file)) {
      for (const text of texts) {
        line++
        held.push(text)
        complaints.length = 0
        const entries = [...scanner.push(`${text}\n`)]
        if (entries.some((entry) => isDirective(entry, '$INCLUDE'))) yield* take.call(this, entries)
        else {
          // Of nearly all lines, for which a generator would be dear.
          for (const entry of entries) {
            release(entry.line - 1)
            this.#follow(file, entry, held)
          }
          release((scanner.openLine ?? line + 1) - 1)
        }
      }
      yield this.#flush()
    }
    if (scanner.openLine !== null && file.outer !== null) {
      // It would swallow what stands below the directive, or be closed by that.
      for (const _ of scanner.finish());
      this.#note(file, complaints[0]!, complaints[0]!.message)
    } else yield* take.call(this, [...scanner.finish()])
    yield this.#flush()
  }

  /** Keeps origin and owner, and gives the owner back to an entry that would inherit one of an included file. */
  #follow(file: OpenFile, entry: Entry, held: string[]): void {
    const [first, second] = entry.tokens
    if (isDirective(entry, '$ORIGIN')) {
      file.origin = parsedOrNull(() => parseName(second?.text ?? '', file.origin)) ?? file.origin
      return
    }
    if (first === undefined || (first.text.startsWith('$') && !first.quoted)) return
    if (!entry.indented) {
      const name = parsedOrNull(() => formatName(parseName(unquoted(first), file.origin)))
      file.owner = name === null ? null : { name }
    } else if (file.ownerIsLost && file.owner !== null) {
      const { name } = file.owner
      this.#put(file, entry.line, name + held.shift()!, name.length)
    }
    file.ownerIsLost = false
  }

  async *#include(outer: OpenFile, entry: Entry): AsyncGenerator<Uint8Array> {
    const [directive, ...words] = entry.tokens
    const place = { line: directive!.line, column: directive!.column }
    let file: OpenFile
    try {
      file = await this.#open(outer, words)
    } catch (error) {
      if (!(error instanceof TextError)) throw error
      return this.#note(outer, place, `$INCLUDE: ${error.message}`)
    }
    await using _ = file.handle
    this.#count++
    this.#octets += file.octets
    this.#included.add(file.real)
    if (words.length > 1) this.#putOrigin(outer, place.line, file.origin)
    yield* this.#read(file)
    if (file.origin !== outer.origin) this.#putOrigin(outer, place.line, outer.origin)
    outer.ownerIsLost ||= file.owner !== outer.owner
  }

  /** @throws TextError when it can't be included */
  async #open(outer: OpenFile, words: readonly PlacedToken[]): Promise<OpenFile> {
    const [name, origin] = words
    if (name === undefined || words.length > 2) throw new TextError('it takes a file and perhaps an origin')
    const wire = origin === undefined ? outer.origin : parseName(unquoted(origin), outer.origin)
    const text = Buffer.from(tokenOctets(name)).toString()
    if (text === '' || text.includes('\0')) throw new TextError(`${show(text)} is no name of a file`)
    const base = this.#folders?.base ?? dirname(outer.path)
    const { handle, real, octets } = await this.#openInside(isAbsolute(text) ? text : `${base}/${text}`, text)
    try {
      for (let above: OpenFile | null = outer, depth = 1; above !== null; above = above.outer, depth++) {
        if (above.real === real) throw new TextError(`${show(text)} includes itself`)
        if (depth > maxDepth) throw new TextError(`files include files to a depth of ${maxDepth}, not deeper`)
      }
      if (this.#count >= maxIncluded) throw new TextError(`a zone includes ${maxIncluded} files at most`)
      if (this.#octets + octets > maxIncludedOctets) {
        throw new TextError(`a zone includes ${maxIncludedOctets} octets at most`)
      }
    } catch (error) {
      await handle.close()
      throw error
    }
    const path = isAbsolute(text) ? text : join(base, text)
    const state = { origin: wire, owner: outer.owner, ownerIsLost: outer.ownerIsLost }
    return { path, real, handle, octets, outer, ...state }
  }

  /** Opens a regular file inside of the folder. Devices and pipes are not even opened: that may wait, or do something. */
  async #openInside(path: string, text: string) {
    try {
      const real = await realpath(path)
      const way = relative(this.#folder, real)
      if (way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) {
        throw new TextError(
          `${show(text)} is outside of ${this.#folder}, the folder ${this.#folders === null ? 'of the zone file' : 'that may be read'}`,
        )
      }
      const isFile = (state: { isFile(): boolean }) => {
        if (!state.isFile()) throw new TextError(`${show(text)} is no regular file`)
      }
      isFile(await lstat(real))
      // A link or a pipe that was put there meanwhile is not followed, nor waited for.
      const handle = await open(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
      const state = await handle.stat()
      if (!state.isFile()) await handle.close()
      isFile(state)
      return { handle, real, octets: state.size }
    } catch (error) {
      if (error instanceof TextError) throw error
      throw new TextError(`${show(text)}: ${reasonOf(error)}`)
    }
  }

  #put(file: OpenFile, line: number, text: string, shift = 0): void {
    this.#lines.add(file.path, line, shift)
    this.#out.push(text)
  }

  #putOrigin(file: OpenFile, line: number, origin: Uint8Array): void {
    this.#put(file, line, `$ORIGIN ${formatName(origin)}`)
  }

  #note({ path }: OpenFile, { line, column = 1 }: { line: number; column?: number }, message: string): void {
    this.#lines.note({ file: path, line, column }, message)
    this.#out.push('$INCLUDE')
  }

  #flush(): Uint8Array {
    const text = this.#out.map((line) => `${line}\n`).join('')
    this.#out = []
    return Buffer.from(text, 'latin1')
  }
}

function isDirective({ broken, indented, tokens: [first] }: Entry, name: string): boolean {
  return !broken && !indented && first?.quoted === false && first.text.toUpperCase() === name
}

/** The lines of a file, those of a piece at a time; of one that is too long, no more than shows that it is. */
async function* linesOf({ handle, octets }: OpenFile): AsyncGenerator<string[]> {
  if (octets === 0) return
  let rest = ''
  // As long as it was when it was opened, whoever adds to it.
  const stream = handle.createReadStream({ start: 0, end: octets - 1, autoClose: false })
  for await (const text of octetText(stream)) {
    const lines = (rest + text).split('\n')
    rest = lines.pop()!.slice(0, maxEntryLength + 1)
    yield lines
  }
  if (rest !== '') yield [rest]
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EACCES: 'it may not be read',
  ELOOP: 'its symbolic links lead in a circle',
}

function reasonOf(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException
  return reasons[code] ?? message
}
