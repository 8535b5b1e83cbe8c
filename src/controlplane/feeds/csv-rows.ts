/**
 * Rows as CSV (RFC 4180): a header that names `time_instant`, `id_entity` and columns of the feed, in any order, then a row a line.
 * Blanks around a field, a byte order mark, either end of line and empty lines are no matter. A field with nothing in it, or `NULL`,
 * is a value that is not known, which is not 0.
 *
 * The grammar of records is papaparse's; it is handed whole records, a chunk at a time, so that whoever takes the rows sets the pace
 * and a file may be as long as it likes. A line feed ends a record when the quotes before it are even in number.
 */
import Papa from 'papaparse'
import type { FeedRow } from '../model/feed-row.ts'
import {
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

/** A record, and the line that it begins in. */
interface CsvRecord {
  readonly line: number
  readonly fields: readonly string[]
  /** Why it can't be parted into fields. */
  readonly fault?: string
}

/**
 * The rows of a text, some at a time. What is wrong with one is told, with its line and column, and the row left out. Throws `invalid`
 * for a header that can't be, and where nothing more can be read.
 */
export async function* readCsvRows(
  octets: Octets,
  rules: RowRules,
  problems: RowProblems,
): AsyncGenerator<readonly FeedRow[]> {
  const batch = new RowBatch(problems)
  let reader: LineReader | null = null
  for await (const records of recordsOf(octets, rules.feed)) {
    for (const record of records) {
      if (reader === null) reader = new LineReader(readHeader(record, rules), rules)
      else batch.add(reader.read(record, problems))
      if (batch.full) yield batch.take()
    }
  }
  if (reader === null)
    unreadable(rules.feed, 'line 1', `there is no header, which names ${timeKey} and ${entityKey}`)
  yield batch.take()
}

/** The names in the header of a file, besides the two keys. Throws `invalid` for one that can't be. */
export async function readCsvColumns(octets: Octets, feed: string): Promise<readonly string[]> {
  for await (const records of recordsOf(octets, feed)) {
    const [first] = records
    if (first === undefined) continue
    const names = namesIn(first, feed)
    return names.filter((name) => name !== timeKey && name !== entityKey)
  }
  return unreadable(feed, 'line 1', `there is no header, which names ${timeKey} and ${entityKey}`)
}

function namesIn({ line, fields, fault }: CsvRecord, feed: string): readonly string[] {
  if (fault !== undefined) unreadable(feed, `line ${line}`, fault)
  const names = fields.map((field) => field.trim())
  const place = `line ${line}`
  const missing = [timeKey, entityKey].filter((key) => !names.includes(key))
  if (missing.length > 0) {
    const other = /[;\t]/.exec(fields.join(','))
    const hint = other === null ? '' : `; fields are parted by commas, not by ${shown(other[0])}`
    unreadable(
      feed,
      place,
      `the header has no ${missing.join(' and no ')}: it begins ${shown(names.join(','))}${hint}`,
    )
  }
  // A line has room for so many names that to look for each among all of them would take minutes.
  const before = new Set<string>()
  for (const [nth, name] of names.entries()) {
    if (name === '') unreadable(feed, `${place}, column ${nth + 1}`, 'the header has no name there')
    if (before.has(name)) unreadable(feed, `${place}, column ${nth + 1}`, `${named(name)} stands there twice`)
    before.add(name)
  }
  return names
}

function readHeader(record: CsvRecord, rules: RowRules): readonly string[] {
  const names = namesIn(record, rules.feed)
  const known = new Set([timeKey, entityKey, ...rules.columns.map(({ name }) => name)])
  const nth = names.findIndex((name) => !known.has(name))
  if (nth !== -1) {
    unreadable(rules.feed, `line ${record.line}, column ${nth + 1}`, unknownColumn(rules, names[nth]!))
  }
  return names
}

/** No two parts of it can begin with the same digit, so that a field of a million digits is read once. */
const numberPattern = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/

class LineReader {
  readonly #names: readonly string[]
  readonly #rules: RowRules
  /** Where in a line each column of the feed stands; -1 where it does not. */
  readonly #places: readonly number[]
  readonly #timeAt: number
  readonly #entityAt: number

  constructor(names: readonly string[], rules: RowRules) {
    this.#names = names
    this.#rules = rules
    this.#places = rules.columns.map(({ name }) => names.indexOf(name))
    this.#timeAt = names.indexOf(timeKey)
    this.#entityAt = names.indexOf(entityKey)
  }

  /** Null when something is wrong with it. */
  read({ line, fields, fault }: CsvRecord, problems: RowProblems): FeedRow | null {
    if (fault !== undefined) {
      problems.add(`line ${line}`, fault)
      return null
    }
    if (fields.length !== this.#names.length) {
      problems.add(`line ${line}`, `has ${counted(fields.length)}, not ${this.#names.length} as the header`)
      return null
    }
    let isGood = true
    const faults: Faults = (name, message) => {
      isGood = false
      problems.add(`line ${line}, column ${this.#names.indexOf(name) + 1} (${name})`, message)
    }
    const micros = readInstant(fields[this.#timeAt]!.trim(), this.#rules.now, faults)
    const entity = readEntity(this.#entityIn(fields, faults), faults)
    const values = this.#places.map((place, nth) =>
      place === -1 ? null : this.#number(fields[place]!.trim(), nth, faults),
    )
    return isGood ? { micros: micros!, entity: entity!, values } : null
  }

  #entityIn(fields: readonly string[], faults: Faults): string {
    const field = fields[this.#entityAt]!
    const entity = field.trim()
    if (entity.startsWith('"') && !field.startsWith('"')) faults(entityKey, 'has a blank before its quotes')
    return entity
  }

  #number(text: string, nth: number, faults: Faults): number | null {
    if (text === '' || text === 'NULL') return null
    const column = this.#rules.columns[nth]!
    if (!numberPattern.test(text)) {
      const hint = /^[+-]?\d+,\d+$/.test(text) ? '; the decimal point is a dot' : ''
      faults(column.name, `${shown(text)} is not a number${hint}`)
      return null
    }
    return readNumber(Number(text), text, column, faults) ?? null
  }
}

const counted = (fields: number) => (fields === 1 ? '1 field' : `${fields} fields`)

/** The records of a text, without those that are empty lines. */
async function* recordsOf(octets: Octets, feed: string): AsyncGenerator<CsvRecord[]> {
  let line = 1
  let rest = ''
  const cut = function* (isEnd: boolean): Generator<CsvRecord[]> {
    for (;;) {
      const end = endOfRecords(rest)
      if (end > 0) {
        yield recordsIn(rest.slice(0, end), line, feed)
        line += count(rest.slice(0, end), '\n')
        rest = rest.slice(end)
      }
      if (isEnd ? rest === '' : rest.length <= longestRow) return
      // No line feed in it ends a record, so what does not end begins in its first line. The lines behind that are read by themselves.
      const next = rest.indexOf('\n') + 1
      if (next === 0 || next > longestRow)
        unreadable(feed, `line ${line}`, `is longer than ${longestRow} characters`)
      yield [{ line, fields: [], fault: openQuote }]
      rest = rest.slice(next)
      line++
    }
  }
  for await (const chunk of textOf(octets, feed)) {
    rest += chunk
    if (chunk.includes('\n') || rest.length > longestRow) yield* cut(false)
  }
  if (rest !== '') rest += '\n'
  yield* cut(true)
}

const openQuote = 'a field begins with a quote that does not end'
const strayQuote = 'a field goes on behind the quote that ends it: a quote within quotes is written twice'

/** Behind the last line feed that ends a record; 0 when there is none. */
function endOfRecords(text: string): number {
  let quotes = count(text, '"')
  for (let end = text.length; ; ) {
    const at = end === 0 ? -1 : text.lastIndexOf('\n', end - 1)
    if (at === -1) return 0
    quotes -= count(text.slice(at + 1, end), '"')
    if (quotes % 2 === 0) return at + 1
    end = at
  }
}

function count(text: string, character: string): number {
  let found = 0
  for (let at = text.indexOf(character); at !== -1; at = text.indexOf(character, at + 1)) found++
  return found
}

/** Each such line has what is behind it read once more. */
const mostStrayQuotes = 100

/** @param text whole records, each with its line feed */
function recordsIn(text: string, firstLine: number, feed: string): CsvRecord[] {
  let unix = text.includes('\r') ? text.replaceAll('\r\n', '\n') : text
  const records: CsvRecord[] = []
  let line = firstLine
  for (let strays = 0; unix !== ''; strays++) {
    const { data, errors } = Papa.parse<string[]>(unix.slice(0, -1), { delimiter: ',', newline: '\n' })
    const bad = errors[0]?.row ?? data.length
    const hasQuotes = unix.includes('"')
    const begun = line
    for (const fields of data.slice(0, bad)) {
      if (fields.length > 1 || fields[0]!.trim() !== '') records.push({ line, fields })
      line += 1 + (hasQuotes ? fields.reduce((sum, field) => sum + count(field, '\n'), 0) : 0)
    }
    if (bad === data.length) break
    if (strays === mostStrayQuotes) unreadable(feed, `line ${line}`, strayQuote)
    records.push({ line, fields: [], fault: strayQuote })
    unix = behindLines(unix, line + 1 - begun)
    line++
  }
  return records
}

function behindLines(text: string, lines: number): string {
  let at = 0
  for (let nth = 0; nth < lines; nth++) at = text.indexOf('\n', at) + 1
  return text.slice(at)
}
