/** What rows of every format have in common: which columns there are, what is a number, an instant and an entity, and what is wrong with one. */
import { ControlError, type Problem } from '../model/errors.ts'
import type { FeedColumn } from '../model/feed.ts'
import { entityFault, type FeedRow } from '../model/feed-row.ts'
import { firstMicros, formatInstant, instantWords, microsOf } from '../model/instant.ts'
import { nearestWord } from '../model/nearest-word.ts'

/** Problems that are told; all are counted. */
const mostTold = 100
/** Rows that are handed on at once. */
export const readAtOnce = 2_000
/** Characters of one row. */
export const longestRow = 1024 * 1024
/** What is later than this from now is no measurement, but a mistake in a year or a zone. */
const mostFutureMicros = 86_400 * 1_000_000

/** Parts of what was to be read, each of them a text: octets, as they come. */
export type Octets = AsyncIterable<Uint8Array>

/** What a feed takes, and when it is now. */
export interface RowRules {
  readonly feed: string
  readonly columns: readonly Pick<FeedColumn, 'name' | 'type'>[]
  readonly now: Date
}

/** What is wrong with rows. Bound: `mostTold`. */
export class RowProblems {
  readonly told: Problem[] = []
  /** All there are. */
  count = 0
  /** Rows that have any. */
  rows = 0

  /** @param message or what makes it, where that takes long: of what is not told it is never made */
  add(path: string, message: string | (() => string)): void {
    this.count++
    if (this.told.length >= mostTold) return
    this.told.push({ path, message: typeof message === 'string' ? message : message() })
  }

  /** Throws `invalid` when there are any. */
  throwIfAny(feed: string): void {
    const [first] = this.told
    if (first === undefined) return
    const many = this.count === 1 ? 'a problem' : `${this.count} problems`
    throw new ControlError(
      'invalid',
      `the rows for feed ${feed} have ${many}, and nothing was kept: ${first.path}: ${first.message}`,
      { problems: this.told },
    )
  }
}

/** Throws `invalid`: nothing behind it can be read either. */
export function unreadable(feed: string, path: string, message: string): never {
  throw new ControlError('invalid', `the rows for feed ${feed} can't be read: ${path}: ${message}`, {
    problems: [{ path, message }],
  })
}

/** The names that a row has besides those of its columns. */
export const timeKey = 'time_instant'
export const entityKey = 'id_entity'

/** What is said of a column that a feed does not have. */
export function unknownColumn({ feed, columns }: RowRules, name: string): string {
  const known = [timeKey, entityKey, ...columns.map((column) => column.name)]
  const nearest = nearestWord(name, known)
  const hint = nearest === null ? `: it has ${known.slice(2).join(', ')}` : `; did you mean ${nearest}?`
  return `feed ${feed} has no column ${shown(name)}${hint}`
}

/** Of a text that is told. */
const mostShown = 60

/** What somebody calls a column, within a path or a message: it may be as long as a row. */
export function named(name: string): string {
  return name.length > mostNamed ? `${name.slice(0, mostShown)}…` : name
}

/** No column has a longer name. */
const mostNamed = 63

/** A text within a message. */
export function shown(text: string): string {
  return JSON.stringify(cut(text))
}

/** As much of a text as a message has room for. */
export function cut(text: string): string {
  return text.length > mostShown ? `${text.slice(0, mostShown)}…` : text
}

/** The faults of one row, by the column that each is in. */
export type Faults = (column: string, message: string | (() => string)) => void

/** Microseconds; null when it is none that is taken. */
export function readInstant(text: string, now: Date, faults: Faults): number | null {
  const micros = microsOf(text)
  if (micros === null) {
    faults(timeKey, text === '' ? 'is empty' : `${shown(text)} is not ${instantWords}`)
    return null
  }
  if (micros < firstMicros) {
    faults(timeKey, `${shown(text)} lies before 1700, where times begin here`)
    return null
  }
  if (micros > now.getTime() * 1000 + mostFutureMicros) {
    faults(timeKey, `${formatInstant(micros)} lies more than a day in the future`)
    return null
  }
  return micros
}

/** Null when it can't name an entity. */
export function readEntity(text: string, faults: Faults): string | null {
  const fault = entityFault(text)
  if (fault !== null) faults(entityKey, fault)
  return fault === null ? text : null
}

/** A number of a column; undefined when it can't be one. */
export function readNumber(
  number: number,
  written: string,
  { name, type }: Pick<FeedColumn, 'name' | 'type'>,
  faults: Faults,
): number | undefined {
  if (isBeyondDouble(number, written)) {
    faults(name, `${shown(written)} is beyond double precision`)
    return undefined
  }
  if (type === 'integer' && !Number.isSafeInteger(number)) {
    const why = Number.isInteger(number) ? 'is beyond what an integer holds exactly (2^53)' : 'is not whole'
    faults(name, `${shown(written)} ${why}`)
    return undefined
  }
  return number
}

/**
 * Whether what was written is so large or so small that a double has nothing for it but infinity or 0. By its digits, for the 0 that it
 * became says nothing of it.
 */
export function isBeyondDouble(number: number, written: string): boolean {
  return !Number.isFinite(number) || (number === 0 && /^[^e]*[1-9]/i.test(written))
}

/** Brings rows together to batches, and counts those with faults. */
export class RowBatch {
  readonly #problems: RowProblems
  #rows: FeedRow[] = []

  constructor(problems: RowProblems) {
    this.#problems = problems
  }

  /** @param row null for one with faults, which have been told */
  add(row: FeedRow | null): void {
    if (row === null) this.#problems.rows++
    else this.#rows.push(row)
  }

  get full(): boolean {
    return this.#rows.length >= readAtOnce
  }

  take(): readonly FeedRow[] {
    const rows = this.#rows
    this.#rows = []
    return rows
  }
}

/** UTF-8, without the mark at its beginning that some programs write. Throws `invalid` for what is no UTF-8. */
export async function* textOf(octets: Octets, feed: string): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let before = 0
  const decode = (chunk?: Uint8Array) => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true })
    } catch {
      return unreadable(feed, `octet ${before + 1} or behind it`, 'is not UTF-8')
    }
  }
  for await (const chunk of octets) {
    yield decode(chunk)
    before += chunk.length
  }
  yield decode()
}
