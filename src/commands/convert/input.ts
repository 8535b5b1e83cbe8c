/** The files that are converted: read whole, bounded, and refused with all that is wrong with them. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { UsageError } from '../../config.ts'
import { printable } from '../../terminal-text.ts'
import { type Place, placeText } from './draft.ts'

/** Octets of all files together: what a document may have, and they are in memory. */
const maxOctets = 64 * 1024 * 1024

/** Something that is not the format that it should be. What is thrown when a file can't be read on behind it. */
export class SyntaxProblem extends Error {
  readonly place: Place

  constructor(place: Place, message: string) {
    super(message)
    this.place = place
  }
}

/** Counts what has been read, and what is wrong with it. */
export class Input {
  #octets = 0
  readonly #problems: string[] = []

  /** @throws UsageError for what is no file, or too much */
  async read(file: string): Promise<string> {
    try {
      // A pipe that nobody writes to would be waited for.
      await using handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
      const state = await handle.stat()
      if (!state.isFile()) throw new UsageError(`${file} is no regular file`)
      this.count(state.size)
      return (await handle.readFile('utf8')).replace(/^\ufeff/, '')
    } catch (error) {
      if (error instanceof UsageError) throw error
      throw new UsageError(`${file}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }

  /** @throws UsageError when that is too much */
  count(octets: number): void {
    this.#octets += octets
    if (this.#octets > maxOctets) {
      throw new UsageError(
        `the files have more than ${maxOctets} octets together, more than a document holds: take zones in with "pooldns import-zone"`,
      )
    }
  }

  problem(place: Place, message: string): void {
    // Who has so many knows enough.
    if (this.#problems.length < 1000) this.#problems.push(printable(`${placeText(place)}: ${message}`))
  }

  /** Runs what may find that something is no sentence of its language. @returns null, and the problem kept, when it is not */
  attempt<T>(work: () => T): T | null {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof SyntaxProblem)) throw error
      this.problem(error.place, error.message)
      return null
    }
  }

  /** @throws Error with all problems, a line each */
  end(): void {
    const { length } = this.#problems
    if (length === 0) return
    throw new Error(`${length === 1 ? 'one problem' : `${length} problems`}:\n${this.#problems.join('\n')}`)
  }
}

/** Line and column of an offset in a text, counted from 1. */
export class LineFinder {
  readonly #file: string
  readonly #starts: number[] = [0]

  constructor(file: string, text: string) {
    this.#file = file
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#starts.push(at + 1)
  }

  at(offset: number): Place {
    let [low, high] = [0, this.#starts.length]
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.#starts[middle]! <= offset) low = middle
      else high = middle
    }
    return { file: this.#file, line: low + 1, column: offset - this.#starts[low]! + 1 }
  }
}
