/** The text of a zone, as the commands that import read it: a file, with what it includes in its place. */
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import type { Readable } from 'node:stream'
import type { ControlError, Problem } from '../controlplane/model/errors.ts'
import { Spool } from '../controlplane/zonefile/spool.ts'
import { AssembledLines } from './assembled-lines.ts'
import type { ImportStatus } from './import-zone-text.ts'
import { problemLine, warningLine } from './import-zone-text.ts'
import { IncludedFiles } from './included-files.ts'

export class ZoneText implements AsyncDisposable {
  readonly file: string
  /** Null for what is no regular file and comes as it comes, pipes above all. */
  readonly octets: number | null
  readonly #spool: Spool | null
  readonly #lines: AssembledLines | null

  private constructor(
    file: string,
    octets: number | null,
    spool: Spool | null,
    lines: AssembledLines | null,
  ) {
    this.file = file
    this.octets = octets
    this.#spool = spool
    this.#lines = lines
  }

  /** @param file path, or `-` for standard input, which has no folder that files could be included from */
  static async open(file: string, apex: string): Promise<ZoneText> {
    const state = file === '-' ? null : await stat(file)
    if (state?.isFile() !== true) return new ZoneText(file, null, null, null)
    if (!(await mayInclude(file))) return new ZoneText(file, state.size, null, null)
    const lines = new AssembledLines()
    const spool = await Spool.create(tmpdir())
    try {
      await spool.fill(new IncludedFiles(lines).assemble(file, apex))
    } catch (error) {
      await spool[Symbol.asyncDispose]()
      throw error
    }
    return new ZoneText(file, spool.octets, spool, lines)
  }

  /** Once. */
  read(): Readable {
    return this.#spool?.read() ?? (this.file === '-' ? process.stdin : createReadStream(this.file))
  }

  /** What an import found, a line each, with the files and lines that it stands in. */
  problems({ problems, message }: ControlError): string[] {
    return problems.length === 0
      ? [problemLine(this.file, '', message)]
      : problems.map((problem) => this.#problem(problem))
  }

  warnings(warnings: ImportStatus['warnings']): string[] {
    return warnings.map((warning) => {
      const found = this.#lines?.translate(warning) ?? { ...warning, file: this.file }
      return warningLine(found.file, found)
    })
  }

  #problem({ path, message }: Problem): string {
    const place = /^line (\d+), column (\d+)$/.exec(path)
    if (place === null || this.#lines === null) return problemLine(this.file, path, message)
    const found = this.#lines.translate({ line: Number(place[1]), column: Number(place[2]), message })
    return problemLine(found.file, `line ${found.line}, column ${found.column}`, found.message)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spool?.[Symbol.asyncDispose]()
  }
}

const directive = '$include'

/** Whether the word stands anywhere in a file. */
export async function mayInclude(file: string): Promise<boolean> {
  let end = ''
  for await (const chunk of createReadStream(file, 'latin1')) {
    const text = end + (chunk as string).toLowerCase()
    if (text.includes(directive)) return true
    end = text.slice(1 - directive.length)
  }
  return false
}
