/** What is wrong with a master file, and where. Lines and columns count from 1; a column counts octets. */
import { maxProblems } from '../document/schema-check.ts'
import type { Problem } from '../model/errors.ts'

export interface FilePlace {
  readonly line: number
  readonly column: number
}

export interface FileProblem extends FilePlace {
  /** Relative to the apex where it could be read, else as it is written; null when there is none. */
  readonly owner: string | null
  readonly type: string | null
  readonly message: string
}

/** Bound: `maxProblems`; whoever finds `full` may stop looking. */
export class ProblemList {
  readonly #found: FileProblem[] = []
  #more = false

  get count(): number {
    return this.#found.length
  }

  /** True once a problem was left out. */
  get full(): boolean {
    return this.#more
  }

  add(problem: FileProblem): void {
    if (this.#found.length < maxProblems) this.#found.push(problem)
    else this.#more = true
  }

  /** The problems in the order of the file, each at a path such as `line 12, column 5`; the last says whether there are more. */
  finish(): Problem[] {
    const sorted = this.#found.toSorted((a, b) => a.line - b.line || a.column - b.column)
    const problems = sorted.map(({ line, column, owner, type, message }): Problem => {
      const what = [owner, type].filter((part) => part !== null).join(' ')
      return {
        path: `line ${line}, column ${column}`,
        message: what === '' ? message : `${what}: ${message}`,
      }
    })
    if (this.#more) {
      problems.push({ path: '', message: `there are more problems; these are the first ${maxProblems}` })
    }
    return problems
  }
}
