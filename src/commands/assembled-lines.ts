/** From the lines of a text that was put together out of files back to the lines of these. */

export interface SourcePlace {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** Lines of the text that follow each other as they do in a file. */
interface Run {
  /** Number of the first in the text. */
  readonly start: number
  readonly file: string
  /** Number of the same line in the file. */
  readonly line: number
  /** Characters that were put before it. */
  readonly shift: number
}

/** Bound: a few runs for each file that is included, and as many notes. */
export class AssembledLines {
  readonly #runs: Run[] = []
  readonly #notes = new Map<number, { readonly column: number; readonly message: string }>()
  #count = 0

  /** Counts one more line of the text. */
  add(file: string, line: number, shift = 0): void {
    this.#count++
    const last = this.#runs.at(-1)
    const follows =
      last !== undefined &&
      last.file === file &&
      last.shift === shift &&
      line - last.line === this.#count - last.start
    if (!follows) this.#runs.push({ start: this.#count, file, line, shift })
  }

  /** Counts one more line, one that a reader is bound to refuse, and keeps what is to be said of it instead. */
  note({ file, line, column }: SourcePlace, message: string): void {
    this.add(file, line)
    this.#notes.set(this.#count, { column, message })
  }

  /** What was found at a place of the text, as it is said of the file. */
  translate<T extends { readonly line: number; readonly column: number; readonly message: string }>(
    found: T,
  ): T & SourcePlace {
    const { file, line, shift } = this.#sourceOf(found.line)
    const note = this.#notes.get(found.line)
    if (note !== undefined) return { ...found, file, line, ...note }
    // Messages point to another line at their end alone, behind all that they quote.
    const message = found.message.replace(/(?<=, in |there is one in )line (\d+)$/, (_, other: string) => {
      const source = this.#sourceOf(Number(other))
      return source.file === file ? `line ${source.line}` : `${source.file}:${source.line}`
    })
    return { ...found, file, line, column: Math.max(1, found.column - shift), message }
  }

  #sourceOf(line: number): Run {
    let [low, high] = [0, this.#runs.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.#runs[middle]!.start <= line) low = middle
      else high = middle
    }
    const run = this.#runs[low]!
    return { ...run, line: run.line + line - run.start }
  }
}
