/**
 * Rows as JSON: one object, an array of them, or one behind the other with nothing but blanks between (newline-delimited JSON):
 * `{"time_instant": "2020-01-01T00:00:00Z", "id_entity": "aq_salvia", "so2": 6.8, "no2": null}`. What a row leaves out is not known,
 * as `null` is.
 *
 * The text is cut into objects as it comes, and each of these is parsed by itself, so that an array may be as long as it likes.
 * Rejected: parsers of JSON that stream, which build each value by an event for each token, and know no lines.
 */
import { isMap } from '../document/schema-check.ts'
import type { FeedRow } from '../model/feed-row.ts'
import {
  cut,
  entityKey,
  type Faults,
  longestRow,
  named,
  type Octets,
  RowBatch,
  type RowProblems,
  type RowRules,
  readEntity,
  readInstant,
  readNumber,
  shown,
  textOf,
  timeKey,
  unknownColumn,
  unreadable,
} from './row-reader.ts'

/** An object of the text. */
interface Piece {
  /** Where it begins. */
  readonly line: number
  /** Which it is of those that begin in that line, from 1 on. */
  readonly nth: number
  readonly text: string
  /** Colons outside of texts: as many as members, where no value is an object. */
  readonly colons: number
  /** How deep it nests; 1 where no value is an object or an array. */
  readonly depth: number
}

/** A row has numbers and texts. What nests deeper than this is not looked at: who does so calls itself as often. */
const mostDepth = 32

/** As `readCsvRows`, with the place of a row being its line, and which of that line it is where it is not the first. */
export async function* readJsonRows(
  octets: Octets,
  rules: RowRules,
  problems: RowProblems,
): AsyncGenerator<readonly FeedRow[]> {
  const batch = new RowBatch(problems)
  const places = new Map(rules.columns.map(({ name }, nth) => [name, nth]))
  const cutter = new Cutter(rules.feed)
  for await (const chunk of textOf(octets, rules.feed)) {
    for (const piece of cutter.cut(chunk)) {
      batch.add(readRow(piece, rules, places, problems))
      if (batch.full) yield batch.take()
    }
  }
  cutter.end()
  yield batch.take()
}

const placeOf = ({ line, nth }: Piece) => (nth === 1 ? `line ${line}` : `line ${line}, row ${nth}`)

function readRow(
  piece: Piece,
  rules: RowRules,
  places: ReadonlyMap<string, number>,
  problems: RowProblems,
): FeedRow | null {
  const { text, colons, depth } = piece
  if (depth > mostDepth) {
    problems.add(placeOf(piece), `nests ${depth} deep: a row has numbers and texts`)
    return null
  }
  let isGood = true
  const faults: Faults = (name, message) => {
    isGood = false
    problems.add(`${placeOf(piece)}, column ${named(name)}`, message)
  }
  const row = parsed(piece, rules.feed)
  const names = Object.keys(row)
  const values: (number | null)[] = rules.columns.map(() => null)
  const written = new Written(text)
  if (colons > names.length && !names.some((name) => isMap(row[name]))) {
    isGood = false
    problems.add(placeOf(piece), 'a name stands there twice')
  }
  for (const key of [timeKey, entityKey]) {
    if (!Object.hasOwn(row, key)) faults(key, 'is required')
    else if (typeof row[key] !== 'string') faults(key, `must be a text, not ${cut(JSON.stringify(row[key]))}`)
  }
  for (const name of names) {
    if (name === timeKey || name === entityKey) continue
    const place = places.get(name)
    if (place === undefined) faults(name, () => unknownColumn(rules, name))
    else values[place] = readValue(row[name], written, rules.columns[place]!, faults)
  }
  if (!isGood) return null
  const micros = readInstant((row[timeKey] as string).trim(), rules.now, faults)
  const entity = readEntity((row[entityKey] as string).trim(), faults)
  return micros === null || entity === null ? null : { micros, entity, values }
}

function readValue(
  value: unknown,
  row: Written,
  column: RowRules['columns'][number],
  faults: Faults,
): number | null {
  if (value === null) return null
  if (typeof value !== 'number') {
    faults(column.name, `must be a number or null, not ${cut(JSON.stringify(value))}`)
    return null
  }
  return readNumber(value, row.textOf(value, column.name), column, faults) ?? null
}

/** What may have become 0: a number needs an exponent for that, or more digits than these. */
const tinyNumber = /\d[eE]-\d/
const longestZero = 320

/** The text of a row, which alone says what a number was before it was parsed. It is parsed for that when it must be, and once. */
class Written {
  readonly #row: string
  #mayHaveLost: boolean | null = null
  #numbers: ReadonlyMap<string, string> | null = null

  constructor(row: string) {
    this.#row = row
  }

  /** How a number is written. */
  textOf(value: number, name: string): string {
    if (value !== 0) return Number.isFinite(value) ? String(value) : this.#find(name)
    this.#mayHaveLost ??= tinyNumber.test(this.#row) || this.#row.length > longestZero
    return this.#mayHaveLost ? this.#find(name) : '0'
  }

  #find(name: string): string {
    this.#numbers ??= numbersOf(this.#row)
    return this.#numbers.get(name) ?? ''
  }
}

function numbersOf(row: string): ReadonlyMap<string, string> {
  const numbers = new Map<string, string>()
  JSON.parse(row, (key, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value === 'number') numbers.set(key, context?.source ?? '')
    return value
  })
  return numbers
}

function parsed(piece: Piece, feed: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(piece.text) as Record<string, unknown>
  } catch (error) {
    return unreadable(
      feed,
      placeOf(piece),
      `is not JSON: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}

type State = 'begin' | 'row' | 'behind-row' | 'next-row' | 'end'

/** Finds where objects begin and end. Bound: `longestRow`. */
class Cutter {
  readonly #feed: string
  #state: State = 'begin'
  #isArray = false
  #line = 1
  /** Of the object that is open. */
  #text = ''
  #startLine = 1
  /** Objects that have begun in that line. */
  #nth = 0
  #colons = 0
  #depth = 0
  #deepest = 0
  #inString = false
  #escaped = false

  constructor(feed: string) {
    this.#feed = feed
  }

  cut(chunk: string): Piece[] {
    const pieces: Piece[] = []
    let start = 0
    for (let at = 0; at < chunk.length; at++) {
      const character = chunk[at]!
      if (character === '\n') this.#line++
      if (this.#state === 'row') {
        if (!this.#within(character)) continue
        pieces.push({
          line: this.#startLine,
          nth: this.#nth,
          text: this.#text + chunk.slice(start, at + 1),
          colons: this.#colons,
          depth: this.#deepest,
        })
        this.#text = ''
        this.#state = 'behind-row'
      } else if (this.#between(character)) start = at
    }
    if (this.#state === 'row') this.#text += chunk.slice(start)
    if (this.#text.length > longestRow) {
      unreadable(this.#feed, `line ${this.#startLine}`, `is longer than ${longestRow} characters`)
    }
    return pieces
  }

  end(): void {
    if (this.#state === 'row')
      unreadable(this.#feed, `line ${this.#startLine}`, 'the row that begins there does not end')
    if (this.#state === 'begin') unreadable(this.#feed, 'line 1', 'there are no rows: one is a JSON object')
    if (this.#isArray && this.#state !== 'end')
      unreadable(this.#feed, `line ${this.#line}`, 'the array does not end')
  }

  /** A character of an object that is open: whether it ends there. */
  #within(character: string): boolean {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (character === '\\') this.#escaped = true
      else if (character === '"') this.#inString = false
      return false
    }
    if (character === '"') this.#inString = true
    else if (character === ':') this.#colons++
    else if (character === '{' || character === '[') this.#deepest = Math.max(++this.#depth, this.#deepest)
    else if (character === '}' || character === ']') this.#depth--
    return this.#depth === 0
  }

  /** A character between objects: whether one begins there. */
  #between(character: string): boolean {
    if (/\s/.test(character)) return false
    const state = this.#state
    const isOpen = state === 'begin' || state === 'next-row' || (state === 'behind-row' && !this.#isArray)
    if (character === '{' && isOpen) {
      this.#state = 'row'
      this.#nth = this.#line === this.#startLine ? this.#nth + 1 : 1
      this.#startLine = this.#line
      this.#colons = 0
      this.#depth = 1
      this.#deepest = 1
      return true
    }
    this.#mark(character)
    return false
  }

  #mark(character: string): void {
    const state = this.#state
    if (character === '[' && state === 'begin' && !this.#isArray) this.#isArray = true
    else if (character === ',' && state === 'behind-row' && this.#isArray) this.#state = 'next-row'
    else if (character === ']' && this.#isArray && (state === 'behind-row' || state === 'begin'))
      this.#state = 'end'
    else {
      const wanted = state === 'end' ? 'nothing more' : 'a row, which is a JSON object'
      unreadable(this.#feed, `line ${this.#line}`, `${shown(character)} stands where ${wanted} is expected`)
    }
  }
}
